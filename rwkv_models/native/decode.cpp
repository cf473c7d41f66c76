// One decoding step of RWKV-7 on the CPU: B tokens in, B rows of logits and a new state out.
//
// native_decode.py compiles, loads and calls it; the arithmetic is that of rwkv7.py, in fp32 over fp32 or bf16 weights.
// Shape letters: B batch, C channels, H heads, N size of a head (C = H*N), V vocabulary, F ffn width, R a low rank.
//
// A step reads every weight once and does little with it, so what counts is to keep memory busy: one parallel region, and
// in it stages (8 a layer) of units of work that threads take as they come. Each output number is summed by one thread in
// one order, whatever the number of threads and of rows: a row's result depends on neither, to the bit.

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>

#include "layer_parts.h"
#include "products.h"

namespace {

struct HeadRow {  // one head of one row, N numbers each; w a v_gate g as the low-rank products left them
    float *r, *k, *v, *w, *a, *v_gate, *g, *v_first, *out;
};

// Gates, the wkv memory, its norm, bonus and output gate of the head whose channels start at c; k v w are worked in place.
// new_wkv may be old_wkv.
template <class T> void head_step(const Layer<T>& net, const HeadRow& in, int c, int N, const float* old_wkv, float* new_wkv) {
    float erase[MAX_HEAD], write[MAX_HEAD], y[MAX_HEAD];
    const float bonus = gates<T, float>(net, {in.r, in.k, in.v, in.w, in.a, in.v_gate, in.v_first}, c, N, {in.w, in.k, in.v, erase, write});
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
    head_output(net, y, in.v, bonus, in.g, c, N, in.out);
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
            float* values = l ? v : v_first;
            const LayerState<T>&old = old_state[l], &fresh = new_state[l];
            share(*stage++, B, [&](int b) {
                const int64_t at = int64_t(b) * C;
                if (l == 0) {
                    for (int i = 0; i < C; i += LANES) store(x + at + i, load(net.emb + tokens[b] * C + i));
                    layer_norm(x + at, net.ln0_weight, net.ln0_bias, C, x + at);
                }
                layer_norm(x + at, layer.ln1_weight, layer.ln1_bias, C, normed + at);
                mix(normed + at, old.att_shift + at, layer.mixes, 6, C, mixed + at, BC);
                copy(normed + at, fresh.att_shift + at, C);
            });
            multiply_all<T>(*stage++, B, {{layer.receptance, xr, r, C, C}, {layer.key, xk, k, C, C}, {layer.value, xv, values, C, C},
                                          {layer.w1, xw, low_w, C, Rw, columns, apply_tanh}, {layer.a1, xa, low_a, C, Ra, columns},
                                          {layer.v1, xv, low_v, C, Rv, columns}, {layer.g1, xg, low_g, C, Rg, columns, apply_sigmoid}});
            multiply_all<T>(*stage++, B, {{layer.w2, low_w, w, Rw, C, columns}, {layer.a2, low_a, a, Ra, C, columns},
                                          {layer.v2, low_v, v_gate, Rv, C, columns}, {layer.g2, low_g, g, Rg, C, columns}});
            share(*stage++, B * H, [&](int unit) {
                const int64_t at = int64_t(unit) * N;
                head_step(layer, {r + at, k + at, values + at, w + at, a + at, v_gate + at, g + at, v_first + at, y + at}, unit % H * N, N,
                          old.wkv + at * N, fresh.wkv + at * N);
            });
            multiply_all<T>(*stage++, B, {{layer.output, y, x, C, C, rows, add}});
            share(*stage++, B, [&](int b) {
                const int64_t at = int64_t(b) * C;
                layer_norm(x + at, layer.ln2_weight, layer.ln2_bias, C, normed + at);
                mix(normed + at, old.ffn_shift + at, &layer.ffn_mix, 1, C, mixed + at, BC);
                copy(normed + at, fresh.ffn_shift + at, C);
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
