// Products of a weight matrix with a few vectors: each weight is read once, at the speed of memory.
//
// Each output number is summed by one thread in one order, whatever the number of threads and of vectors.

#pragma once

#include <cstdint>
#include <initializer_list>

#include "lanes.h"
#include "share.h"

namespace {

enum Form { rows, columns };  // weight [out, in], as nn.Linear has it; weight [in, out]
enum After { nothing, add, square_relu, apply_tanh, apply_sigmoid };  // add: onto what y holds

template <class T> struct Product {
    const T* weight;
    const float* x;  // [B, in]
    float* y;        // [B, out]
    int in, out;
    Form form = rows;
    After after = nothing;
    int unit() const { return form == rows ? 64 : 4 * LANES; }  // outputs that a thread computes in one go
    int units() const { return weight ? (out + unit() - 1) / unit() : 0; }
};

// O outputs from o on of P rows of the batch from b on, weight [out, in].
template <int O, int P, class T> inline void row_tile(const Product<T>& p, int o, int b) {
    Lanes sum[O * P] = {};
    const T* weight = p.weight + int64_t(o) * p.in;
    const T* ahead = weight + int64_t(O + 2 * (b / P) % O) * p.in;  // two rows of the next tile
    const float* x = p.x + int64_t(b) * p.in;
    for (int i = 0; i < p.in; i += LANES) {
        Lanes row[O];
#pragma GCC unroll 16
        for (int j = 0; j < O; j++) row[j] = load(weight + int64_t(j) * p.in + i);
#pragma GCC unroll 16
        for (int q = 0; q < P; q++) {
            const Lanes vector = load(x + int64_t(q) * p.in + i);
#pragma GCC unroll 16
            for (int j = 0; j < O; j++) sum[q * O + j] += row[j] * vector;
        }
        if (P > 1) {  // a tile's weights serve several tiles of the batch: meanwhile memory would rest
            __builtin_prefetch(ahead + i);
            __builtin_prefetch(ahead + p.in + i);
        }
    }
    float result[O * P];
    totals(sum, result);
    for (int q = 0; q < P; q++)
        for (int j = 0; j < O; j++) {
            float& y = p.y[int64_t(b + q) * p.out + o + j];
            const float value = result[q * O + j], positive = value < 0 ? 0 : value;
            y = p.after == add ? y + value : p.after == square_relu ? positive * positive : value;
        }
}

// J * LANES outputs from o on of P rows of the batch from b on, weight [in, out].
template <int J, int P, class T> inline void column_tile(const Product<T>& p, int o, int b) {
    Lanes sum[P][J] = {};
    for (int i = 0; i < p.in; i++) {
        Lanes row[J];
#pragma GCC unroll 4
        for (int j = 0; j < J; j++) row[j] = load(p.weight + int64_t(i) * p.out + o + j * LANES);
#pragma GCC unroll 4
        for (int q = 0; q < P; q++)
#pragma GCC unroll 4
            for (int j = 0; j < J; j++) sum[q][j] += row[j] * p.x[int64_t(b + q) * p.in + i];
    }
    for (int q = 0; q < P; q++)
        for (int j = 0; j < J; j++) {
            const Lanes s = sum[q][j];
            float* y = p.y + int64_t(b + q) * p.out + o + j * LANES;
            store(y, p.after == apply_tanh ? tanh(s) : p.after == apply_sigmoid ? sigmoid(s) : s);
        }
}

template <class T> void multiply(const Product<T>& p, int unit, int B) {
    int o = unit * p.unit(), b;
    const int end = o + p.unit() < p.out ? o + p.unit() : p.out;
    if (p.form == columns) {
        for (; o + 4 * LANES <= end; o += 4 * LANES) {
            for (b = 0; b + 4 <= B; b += 4) column_tile<4, 4>(p, o, b);
            for (; b < B; b++) column_tile<4, 1>(p, o, b);
        }
        for (; o < end; o += LANES)
            for (b = 0; b < B; b++) column_tile<1, 1>(p, o, b);
        return;
    }
    for (; B == 1 && o + 8 <= end; o += 8) row_tile<8, 1>(p, o, 0);
    for (; o + 4 <= end; o += 4) {
        for (b = 0; b + 4 <= B; b += 4) row_tile<4, 4>(p, o, b);
        for (; b < B; b++) row_tile<4, 1>(p, o, b);
    }
    for (; o < end; o++)
        for (b = 0; b < B; b++) row_tile<1, 1>(p, o, b);
}

// A stage of independent products.
template <class T> void multiply_all(Stage& stage, int B, std::initializer_list<Product<T>> products) {
    int units = 0;
    for (const auto& p : products) units += p.units();
    share(stage, units, [&](int unit) {
        const Product<T>* p = products.begin();
        for (; unit >= p->units(); p++) unit -= p->units();
        multiply(*p, unit, B);
    });
}

}  // namespace
