// composite: emission and absorption along ONE ray of packed samples (Max 1995).
#pragma once

#include "portable.h"

// A null gradient is zero.
#define NC_ARGUMENTS_composite(T)                                                 \
  int64_t rays, int64_t samples, const T* density, const T* rgb, const T* t_mids, \
      const T* deltas, const int64_t* offsets, T* color, T* opacity, T* depth, T* weights
#define NC_ARGUMENTS_composite_backward(T)                                                 \
  int64_t rays, int64_t samples, const T* density, const T* rgb, const T* t_mids,          \
      const T* deltas, const int64_t* offsets, const T* grad_color, const T* grad_opacity, \
      const T* grad_depth, const T* grad_weights, T* grad_density, T* grad_rgb

namespace nc {

// Opacity of one segment.
template <class T>
NC_HD T segment_alpha(T density, T delta) {
  return -expm1_(-density * delta);
}

template <class T>
struct CompositeRay {
  T transmittance = 1;
  T color[3] = {0, 0, 0};
  T opacity = 0, depth = 0;

  // Nothing behind shows any more: whatever follows has weight 0.
  NC_HD bool opaque() const { return transmittance == T(0); }

  // Adds the next sample; returns its weight.
  NC_HD T add(T alpha, const T* rgb, T t_mid) {
    const T weight = transmittance * alpha;
    transmittance *= T(1) - alpha;
    for (int c = 0; c < 3; ++c) color[c] = fma_(weight, rgb[c], color[c]);
    opacity += weight;
    depth = fma_(weight, t_mid, depth);
    return weight;
  }
};

// Sums and weights of ray `ray`, samples begin to end. `alpha(i)` is the opacity of segment i.
template <class T, class Alpha>
NC_HD void composite_ray(int64_t ray, int64_t begin, int64_t end, const T* rgb, const T* t_mids,
                         Alpha&& alpha, T* color, T* opacity, T* depth, T* weights) {
  CompositeRay<T> sums;
  int64_t i = begin;
  for (; i < end && !sums.opaque(); ++i)
    weights[i] = sums.add(alpha(i), rgb + 3 * i, t_mids[i]);
  for (; i < end; ++i) weights[i] = 0;
  for (int c = 0; c < 3; ++c) color[3 * ray + c] = sums.color[c];
  opacity[ray] = sums.opacity;
  depth[ray] = sums.depth;
}

// Cotangents of the outputs of one ray; a null pointer is zero.
template <class T>
struct CompositeGrad {
  T color[3] = {0, 0, 0};
  T opacity = 0, depth = 0;
  const T* weights = nullptr;  // [S] of all samples

  NC_HD CompositeGrad(int64_t ray, const T* grad_color, const T* grad_opacity, const T* grad_depth,
                      const T* grad_weights)
      : weights(grad_weights) {
    for (int c = 0; c < 3 && grad_color; ++c) color[c] = grad_color[3 * ray + c];
    if (grad_opacity) opacity = grad_opacity[ray];
    if (grad_depth) depth = grad_depth[ray];
  }

  // d(loss) / d(weight of sample i), the later samples held fixed.
  NC_HD T of_weight(const T* rgb, T t_mid, int64_t i) const {
    T sum = fma_(depth, t_mid, opacity);
    for (int c = 0; c < 3; ++c) sum = fma_(color[c], rgb[c], sum);
    return weights ? sum + weights[i] : sum;
  }
};

// Gradients of one ray, samples begin to end. `alpha(i)` is the opacity of segment i.
//
// With g_i = d loss / d w_i: d loss / d density_i = delta_i (T_{i+1} g_i - sum_{j>i} w_j g_j).
template <class T, class Alpha>
NC_HD void composite_ray_backward(int64_t begin, int64_t end, const CompositeGrad<T>& grad,
                                  const T* rgb, const T* t_mids, const T* deltas, Alpha&& alpha,
                                  T* grad_density, T* grad_rgb) {
  T transmittance = 1, later = 0;
  int64_t stop = begin;  // behind it everything has weight 0
  for (; stop < end && transmittance != T(0); ++stop) {
    const int64_t i = stop;
    const T a = alpha(i);
    later = fma_(transmittance * a, grad.of_weight(rgb + 3 * i, t_mids[i], i), later);
    transmittance *= T(1) - a;
  }
  transmittance = 1;
  for (int64_t i = begin; i < stop; ++i) {
    const T a = alpha(i), g = grad.of_weight(rgb + 3 * i, t_mids[i], i);
    const T weight = transmittance * a;
    transmittance *= T(1) - a;
    later = fma_(-weight, g, later);
    grad_density[i] = deltas[i] * fma_(transmittance, g, -later);
    for (int c = 0; c < 3; ++c) grad_rgb[3 * i + c] = weight * grad.color[c];
  }
  for (int64_t i = stop; i < end; ++i) {
    grad_density[i] = 0;
    for (int c = 0; c < 3; ++c) grad_rgb[3 * i + c] = 0;
  }
}

}  // namespace nc
