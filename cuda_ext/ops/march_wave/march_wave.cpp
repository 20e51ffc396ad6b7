// march_wave on the CPU: a loop over rays.
#include "march_wave.h"

#include <new>
#include <vector>

#include "../march/blocks.h"
#include "host.h"

namespace nc {
namespace {

constexpr int64_t kGrain = 256;  // rays worth one thread
constexpr int64_t kPart = 64;    // rays that a thread takes at once

template <class T>
int march_wave(int64_t n_rays, int64_t resolution, const T* low, const T* high,
               const uint64_t* words, const WaveRays<T>& rays, T* t_starts, int64_t* counts,
               int64_t* next, int64_t threads) {
  std::vector<uint8_t> occupied;
  try {
    occupied = occupied_blocks(words, resolution / 4);
  } catch (const std::bad_alloc&) {
    return kOutOfMemory;
  }
  const auto grid = march_grid(words, static_cast<int>(resolution), low, high, occupied.data());
  const int used = useful_threads(threads, n_rays, kGrain);
#pragma omp parallel for schedule(dynamic, kPart) num_threads(used)
  for (int64_t r = 0; r < n_rays; ++r) march_wave_ray(grid, rays, r, t_starts, counts, next);
  return kOk;
}

}  // namespace
}  // namespace nc

#define NC_MARCH_WAVE(suffix, T)                                                                  \
  NC_CPU_FUNCTION(march_wave, suffix, T) {                                                        \
    const nc::WaveRays<T> of{origins, directions, near, far, static_cast<T>(step), first, most};  \
    return nc::march_wave<T>(rays, resolution, low, high, words, of, t_starts, counts, next,      \
                             threads);                                                            \
  }

NC_MARCH_WAVE(f32, float)
NC_MARCH_WAVE(f64, double)
