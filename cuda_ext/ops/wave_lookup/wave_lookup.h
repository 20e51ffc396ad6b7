// wave_lookup: where ONE point lies in a volume that is looked up at its sines or cosines.
#pragma once

#include "portable.h"

// volumes [2 * count, size, size, size, width]: z, y, x; those of sines and cosines alternate.
#define NC_ARGUMENTS_wave_lookup(T)                                           \
  int64_t points, int64_t count, int64_t size, int64_t width, const T* turns, \
      const T* frequencies, const T* volumes, T* features

namespace nc {

// The sine of pi * t, or its cosine: t is reduced to the nearest quarter, exactly, so that large
// frequencies lose nothing. A t of 2^20 or more, infinite or NaN counts as 0.
NC_HD float half_turns(float t, bool cosine) {
  t = t > -1048576.0f && t < 1048576.0f ? t : 0.0f;
  const float quarters = floor_(fma_(t, 2.0f, 0.5f));
  const float a = fma_(t, 2.0f, -quarters) * 1.57079632679f;
  const float s = a * a;
  const float sine =
      fma_(a * s, fma_(s, fma_(s, -1.9515295891e-4f, 8.3321608736e-3f), -0.16666654611f), a);
  const float other = fma_(
      s * s, fma_(s, fma_(s, 2.443315711809948e-5f, -1.388731625493765e-3f), 4.166664568298827e-2f),
      fma_(s, -0.5f, 1.0f));
  const int quadrant = static_cast<int>(quarters) + (cosine ? 1 : 0);
  const float value = quadrant & 1 ? other : sine;
  return quadrant & 2 ? -value : value;
}
NC_HD double half_turns(double t, bool cosine) {
  t = t > -1048576.0 && t < 1048576.0 ? t : 0.0;
  const double reduced = (t - 2.0 * floor(0.5 * t + 0.5)) * 3.14159265358979323846;
  return cosine ? cos(reduced) : sin(reduced);
}

// Cell along an axis of `size` samples from -1 to 1, and the place within it.
template <class T>
NC_HD int32_t wave_cell(T turns, T frequency, bool cosine, int64_t size, T* fraction) {
  const T wave = half_turns(turns * frequency, cosine);
  const T half = static_cast<T>(size - 1) * T(0.5);
  T place = fma_(wave, half, half);
  place = place > T(0) ? place : T(0);
  const T cell = min_(floor_(place), static_cast<T>(size - 2));
  *fraction = place - cell;
  return static_cast<int32_t>(cell);
}

// Feature f of a point in one volume: the halves in x are summed apart, as the vector version does.
// first: entry of the lowest corner; weights of the upper corners along x, y, z.
template <class T>
NC_HD T wave_feature(const T* volume, int64_t first, const T* upper, int64_t size, int64_t width,
                     int64_t f) {
  T half[2] = {0, 0};
  for (int q = 0; q < 4; ++q) {
    const T y = q & 1 ? upper[1] : T(1) - upper[1], z = q >> 1 ? upper[2] : T(1) - upper[2];
    const T* row = volume + (first + ((q >> 1) * size + (q & 1)) * size) * width + f;
    for (int x = 0; x < 2; ++x)
      half[x] = fma_((x ? upper[0] : T(1) - upper[0]) * (y * z), row[x * width], half[x]);
  }
  return half[0] + half[1];
}

}  // namespace nc
