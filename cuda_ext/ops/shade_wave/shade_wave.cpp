// shade_wave on the CPU: a loop over rays.
#include "shade_wave.h"

#include "host.h"

namespace nc {
namespace {

constexpr int64_t kGrain = 2048;  // rays worth one thread

template <class T>
struct State {
  T *seen, *shown, *depth;  // [R]
};

template <class T>
int shade_wave(int64_t rays, int64_t n_samples, const WaveSamples<T>& samples,
               const State<const T>& before, T levels, T* weights, const State<T>& after,
               int64_t threads) {
  if (!valid_offsets(samples.offsets, rays, n_samples)) return kBadOffsets;
#pragma omp parallel for schedule(static) num_threads(useful_threads(threads, rays, kGrain))
  for (int64_t r = 0; r < rays; ++r) {
    ShadeRay<T> ray{before.seen[r], before.shown[r], before.depth[r]};
    shade_wave_ray(samples, r, levels, ray, weights);
    after.seen[r] = ray.seen;
    after.shown[r] = ray.shown;
    after.depth[r] = ray.depth;
  }
  return kOk;
}

}  // namespace
}  // namespace nc

#define NC_SHADE_WAVE(suffix, T)                                                                \
  NC_CPU_FUNCTION(shade_wave, suffix, T) {                                                      \
    return nc::shade_wave<T>(rays, samples, {density, t_mids, deltas, offsets},                 \
                             {seen, shown, depth}, static_cast<T>(levels), weights,             \
                             {seen_after, shown_after, depth_after}, threads);                  \
  }

NC_SHADE_WAVE(f32, float)
NC_SHADE_WAVE(f64, double)
