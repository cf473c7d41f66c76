// One decoding step of RWKV-7 on the CPU: B tokens in, B rows of logits and a new state out.
//
// rwkv_models/native_decode.py compiles, loads and calls it; the arithmetic is that of rwkv_models/rwkv7.py in fp32.
// Shape letters: B batch, C channels, H heads, N size of a head (C = H*N), V vocabulary, F ffn width, R a low rank.
//
// A step reads every weight once and does little with it, so it is written to keep memory busy: one parallel region,
// and in it stages (8 a layer) of small units that threads take as they get free. Each output number is summed by one
// thread in one order, whatever the number of threads and of rows: results depend on neither, to the bit.

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <new>
#include <utility>

namespace {

// ---- vectors ---------------------------------------------------------------------------------------------------

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif

typedef float Lanes __attribute__((vector_size(4 * LANES)));
typedef int32_t IntLanes __attribute__((vector_size(4 * LANES)));
typedef float AnyLanes __attribute__((vector_size(4 * LANES), aligned(4), may_alias));       // where fp32 lies unaligned
typedef uint16_t AnyHalves __attribute__((vector_size(2 * LANES), aligned(2), may_alias));   // where bf16 lies

constexpr int MAX_HEAD = 256;  // the largest head size

struct Bf16 {
    uint16_t bits;
};

inline Lanes load(const float* p) { return *reinterpret_cast<const AnyLanes*>(p); }
inline Lanes load(const Bf16* p) {
    return reinterpret_cast<Lanes>(__builtin_convertvector(*reinterpret_cast<const AnyHalves*>(p), IntLanes) << 16);
}
inline float get(float x) { return x; }
inline float get(Bf16 x) {
    const uint32_t bits = uint32_t(x.bits) << 16;
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
}
inline void store(float* p, Lanes x) { *reinterpret_cast<AnyLanes*>(p) = x; }
inline void store(Bf16* p, Lanes x) {  // to the nearest, ties to even; NaN stays NaN
    const IntLanes bits = reinterpret_cast<IntLanes>(x);
    const IntLanes rounded = (x == x) ? bits + 0x7fff + ((bits >> 16) & 1) : (bits | 0x400000);
    *reinterpret_cast<AnyHalves*>(p) = __builtin_convertvector(rounded >> 16, AnyHalves);
}

// The first n < LANES numbers at p, the other lanes zero.
template <class T> inline Lanes load_some(const T* p, int n) {
    Lanes x = {};
    for (int i = 0; i < n; i++) x[i] = get(p[i]);
    return x;
}

// Sums of neighbouring lanes: those of a, then those of b.
template <size_t... I> inline Lanes fold(Lanes a, Lanes b, std::index_sequence<I...>) {
    return __builtin_shuffle(a, b, IntLanes{int(2 * I)...}) + __builtin_shuffle(a, b, IntLanes{int(2 * I + 1)...});
}
inline Lanes fold(Lanes a, Lanes b) { return fold(a, b, std::make_index_sequence<LANES>()); }

// The sum of each of n vectors (n a power of two) to sums[n]. `x` is used up. The order of additions is that of one alone.
template <int n> inline void totals(Lanes (&x)[n], float* sums) {
    int count = n;
#pragma GCC unroll 5
    for (int width = LANES; width > 1; width /= 2) {
        if (count == 1) {
            x[0] = fold(x[0], x[0]);
        } else {
#pragma GCC unroll 16
            for (int i = 0; i < count / 2; i++) x[i] = fold(x[2 * i], x[2 * i + 1]);
            count /= 2;
        }
    }
    if (n < LANES) std::memcpy(sums, &x[0], 4 * n);
    else for (int i = 0; i < count; i++) store(sums + i * LANES, x[i]);
}
inline float total(Lanes x) {
    Lanes one[1] = {x};
    float sum;
    totals(one, &sum);
    return sum;
}

// e^x by 2^n * e^r, |r| <= ln(2)/2, with the Taylor polynomial of e^r: relative error 3e-7. Beyond ±87 it stays at e^±87.
inline Lanes exp(Lanes x) {
    const Lanes bound = Lanes{} + 87.f, round = Lanes{} + 12582912.f;  // 1.5 * 2^23, whose last bit counts ones
    x = (x < -bound) ? -bound : x;  // a NaN stays: it compares as false
    x = (x > bound) ? bound : x;
    const Lanes shifted = x * 1.44269504f + round, n = shifted - round;
    const Lanes r = (x - n * 0.693359375f) + n * 2.12194440e-4f;  // ln(2) in two parts, the first exact for every n
    Lanes e = r * (1.f / 5040) + (1.f / 720);
    e = e * r + (1.f / 120);
    e = e * r + (1.f / 24);
    e = e * r + (1.f / 6);
    e = e * r + 0.5f;
    e = (e * r + 1.f) * r + 1.f;
    const IntLanes power = (reinterpret_cast<IntLanes>(shifted) - reinterpret_cast<IntLanes>(round) + 127) << 23;
    return e * reinterpret_cast<Lanes>(power);
}
inline Lanes sigmoid(Lanes x) { return 1.f / (1.f + exp(-x)); }
inline Lanes tanh(Lanes x) {  // near zero by its series, where the difference below would lose digits
    const Lanes s = x * x, size = (x < 0) ? -x : x;
    const Lanes series = x * (1.f + s * (-1.f / 3 + s * (2.f / 15 + s * (-17.f / 315 + s * (62.f / 2835)))));
    return (size < 0.25f) ? series : 1.f - 2.f / (exp(2.f * x) + 1.f);
}

// ---- what Python hands over: the order of these members is that of NETWORK and LAYER in native_decode.py -----------

struct Sizes {
    int64_t layers, channels, head_size, vocabulary, ffn, rank_w, rank_a, rank_v, rank_g;
};

template <class T> struct Network {
    const T *emb, *ln0_weight, *ln0_bias, *ln_out_weight, *ln_out_bias, *head;
};

template <class T> struct Layer {
    const T *ln1_weight, *ln1_bias, *ln2_weight, *ln2_bias;
    const T *mixes[6];  // x_r x_w x_k x_v x_a x_g
    const T *w0, *w1, *w2, *a0, *a1, *a2, *g1, *g2, *k_k, *k_a, *r_k;
    const T *receptance, *key, *value, *output, *ln_x_weight, *ln_x_bias, *ffn_mix, *ffn_key, *ffn_value;
    const T *v0, *v1, *v2;  // null in the first layer
};

template <class T> struct LayerState {
    T *att_shift, *ffn_shift;  // [B, C]
    float* wkv;                // [B, H, N, N]
};

// ---- products of a weight matrix with B vectors --------------------------------------------------------------------

enum class After { nothing, add, relu_squared, tanh, sigmoid };  // add: onto what y holds

template <class T> struct Product {
    const T* weight;
    const float* x;  // [B, in]
    float* y;        // [B, out]
    int in, out;
    bool transposed;  // false: weight [out, in], as nn.Linear has it; true: weight [in, out]
    After after;
    int unit() const { return transposed ? 4 * LANES : 32; }  // outputs of a unit of work
    int units() const { return (out + unit() - 1) / unit(); }
};

// Outputs o .. o+O of rows b .. b+P, weight [out, in].
template <int O, int P, class T> inline void dot_tile(const Product<T>& p, int o, int b) {
    Lanes sum[O * P] = {};
    const T* weight = p.weight + int64_t(o) * p.in;
    const float* x = p.x + int64_t(b) * p.in;
    int i = 0;
    for (; i + LANES <= p.in; i += LANES) {
        Lanes rows[O];
#pragma GCC unroll 16
        for (int j = 0; j < O; j++) rows[j] = load(weight + int64_t(j) * p.in + i);
#pragma GCC unroll 16
        for (int q = 0; q < P; q++) {
            const Lanes vector = load(x + int64_t(q) * p.in + i);
#pragma GCC unroll 16
            for (int j = 0; j < O; j++) sum[q * O + j] += rows[j] * vector;
        }
    }
    if (i < p.in)
        for (int q = 0; q < P; q++)
            for (int j = 0; j < O; j++)
                sum[q * O + j] += load_some(weight + int64_t(j) * p.in + i, p.in - i) * load_some(x + int64_t(q) * p.in + i, p.in - i);
    float result[O * P];
    totals(sum, result);
    for (int q = 0; q < P; q++)
        for (int j = 0; j < O; j++) {
            float& y = p.y[int64_t(b + q) * p.out + o + j];
            const float value = result[q * O + j], positive = value < 0 ? 0 : value;
            y = p.after == After::add ? y + value : p.after == After::relu_squared ? positive * positive : value;
        }
}

// n <= J * LANES outputs from o on, of rows b .. b+P, weight [in, out]; all J vectors are full unless J is 1.
template <int J, int P, class T> inline void column_tile(const Product<T>& p, int o, int b, int n) {
    Lanes sum[P][J] = {};
    const bool full = n == J * LANES;
    for (int i = 0; i < p.in; i++) {
        const T* weight = p.weight + int64_t(i) * p.out + o;
        Lanes row[J];
#pragma GCC unroll 4
        for (int j = 0; j < J; j++) row[j] = full ? load(weight + j * LANES) : load_some(weight, n);
#pragma GCC unroll 4
        for (int q = 0; q < P; q++)
#pragma GCC unroll 4
            for (int j = 0; j < J; j++) sum[q][j] += row[j] * p.x[int64_t(b + q) * p.in + i];
    }
    for (int q = 0; q < P; q++)
        for (int j = 0; j < J; j++) {
            float* y = p.y + int64_t(b + q) * p.out + o + j * LANES;
            const Lanes s = sum[q][j];
            const Lanes value = p.after == After::tanh ? tanh(s) : p.after == After::sigmoid ? sigmoid(s) : s;
            if (full) store(y, value);
            else std::memcpy(y, &value, 4 * n);
        }
}

template <class T> void multiply(const Product<T>& p, int unit, int B) {
    int o = unit * p.unit();
    const int end = o + p.unit() < p.out ? o + p.unit() : p.out;
    if (p.transposed) {
        for (; o + 4 * LANES <= end; o += 4 * LANES) {
            int b = 0;
            for (; b + 4 <= B; b += 4) column_tile<4, 4>(p, o, b, 4 * LANES);
            for (; b < B; b++) column_tile<4, 1>(p, o, b, 4 * LANES);
        }
        for (; o < end; o += LANES)
            for (int b = 0; b < B; b++) column_tile<1, 1>(p, o, b, end - o < LANES ? end - o : LANES);
    } else {
        for (; B == 1 && o + 8 <= end; o += 8) dot_tile<8, 1>(p, o, 0);
        for (; o + 4 <= end; o += 4) {
            int b = 0;
            for (; b + 4 <= B; b += 4) dot_tile<4, 4>(p, o, b);
            for (; b < B; b++) dot_tile<4, 1>(p, o, b);
        }
        for (; o < end; o++)
            for (int b = 0; b < B; b++) dot_tile<1, 1>(p, o, b);
    }
}

// A stage of independent products, by all threads of the region; when it returns, all of it is done.
template <class T> void stage(std::initializer_list<Product<T>> products, int B) {
    int units = 0;
    for (const auto& p : products) units += p.weight ? p.units() : 0;
#pragma omp for schedule(static)
    for (int unit = 0; unit < units; unit++) {
        int rest = unit;
        for (const auto& p : products) {
            if (!p.weight) continue;
            if (rest < p.units()) {
                multiply(p, rest, B);
                break;
            }
            rest -= p.units();
        }
    }
}

// ---- the parts that work row by row and head by head ---------------------------------------------------------------

// Mean and 1/deviation of n numbers.
inline std::pair<float, float> moments(const float* x, int n, float eps) {
    Lanes sum = {}, squares = {};
    for (int i = 0; i < n; i += LANES) sum += load(x + i);
    const float mean = total(sum) / n;
    for (int i = 0; i < n; i += LANES) squares += (load(x + i) - mean) * (load(x + i) - mean);
    return {mean, 1.f / std::sqrt(total(squares) / n + eps)};
}

// LayerNorm of x[n] to y[n], which may be x.
template <class T> void layer_norm(const float* x, const T* weight, const T* bias, int n, float* y) {
    const auto [mean, scale] = moments(x, n, 1e-5f);
    for (int i = 0; i < n; i += LANES) store(y + i, (load(x + i) - mean) * scale * load(weight + i) + load(bias + i));
}

// LayerNorm of x[C], kept as the new shift, and its mixes with the old one: mixed[m][C] at a distance of `stride`.
template <class T> void norm_and_mix(const float* x, const T* weight, const T* bias, const T* shift, T* new_shift,
                                     const T* const* mixes, int count, int C, float* mixed, int64_t stride) {
    const auto [mean, scale] = moments(x, C, 1e-5f);
    for (int i = 0; i < C; i += LANES) {
        const Lanes y = (load(x + i) - mean) * scale * load(weight + i) + load(bias + i), change = load(shift + i) - y;
        store(new_shift + i, y);
        for (int m = 0; m < count; m++) store(mixed + m * stride + i, y + change * load(mixes[m] + i));
    }
}

struct HeadRow {  // one head of one row, N numbers each; w a v_gate g as the low-rank products left them
    float *r, *k, *v, *w, *a, *v_gate, *g, *v_first, *out;
};

// Gates, the wkv memory, its norm, bonus and output gate of the head whose channels start at c; w a k v are worked in place.
template <class T> void head_step(const Layer<T>& net, const HeadRow& in, int c, int N, const float* old_wkv, float* new_wkv) {
    alignas(64) float erase[MAX_HEAD], write[MAX_HEAD], y[MAX_HEAD];
    Lanes squares = {}, products = {};
    for (int j = 0; j < N; j += LANES) {
        const int at = c + j;
        const Lanes r = load(in.r + j), k = load(in.k + j), v = load(in.v + j), kk = k * load(net.k_k + at);
        const Lanes a = sigmoid(load(net.a0 + at) + load(in.a + j)), key = k * (1.f + (a - 1.f) * load(net.k_a + at));
        store(in.w + j, exp(-0.60653066f * sigmoid(load(net.w0 + at) + load(in.w + j))));  // decay: exp(-exp(-0.5) * ...)
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
    for (int row = 0; row < N; row += LANES) {  // so many rows of the memory at once, for their sums in one vector
        const float* old_rows = old_wkv + row * N;
        float* new_rows = new_wkv + row * N;
        Lanes sums[LANES] = {};
        float removed[LANES];
        for (int i = 0; i < LANES; i++)
            for (int j = 0; j < N; j += LANES) sums[i] += load(old_rows + i * N + j) * load(erase + j);
        totals(sums, removed);
        for (int i = 0; i < LANES; i++) {
            sums[i] = Lanes{};
            for (int j = 0; j < N; j += LANES) {
                const Lanes s = load(old_rows + i * N + j) * load(in.w + j) + removed[i] * load(write + j) + in.v[row + i] * load(in.k + j);
                store(new_rows + i * N + j, s);
                sums[i] += s * load(in.r + j);
            }
        }
        totals(sums, y + row);
    }
    const auto [mean, inverse] = moments(y, N, 64e-5f);
    for (int j = 0; j < N; j += LANES) {
        const Lanes normed = (load(y + j) - mean) * inverse * load(net.ln_x_weight + c + j) + load(net.ln_x_bias + c + j);
        store(in.out + j, (normed + bonus * load(in.v + j)) * load(in.g + j));
    }
}

// ---- the whole step ------------------------------------------------------------------------------------------------

template <class T> int step(const Sizes& size, const Network<T>& net, const Layer<T>* layers, const LayerState<T>* old_state,
                            const LayerState<T>* new_state, const int64_t* tokens, float* logits, int B, int threads) {
    const int C = size.channels, F = size.ffn, N = size.head_size, H = C / N, V = size.vocabulary;
    const int Rw = size.rank_w, Ra = size.rank_a, Rv = size.rank_v, Rg = size.rank_g;
    for (int b = 0; b < B; b++)
        if (tokens[b] < 0 || tokens[b] >= V) return 1;
    const int64_t row = int64_t(B) * C;
    const int64_t needed = 16 * row + int64_t(B) * (Rw + Ra + Rv + Rg + F) + 16 * 16;
    const std::unique_ptr<float, void (*)(void*)> memory(static_cast<float*>(std::aligned_alloc(64, (needed * 4 + 63) / 64 * 64)), std::free);
    if (!memory) return 2;
    float* next = memory.get();
    const auto take = [&](int64_t n) { return std::exchange(next, next + (n + 15) / 16 * 16); };  // each on a cache line of its own
    float *x = take(row), *v_first = take(row), *mixed = take(6 * row), *r = take(row), *k = take(row), *v = take(row), *w = take(row);
    float *a = take(row), *v_gate = take(row), *g = take(row), *y = take(row);
    float *low_w = take(B * Rw), *low_a = take(B * Ra), *low_v = take(B * Rv), *low_g = take(B * Rg), *hidden = take(int64_t(B) * F);
    const float *xr = mixed, *xw = xr + row, *xk = xw + row, *xv = xk + row, *xa = xv + row, *xg = xa + row;

#pragma omp parallel num_threads(threads)
    {
        for (int l = 0; l < size.layers; l++) {
            const Layer<T>& layer = layers[l];
            const LayerState<T>&old = old_state[l], &fresh = new_state[l];
#pragma omp for schedule(static)
            for (int b = 0; b < B; b++) {
                const int64_t at = int64_t(b) * C;
                if (l == 0) {
                    for (int i = 0; i < C; i += LANES) store(x + at + i, load(net.emb + tokens[b] * C + i));
                    layer_norm(x + at, net.ln0_weight, net.ln0_bias, C, x + at);
                }
                norm_and_mix(x + at, layer.ln1_weight, layer.ln1_bias, old.att_shift + at, fresh.att_shift + at, layer.mixes, 6, C, mixed + at, row);
            }
            stage<T>({{layer.receptance, xr, r, C, C, false, After::nothing}, {layer.key, xk, k, C, C, false, After::nothing},
                      {layer.value, xv, v, C, C, false, After::nothing}, {layer.w1, xw, low_w, C, Rw, true, After::tanh},
                      {layer.a1, xa, low_a, C, Ra, true, After::nothing}, {layer.v1, xv, low_v, C, Rv, true, After::nothing},
                      {layer.g1, xg, low_g, C, Rg, true, After::sigmoid}}, B);
            stage<T>({{layer.w2, low_w, w, Rw, C, true, After::nothing}, {layer.a2, low_a, a, Ra, C, true, After::nothing},
                      {layer.v2, low_v, v_gate, Rv, C, true, After::nothing}, {layer.g2, low_g, g, Rg, C, true, After::nothing}}, B);
#pragma omp for schedule(static)
            for (int unit = 0; unit < B * H; unit++) {
                const int64_t at = int64_t(unit) * N;
                head_step(layer, {r + at, k + at, v + at, w + at, a + at, v_gate + at, g + at, v_first + at, y + at}, unit % H * N, N,
                          old.wkv + at * N, fresh.wkv + at * N);
            }
            stage<T>({{layer.output, y, x, C, C, false, After::add}}, B);
#pragma omp for schedule(static)
            for (int b = 0; b < B; b++) {
                const int64_t at = int64_t(b) * C;
                norm_and_mix(x + at, layer.ln2_weight, layer.ln2_bias, old.ffn_shift + at, fresh.ffn_shift + at, &layer.ffn_mix, 1, C, mixed + at, row);
            }
            stage<T>({{layer.ffn_key, mixed, hidden, C, F, false, After::relu_squared}}, B);
            stage<T>({{layer.ffn_value, hidden, x, F, C, false, After::add}}, B);
        }
#pragma omp for schedule(static)
        for (int b = 0; b < B; b++) layer_norm(x + int64_t(b) * C, net.ln_out_weight, net.ln_out_bias, C, y + int64_t(b) * C);
        stage<T>({{net.head, y, logits, C, V, false, After::nothing}}, B);
    }
    return 0;
}

}  // namespace

// 0: done; 1: a token is outside the vocabulary; 2: no memory. `state` holds the pointers of the old state, layer by layer
// (att_shift, ffn_shift, wkv), then those of the new one. Weights and shifts are fp32, or bf16 if `bf16`.
extern "C" int rwkv7_decode_step(const Sizes* size, const void* const* weights, const void* const* state, const int64_t* tokens,
                                 float* logits, int batch, int threads, int bf16) {
    const auto run = [&](auto zero) {
        using T = decltype(zero);
        const auto* net = reinterpret_cast<const Network<T>*>(weights);
        const auto* states = reinterpret_cast<const LayerState<T>*>(state);
        return step<T>(*size, *net, reinterpret_cast<const Layer<T>*>(net + 1), states, states + size->layers, tokens, logits, batch, threads);
    };
    return bf16 ? run(Bf16{}) : run(0.f);
}
