// One decoding step of RWKV-7 on the CPU: B tokens in, B rows of logits and a new state out.
//
// native_decode.py compiles, loads and calls it; the arithmetic is that of rwkv7.py, in fp32 over fp32 or bf16 weights.
// Shape letters: B batch, C channels, H heads, N size of a head (C = H*N), V vocabulary, F ffn width, R a low rank.
// C, N, F and every R are multiples of 16, N is at most MAX_HEAD; native_decode.py sees to it.
//
// A step reads every weight once and does little with it, so what counts is to keep memory busy: one parallel region, and
// in it stages (8 a layer) of units of work that threads take as they come. Each output number is summed by one thread in
// one order, whatever the number of threads and of rows: a row's result depends on neither, to the bit.

#include <sched.h>

#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <memory>
#include <new>
#include <utility>

#include "lanes.h"

namespace {

constexpr int MAX_HEAD = 256;

// ---- what Python hands over: the order of the members is that of NETWORK and LAYER in native_decode.py -----------------

struct Sizes {
    int64_t layers, channels, head_size, vocabulary, ffn, rank_w, rank_a, rank_v, rank_g;
};
template <class T> struct Network {
    const T *emb, *ln0_weight, *ln0_bias, *ln_out_weight, *ln_out_bias, *head;
};
template <class T> struct Layer {
    const T *ln1_weight, *ln1_bias, *ln2_weight, *ln2_bias;
    const T* mixes[6];  // x_r x_w x_k x_v x_a x_g
    const T *w0, *w1, *w2, *a0, *a1, *a2, *g1, *g2, *k_k, *k_a, *r_k;
    const T *receptance, *key, *value, *output, *ln_x_weight, *ln_x_bias, *ffn_mix, *ffn_key, *ffn_value;
    const T *v0, *v1, *v2;  // null in the first layer
};
template <class T> struct LayerState {
    T *att_shift, *ffn_shift;  // [B, C]
    float* wkv;                // [B, H, N, N]
};

// ---- sharing work ------------------------------------------------------------------------------------------------------

struct Stage {
    alignas(64) std::atomic<int> taken{0};  // each on a cache line of its own
    alignas(64) std::atomic<int> done{0};
};

// All threads come here with the same stage and work; when it returns, all units are done. It waits for units, not for
// threads as a barrier would: where other processes hold a core, the threads that do run carry on without the one that does not.
template <class F> inline void share(Stage& stage, int units, const F& work) {
    int finished = 0;
    for (int unit; (unit = stage.taken.fetch_add(1, std::memory_order_relaxed)) < units;) {
        work(unit);
        finished++;
    }
    if (finished) stage.done.fetch_add(finished, std::memory_order_release);
    for (int spins = 0; stage.done.load(std::memory_order_acquire) < units; spins++) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
        if (spins > 50000) sched_yield();
    }
}

// ---- products of a weight matrix with B vectors ------------------------------------------------------------------------

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

// ---- the parts that go row by row and head by head ---------------------------------------------------------------------

// Mean and 1/deviation of n numbers.
inline std::pair<float, float> moments(const float* x, int n, float eps) {
    Lanes sum = {}, squares = {};
    for (int i = 0; i < n; i += LANES) sum += load(x + i);
    const float mean = total(sum) / n;
    for (int i = 0; i < n; i += LANES) squares += (load(x + i) - mean) * (load(x + i) - mean);
    return {mean, 1.f / std::sqrt(total(squares) / n + eps)};
}

// LayerNorm of x[C] to y, which may be x.
template <class T> void layer_norm(const float* x, const T* weight, const T* bias, int C, float* y) {
    const auto [mean, scale] = moments(x, C, 1e-5f);
    for (int i = 0; i < C; i += LANES) store(y + i, (load(x + i) - mean) * scale * load(weight + i) + load(bias + i));
}

// Token shift: y[C] becomes the new shift; its mixes with the old one go to mixed[m * stride + ...].
template <class T> void mix(const float* y, const T* shift, T* new_shift, const T* const* mixes, int count, int C, float* mixed,
                            int64_t stride) {
    for (int i = 0; i < C; i += LANES) {
        const Lanes now = load(y + i), change = load(shift + i) - now;
        store(new_shift + i, now);
        for (int m = 0; m < count; m++) store(mixed + m * stride + i, now + change * load(mixes[m] + i));
    }
}

