// march_wave: the next samples of ONE ray that was marched up to some lattice index before.
#pragma once

#include "../march/march.h"

// first [R]: lattice index from which each ray goes on, 0 at its beginning. t_starts [R, most]:
// zeros behind the counts [R] samples of a ray. next [R]: where it goes on; the end of the lattice
// where it has no further sample.
#define NC_ARGUMENTS_march_wave(T)                                                        \
  int64_t rays, int64_t resolution, const T* origins, const T* directions, const T* near, \
      const T* far, const T* low, const T* high, const uint64_t* words, double step,      \
      const int64_t* first, int64_t most, T* t_starts, int64_t* counts, int64_t* next

namespace nc {

template <class T>
struct WaveRays {
  const T *origins, *directions, *near, *far;  // [R, 3] x2, [R] x2
  T step;
  const int64_t* first;
  int64_t most;
};

template <class T>
NC_HD void march_wave_ray(const MarchGrid<T>& grid, const WaveRays<T>& rays, int64_t r, T* t_starts,
                          int64_t* counts, int64_t* next) {
  T* starts = t_starts + r * rays.most;
  const int64_t end = MarchRay<T>::kLattice;
  const int from = static_cast<int>(min_(max_(rays.first[r], int64_t{0}), end));
  int64_t count = 0;
  next[r] = march_ray_from(grid, rays.origins + 3 * r, rays.directions + 3 * r, rays.near[r],
                           rays.far[r], rays.step, from, [&](T t) {
                             starts[count++] = t;
                             return count < rays.most;
                           });
  counts[r] = count;
  for (; count < rays.most; ++count) starts[count] = T(0);
}

}  // namespace nc
