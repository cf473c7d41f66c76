// The parts of a layer that go token by token and head by head: norms, token shift, gates.
//
// Arithmetic is in fp32, whatever the operands (S, T, A, O: float or Bf16) are in memory.

#pragma once

#include <cmath>
#include <cstdint>
#include <utility>

#include "lanes.h"
#include "network.h"

namespace {

// Mean and 1/deviation of n numbers.
inline std::pair<float, float> moments(const float* x, int n, float eps) {
    Lanes sum = {}, squares = {};
    for (int i = 0; i < n; i += LANES) sum += load(x + i);
    const float mean = total(sum) / n;
    for (int i = 0; i < n; i += LANES) squares += (load(x + i) - mean) * (load(x + i) - mean);
    return {mean, 1.f / std::sqrt(total(squares) / n + eps)};
}

// LayerNorm of x[C] to y, which may be x.
template <class T, class O> void layer_norm(const float* x, const T* weight, const T* bias, int C, O* y) {
    const auto [mean, scale] = moments(x, C, 1e-5f);
    for (int i = 0; i < C; i += LANES) store(y + i, (load(x + i) - mean) * scale * load(weight + i) + load(bias + i));
}

// Token shift: the mixes of a token y[C] with the one before it go to mixed[m * stride + ...].
template <class T, class S, class O>
void mix(const float* y, const S* before, const T* const* mixes, int count, int C, O* mixed, int64_t stride) {
    for (int i = 0; i < C; i += LANES) {
        const Lanes now = load(y + i), change = load(before + i) - now;
        for (int m = 0; m < count; m++) store(mixed + m * stride + i, now + change * load(mixes[m] + i));
    }
}

template <class A, class B> void copy(const A* from, B* to, int n) {
    for (int i = 0; i < n; i += LANES) store(to + i, load(from + i));
}

template <class A> struct HeadProducts {  // one head of one token, N numbers each; w a v_gate as the low-rank products left them
    const A *r, *k, *v, *w, *a, *v_gate, *v_first;
};
struct HeadVectors {  // what its memory takes
    float *decay, *key, *value, *erase, *write;
};

// From the products to the vectors of the head whose channels start at c; returns the bonus. A vector may take the place of a product
// as decode.cpp has it: each is read before it is written.
template <class T, class A> float gates(const Layer<T>& net, const HeadProducts<A>& in, int c, int N, const HeadVectors& out) {
    Lanes squares = {}, products = {};
    for (int j = 0, at = c; j < N; j += LANES, at += LANES) {
        const Lanes r = load(in.r + j), k = load(in.k + j), v = load(in.v + j), kk = k * load(net.k_k + at);
        const Lanes a = sigmoid(load(net.a0 + at) + load(in.a + j)), key = k * (1.f + (a - 1.f) * load(net.k_a + at));
        store(out.decay + j, exp(-0.60653066f * sigmoid(load(net.w0 + at) + load(in.w + j))));  // -exp(-0.5) is the limit of its log
        if (net.v0) store(out.value + j, v + (load(in.v_first + j) - v) * sigmoid(load(net.v0 + at) + load(in.v_gate + j)));
        else store(out.value + j, v);
        store(out.write + j, a);
        store(out.key + j, key);
        store(out.erase + j, kk);
        squares += kk * kk;
        products += r * key * load(net.r_k + at);
    }
    const float length = std::sqrt(total(squares)), scale = 1.f / (length < 1e-12f ? 1e-12f : length);
    for (int j = 0; j < N; j += LANES) {
        store(out.write + j, load(out.erase + j) * scale * load(out.write + j));
        store(out.erase + j, load(out.erase + j) * -scale);
    }
    return total(products);
}

// What the memory gave, y[N]: its norm, bonus and output gate.
template <class T, class A, class O>
void head_output(const Layer<T>& net, const float* y, const float* value, float bonus, const A* g, int c, int N, O* out) {
    const auto [mean, scale] = moments(y, N, 64e-5f);
    for (int j = 0, at = c; j < N; j += LANES, at += LANES) {
        const Lanes normed = (load(y + j) - mean) * scale * load(net.ln_x_weight + at) + load(net.ln_x_bias + at);
        store(out + j, (normed + bonus * load(value + j)) * load(g + j));
    }
}

}  // namespace