struct HeadRow {  // one head of one row, N numbers each; w a v_gate g as the low-rank products left them
    float *r, *k, *v, *w, *a, *v_gate, *g, *v_first, *out;
};

// Gates, the wkv memory, its norm, bonus and output gate of the head whose channels start at c; k v w a are worked in place.
// new_wkv may be old_wkv.
template <class T> void head_step(const Layer<T>& net, const HeadRow& in, int c, int N, const float* old_wkv, float* new_wkv) {
    float erase[MAX_HEAD], write[MAX_HEAD], y[MAX_HEAD];
    Lanes squares = {}, products = {};
    for (int j = 0, at = c; j < N; j += LANES, at += LANES) {
        const Lanes r = load(in.r + j), k = load(in.k + j), v = load(in.v + j), kk = k * load(net.k_k + at);
        const Lanes a = sigmoid(load(net.a0 + at) + load(in.a + j)), key = k * (1.f + (a - 1.f) * load(net.k_a + at));
        store(in.w + j, exp(-0.60653066f * sigmoid(load(net.w0 + at) + load(in.w + j))));  // the decay; -exp(-0.5) is its limit's log
        if (net.v0) store(in.v + j, v + (load(in.v_first + j) - v) * sigmoid(load(net.v0 + at) + load(in.v_gate + j)));
        else store(in.v_first + j, v);
        store(in.a + j, a);
        store(in.k + j, key);
        store(erase + j, kk);
        squares += kk * kk;
        products += r * key * load(net.r_k + at);
    }
    const float length = std::sqrt(total(squares)), scale = 1.f / (length < 1e-12f ? 1e-12f : length), bonus = total(products);
    for (int j = 0; j < N; j += LANES) {
        store(write + j, load(erase + j) * scale * load(in.a + j));
        store(erase + j, load(erase + j) * -scale);
    }
    for (int row = 0; row < N; row += LANES) {  // so many rows of the memory at once: their sums fill one vector
        const float* old_rows = old_wkv + row * N;
        float *new_rows = new_wkv + row * N, removed[LANES];
        Lanes sums[LANES] = {}, read[LANES] = {};
        for (int i = 0; i < LANES; i++)
            for (int j = 0; j < N; j += LANES) sums[i] += load(old_rows + i * N + j) * load(erase + j);
        totals(sums, removed);
        for (int i = 0; i < LANES; i++)
            for (int j = 0; j < N; j += LANES) {
                const Lanes s = load(old_rows + i * N + j) * load(in.w + j) + removed[i] * load(write + j) + in.v[row + i] * load(in.k + j);
                store(new_rows + i * N + j, s);
                read[i] += s * load(in.r + j);
            }
        totals(read, y + row);
    }
    const auto [mean, inverse] = moments(y, N, 64e-5f);
    for (int j = 0, at = c; j < N; j += LANES, at += LANES) {
        const Lanes normed = (load(y + j) - mean) * inverse * load(net.ln_x_weight + at) + load(net.ln_x_bias + at);
        store(in.out + j, (normed + bonus * load(in.v + j)) * load(in.g + j));
    }
}

// ---- the whole step ----------------------------------------------------------------------------------------------------

