// Marched: the samples of many rays on the CPU, in one pass. Each block of rays keeps its own; then
// all are joined.
#pragma once

#include <algorithm>
#include <memory>
#include <new>
#include <vector>

#include "blocks.h"
#include "host.h"
#include "march.h"

namespace nc {

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

// The rays of one block: their samples, and how many each has.
template <class T>
void march_block(const MarchGrid<T>& grid, const MarchRays<T>& rays, int64_t block,
                 Buffer<T>& buffer, int64_t* offsets) {
  const int64_t end = std::min(rays.count, (block + 1) * kBlock);
  buffer.reserve(kBlock * std::min<int64_t>(rays.most, 32));
  for (int64_t r = block * kBlock; r < end; ++r) {
    const int64_t before = buffer.size;
    rays.march(grid, r, [&](T t) {
      if (buffer.size == buffer.capacity) buffer.reserve(buffer.size + 1);
      buffer.data[buffer.size++] = t;
    });
    offsets[r + 1] = buffer.size - before;
  }
}

// Counts the samples of all rays, and keeps them for `write_marched`.
template <class T>
int march_and_keep(const MarchRays<T>& rays, int64_t resolution, const T* low, const T* high,
                   const uint64_t* words, int64_t* offsets, void** kept, int64_t threads) {
  std::vector<uint8_t> occupied;
  std::unique_ptr<Marched<T>> marched;
  const int64_t blocks = (rays.count + kBlock - 1) / kBlock;
  try {
    occupied = occupied_blocks(words, resolution / 4);
    marched = std::make_unique<Marched<T>>(blocks);
  } catch (const std::bad_alloc&) {
    return kOutOfMemory;
  }
  const auto grid = march_grid(words, static_cast<int>(resolution), low, high, occupied.data());
  bool failed = false;
#pragma omp parallel for schedule(dynamic, 4) num_threads(useful_threads(threads, blocks, 2))
  for (int64_t b = 0; b < blocks; ++b) {
    try {
      march_block(grid, rays, b, (*marched)[b], offsets);
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
int write_marched(int64_t n_rays, const int64_t* offsets, void* kept, T* t_starts,
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

}  // namespace nc
