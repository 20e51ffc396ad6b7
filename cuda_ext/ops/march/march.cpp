// march on the CPU: one pass. Each block of rays keeps its samples; then all are joined.
#include "march.h"

#include <algorithm>
#include <memory>
#include <new>
#include <vector>

#include "blocks.h"
#include "host.h"

namespace nc {
namespace {

constexpr int64_t kBlock = 128;  // rays

// Grows without initialising: a vector's push_back would be the slowest part of the march.
template <class T>
struct Buffer {
  std::unique_ptr<T[]> data;
  int64_t size = 0, capacity = 0;

  void reserve(int64_t wanted) {
    if (wanted <= capacity) return;
    capacity = std::max<int64_t>(2 * capacity, wanted);
    std::unique_ptr<T[]> grown(new T[capacity]);
    std::copy(data.get(), data.get() + size, grown.get());
    data = std::move(grown);
  }
};

template <class T>
using Marched = std::vector<Buffer<T>>;  // of each block of rays

template <class T>
struct Rays {
  int64_t count;
  const T *origins, *directions, *near, *far;  // [R, 3], [R, 3], [R], [R]
};

template <class T>
void march_block(const MarchGrid<T>& grid, const Rays<T>& rays, int64_t block, T step,
                 Buffer<T>& buffer, int64_t* offsets) {
  const int64_t end = std::min(rays.count, (block + 1) * kBlock);
  buffer.reserve(kBlock * 32);
  for (int64_t r = block * kBlock; r < end; ++r) {
    const int64_t before = buffer.size;
    march_ray(grid, rays.origins + 3 * r, rays.directions + 3 * r, rays.near[r], rays.far[r], step,
              [&](T t) {
                if (buffer.size == buffer.capacity) buffer.reserve(buffer.size + 1);
                buffer.data[buffer.size++] = t;
              });
    offsets[r + 1] = buffer.size - before;
  }
}

template <class T>
int march(int64_t n_rays, int64_t resolution, const T* origins, const T* directions, const T* near,
          const T* far, const T* low, const T* high, const uint64_t* words, T step,
          int64_t* offsets, void** kept, int64_t threads) {
  std::vector<uint8_t> occupied;
  std::unique_ptr<Marched<T>> marched;
  const int64_t blocks = (n_rays + kBlock - 1) / kBlock;
  try {
    occupied = occupied_blocks(words, resolution / 4);
    marched = std::make_unique<Marched<T>>(blocks);
  } catch (const std::bad_alloc&) {
    return kOutOfMemory;
  }
  const auto grid = march_grid(words, static_cast<int>(resolution), low, high, occupied.data());
  const Rays<T> rays{n_rays, origins, directions, near, far};
  bool failed = false;
#pragma omp parallel for schedule(dynamic, 4) num_threads(useful_threads(threads, blocks, 2))
  for (int64_t b = 0; b < blocks; ++b) {
    try {
      march_block(grid, rays, b, step, (*marched)[b], offsets);
    } catch (const std::bad_alloc&) {
#pragma omp atomic write
      failed = true;
    }
  }
  if (failed) return kOutOfMemory;
  *kept = marched.release();
  return kOk;
}

// Copies the samples that were kept out and frees them.
template <class T>
int march_write(int64_t n_rays, const int64_t* offsets, void* kept, T* t_starts,
                int64_t* ray_indices, int64_t threads) {
  const std::unique_ptr<Marched<T>> marched(static_cast<Marched<T>*>(kept));
  const int64_t blocks = static_cast<int64_t>(marched->size());
  prefer_huge_pages(t_starts, offsets[n_rays] * sizeof(T));
  prefer_huge_pages(ray_indices, offsets[n_rays] * sizeof(int64_t));
#pragma omp parallel for schedule(static) num_threads(useful_threads(threads, blocks, 8))
  for (int64_t b = 0; b < blocks; ++b) {
    const int64_t first = b * kBlock, end = std::min(n_rays, first + kBlock);
    const Buffer<T>& buffer = (*marched)[b];
    std::copy(buffer.data.get(), buffer.data.get() + buffer.size, t_starts + offsets[first]);
    for (int64_t r = first; r < end; ++r)
      std::fill(ray_indices + offsets[r], ray_indices + offsets[r + 1], r);
  }
  return kOk;
}

}  // namespace
}  // namespace nc

#define NC_MARCH(suffix, T)                                                                 \
  NC_CPU_FUNCTION(march, suffix, T) {                                                       \
    return nc::march<T>(rays, resolution, origins, directions, near, far, low, high, words, \
                        static_cast<T>(step), offsets, kept, threads);                      \
  }                                                                                         \
  NC_CPU_FUNCTION(march_write, suffix, T) {                                                 \
    return nc::march_write<T>(rays, offsets, kept, t_starts, ray_indices, threads);         \
  }

NC_MARCH(f32, float)
NC_MARCH(f64, double)
