// march on CUDA: one thread a ray, twice: count, then write. Between the two the caller sums.
#include "launch.h"
#include "march.h"

namespace nc {
namespace {

struct MarchInputs {
  int64_t rays, resolution;
  const float *origins, *directions, *near, *far, *low, *high;  // [R, 3] x2, [R] x2, [3] x2
  const uint64_t* words;
  float step;
};

template <class Emit>
__device__ void march_one(const MarchInputs& in, int64_t r, Emit&& emit) {
  const auto grid = march_grid(in.words, static_cast<int>(in.resolution), in.low, in.high,
                               nullptr);
  march_ray(grid, in.origins + 3 * r, in.directions + 3 * r, in.near[r], in.far[r], in.step, emit);
}

__global__ void march_count(MarchInputs in, int64_t* offsets) {
  for (int64_t r = cuda_first(); r < in.rays; r += cuda_stride()) {
    int64_t count = 0;
    march_one(in, r, [&](float) { ++count; });
    offsets[r + 1] = count;
  }
}

__global__ void march_write(MarchInputs in, const int64_t* offsets, float* t_starts,
                            int64_t* ray_indices) {
  for (int64_t r = cuda_first(); r < in.rays; r += cuda_stride()) {
    int64_t i = offsets[r];
    march_one(in, r, [&](float t) {
      t_starts[i] = t;
      ray_indices[i++] = r;
    });
  }
}

}  // namespace
}  // namespace nc

NC_CUDA_FUNCTION(march) {
  const nc::MarchInputs in{rays, resolution, origins, directions, near, far, low, high, words,
                           static_cast<float>(step)};
  NC_LAUNCH(nc::march_count, nc::cuda_blocks(rays), nc::kCudaThreads, 0, stream, in, offsets);
  return nc::cuda_status();
}

NC_CUDA_FUNCTION(march_write) {
  const nc::MarchInputs in{rays, resolution, origins, directions, near, far, low, high, words,
                           static_cast<float>(step)};
  NC_LAUNCH(nc::march_write, nc::cuda_blocks(rays), nc::kCudaThreads, 0, stream, in, offsets,
            t_starts, ray_indices);
  return nc::cuda_status();
}
