// One decoding step of RWKV-4, 5 or 6 on the CPU: B tokens in, B rows of logits and a new state out.
//
// native_decode.py compiles, loads and calls it; the arithmetic is that of rwkv4.py, rwkv5.py and rwkv6.py, in fp32 over fp32 or bf16
// weights. The stages are as in decode.cpp, and so is what a row's result depends on.
// Shape letters: B batch, C channels, H heads, N size of a head (C = H*N), V vocabulary, F ffn width, R a low rank.

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>

#include "layer_parts.h"
#include "products.h"

namespace {

// The order of the members is that of LAYOUTS in native_decode.py. Pointers are null where a family has none such.
struct OlderSizes {
    int64_t layers, channels, head_size, vocabulary, ffn, rank_mix, rank_decay, family;
};
template <class T> struct OlderLayer {
    const T *ln1_weight, *ln1_bias, *ln2_weight, *ln2_bias;
    const T* mixes[5];  // of r k v g w; RWKV-6: how much of the token before; earlier ones: how much of this one
    const T *mix_x, *mix_w1, *mix_w2, *decay, *decay_w1, *decay_w2;
    const T *bonus, *head_bonus_log, *head_decay;  // of each channel; or of each head: the logarithm of the bonus, and the decay
    const T *receptance, *key, *value, *gate, *output, *ln_x_weight, *ln_x_bias;
    const T *ffn_mixes[2], *ffn_key, *ffn_receptance, *ffn_value;  // of k r
};

inline float scalar(const float* p) { return *p; }
inline float scalar(const Bf16* p) {
    const uint32_t bits = uint32_t(p->bits) << 16;
    float number;
    std::memcpy(&number, &bits, 4);
    return number;
}

struct Mixed {
    float *r, *k, *v, *g, *w;
};

// One head of one row of RWKV-5 and 6, N numbers each, channels from c on; w is what the token adds to the decay, or null.
// k is used up. new_wkv may be old_wkv.
template <class T> void older_head(const OlderLayer<T>& net, const Mixed& in, int c, int N, const float* old_wkv, float* new_wkv, float* out) {
    float decay[MAX_HEAD], y[MAX_HEAD];
    const int head = c / N;
    Lanes products = {};
    for (int j = 0, at = c; j < N; j += LANES, at += LANES) {
        Lanes log = net.decay ? load(net.decay + at) : Lanes{} + scalar(net.head_decay + head);
        if (in.w) log += load(in.w + j);
        store(decay + j, exp(-exp(log)));
        const Lanes bonus = net.bonus ? load(net.bonus + at) : exp(Lanes{} + scalar(net.head_bonus_log + head));
        products += load(in.r + j) * bonus * load(in.k + j);
    }
    const float own = total(products);
    for (int row = 0; row < N; row += LANES) {
        Lanes read[LANES] = {};
        for (int i = 0; i < LANES; i++) {
            const float *old_row = old_wkv + (row + i) * N, value = in.v[row + i];
            float* new_row = new_wkv + (row + i) * N;
            for (int j = 0; j < N; j += LANES) {
                const Lanes s = load(old_row + j);
                read[i] += s * load(in.r + j);
                store(new_row + j, s * load(decay + j) + value * load(in.k + j));
            }
        }
        totals(read, y + row);
    }
    for (int j = 0; j < N; j += LANES) store(y + j, load(y + j) + own * load(in.v + j));
    const auto [mean, scale] = moments(y, N, 64e-5f);
    for (int j = 0, at = c; j < N; j += LANES, at += LANES) {
        const Lanes normed = (load(y + j) - mean) * scale * load(net.ln_x_weight + at) + load(net.ln_x_bias + at);
        store(out + j, in.g ? normed * load(in.g + j) * sigmoid(load(in.g + j)) : normed);
    }
}

// One row of RWKV-4: the memory is [3, C], average, weight and exponent (wkv4.py). new_memory may be old_memory.
template <class T> void average(const OlderLayer<T>& net, const Mixed& in, int C, const float* old_memory, float* new_memory, float* out) {
    for (int c = 0; c < C; c += LANES) {
        const Lanes a = load(old_memory + c), b = load(old_memory + C + c), p = load(old_memory + 2 * C + c), k = load(in.k + c), v = load(in.v + c);
        const Lanes first = load(net.bonus + c) + k, top = p > first ? p : first, past = exp(p - top), now = exp(first - top);
        store(out + c, sigmoid(load(in.r + c)) * (past * a + now * v) / (past * b + now));
        const Lanes faded = p - exp(load(net.decay + c)), high = faded > k ? faded : k, old = exp(faded - high), fresh = exp(k - high);
        store(new_memory + c, old * a + fresh * v);
        store(new_memory + C + c, old * b + fresh);
        store(new_memory + 2 * C + c, high);
    }
}

// mixed = y + (before - y) * share, the share being `mix`, with RWKV-6 and `more` of the token itself, or before RWKV-6 what `mix` leaves.
template <class T> void older_mix(const float* y, const T* before, const T* mix, const float* more, bool leaves, int C, float* mixed) {
    for (int i = 0; i < C; i += LANES) {
        const Lanes now = load(y + i), share = load(mix + i) + (more ? load(more + i) : Lanes{});
        store(mixed + i, now + (load(before + i) - now) * (leaves ? 1.f - share : share));
    }
}

template <class T> int older_step(const OlderSizes& size, const Network<T>& net, const OlderLayer<T>* layers, const LayerState<T>* old_state,
                                  const LayerState<T>* new_state, const int64_t* tokens, float* logits, int B, int threads) {
    const int C = size.channels, F = size.ffn, N = size.head_size, H = C / N, V = size.vocabulary, Rm = size.rank_mix, Rd = size.rank_decay;
    for (int b = 0; b < B; b++)
        if (tokens[b] < 0 || tokens[b] >= V) return 1;
    const int64_t BC = int64_t(B) * C, numbers = 21 * BC + int64_t(B) * (10 * Rm + Rd + F);
    const std::unique_ptr<float, void (*)(void*)> memory(static_cast<float*>(std::aligned_alloc(64, 4 * numbers)), std::free);
    const std::unique_ptr<Stage[]> stages(new (std::nothrow) Stage[14 * size.layers + 2]);
    if (!memory || !stages) return 2;
    float* free_part = memory.get();
    const auto take = [&](int64_t n) { return std::exchange(free_part, free_part + n); };
    float *x = take(BC), *normed = take(BC), *mixed = take(5 * BC), *more = take(5 * BC), *mixed_x = take(BC), *y = take(BC), *added = take(BC);
    float *r = take(BC), *k = take(BC), *v = take(BC), *g = take(BC), *w = take(BC), *ffn_r = take(BC);
    float *low_all = take(B * 5 * Rm), *low = take(B * 5 * Rm), *low_w = take(B * Rd), *hidden = take(int64_t(B) * F);
    const bool leaves = size.family < 6;

#pragma omp parallel num_threads(threads)
    {
        Stage* stage = stages.get();
        for (int l = 0; l < size.layers; l++) {
            const OlderLayer<T>& layer = layers[l];
            const LayerState<T>&old = old_state[l], &fresh = new_state[l];
            const auto mix_all = [&](int64_t at) {
                for (int m = 0; m < 5; m++)
                    if (layer.mixes[m]) older_mix(normed + at, old.att_shift + at, layer.mixes[m], layer.mix_x ? more + m * BC + at : nullptr,
                                                  leaves, C, mixed + m * BC + at);
                copy(normed + at, fresh.att_shift + at, C);
            };
            share(*stage++, B, [&](int b) {
                const int64_t at = int64_t(b) * C;
                if (l == 0) {
                    for (int i = 0; i < C; i += LANES) store(x + at + i, load(net.emb + tokens[b] * C + i));
                    layer_norm(x + at, net.ln0_weight, net.ln0_bias, C, x + at);
                }
                layer_norm(x + at, layer.ln1_weight, layer.ln1_bias, C, normed + at);
                if (layer.mix_x) older_mix(normed + at, old.att_shift + at, layer.mix_x, static_cast<const float*>(nullptr), false, C, mixed_x + at);
                else mix_all(at);
            });
            if (layer.mix_x) {  // the mixes depend on the token
                multiply_all<T>(*stage++, B, {{layer.mix_w1, mixed_x, low_all, C, 5 * Rm, columns, apply_tanh}});
                share(*stage++, B, [&](int b) {
                    for (int m = 0; m < 5; m++) copy(low_all + (int64_t(b) * 5 + m) * Rm, low + (int64_t(m) * B + b) * Rm, Rm);
                });
                const auto of = [&](int file, int own) {  // the file's order is w k v r g, that of mixes r k v g w
                    return Product<T>{layer.mix_w2 + int64_t(file) * Rm * C, low + int64_t(file) * B * Rm, more + own * BC, Rm, C, columns};
                };
                multiply_all<T>(*stage++, B, {of(0, 4), of(1, 1), of(2, 2), of(3, 0), of(4, 3)});
                share(*stage++, B, [&](int b) { mix_all(int64_t(b) * C); });
            }
            multiply_all<T>(*stage++, B, {{layer.receptance, mixed, r, C, C}, {layer.key, mixed + BC, k, C, C},
                                          {layer.value, mixed + 2 * BC, v, C, C}, {layer.gate, mixed + 3 * BC, g, C, C},
                                          {layer.decay_w1, mixed + 4 * BC, low_w, C, Rd, columns, apply_tanh}});
            if (layer.decay_w1) multiply_all<T>(*stage++, B, {{layer.decay_w2, low_w, w, Rd, C, columns}});
            if (size.family == 4)
                share(*stage++, B, [&](int b) {
                    const int64_t at = int64_t(b) * C;
                    average(layer, {r + at, k + at, v + at, nullptr, nullptr}, C, old.wkv + 3 * at, fresh.wkv + 3 * at, y + at);
                });
            else
                share(*stage++, B * H, [&](int unit) {
                    const int64_t at = int64_t(unit) * N;
                    older_head(layer, {r + at, k + at, v + at, layer.gate ? g + at : nullptr, layer.decay_w1 ? w + at : nullptr}, unit % H * N, N,
                               old.wkv + at * N, fresh.wkv + at * N, y + at);
                });
            multiply_all<T>(*stage++, B, {{layer.output, y, x, C, C, rows, add}});
            share(*stage++, B, [&](int b) {
                const int64_t at = int64_t(b) * C;
                layer_norm(x + at, layer.ln2_weight, layer.ln2_bias, C, normed + at);
                for (int m = 0; m < 2; m++)
                    older_mix(normed + at, old.ffn_shift + at, layer.ffn_mixes[m], static_cast<const float*>(nullptr), leaves, C, mixed + m * BC + at);
                copy(normed + at, fresh.ffn_shift + at, C);
            });
            multiply_all<T>(*stage++, B, {{layer.ffn_key, mixed, hidden, C, F, rows, square_relu}, {layer.ffn_receptance, mixed + BC, ffn_r, C, C}});
            multiply_all<T>(*stage++, B, {{layer.ffn_value, hidden, added, F, C}});
            share(*stage++, B, [&](int b) {
                for (int64_t i = int64_t(b) * C; i < int64_t(b + 1) * C; i += LANES)
                    store(x + i, load(x + i) + sigmoid(load(ffn_r + i)) * load(added + i));
            });
        }
        share(*stage++, B, [&](int b) { layer_norm(x + int64_t(b) * C, net.ln_out_weight, net.ln_out_bias, C, normed + int64_t(b) * C); });
        multiply_all<T>(*stage++, B, {{net.head, normed, logits, C, V}});
    }
    return 0;
}

}  // namespace

// As rwkv7_decode_step in decode.cpp; the memory of RWKV-4 stands in the place of wkv.
extern "C" int older_decode_step(const OlderSizes* size, const void* const* weights, const void* const* state, const int64_t* tokens,
                                 float* logits, int batch, int threads, int bf16) {
    const auto run = [&](auto zero) {
        using T = decltype(zero);
        const auto* net = reinterpret_cast<const Network<T>*>(weights);
        const auto* states = reinterpret_cast<const LayerState<T>*>(state);
        const auto* layers = reinterpret_cast<const OlderLayer<T>*>(net + 1);
        return older_step<T>(*size, *net, layers, states, states + size->layers, tokens, logits, batch, threads);
    };
    return bf16 ? run(Bf16{}) : run(0.f);
}
