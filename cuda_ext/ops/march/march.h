// march: the samples of ONE ray in the occupied cells of a grid.
#pragma once

#include "portable.h"

// Twice over the rays: march counts, the caller sums up, march_write writes. offsets [R + 1]:
// zeros, whose element r + 1 becomes the number of samples of ray r; then their running sums. kept:
// what the CPU holds from the first call to the second, which frees it; CUDA marches again instead.
#define NC_ARGUMENTS_march(T)                                                             \
  int64_t rays, int64_t resolution, const T* origins, const T* directions, const T* near, \
      const T* far, const T* low, const T* high, const uint64_t* words, double step,      \
      int64_t* offsets, void** kept
#define NC_ARGUMENTS_march_write(T)                                                       \
  int64_t rays, int64_t resolution, const T* origins, const T* directions, const T* near, \
      const T* far, const T* low, const T* high, const uint64_t* words, double step,      \
      const int64_t* offsets, void* kept, T* t_starts, int64_t* ray_indices

namespace nc {

template <class T>
struct MarchGrid {
  const uint64_t* words;  // [(resolution / 4)^3] bricks of 4x4x4 cells
  int resolution;         // cells per edge
  T low[3];               // box corner, world
  T scale[3];             // cells per world unit
  // Blocks of 4x4x4 bricks, [ceil(resolution / 16)^3]: is any cell occupied. May be null: it only
  // makes the skips longer.
  const uint8_t* blocks;
};

template <class T>
NC_HD MarchGrid<T> march_grid(const uint64_t* words, int resolution, const T* low, const T* high,
                              const uint8_t* blocks) {
  MarchGrid<T> grid{words, resolution, {}, {}, blocks};
  for (int d = 0; d < 3; ++d) {
    grid.low[d] = low[d];
    grid.scale[d] = static_cast<T>(resolution) / (high[d] - low[d]);
  }
  return grid;
}

// A ray in cell coordinates. Sample k is kept or not by middle(k) and position(k) alone, and both
// are monotone in k under rounding; so a skip whose last point still lies in the empty cube
// cannot lose a sample, however inexactly its length was computed.
template <class T>
struct MarchRay {
  static constexpr int kLattice = 1 << 24;  // float holds every integer below

  T origin[3], direction[3], inverse[3];
  T near, far, step, half, inverse_step, resolution;

  NC_HD MarchRay(const MarchGrid<T>& grid, const T* o, const T* d, T near_, T far_, T step_)
      : near(near_), far(far_), step(step_), half(T(0.5) * step_), inverse_step(T(1) / step_),
        resolution(static_cast<T>(grid.resolution)) {
    for (int a = 0; a < 3; ++a) {
      origin[a] = (o[a] - grid.low[a]) * grid.scale[a];
      direction[a] = d[a] * grid.scale[a];
      inverse[a] = T(1) / direction[a];
    }
  }

  NC_HD T start(int k) const { return fma_(static_cast<T>(k), step, near); }

  NC_HD void position(T middle, T* p) const {
    for (int a = 0; a < 3; ++a) p[a] = fma_(middle, direction[a], origin[a]);
  }

  NC_HD bool inside(const T* p) const {
    return (p[0] >= 0) & (p[0] <= resolution) & (p[1] >= 0) & (p[1] <= resolution) &
           (p[2] >= 0) & (p[2] <= resolution);
  }

  // True for every point before the ray enters the slab of some axis.
  NC_HD bool before_box(int k) const {
    T p[3];
    position(start(k) + half, p);
    bool before = false;
    for (int a = 0; a < 3; ++a)
      before |= (direction[a] > 0 && p[a] < 0) | (direction[a] < 0 && p[a] > resolution);
    return before;
  }

  NC_HD int cell_of(T p) const {
    const int cell = static_cast<int>(p);
    const int last = static_cast<int>(resolution) - 1;
    return cell < last ? cell : last;
  }

  // First lattice index that may lie in the box; kLattice if none.
  NC_HD int enter() const {
    T t = near + half;
    for (int a = 0; a < 3; ++a) {
      if (direction[a] == 0) continue;
      t = max_(t, ((direction[a] > 0 ? T(0) : resolution) - origin[a]) * inverse[a]);
    }
    const T steps = ceil_((t - (near + half)) * inverse_step);
    if (!(steps < T(kLattice))) return kLattice;
    int k = steps > 0 ? static_cast<int>(steps) : 0;  // below 0 only where some axis is NaN
    for (int back = 1; k > 0 && !before_box(k - 1); back *= 2) k = k > back ? k - back : 0;
    return k;
  }

