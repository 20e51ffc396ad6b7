// voxel_lookup on the CPU. Rows and weights of a few points are found first and their rows fetched
// into the cache; then the rows are read (or added to) in vectors of channels.
#include "voxel_lookup.h"

#include <algorithm>
#include <memory>

#include "host.h"

namespace nc {
namespace {

constexpr int kStrip = 32;          // points whose corners are held at once, forward
constexpr int64_t kBlock = 1 << 13;  // points whose corners are held at once, to add
constexpr int64_t kAhead = 12;       // points between fetching rows and adding to them
constexpr int64_t kGrain = 512;      // points worth one thread
constexpr int kWidth = 28;           // density and 3 x 9 coefficients: unrolled
constexpr int kLine = 64;            // bytes

// Fetches a row of the table into the cache, to be changed or only read.
template <bool changes, class T>
void fetch(const T* row, int64_t width) {
  for (int64_t byte = 0; byte < static_cast<int64_t>(width * sizeof(T)); byte += kLine)
    __builtin_prefetch(reinterpret_cast<const char*>(row) + byte, changes);
}

template <class T>
void gather(const VoxelCorners<T>& corners, const T* __restrict table, T* __restrict out) {
  T sum[kWidth] = {};
  for (int c = 0; c < 8; ++c) {
    if (corners.row[c] < 0) continue;
    const T* entry = table + int64_t{corners.row[c]} * kWidth;
    for (int f = 0; f < kWidth; ++f) sum[f] = fma_(corners.weight[c], entry[f], sum[f]);
  }
  for (int f = 0; f < kWidth; ++f) out[f] = sum[f];
}

template <class T>
void gather_any(const VoxelCorners<T>& corners, const T* __restrict table, T* __restrict out,
                int64_t width) {
  std::fill_n(out, width, T(0));
  for (int c = 0; c < 8; ++c) {
    if (corners.row[c] < 0) continue;
    const T* entry = table + corners.row[c] * width;
    for (int64_t f = 0; f < width; ++f) out[f] = fma_(corners.weight[c], entry[f], out[f]);
  }
}

template <class T>
int look_up(const VoxelBricks& grid, int64_t points, int64_t width, const T* unit, const T* table,
            T* features, int64_t threads) {
  prefer_huge_pages(features, points * width * sizeof(T));
  const int n_threads = useful_threads(threads, points, kGrain);
#pragma omp parallel for schedule(dynamic, 16) num_threads(n_threads)
  for (int64_t first = 0; first < points; first += kStrip) {
    const int n = static_cast<int>(std::min<int64_t>(kStrip, points - first));
    alignas(VoxelCorners<T>) unsigned char memory[kStrip * sizeof(VoxelCorners<T>)];
    auto* corners = reinterpret_cast<VoxelCorners<T>*>(memory);
    for (int i = 0; i < n; ++i) {
      new (corners + i) VoxelCorners<T>(grid, unit + 3 * (first + i));
      for (int32_t row : corners[i].row)
        if (row >= 0) fetch<false>(table + row * width, width);
    }
    for (int i = 0; i < n; ++i) {
      T* out = features + (first + i) * width;
      if (width == kWidth)
        gather(corners[i], table, out);
      else
        gather_any(corners[i], table, out, width);
    }
  }
  return kOk;
}

template <class T>
void scatter(int32_t row, T weight, const T* __restrict value, T* __restrict table, int64_t width) {
  T* entry = table + row * width;
  if (width == kWidth) {
    T sum[kWidth];
    for (int f = 0; f < kWidth; ++f) sum[f] = fma_(weight, value[f], entry[f]);
    for (int f = 0; f < kWidth; ++f) entry[f] = sum[f];
    return;
  }
  for (int64_t f = 0; f < width; ++f) entry[f] = fma_(weight, value[f], entry[f]);
}

// A row belongs to one thread, runs of 64 rows together: sums are in order of points, the same bits
// for any number of threads.
inline int owner(int32_t row, int n_threads) {
  const uint32_t mixed = static_cast<uint32_t>(row >> 6) * 2654435761u;
  return static_cast<int>(uint64_t{mixed} * static_cast<uint32_t>(n_threads) >> 32);
}

template <class T>
int touch(const VoxelBricks& grid, int64_t points, const T* unit, uint8_t* touched,
          int64_t threads) {
#pragma omp parallel for schedule(static) num_threads(useful_threads(threads, points, kGrain))
  for (int64_t i = 0; i < points; ++i) {
    const VoxelCorners<T> corners(grid, unit + 3 * i);
    for (int c = 0; c < 8; ++c)
      if (corners.row[c] >= 0) __atomic_store_n(touched + corners.row[c], 1, __ATOMIC_RELAXED);
  }
  return kOk;
}

template <class T>
int add(const VoxelBricks& grid, int64_t points, int64_t width, const T* unit, const T* values,
        const int32_t* slots, T* table, int64_t threads) {
  const int n_threads = useful_threads(threads, points, kGrain);
  const int64_t held = std::min(kBlock, points);
  std::unique_ptr<VoxelCorners<T>, decltype(&std::free)> memory(
      static_cast<VoxelCorners<T>*>(std::malloc((held + 1) * sizeof(VoxelCorners<T>))), &std::free);
  VoxelCorners<T>* corners = memory.get();
  if (!corners) return kOutOfMemory;
#pragma omp parallel num_threads(n_threads)
  {
    const int me = thread_index(), team = thread_count();
    const auto mine = [&](int32_t row) { return row >= 0 && (team == 1 || owner(row, team) == me); };
    for (int64_t first = 0; first < points; first += kBlock) {
      const int64_t n = std::min(kBlock, points - first);
#pragma omp for schedule(static)
      for (int64_t i = 0; i < n; ++i) {
        new (corners + i) VoxelCorners<T>(grid, unit + 3 * (first + i));
        if (slots) corners[i].move(slots);
      }
      for (int64_t i = 0; i < n; ++i) {
        const T* value = values + (first + i) * width;
        if (i + kAhead < n)
          for (int32_t row : corners[i + kAhead].row)
            if (mine(row)) fetch<true>(table + row * width, width);
        for (int c = 0; c < 8; ++c)
          if (const int32_t row = corners[i].row[c]; mine(row))
            scatter(row, corners[i].weight[c], value, table, width);
      }
#pragma omp barrier
    }
  }
  return kOk;
}

}  // namespace
}  // namespace nc

#define NC_VOXEL_LOOKUP(suffix, T)                                                            \
  NC_CPU_FUNCTION(voxel_lookup, suffix, T) {                                                  \
    return nc::look_up<T>({words, first, cells, bricks, rows}, points, width, unit, table,    \
                          features, threads);                                                 \
  }                                                                                           \
  NC_CPU_FUNCTION(voxel_touch, suffix, T) {                                                   \
    return nc::touch<T>({words, first, cells, bricks, rows}, points, unit, touched, threads); \
  }                                                                                           \
  NC_CPU_FUNCTION(voxel_add, suffix, T) {                                                     \
    return nc::add<T>({words, first, cells, bricks, rows}, points, width, unit, values,       \
                      slots, table, threads);                                                 \
  }

NC_VOXEL_LOOKUP(f32, float)
NC_VOXEL_LOOKUP(f64, double)
