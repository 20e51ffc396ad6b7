// hash_encode on the CPU. Indices and weights of a few points are computed first, in vectors of
// points; then each point's eight entries are read (or, backward, added to) in vectors of features.
#include "hash_encode.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#include "host.h"

namespace nc {
namespace {

constexpr int kStrip = 32;  // points whose corners are held at once; stays in L1
// Points that a thread takes through one level after the other, forward. Many: fetching a level
// into the cache must pay.
constexpr int64_t kBlock = 1 << 17;
constexpr int64_t kGrain = 512;  // points worth one thread

// Corners of up to kStrip points, one array a quantity so that the loops over points vectorise.
template <class T>
struct Strip {
  uint32_t index[8][kStrip];
  T wx[kStrip][2], wyz[4][kStrip];

  template <Indexing kIndexing>
  void fill(const HashLevel<T>& level, const T* __restrict unit, int n) {
    uint32_t cell[3][kStrip];
    T fraction[3][kStrip];
    for (int d = 0; d < 3; ++d)
      for (int i = 0; i < n; ++i)
        cell[d][i] = hash_cell(unit[3 * i + d], level.scale, &fraction[d][i]);
    for (int q = 0; q < 4; ++q) {
      for (int i = 0; i < n; ++i) {
        const uint32_t x = cell[0][i];
        const uint32_t row = hash_row<kIndexing>(cell[1][i] + (q & 1), cell[2][i] + (q >> 1),
                                                 level.resolution);
        index[2 * q][i] = hash_corner<kIndexing>(x, row, level.entries);
        index[2 * q + 1][i] = hash_corner<kIndexing>(x + 1, row, level.entries);
      }
      for (int i = 0; i < n; ++i) {
        const T y = fraction[1][i], z = fraction[2][i];
        wyz[q][i] = (q & 1 ? y : T(1) - y) * (q >> 1 ? z : T(1) - z);
      }
    }
    for (int i = 0; i < n; ++i) {
      wx[i][0] = T(1) - fraction[0][i];
      wx[i][1] = fraction[0][i];
    }
  }