  // Index after the last lattice point in the empty cube of 2^shift cells that holds `cell`, the
  // cell of point k.
  NC_HD int leave_cube(int k, T middle, const int* cell, int shift) const {
    T exit = T(kLattice) * step + middle;
    for (int a = 0; a < 3; ++a) {
      if (direction[a] == 0) continue;
      const int face = ((cell[a] >> shift) + (direction[a] > 0 ? 1 : 0)) << shift;
      exit = min_(exit, (static_cast<T>(face) - origin[a]) * inverse[a]);
    }
    const T steps = ceil_((exit - middle) * inverse_step);
    const int room = kLattice - k;
    int count = !(steps > 1) ? 1 : steps < static_cast<T>(room) ? static_cast<int>(steps) : room;
    for (int back = 1; count > 1 && !same_cube(k + count - 1, cell, shift); back *= 2)
      count = count > back ? count - back : 1;
    return k + count;
  }

  NC_HD bool same_cube(int k, const int* cell, int shift) const {
    T p[3];
    position(start(k) + half, p);
    if (!inside(p)) return false;
    const int differs = (cell_of(p[0]) ^ cell[0]) | (cell_of(p[1]) ^ cell[1]) |
                        (cell_of(p[2]) ^ cell[2]);
    return differs >> shift == 0;
  }
};

// Calls emit(t) with the start of every kept segment from lattice index `first` on, in ascending
// order, until it answers false. Returns the index after the last that was looked at, kLattice
// where no further one can be kept.
template <class T, class Emit>
NC_HD int march_ray_from(const MarchGrid<T>& grid, const T* origin, const T* direction, T near,
                         T far, T step, int first, Emit&& emit) {
  const MarchRay<T> ray(grid, origin, direction, near, far, step);
  const int bricks = grid.resolution / 4, blocks = (bricks + 3) / 4;
  for (int k = first > 0 ? first : ray.enter(); k < MarchRay<T>::kLattice;) {
    const T t = ray.start(k);
    const T middle = t + ray.half;
    if (!(middle < far)) break;
    T p[3];
    ray.position(middle, p);
    if (!ray.inside(p)) {
      if (!ray.before_box(k)) break;
      ++k;
      continue;
    }
    const int cell[3] = {ray.cell_of(p[0]), ray.cell_of(p[1]), ray.cell_of(p[2])};
    const uint64_t word =
        grid.words[(int64_t{cell[0] >> 2} * bricks + (cell[1] >> 2)) * bricks + (cell[2] >> 2)];
    if (word == 0) {
      const int block = ((cell[0] >> 4) * blocks + (cell[1] >> 4)) * blocks + (cell[2] >> 4);
      k = ray.leave_cube(k, middle, cell, grid.blocks && !grid.blocks[block] ? 4 : 2);
      continue;
    }
    const int bit = ((cell[0] & 3) * 4 + (cell[1] & 3)) * 4 + (cell[2] & 3);
    ++k;
    if ((word >> bit & 1) && !emit(t)) return k;
  }
  return MarchRay<T>::kLattice;
}

// Rays, or what is left of them.
template <class T>
struct MarchRays {
  int64_t count;
  const T *origins, *directions, *near, *far;  // [R, 3] x2, [R] x2
  T step;
  const int64_t* first = nullptr;  // [R] lattice index from which each goes on; null: its beginning
  int64_t most = INT64_MAX;        // samples of each
  int64_t* next = nullptr;         // [R] `first` of what is left then; or null

  // Calls emit(t) with the start of every segment of ray r that is asked for, in ascending order.
  template <class Emit>
  NC_HD void march(const MarchGrid<T>& grid, int64_t r, Emit&& emit) const {
    constexpr int64_t kEnd = MarchRay<T>::kLattice;
    const int from = first ? static_cast<int>(min_(max_(first[r], int64_t{0}), kEnd)) : 0;
    int64_t left = most;
    int behind = MarchRay<T>::kLattice;
    if (from < kEnd)
      behind = march_ray_from(grid, origins + 3 * r, directions + 3 * r, near[r], far[r], step, from,
                              [&](T t) {
                                emit(t);
                                return --left > 0;
                              });
    if (next) next[r] = behind;
  }
};

}  // namespace nc