template <class T> int step(const Sizes& size, const Network<T>& net, const Layer<T>* layers, const LayerState<T>* old_state,
                            const LayerState<T>* new_state, const int64_t* tokens, float* logits, int B, int threads) {
    const int C = size.channels, F = size.ffn, N = size.head_size, H = C / N, V = size.vocabulary;
    const int Rw = size.rank_w, Ra = size.rank_a, Rv = size.rank_v, Rg = size.rank_g;
    for (int b = 0; b < B; b++)
        if (tokens[b] < 0 || tokens[b] >= V) return 1;
    const int64_t BC = int64_t(B) * C, numbers = 16 * BC + int64_t(B) * (Rw + Ra + Rv + Rg + F);  // all parts on cache lines of their own
    const std::unique_ptr<float, void (*)(void*)> memory(static_cast<float*>(std::aligned_alloc(64, 4 * numbers)), std::free);
    if (!memory) return 2;
    float* free_part = memory.get();
    const auto take = [&](int64_t n) { return std::exchange(free_part, free_part + n); };
    float *x = take(BC), *normed = take(BC), *mixed = take(6 * BC), *r = take(BC), *k = take(BC), *v = take(BC), *v_first = take(BC);
    float *w = take(BC), *a = take(BC), *v_gate = take(BC), *g = take(BC), *y = normed, *hidden = take(int64_t(B) * F);
    float *low_w = take(B * Rw), *low_a = take(B * Ra), *low_v = take(B * Rv), *low_g = take(B * Rg);
    const float *xr = mixed, *xw = xr + BC, *xk = xw + BC, *xv = xk + BC, *xa = xv + BC, *xg = xa + BC;

    const std::unique_ptr<Stage[]> stages(new (std::nothrow) Stage[8 * size.layers + 2]);
    if (!stages) return 2;

#pragma omp parallel num_threads(threads)
    {
        Stage* stage = stages.get();
        for (int l = 0; l < size.layers; l++) {
            const Layer<T>& layer = layers[l];
            const LayerState<T>&old = old_state[l], &fresh = new_state[l];
            share(*stage++, B, [&](int b) {
                const int64_t at = int64_t(b) * C;
                if (l == 0) {
                    for (int i = 0; i < C; i += LANES) store(x + at + i, load(net.emb + tokens[b] * C + i));
                    layer_norm(x + at, net.ln0_weight, net.ln0_bias, C, x + at);
                }
                layer_norm(x + at, layer.ln1_weight, layer.ln1_bias, C, normed + at);
                mix(normed + at, old.att_shift + at, fresh.att_shift + at, layer.mixes, 6, C, mixed + at, BC);
            });
            multiply_all<T>(*stage++, B, {{layer.receptance, xr, r, C, C}, {layer.key, xk, k, C, C}, {layer.value, xv, v, C, C},
                                          {layer.w1, xw, low_w, C, Rw, columns, apply_tanh}, {layer.a1, xa, low_a, C, Ra, columns},
                                          {layer.v1, xv, low_v, C, Rv, columns}, {layer.g1, xg, low_g, C, Rg, columns, apply_sigmoid}});
            multiply_all<T>(*stage++, B, {{layer.w2, low_w, w, Rw, C, columns}, {layer.a2, low_a, a, Ra, C, columns},
                                          {layer.v2, low_v, v_gate, Rv, C, columns}, {layer.g2, low_g, g, Rg, C, columns}});
            share(*stage++, B * H, [&](int unit) {
                const int64_t at = int64_t(unit) * N;
                head_step(layer, {r + at, k + at, v + at, w + at, a + at, v_gate + at, g + at, v_first + at, y + at}, unit % H * N, N,
                          old.wkv + at * N, fresh.wkv + at * N);
            });
            multiply_all<T>(*stage++, B, {{layer.output, y, x, C, C, rows, add}});
            share(*stage++, B, [&](int b) {
                const int64_t at = int64_t(b) * C;
                layer_norm(x + at, layer.ln2_weight, layer.ln2_bias, C, normed + at);
                mix(normed + at, old.ffn_shift + at, fresh.ffn_shift + at, &layer.ffn_mix, 1, C, mixed + at, BC);
            });
            multiply_all<T>(*stage++, B, {{layer.ffn_key, mixed, hidden, C, F, rows, square_relu}});
            multiply_all<T>(*stage++, B, {{layer.ffn_value, hidden, x, F, C, rows, add}});
        }
        share(*stage++, B, [&](int b) { layer_norm(x + int64_t(b) * C, net.ln_out_weight, net.ln_out_bias, C, normed + int64_t(b) * C); });
        multiply_all<T>(*stage++, B, {{net.head, normed, logits, C, V}});
    }
    return 0;
}

}  // namespace

// Returns 0 when done, 1 when a token is outside the vocabulary, 2 without memory. `state`: for each layer of the old state
// its att_shift, ffn_shift and wkv, then those of the new state, which may be the old one. `bf16`: weights and shifts are.
extern "C" int rwkv7_decode_step(const Sizes* size, const void* const* weights, const void* const* state, const int64_t* tokens,
                                 float* logits, int batch, int threads, int bf16) {
    const auto run = [&](auto zero) {
        using T = decltype(zero);
        const auto* net = reinterpret_cast<const Network<T>*>(weights);
        const auto* states = reinterpret_cast<const LayerState<T>*>(state);
        const auto* layers = reinterpret_cast<const Layer<T>*>(net + 1);
        return step<T>(*size, *net, layers, states, states + size->layers, tokens, logits, batch, threads);
    };
    return bf16 ? run(Bf16{}) : run(0.f);
}
