// fused_mlp in bfloat16: pairs of numbers and their panels.
//
// Two bfloat16 numbers that a product sums up lie side by side, a Pair. A panel of 32 points holds
// its features as [pair of features][point]: an instruction takes 16 points by two features. Beside
// an odd last feature lies a zero.
#pragma once

#include "vector.h"

namespace nc {

using Pair = uint32_t;  // the first number in the low half

constexpr int64_t kPoints = 32;  // of a panel: two vectors of pairs

inline int64_t pairs_of(int64_t features) { return (features + 1) / 2; }

inline __m512i load_pairs(const Pair* from) { return _mm512_loadu_si512(from); }
inline void store_pairs(Pair* to, __m512i pairs) { _mm512_storeu_si512(to, pairs); }

inline __mmask16 first_lanes(int64_t n) {
  return static_cast<__mmask16>(n >= 16 ? 0xffff : n > 0 ? (1 << n) - 1 : 0);
}

// Lanes 0, 2, 4, ... of two vectors in a row; one more: 1, 3, 5, ...
inline __m512i every_second(int first) {
  const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
  return _mm512_add_epi32(even, _mm512_set1_epi32(first));
}

// 16 pairs of (first, second), each rounded to nearest, ties to even; NaN stays NaN.
inline __m512i to_pairs(__m512 first, __m512 second) {
  const __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(first));
  const __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(second));
  return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

// A row of numbers [width] as pairs.
inline void row_to_pairs(const float* from, int64_t width, Pair* to) {
  const __m512i even = every_second(0), odd = every_second(1);
  for (int64_t f = 0; f < width; f += 32, from += 32, to += 16) {
    const __m512 a = _mm512_maskz_loadu_ps(first_lanes(width - f), from);
    const __m512 b = _mm512_maskz_loadu_ps(first_lanes(width - f - 16), from + 16);
    const __m512i pairs =
        to_pairs(_mm512_permutex2var_ps(a, even, b), _mm512_permutex2var_ps(a, odd, b));
    _mm512_mask_storeu_epi32(to, first_lanes(pairs_of(width - f)), pairs);
  }
}

// to[c][r] = from[r][c].
inline void transpose_pairs(const Pair* from, int64_t from_stride, int64_t rows, int64_t columns,
                            Pair* to, int64_t to_stride) {
  transpose(reinterpret_cast<const float*>(from), from_stride, rows, columns,
            reinterpret_cast<float*>(to), to_stride);  // moves bits alone
}

// Rows [count, width] as a panel, missing points zero; `rows` has room for as much.
inline void to_pair_panel(const float* from, int64_t count, int64_t width, Pair* rows, Pair* to) {
  const int64_t pairs = pairs_of(width);
  for (int64_t i = 0; i < count; ++i) row_to_pairs(from + i * width, width, rows + i * pairs);
  if (count < kPoints) std::fill(rows + count * pairs, rows + kPoints * pairs, Pair(0));
  transpose_pairs(rows, pairs, kPoints, pairs, to, kPoints);
}

// A panel [pair of features][point] as [feature][pair of points], the odd feature's zeros too.
inline void pair_points(const Pair* from, int64_t features, Pair* to) {
  const __m512i even = every_second(0), odd = every_second(1);
  const __m512i low = _mm512_set1_epi32(0xffff);
  for (int64_t p = 0; p < pairs_of(features); ++p, from += kPoints, to += kPoints) {
    const __m512i a = load_pairs(from), b = load_pairs(from + 16);
    const __m512i first = _mm512_permutex2var_epi32(a, even, b);
    const __m512i second = _mm512_permutex2var_epi32(a, odd, b);
    const __m512i above = _mm512_andnot_si512(low, second);
    store_pairs(to, _mm512_or_si512(_mm512_and_si512(low, first), _mm512_slli_epi32(second, 16)));
    store_pairs(to + 16, _mm512_or_si512(_mm512_srli_epi32(first, 16), above));
  }
}

}  // namespace nc
