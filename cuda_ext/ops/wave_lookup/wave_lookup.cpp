// wave_lookup on the CPU. Points go through one volume after the other, so that one is in the cache
// at a time; the cells of a few points are found in vectors of points and fetched ahead.
#include "wave_lookup.h"

#include <algorithm>
#include <cstring>

#include "host.h"

namespace nc {
namespace {

constexpr int kStrip = 32;           // points whose cells are held at once
constexpr int64_t kBlock = 1 << 15;  // points that a thread takes through one volume
constexpr int64_t kGrain = 512;      // points worth one thread

// Cells of up to kStrip points: number of the lowest corner, weights of the upper ones.
template <class T>
struct Strip {
  int32_t first[kStrip];
  T upper[3][kStrip];

  void fill(const T* __restrict turns, T frequency, bool cosine, int64_t size, int n) {
    int32_t cell[3][kStrip];
    for (int d = 0; d < 3; ++d)
      for (int i = 0; i < n; ++i)
        cell[d][i] = wave_cell(turns[3 * i + d], frequency, cosine, size, &upper[d][i]);
    const int32_t side = static_cast<int32_t>(size);
    for (int i = 0; i < n; ++i) first[i] = (cell[2][i] * side + cell[1][i]) * side + cell[0][i];
  }

  void fetch(const T* volume, int64_t size, int64_t width, int n) const {
    for (int i = 0; i < n; ++i)
      for (int q = 0; q < 4; ++q) {
        const T* row = volume + (first[i] + ((q >> 1) * size + (q & 1)) * size) * width;
        __builtin_prefetch(row);
        __builtin_prefetch(row + 2 * width - 1);
      }
  }
};

// Two neighbours in x lie side by side: one vector.
template <class T, int kWidth>
void gather(const Strip<T>& strip, int n, const T* __restrict volume, int64_t size,
            T* __restrict out, int64_t stride) {
  typedef T Pair __attribute__((vector_size(2 * kWidth * sizeof(T))));
  for (int i = 0; i < n; ++i) {
    const T x = strip.upper[0][i], y = strip.upper[1][i], z = strip.upper[2][i];
    Pair along, sum = {};
    for (int f = 0; f < kWidth; ++f) {
      along[f] = T(1) - x;
      along[kWidth + f] = x;
    }
    for (int q = 0; q < 4; ++q) {
      const T on = (q & 1 ? y : T(1) - y) * (q >> 1 ? z : T(1) - z);
      Pair pair;
      std::memcpy(&pair, volume + (strip.first[i] + ((q >> 1) * size + (q & 1)) * size) * kWidth,
                  sizeof(Pair));
      const Pair weight = along * on;
      for (int f = 0; f < 2 * kWidth; ++f) sum[f] = fma_(weight[f], pair[f], sum[f]);
    }
    for (int f = 0; f < kWidth; ++f) out[i * stride + f] = sum[f] + sum[kWidth + f];
  }
}

template <class T>
void gather_any(const Strip<T>& strip, int n, const T* volume, int64_t size, int64_t width, T* out,
                int64_t stride) {
  for (int i = 0; i < n; ++i) {
    const T upper[3] = {strip.upper[0][i], strip.upper[1][i], strip.upper[2][i]};
    for (int64_t f = 0; f < width; ++f)
      out[i * stride + f] = wave_feature(volume, strip.first[i], upper, size, width, f);
  }
}

template <class T>
void look_up_block(const T* turns, int64_t points, T frequency, bool cosine, const T* volume,
                   int64_t size, int64_t width, T* out, int64_t stride) {
  Strip<T> strips[2];
  int ready = 0;
  for (int64_t i = 0; i < points + kStrip; i += kStrip) {
    Strip<T>& next = strips[i / kStrip % 2];
    const int filled = i < points ? static_cast<int>(std::min<int64_t>(kStrip, points - i)) : 0;
    if (filled) {
      next.fill(turns + 3 * i, frequency, cosine, size, filled);
      next.fetch(volume, size, width, filled);
    }
    const Strip<T>& strip = strips[i / kStrip % 2 ^ 1];
    T* to = out + (i - kStrip) * stride;
    if (ready && width == 4)
      gather<T, 4>(strip, ready, volume, size, to, stride);
    else if (ready)
      gather_any(strip, ready, volume, size, width, to, stride);
    ready = filled;
  }
}

template <class T>
int look_up(int64_t points, int64_t count, int64_t size, int64_t width, const T* turns,
            const T* frequencies, const T* volumes, T* features, int64_t threads) {
  const int64_t stride = 2 * count * width, volume = size * size * size * width;
  prefer_huge_pages(features, points * stride * sizeof(T));
  const int n_threads = useful_threads(threads, points, kGrain);
  const int64_t share = (points + n_threads - 1) / n_threads;
  const int64_t block = std::min<int64_t>(kBlock, std::max<int64_t>(share, 1));
#pragma omp parallel for schedule(dynamic, 1) num_threads(n_threads)
  for (int64_t first = 0; first < points; first += block)
    for (int64_t v = 0; v < 2 * count; ++v)
      look_up_block(turns + 3 * first, std::min(block, points - first), frequencies[v / 2], v & 1,
                    volumes + v * volume, size, width, features + first * stride + v * width,
                    stride);
  return kOk;
}

}  // namespace
}  // namespace nc

#define NC_WAVE_LOOKUP(suffix, T)                                                            \
  NC_CPU_FUNCTION(wave_lookup, suffix, T) {                                                  \
    return nc::look_up<T>(points, count, size, width, turns, frequencies, volumes, features, \
                          threads);                                                          \
  }

NC_WAVE_LOOKUP(f32, float)
NC_WAVE_LOOKUP(f64, double)
