// shade_wave on CUDA: one thread a ray.
#include "launch.h"
#include "shade_wave.h"

namespace nc {
namespace {

__global__ void shade_wave(int64_t rays, WaveSamples<float> samples, const float* seen,
                           const float* shown, const float* depth, float levels, float* weights,
                           float* seen_after, float* shown_after, float* depth_after) {
  for (int64_t r = cuda_first(); r < rays; r += cuda_stride()) {
    ShadeRay<float> ray{seen[r], shown[r], depth[r]};
    shade_wave_ray(samples, r, levels, ray, weights);
    seen_after[r] = ray.seen;
    shown_after[r] = ray.shown;
    depth_after[r] = ray.depth;
  }
}

}  // namespace
}  // namespace nc

NC_CUDA_FUNCTION(shade_wave) {
  const nc::WaveSamples<float> of{density, t_mids, deltas, offsets};
  NC_LAUNCH(nc::shade_wave, nc::cuda_blocks(rays), nc::kCudaThreads, 0, stream, rays, of, seen,
            shown, depth, static_cast<float>(levels), weights, seen_after, shown_after,
            depth_after);
  return nc::cuda_status();
}
