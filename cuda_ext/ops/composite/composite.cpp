// composite on the CPU: a thread owns a range of rays; alphas of a few rays at once, in vectors.
#include "composite.h"

#include <algorithm>
#include <vector>

#include "host.h"

namespace nc {
namespace {

constexpr int64_t kGroup = 1024;  // samples whose alphas are computed together; stays in L1
constexpr int64_t kGrain = 8192;  // samples worth one thread

template <class T>
struct Samples {
  const T *density, *rgb, *t_mids, *deltas;  // [S], [S, 3], [S], [S]
  const int64_t* offsets;                    // [R + 1]
};

// Calls ray(r, alphas of its samples) for all rays; threads get equal numbers of samples.
template <class T, class Ray>
void for_each_ray(const Samples<T>& samples, int64_t rays, int64_t threads, Ray&& ray) {
  const int64_t* offsets = samples.offsets;
#pragma omp parallel num_threads(useful_threads(threads, offsets[rays] + rays, kGrain))
  {
    const int64_t n = thread_count(), index = thread_index();
    const auto bound = [&](int64_t part) {
      if (part == n) return rays;
      return static_cast<int64_t>(
          std::lower_bound(offsets, offsets + rays, offsets[rays] * part / n) - offsets);
    };
    std::vector<T> alphas(kGroup);
    const int64_t end = bound(index + 1);
    for (int64_t first = index ? bound(index) : 0, last; first < end; first = last) {
      const int64_t begin = offsets[first];
      for (last = first + 1; last < end && offsets[last + 1] - begin <= kGroup;) ++last;
      const int64_t count = offsets[last] - begin;
      if (count > static_cast<int64_t>(alphas.size())) alphas.resize(count);
      T* alpha = alphas.data();
      for (int64_t i = 0; i < count; ++i)
        alpha[i] = segment_alpha(samples.density[begin + i], samples.deltas[begin + i]);
      for (int64_t r = first; r < last; ++r) ray(r, alpha - begin);
    }
  }
}

template <class T>
int composite(int64_t rays, int64_t n_samples, const Samples<T>& samples, T* color, T* opacity,
              T* depth, T* weights, int64_t threads) {
  if (!valid_offsets(samples.offsets, rays, n_samples)) return kBadOffsets;
  prefer_huge_pages(weights, n_samples * sizeof(T));
  for_each_ray(samples, rays, threads, [&](int64_t r, const T* alpha) {
    composite_ray(r, samples.offsets[r], samples.offsets[r + 1], samples.rgb, samples.t_mids,
                  [&](int64_t i) { return alpha[i]; }, color, opacity, depth, weights);
  });
  return kOk;
}

template <class T>
int composite_backward(int64_t rays, int64_t n_samples, const Samples<T>& samples,
                       const T* grad_color, const T* grad_opacity, const T* grad_depth,
                       const T* grad_weights, T* grad_density, T* grad_rgb, int64_t threads) {
  if (!valid_offsets(samples.offsets, rays, n_samples)) return kBadOffsets;
  prefer_huge_pages(grad_density, n_samples * sizeof(T));
  prefer_huge_pages(grad_rgb, n_samples * 3 * sizeof(T));
  for_each_ray(samples, rays, threads, [&](int64_t r, const T* alpha) {
    const CompositeGrad<T> grad(r, grad_color, grad_opacity, grad_depth, grad_weights);
    composite_ray_backward(samples.offsets[r], samples.offsets[r + 1], grad, samples.rgb,
                           samples.t_mids, samples.deltas, [&](int64_t i) { return alpha[i]; },
                           grad_density, grad_rgb);
  });
  return kOk;
}

}  // namespace
}  // namespace nc

#define NC_COMPOSITE(suffix, T)                                                              \
  NC_CPU_FUNCTION(composite, suffix, T) {                                                    \
    return nc::composite<T>(rays, samples, {density, rgb, t_mids, deltas, offsets}, color,   \
                            opacity, depth, weights, threads);                               \
  }                                                                                          \
  NC_CPU_FUNCTION(composite_backward, suffix, T) {                                           \
    return nc::composite_backward<T>(rays, samples, {density, rgb, t_mids, deltas, offsets}, \
                                     grad_color, grad_opacity, grad_depth, grad_weights,     \
                                     grad_density, grad_rgb, threads);                       \
  }

NC_COMPOSITE(f32, float)
NC_COMPOSITE(f64, double)
