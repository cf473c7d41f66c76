// What Python hands over: the sizes, weights and state of an RWKV-7 network.
//
// The order of the members is that of NETWORK and LAYER in native_decode.py.
// Shape letters: B batch, C channels, H heads, N size of a head (C = H*N).
// C, N, the ffn width and every rank are multiples of 16, N is at most MAX_HEAD; native_decode.py sees to it.

#pragma once

#include <cstdint>

namespace {

constexpr int MAX_HEAD = 256;

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

}  // namespace