  void fill(const HashLevel<T>& level, const T* unit, int n) {
    if (level.indexing == Indexing::kDense) fill<Indexing::kDense>(level, unit, n);
    if (level.indexing == Indexing::kMask) fill<Indexing::kMask>(level, unit, n);
    if (level.indexing == Indexing::kModulo) fill<Indexing::kModulo>(level, unit, n);
  }
};

template <class T, int kWidth>
struct Entry {
  typedef T type __attribute__((vector_size(kWidth * sizeof(T))));
};

// Both x halves of an entry pair side by side: one vector for width 2.
template <class T, int kWidth>
void gather(const Strip<T>& strip, int n, const T* __restrict entries, T* __restrict out,
            int64_t stride) {
  typedef typename Entry<T, 2 * kWidth>::type Pair;
  for (int i = 0; i < n; ++i) {
    Pair wx, sum = {};
    for (int f = 0; f < kWidth; ++f) {
      wx[f] = strip.wx[i][0];
      wx[kWidth + f] = strip.wx[i][1];
    }
    for (int q = 0; q < 4; ++q) {
      Pair pair;
      T* lanes = reinterpret_cast<T*>(&pair);
      std::memcpy(lanes, entries + int64_t{strip.index[2 * q][i]} * kWidth, kWidth * sizeof(T));
      std::memcpy(lanes + kWidth, entries + int64_t{strip.index[2 * q + 1][i]} * kWidth,
                  kWidth * sizeof(T));
      const Pair weight = wx * strip.wyz[q][i];
      for (int f = 0; f < 2 * kWidth; ++f) sum[f] = fma_(weight[f], pair[f], sum[f]);
    }
    for (int f = 0; f < kWidth; ++f) out[i * stride + f] = sum[f] + sum[kWidth + f];
  }
}

template <class T>
void gather_any(const Strip<T>& strip, int n, const T* entries, T* out, int64_t stride,
                int64_t width) {
  for (int i = 0; i < n; ++i)
    for (int64_t f = 0; f < width; ++f) {
      T half[2] = {0, 0};
      for (int c = 0; c < 8; ++c)
        half[c & 1] = fma_(strip.wx[i][c & 1] * strip.wyz[c >> 1][i],
                           entries[strip.index[c][i] * width + f], half[c & 1]);
      out[i * stride + f] = half[0] + half[1];
    }
}

template <class T>
void gather_strip(const Strip<T>& strip, int n, const T* entries, T* out, int64_t stride,
                  int64_t width) {
  if (width == 2) return gather<T, 2>(strip, n, entries, out, stride);
  if (width == 4) return gather<T, 4>(strip, n, entries, out, stride);
  if (width == 1) return gather<T, 1>(strip, n, entries, out, stride);
  gather_any(strip, n, entries, out, stride, width);
}

// Calls body(strip, first point, points) for points begin to end of one level; the entries of the
// next strip are fetched into the cache meanwhile.
template <class T, class Body>
void for_strips(const HashInputs<T>& grid, const HashLevel<T>& level, const T* entries,
                int64_t begin, int64_t end, Body&& body) {
  Strip<T> strips[2];
  int ready = 0;
  for (int64_t i = begin; i < end + kStrip; i += kStrip) {
    Strip<T>& next = strips[(i - begin) / kStrip % 2];
    const int filled = i < end ? static_cast<int>(std::min<int64_t>(kStrip, end - i)) : 0;
    if (filled) {
      next.fill(level, grid.unit + 3 * i, filled);
      for (int p = 0; p < filled; ++p)
        for (int c = 0; c < 8; ++c)
          __builtin_prefetch(entries + int64_t{next.index[c][p]} * grid.width);
    }
    if (ready) body(strips[(i - begin) / kStrip % 2 ^ 1], i - kStrip, ready);
    ready = filled;
  }
}

template <class T>
int encode(const HashInputs<T>& grid, const T* table, T* features, int64_t threads) {
  const int64_t stride = grid.levels * grid.width;
  prefer_huge_pages(features, grid.points * stride * sizeof(T));
  const int n_threads = useful_threads(threads, grid.points, kGrain);
  const int64_t share = (grid.points + n_threads - 1) / n_threads;
  const int64_t block = std::min<int64_t>(kBlock, std::max<int64_t>(share, 1));
#pragma omp parallel for schedule(dynamic, 1) num_threads(n_threads)
  for (int64_t first = 0; first < grid.points; first += block) {
    const int64_t end = std::min(grid.points, first + block);
    for (int64_t l = 0; l < grid.levels; ++l) {
      const auto level = grid.level(l);
      const T* entries = table + level.first * grid.width;
      for_strips(grid, level, entries, first, end, [&](const Strip<T>& strip, int64_t i, int n) {
        gather_strip(strip, n, entries, features + i * stride + l * grid.width, stride, grid.width);
      });
    }
  }
  return kOk;
}

template <class T, int kWidth>
void scatter(const Strip<T>& strip, int n, const T* __restrict grad, int64_t stride,
             T* __restrict entries) {
  for (int i = 0; i < n; ++i) {
    T g[kWidth];
    std::memcpy(g, grad + i * stride, sizeof(g));
    for (int c = 0; c < 8; ++c) {
      const T weight = strip.wx[i][c & 1] * strip.wyz[c >> 1][i];
      T* entry = entries + int64_t{strip.index[c][i]} * kWidth;
      for (int f = 0; f < kWidth; ++f) entry[f] = fma_(weight, g[f], entry[f]);
    }
  }
}

template <class T>
void scatter_any(const Strip<T>& strip, int n, const T* grad, int64_t stride, T* entries,
                 int64_t width) {
  for (int i = 0; i < n; ++i)
    for (int c = 0; c < 8; ++c) {
      const T weight = strip.wx[i][c & 1] * strip.wyz[c >> 1][i];
      T* entry = entries + strip.index[c][i] * width;
      for (int64_t f = 0; f < width; ++f)
        entry[f] = fma_(weight, grad[i * stride + f], entry[f]);
    }
}

template <class T>
void scatter_strip(const Strip<T>& strip, int n, const T* grad, int64_t stride, T* entries,
                   int64_t width) {
  if (width == 2) return scatter<T, 2>(strip, n, grad, stride, entries);
  if (width == 4) return scatter<T, 4>(strip, n, grad, stride, entries);
  if (width == 1) return scatter<T, 1>(strip, n, grad, stride, entries);
  scatter_any(strip, n, grad, stride, entries, width);
}

// A level belongs to one thread, so sums are in order of points: no atomics, the same bits for any
// number of threads. Finest levels first: the cheap ones fill the gaps.
template <class T>
int encode_backward(const HashInputs<T>& grid, int64_t rows, const T* grad_features, T* grad_table,
                    int64_t threads) {
  const int64_t stride = grid.levels * grid.width;
  const int n_threads = useful_threads(threads, grid.points * 4, kGrain);
  prefer_huge_pages(grad_table, rows * grid.width * sizeof(T));
#pragma omp parallel for schedule(dynamic, 1) num_threads(n_threads)
  for (int64_t task = 0; task < grid.levels; ++task) {
    const int64_t l = grid.levels - 1 - task;
    const auto level = grid.level(l);
    T* entries = grad_table + level.first * grid.width;
    std::fill_n(entries, level.entries * grid.width, T(0));
    const T* grads = grad_features + l * grid.width;
    for_strips(grid, level, entries, 0, grid.points,
               [&](const Strip<T>& strip, int64_t i, int n) {
                 scatter_strip(strip, n, grads + i * stride, stride, entries, grid.width);
               });
  }
  return kOk;
}

}  // namespace
}  // namespace nc

#define NC_HASH_ENCODE(suffix, T)                                                              \
  NC_CPU_FUNCTION(hash_encode, suffix, T) {                                                    \
    return nc::encode<T>({points, levels, width, unit, offsets, resolutions, scales}, table,   \
                         features, threads);                                                   \
  }                                                                                            \
  NC_CPU_FUNCTION(hash_encode_backward, suffix, T) {                                           \
    return nc::encode_backward<T>({points, levels, width, unit, offsets, resolutions, scales}, \
                                  entries, grad_features, grad_table, threads);                \
  }

NC_HASH_ENCODE(f32, float)
NC_HASH_ENCODE(f64, double)
