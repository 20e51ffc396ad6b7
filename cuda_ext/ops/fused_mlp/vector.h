// fused_mlp on the CPU: vectors of the level being compiled, and transposes.
#pragma once

#include <cstdint>

#if defined(__AVX__)
#include <immintrin.h>
#endif

namespace nc {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64, kTileRows = 12;  // of 32 registers: 24 sums, 2 columns
#elif defined(__AVX__)
constexpr int kVectorBytes = 32, kTileRows = 6;  // of 16 registers: 12 sums, 2 columns
#else
constexpr int kVectorBytes = 16, kTileRows = 6;
#endif

template <class T>
struct VectorOf {
  typedef T type __attribute__((vector_size(kVectorBytes)));
  typedef T memory __attribute__((vector_size(kVectorBytes), aligned(alignof(T)), may_alias));
};

template <class T>
using Vector = typename VectorOf<T>::type;

template <class T>
constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));

// Columns of a tile: two vectors.
template <class T>
constexpr int kPanel = 2 * kLanes<T>;

template <class T>
inline __attribute__((always_inline)) Vector<T> load(const T* from) {
  return *reinterpret_cast<const typename VectorOf<T>::memory*>(from);
}

template <class T>
inline __attribute__((always_inline)) void store(T* to, Vector<T> value) {
  *reinterpret_cast<typename VectorOf<T>::memory*>(to) = value;
}

#if defined(__AVX__)
inline void transpose_8x8(const float* from, int64_t from_stride, float* to, int64_t to_stride) {
  __m256 r[8], s[8];
  for (int i = 0; i < 8; ++i) r[i] = _mm256_loadu_ps(from + i * from_stride);
  for (int i = 0; i < 8; i += 2) {
    s[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    s[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    r[i] = _mm256_shuffle_ps(s[i], s[i + 2], 0x44);
    r[i + 1] = _mm256_shuffle_ps(s[i], s[i + 2], 0xee);
    r[i + 2] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0x44);
    r[i + 3] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    _mm256_storeu_ps(to + i * to_stride, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
    _mm256_storeu_ps(to + (i + 4) * to_stride, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
  }
}
#endif

// to[c][r] = from[r][c].
template <class T>
inline void transpose_plain(const T* from, int64_t from_stride, int64_t rows, int64_t columns,
                            T* to, int64_t to_stride) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) to[c * to_stride + r] = from[r * from_stride + c];
}

template <class T>
inline void transpose(const T* from, int64_t from_stride, int64_t rows, int64_t columns, T* to,
                      int64_t to_stride) {
  transpose_plain(from, from_stride, rows, columns, to, to_stride);
}

#if defined(__AVX__)
template <>
inline void transpose<float>(const float* from, int64_t from_stride, int64_t rows, int64_t columns,
                             float* to, int64_t to_stride) {
  const int64_t r8 = rows / 8 * 8, c8 = columns / 8 * 8;
  for (int64_t r = 0; r < r8; r += 8)
    for (int64_t c = 0; c < c8; c += 8)
      transpose_8x8(from + r * from_stride + c, from_stride, to + c * to_stride + r, to_stride);
  transpose_plain(from + c8, from_stride, r8, columns - c8, to + c8 * to_stride, to_stride);
  transpose_plain(from + r8 * from_stride, from_stride, rows - r8, columns, to + r8, to_stride);
}
#endif

}  // namespace nc
