// march_wave: the next samples of rays that were marched up to some lattice index before.
#pragma once

#include "../march/march.h"

// As march, but of each ray only `most` samples, from lattice index first [R] on: 0 at its
// beginning, the end of the lattice where it is over. next [R]: where each goes on.
#define NC_ARGUMENTS_march_wave(T)                                                        \
  int64_t rays, int64_t resolution, const T* origins, const T* directions, const T* near, \
      const T* far, const T* low, const T* high, const uint64_t* words, double step,      \
      const int64_t* first, int64_t most, int64_t* offsets, void** kept, int64_t* next
#define NC_ARGUMENTS_march_wave_write(T)                                                  \
  int64_t rays, int64_t resolution, const T* origins, const T* directions, const T* near, \
      const T* far, const T* low, const T* high, const uint64_t* words, double step,      \
      const int64_t* first, int64_t most, const int64_t* offsets, void* kept, T* t_starts, \
      int64_t* ray_indices
