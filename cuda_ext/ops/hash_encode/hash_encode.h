// hash_encode: the eight table entries around ONE point in ONE level, and their weights.
#pragma once

#include "portable.h"

// entries: rows of grad_table. hash_encode_half: CUDA only.
#define NC_ARGUMENTS_hash_encode(T)                                             \
  int64_t points, int64_t levels, int64_t width, const T* unit, const T* table, \
      const int64_t* offsets, const int64_t* resolutions, const float* scales, T* features
#define NC_ARGUMENTS_hash_encode_half(T)                                               \
  int64_t points, int64_t levels, int64_t width, const T* unit, const nc::Half* table, \
      const int64_t* offsets, const int64_t* resolutions, const float* scales, T* features
#define NC_ARGUMENTS_hash_encode_backward(T)                                                    \
  int64_t points, int64_t levels, int64_t width, const T* unit, const int64_t* offsets,         \
      const int64_t* resolutions, const float* scales, int64_t entries, const T* grad_features, \
      T* grad_table

namespace nc {

enum class Indexing : int { kDense, kMask, kModulo };

// One level of a tiny-cuda-nn hash grid.
template <class T>
struct HashLevel {
  int64_t first;        // row of the table at which the level begins
  uint32_t entries;     // rows of the level
  uint32_t resolution;  // stride of a dense level
  T scale;              // cells per unit of the cube
  Indexing indexing;
};

template <class T>
NC_HD HashLevel<T> hash_level(const int64_t* offsets, const int64_t* resolutions,
                              const float* scales, int64_t level) {
  HashLevel<T> out;
  out.first = offsets[level];
  out.entries = static_cast<uint32_t>(offsets[level + 1] - offsets[level]);
  const int64_t r = resolutions[level];
  out.resolution = static_cast<uint32_t>(r);
  out.scale = static_cast<T>(scales[level]);
  const bool dense = r <= 2048 && r * r * r <= static_cast<int64_t>(out.entries);
  const bool power = (out.entries & (out.entries - 1)) == 0;
  out.indexing = dense ? Indexing::kDense : power ? Indexing::kMask : Indexing::kModulo;
  return out;
}

// Where a call looks up, and in which grid.
template <class T>
struct HashInputs {
  int64_t points, levels, width;
  const T* unit;  // [N, 3]
  const int64_t *offsets, *resolutions;
  const float* scales;

  NC_HD HashLevel<T> level(int64_t l) const {
    return hash_level<T>(offsets, resolutions, scales, l);
  }
};

// Cell of one coordinate x in the unit interval (clamped; NaN becomes 0) and the place within it.
template <class T>
NC_HD uint32_t hash_cell(T x, T scale, T* fraction) {
  x = x > T(0) ? x : T(0);
  x = x < T(1) ? x : T(1);
  const T p = fma_(x, scale, T(0.5));
  const T cell = floor_(p);
  *fraction = p - cell;
  return static_cast<uint32_t>(static_cast<int32_t>(cell));
}

// Index of the corner whose y and z parts are already combined by hash_row().
template <Indexing kIndexing>
NC_HD uint32_t hash_corner(uint32_t x, uint32_t row, uint32_t entries) {
  if (kIndexing == Indexing::kDense) {
    const uint32_t index = x + row;  // at most resolution + resolution^2 + resolution^3
    return index >= entries ? index - entries : index;
  }
  if (kIndexing == Indexing::kMask) return (x ^ row) & (entries - 1);
  return (x ^ row) % entries;
}

template <Indexing kIndexing>
NC_HD uint32_t hash_row(uint32_t y, uint32_t z, uint32_t resolution) {
  if (kIndexing == Indexing::kDense) return (y + z * resolution) * resolution;
  return (y * 2654435761u) ^ (z * 805459861u);
}

// The cell of one point and its corners: index[c] with x, y, z in bits 0, 1, 2 of c; weight =
// wx * wyz.
template <class T>
struct HashCorners {
  uint32_t cell[3], index[8];
  T wx[2], wyz[4];

  template <Indexing kIndexing>
  NC_HD void fill(const HashLevel<T>& level) {
    for (int q = 0; q < 4; ++q) {
      const uint32_t row =
          hash_row<kIndexing>(cell[1] + (q & 1), cell[2] + (q >> 1), level.resolution);
      index[2 * q] = hash_corner<kIndexing>(cell[0], row, level.entries);
      index[2 * q + 1] = hash_corner<kIndexing>(cell[0] + 1, row, level.entries);
    }
  }

  NC_HD HashCorners(const HashLevel<T>& level, const T* unit) {
    T f[3];
    for (int d = 0; d < 3; ++d) cell[d] = hash_cell(unit[d], level.scale, f + d);
    if (level.indexing == Indexing::kDense) fill<Indexing::kDense>(level);
    if (level.indexing == Indexing::kMask) fill<Indexing::kMask>(level);
    if (level.indexing == Indexing::kModulo) fill<Indexing::kModulo>(level);
    wx[0] = T(1) - f[0];
    wx[1] = f[0];
    for (int q = 0; q < 4; ++q)
      wyz[q] = (q & 1 ? f[1] : T(1) - f[1]) * (q >> 1 ? f[2] : T(1) - f[2]);
  }
};

// Feature `f` of one point: the two halves in x are summed apart, as the vector version does. The
// table holds T, or numbers in half precision.
template <class T, class Stored>
NC_HD T hash_feature(const HashCorners<T>& corners, const Stored* entries, int64_t width,
                     int64_t f) {
  T half[2] = {0, 0};
  for (int q = 0; q < 4; ++q)
    for (int x = 0; x < 2; ++x)
      half[x] = fma_(corners.wx[x] * corners.wyz[q],
                     widened(entries[corners.index[2 * q + x] * width + f]), half[x]);
  return half[0] + half[1];
}

// Two features that lie side by side, read and written at once.
template <class Stored>
struct alignas(2 * sizeof(Stored)) TwoFeatures {
  Stored value[2];
};

// Both features of one point in a table of two, each summed up as by hash_feature.
template <class T, class Stored>
NC_HD TwoFeatures<T> hash_two_features(const HashCorners<T>& corners,
                                       const TwoFeatures<Stored>* entries) {
  T half[2][2] = {};
  for (int q = 0; q < 4; ++q)
    for (int x = 0; x < 2; ++x) {
      const TwoFeatures<Stored> entry = entries[corners.index[2 * q + x]];
      for (int f = 0; f < 2; ++f)
        half[f][x] = fma_(corners.wx[x] * corners.wyz[q], widened(entry.value[f]), half[f][x]);
    }
  return {{half[0][0] + half[0][1], half[1][0] + half[1][1]}};
}

}  // namespace nc
