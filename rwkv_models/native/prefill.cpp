// Reading many tokens with RWKV-7 on the CPU: everything but the matrix products, which torch makes between these calls.
//
// native_prefill.py calls the stages in turn; the arithmetic is that of rwkv7.py, in fp32 over products in fp32 or bf16.
// Shape letters: B batch, L tokens of a row, C channels, H heads, N size of a head (C = H*N), V vocabulary.
//
// A stage passes once over memory: what it computes in between stays in the first cache. Each number is computed by one
// thread in one order: results depend neither on the number of threads nor on how the tokens are cut.

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>

#include "layer_parts.h"
#include "products.h"

namespace {

constexpr int SPAN = 16;  // tokens that a thread takes at once

template <class T> struct Work {  // in the order of native_prefill.py; those without a shape are [B, L, C]
    const int64_t* tokens;        // [B, L]
    float *x, *x_between;         // the stream before the time mix, and before the channel mix
    T* mixed;                     // [6, B, L, C]
    T *r, *k, *v, *w, *a, *v_gate, *g, *v_first, *y, *added;
    T *low_w, *low_g, *hidden;    // [B, L, R], [B, L, R], [B, L, F]
    T* normed;                    // [B, L, C], the network's output where no logits are asked for
    float* logits;                // [B, V]
};
template <class T> struct Reading {
    const Sizes& size;
    const Network<T>& net;
    const Layer<T>* layers;
    const LayerState<T>*old_state, *new_state;
    const Work<T>& work;
    int B, L, threads;
    int64_t tokens() const { return int64_t(B) * L; }
};

using Floats = std::unique_ptr<float, void (*)(void*)>;
Floats floats(int64_t n) { return {static_cast<float*>(std::aligned_alloc(64, 4 * n)), std::free}; }

// work(first, end) for all spans of n numbers, `unit` at a time, by all threads.
template <class F> void spans(int64_t n, int64_t unit, int threads, const F& work) {
    const int64_t count = (n + unit - 1) / unit;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (int64_t i = 0; i < count; i++) work(i * unit, (i + 1) * unit < n ? (i + 1) * unit : n);
}

// ---- stream, norm and token shift --------------------------------------------------------------------------------------

template <class T> struct Shift {  // of one half of a layer
    const T *weight, *bias, *shift;
    T* new_shift;
    const T* const* mixes;
    int count;
};

// stream(token, x) puts a token's stream into x[C]; it is kept in x_after, and the mixes of its norm go to work.mixed.
template <class T, class F> int norm_and_mix(const Reading<T>& in, const Shift<T>& half, float* x_after, const F& stream) {
    const int C = in.size.channels, cuts = (in.L + SPAN - 1) / SPAN;
    const auto memory = floats(int64_t(in.B) * cuts * 2 * C);
    if (!memory) return 2;
    spans(int64_t(in.B) * cuts, 1, in.threads, [&](int64_t unit, int64_t) {
        const int64_t b = unit / cuts, row = b * in.L;
        const int first = unit % cuts * SPAN, end = first + SPAN < in.L ? first + SPAN : in.L;
        float *now = memory.get() + unit * 2 * C, *before = now + C;
        if (first) {  // computed here once more: whoever has the span before may not be done
            stream(row + first - 1, before);
            layer_norm(before, half.weight, half.bias, C, before);
        } else copy(half.shift + b * C, before, C);
        for (int64_t token = row + first; token < row + end; token++) {
            stream(token, now);
            copy(now, x_after + token * C, C);
            layer_norm(now, half.weight, half.bias, C, now);
            mix(now, before, half.mixes, half.count, C, in.work.mixed + token * C, in.tokens() * C);
            std::swap(now, before);
        }
        if (end == in.L) copy(before, half.new_shift + b * C, C);
    });
    return 0;
}

template <class T> void sum(const float* x, const T* added, int C, float* result) {
    for (int i = 0; i < C; i += LANES) store(result + i, load(x + i) + load(added + i));
}

template <class T> int time_mix_inputs(const Reading<T>& in, int l) {
    const int C = in.size.channels;
    const Layer<T>& net = in.layers[l];
    const Shift<T> half = {net.ln1_weight, net.ln1_bias, in.old_state[l].att_shift, in.new_state[l].att_shift, net.mixes, 6};
    if (l) return norm_and_mix(in, half, in.work.x_between, [&](int64_t token, float* x) {
        sum(in.work.x + token * C, in.work.added + token * C, C, x);
    });
    for (int64_t token = 0; token < in.tokens(); token++)
        if (in.work.tokens[token] < 0 || in.work.tokens[token] >= in.size.vocabulary) return 1;
    return norm_and_mix(in, half, in.work.x_between, [&](int64_t token, float* x) {
        copy(in.net.emb + in.work.tokens[token] * C, x, C);
        layer_norm(x, in.net.ln0_weight, in.net.ln0_bias, C, x);
    });
}

template <class T> int channel_mix_inputs(const Reading<T>& in, int l) {
    const int C = in.size.channels;
    const Layer<T>& net = in.layers[l];
    const Shift<T> half = {net.ln2_weight, net.ln2_bias, in.old_state[l].ffn_shift, in.new_state[l].ffn_shift, &net.ffn_mix, 1};
    return norm_and_mix(in, half, in.work.x, [&](int64_t token, float* x) {
        sum(in.work.x_between + token * C, in.work.added + token * C, C, x);
    });
}

// ---- the wkv memory ----------------------------------------------------------------------------------------------------

// P value rows of one head's memory [N, N]. Here keys are outermost and J vectors of values innermost: a sum over keys adds
// whole vectors, and one pass over the memory does a token.
template <int J> struct Rows {
    float* memory;  // [P / (J*LANES), N, J*LANES]
    int N, P;

    void take(const float* wkv) const {
        for (int p = 0; p < P; p++)
            for (int i = 0; i < N; i++) memory[at(p, i)] = wkv[p * N + i];
    }
    void give(float* wkv) const {
        for (int p = 0; p < P; p++)
            for (int i = 0; i < N; i++) wkv[p * N + i] = memory[at(p, i)];
    }
    int at(int p, int i) const { return (p / (J * LANES) * N + i) * J * LANES + p % (J * LANES); }

    // `count` tokens, each with vectors of its own of `stride` numbers; what they read goes to y.
    void read(int count, int stride, const float* r, const HeadVectors& token, float* y) const {
        for (int p = 0; p < P; p += J * LANES) {
            float* s = memory + p * N;
            Lanes removed[J] = {};
            for (int i = 0; i < N; i++)
                for (int j = 0; j < J; j++) removed[j] += load(s + (i * J + j) * LANES) * token.erase[i];
            for (int t = 0; t < count; t++) {
                const int64_t from = int64_t(t) * stride;
                const float *decay = token.decay + from, *key = token.key + from, *write = token.write + from, *receive = r + from;
                const float* erase = token.erase + (t + 1 < count ? from + stride : from);  // what the next token removes
                Lanes value[J], result[J] = {}, next[J] = {};
                for (int j = 0; j < J; j++) value[j] = load(token.value + from + p + j * LANES);
                for (int i = 0; i < N; i++) {
#pragma GCC unroll 4
                    for (int j = 0; j < J; j++) {
                        float* cell = s + (i * J + j) * LANES;
                        const Lanes fresh = load(cell) * decay[i] + removed[j] * write[i] + value[j] * key[i];
                        store(cell, fresh);
                        result[j] += fresh * receive[i];
                        next[j] += fresh * erase[i];
                    }
                }
                for (int j = 0; j < J; j++) {
                    store(y + from + p + j * LANES, result[j]);
                    removed[j] = next[j];
                }
            }
        }
    }
};

struct Uncut {  // where heads are cut into parts, their norm waits for all parts
    float *y, *value, *bonus;  // [B, L, C], [B, L, C], [B, L, H]
};

// P value rows from p on, of head h of row b. The gates are computed anew for each part of a head.
template <int J, class T> void head_part(const Reading<T>& in, int l, int b, int h, int p, int P, const Uncut& whole) {
    const int C = in.size.channels, N = in.size.head_size, H = C / N;
    const Layer<T>& net = in.layers[l];
    const Work<T>& work = in.work;
    alignas(64) float memory[MAX_HEAD * MAX_HEAD], receive[SPAN * MAX_HEAD], y[SPAN * MAX_HEAD], vectors[5][SPAN * MAX_HEAD], bonus[SPAN];
    const Rows<J> rows{memory, N, P};
    const int64_t state = (int64_t(b) * H + h) * N * N + int64_t(p) * N;
    const T* v = l ? work.v : work.v_first;
    rows.take(in.old_state[l].wkv + state);
    for (int first = 0; first < in.L; first += SPAN) {
        const int count = first + SPAN < in.L ? SPAN : in.L - first;
        for (int t = 0; t < count; t++) {
            const int64_t at = (int64_t(b) * in.L + first + t) * C + h * N;
            const HeadProducts<T> products = {work.r + at, work.k + at,      v + at,           work.w + at,
                                              work.a + at, work.v_gate + at, work.v_first + at};
            copy(products.r, receive + t * N, N);
            bonus[t] = gates(net, products, h * N, N,
                             {vectors[0] + t * N, vectors[1] + t * N, vectors[2] + t * N, vectors[3] + t * N, vectors[4] + t * N});
        }
        rows.read(count, N, receive, {vectors[0], vectors[1], vectors[2] + p, vectors[3], vectors[4]}, y);
        for (int t = 0; t < count; t++) {
            const int64_t token = int64_t(b) * in.L + first + t, at = token * C + h * N;
            if (P == N) {
                head_output(net, y + t * N, vectors[2] + t * N, bonus[t], work.g + at, h * N, N, work.y + at);
                continue;
            }
            copy(y + t * N, whole.y + at + p, P);
            copy(vectors[2] + t * N + p, whole.value + at + p, P);
            if (p == 0) whole.bonus[token * H + h] = bonus[t];
        }
    }
    rows.give(in.new_state[l].wkv + state);
}

template <class T> int heads(const Reading<T>& in, int l) {
    const int C = in.size.channels, N = in.size.head_size, H = C / N;
    int parts = 1;
    while (in.B * H * parts < in.threads && parts < N / 16) parts++;
    while (N / 16 % parts) parts++;
    const int P = N / parts, P_vectors = P / LANES;
    const auto memory = floats(parts > 1 ? in.tokens() * (2 * C + H) + 16 : 16);
    if (!memory) return 2;
    const Uncut whole = {memory.get(), memory.get() + in.tokens() * C, memory.get() + 2 * in.tokens() * C};
    spans(int64_t(in.B) * H * parts, 1, in.threads, [&](int64_t unit, int64_t) {
        const int p = unit % parts * P, h = unit / parts % H, b = unit / parts / H;
        if (LANES == 16 && P_vectors % 4 == 0) head_part<4>(in, l, b, h, p, P, whole);  // so many sums as there are registers for
        else if (P_vectors % 2 == 0) head_part<2>(in, l, b, h, p, P, whole);
        else head_part<1>(in, l, b, h, p, P, whole);
    });
    if (parts > 1) spans(in.tokens(), SPAN, in.threads, [&](int64_t first, int64_t end) {
        for (int64_t token = first; token < end; token++)
            for (int h = 0; h < H; h++) {
                const int64_t at = token * C + h * N;
                head_output(in.layers[l], whole.y + at, whole.value + at, whole.bonus[token * H + h], in.work.g + at, h * N, N,
                            in.work.y + at);
            }
    });
    return 0;
}

// ---- activations and the end -------------------------------------------------------------------------------------------

template <class T, class F> void each(T* x, int64_t first, int64_t end, const F& f) {
    for (int64_t i = first; i < end; i += LANES) store(x + i, f(load(x + i)));
}

template <class T> int time_mix_activations(const Reading<T>& in) {
    spans(in.tokens(), SPAN, in.threads, [&](int64_t first, int64_t end) {
        each(in.work.low_w, first * in.size.rank_w, end * in.size.rank_w, [](Lanes x) { return tanh(x); });
        each(in.work.low_g, first * in.size.rank_g, end * in.size.rank_g, [](Lanes x) { return sigmoid(x); });
    });
    return 0;
}

template <class T> int channel_mix_activation(const Reading<T>& in) {
    spans(in.tokens(), SPAN, in.threads, [&](int64_t first, int64_t end) {
        each(in.work.hidden, first * in.size.ffn, end * in.size.ffn, [](Lanes x) {
            const Lanes positive = (x < 0) ? Lanes{} : x;
            return positive * positive;
        });
    });
    return 0;
}

template <class T> int norm_all(const Reading<T>& in) {
    const int C = in.size.channels;
    spans(in.tokens(), SPAN, in.threads, [&](int64_t first, int64_t end) {
        for (int64_t at = first * C; at < end * C; at += C) {
            sum(in.work.x + at, in.work.added + at, C, in.work.x_between + at);
            layer_norm(in.work.x_between + at, in.net.ln_out_weight, in.net.ln_out_bias, C, in.work.normed + at);
        }
    });
    return 0;
}

template <class T> int last_logits(const Reading<T>& in) {
    const int C = in.size.channels, V = in.size.vocabulary;
    const auto normed = floats(int64_t(in.B) * C);
    if (!normed) return 2;
    for (int64_t b = 0; b < in.B; b++) {
        const int64_t at = (b * in.L + in.L - 1) * C;
        sum(in.work.x + at, in.work.added + at, C, normed.get() + b * C);
        layer_norm(normed.get() + b * C, in.net.ln_out_weight, in.net.ln_out_bias, C, normed.get() + b * C);
    }
    Stage stage;
#pragma omp parallel num_threads(in.threads)
    multiply_all<T>(stage, in.B, {{in.net.head, normed.get(), in.work.logits, C, V}});
    return 0;
}

}  // namespace

// One stage of one layer; the order is that of STAGES in native_prefill.py. Returns 0 when done, 1 when a token is outside
// the vocabulary, 2 without memory. `state`: as decode.cpp has it, but the new one is not the old one.
extern "C" int rwkv7_prefill_stage(int stage, int layer, const Sizes* size, const void* const* weights, const void* const* state,
                                   const void* const* work, int batch, int length, int threads, int bf16) {
    const auto run = [&](auto zero) {
        using T = decltype(zero);
        const auto* net = reinterpret_cast<const Network<T>*>(weights);
        const auto* states = reinterpret_cast<const LayerState<T>*>(state);
        const Reading<T> in = {*size, *net, reinterpret_cast<const Layer<T>*>(net + 1), states, states + size->layers,
                               *reinterpret_cast<const Work<T>*>(work), batch, length, threads};
        switch (stage) {
            case 0: return time_mix_inputs(in, layer);
            case 1: return time_mix_activations(in);
            case 2: return heads(in, layer);
            case 3: return channel_mix_inputs(in, layer);
            case 4: return channel_mix_activation(in);
            case 5: return norm_all(in);
            default: return last_logits(in);
        }
    };
    return bf16 ? run(Bf16{}) : run(0.f);
}
