// harmonic_color: density and color of ONE point that is seen along a direction, of features that
// hold raw density and coefficients of harmonics, color after color.
#pragma once

#include "../spherical_harmonics/spherical_harmonics.h"

// features and grad_features [N, 1 + 3 * degree^2], rgb and grad_rgb [N, 3], density and
// grad_density [N].
#define NC_ARGUMENTS_harmonic_color(T)                                                       \
  int64_t points, int64_t degree, const T* features, const T* directions, T* density, T* rgb
#define NC_ARGUMENTS_harmonic_color_backward(T)                                               \
  int64_t points, int64_t degree, const T* directions, const T* grad_density, const T* grad_rgb, \
      T* grad_features

namespace nc {

template <class T>
NC_HD void harmonic_color(const T* features, const T* direction, int degree, T* density, T* rgb) {
  T basis[16];
  sh_basis<T, T>(direction[0], direction[1], direction[2], degree, basis);
  const int width = degree * degree;
  *density = features[0];
  for (int c = 0; c < 3; ++c) {
    T sum = T(0);
    for (int k = 0; k < width; ++k) sum = fma_(features[1 + c * width + k], basis[k], sum);
    rgb[c] = sum;
  }
}

template <class T>
NC_HD void harmonic_color_backward(const T* direction, int degree, T grad_density,
                                   const T* grad_rgb, T* grad_features) {
  T basis[16];
  sh_basis<T, T>(direction[0], direction[1], direction[2], degree, basis);
  const int width = degree * degree;
  grad_features[0] = grad_density;
  for (int c = 0; c < 3; ++c)
    for (int k = 0; k < width; ++k) grad_features[1 + c * width + k] = grad_rgb[c] * basis[k];
}

}  // namespace nc
