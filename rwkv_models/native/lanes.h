// Vectors of fp32 as wide as the processor has them: load and store (fp32, bf16), sums, exp, sigmoid, tanh.
//
// Built on the vector extension of g++, so that one text serves every processor. NaN passes through all of it.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

namespace {

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif

typedef float Lanes __attribute__((vector_size(4 * LANES)));
typedef int32_t IntLanes __attribute__((vector_size(4 * LANES)));
typedef float AnyLanes __attribute__((vector_size(4 * LANES), aligned(4), may_alias));      // in memory, at any address
typedef uint16_t AnyHalves __attribute__((vector_size(2 * LANES), aligned(2), may_alias));  // the same of bf16

struct Bf16 {
    uint16_t bits;
};

inline Lanes load(const float* p) { return *reinterpret_cast<const AnyLanes*>(p); }
inline Lanes load(const Bf16* p) {
    return reinterpret_cast<Lanes>(__builtin_convertvector(*reinterpret_cast<const AnyHalves*>(p), IntLanes) << 16);
}
inline void store(float* p, Lanes x) { *reinterpret_cast<AnyLanes*>(p) = x; }
inline void store(Bf16* p, Lanes x) {  // to the nearest, ties to even; NaN stays NaN
    const IntLanes bits = reinterpret_cast<IntLanes>(x);
    const IntLanes rounded = (x == x) ? bits + 0x7fff + ((bits >> 16) & 1) : (bits | 0x400000);
    *reinterpret_cast<AnyHalves*>(p) = __builtin_convertvector(rounded >> 16, AnyHalves);
}

// Sums of neighbouring lanes: those of a, then those of b.
template <size_t... I> inline Lanes fold(Lanes a, Lanes b, std::index_sequence<I...>) {
    return __builtin_shuffle(a, b, IntLanes{int(2 * I)...}) + __builtin_shuffle(a, b, IntLanes{int(2 * I + 1)...});
}

// The sum of each of n vectors (n a power of two), whose contents are used up. The order of additions does not depend on n.
template <int n> inline void totals(Lanes (&x)[n], float* sums) {
    int count = n;
#pragma GCC unroll 5
    for (int width = LANES; width > 1; width /= 2) {
        const int step = count > 1 ? 1 : 0;  // of a single vector both halves become its sums
        count = count > 1 ? count / 2 : 1;
#pragma GCC unroll 16
        for (int i = 0; i < count; i++) x[i] = fold(x[2 * i], x[2 * i + step], std::make_index_sequence<LANES>());
    }
    std::memcpy(sums, x, 4 * n);
}
inline float total(Lanes x) {
    Lanes one[1] = {x};
    float sum;
    totals(one, &sum);
    return sum;
}

// e^x as 2^n * e^r, |r| <= ln(2)/2, with the Taylor polynomial of e^r: relative error 3e-7. Flat beyond -87 and 87.
inline Lanes exp(Lanes x) {
    const Lanes bound = Lanes{} + 87.f, round = Lanes{} + 12582912.f;  // 1.5 * 2^23, whose last bit counts ones
    x = (x < -bound) ? -bound : x;                                     // a NaN stays: it compares as false
    x = (x > bound) ? bound : x;
    const Lanes shifted = x * 1.44269504f + round, n = shifted - round;
    const Lanes r = (x - n * 0.693359375f) + n * 2.12194440e-4f;  // ln(2) in two parts, the first one exact times n
    Lanes e = r * (1.f / 5040) + (1.f / 720);
    for (float factor : {1.f / 120, 1.f / 24, 1.f / 6, 1.f / 2, 1.f, 1.f}) e = e * r + factor;
    const IntLanes power = (reinterpret_cast<IntLanes>(shifted) - reinterpret_cast<IntLanes>(round) + 127) << 23;
    return e * reinterpret_cast<Lanes>(power);
}
inline Lanes sigmoid(Lanes x) { return 1.f / (1.f + exp(-x)); }
inline Lanes tanh(Lanes x) {  // near zero by its series, where the difference would lose digits
    const Lanes s = x * x, size = (x < 0) ? -x : x;
    const Lanes series = x * (1.f + s * (-1.f / 3 + s * (2.f / 15 + s * (-17.f / 315 + s * (62.f / 2835)))));
    return (size < 0.25f) ? series : 1.f - 2.f / (exp(2.f * x) + 1.f);
}

}  // namespace
