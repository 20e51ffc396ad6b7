// march_wave on CUDA: one thread a ray.
#include "launch.h"
#include "march_wave.h"

namespace nc {
namespace {

__global__ void march_wave(int64_t n_rays, int64_t resolution, const float* low, const float* high,
                           const uint64_t* words, WaveRays<float> rays, float* t_starts,
                           int64_t* counts, int64_t* next) {
  const auto grid = march_grid(words, static_cast<int>(resolution), low, high, nullptr);
  for (int64_t r = cuda_first(); r < n_rays; r += cuda_stride())
    march_wave_ray(grid, rays, r, t_starts, counts, next);
}

}  // namespace
}  // namespace nc

NC_CUDA_FUNCTION(march_wave) {
  const nc::WaveRays<float> of{origins, directions, near,  far, static_cast<float>(step),
                               first,   most};
  NC_LAUNCH(nc::march_wave, nc::cuda_blocks(rays), nc::kCudaThreads, 0, stream, rays, resolution,
            low, high, words, of, t_starts, counts, next);
  return nc::cuda_status();
}
