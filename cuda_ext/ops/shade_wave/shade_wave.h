// shade_wave: the next samples of ONE ray in front of what is seen behind them.
#pragma once

#include "portable.h"

// seen, shown, depth [R]: of each ray before the wave, and after it.
#define NC_ARGUMENTS_shade_wave(T)                                                          \
  int64_t rays, int64_t samples, const T* density, const T* t_mids, const T* deltas,        \
      const int64_t* offsets, const T* seen, const T* shown, const T* depth, double levels, \
      T* weights, T* seen_after, T* shown_after, T* depth_after

namespace nc {

template <class T>
struct WaveSamples {
  const T *density, *t_mids, *deltas;  // [S]
  const int64_t* offsets;              // [R + 1]
};

// What light is left behind a sample, and behind the last one whose color was asked for.
template <class T>
struct ShadeRay {
  T seen, shown, depth;

  // Weight of the sample's color; 0 where none is asked for. NaN densities are empty.
  NC_HD T add(T density, T t_mid, T delta, T levels) {
    const T optical = density * delta;
    const T before = seen;
    seen = fma_(before, expm1_(optical > 0 ? -optical : T(0)), before);
    depth = fma_(before - seen, t_mid, depth);
    const bool asks = levels == 0 ? seen < before : ceil_(before * levels) > ceil_(seen * levels);
    const T weight = asks ? shown - seen : T(0);
    if (asks) shown = seen;
    return weight;
  }
};

template <class T>
NC_HD void shade_wave_ray(const WaveSamples<T>& samples, int64_t r, T levels, ShadeRay<T>& ray,
                          T* weights) {
  for (int64_t i = samples.offsets[r]; i < samples.offsets[r + 1]; ++i)
    weights[i] = ray.add(samples.density[i], samples.t_mids[i], samples.deltas[i], levels);
}

}  // namespace nc
