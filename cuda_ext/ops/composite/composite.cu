// composite on CUDA: one thread a ray.
#include "composite.h"
#include "launch.h"

namespace nc {
namespace {

struct CompositeInputs {
  int64_t rays;
  const float *density, *rgb, *t_mids, *deltas;  // [S], [S, 3], [S], [S]
  const int64_t* offsets;                        // [R + 1]
};

__global__ void composite_forward(CompositeInputs in, float* color, float* opacity, float* depth,
                                  float* weights) {
  for (int64_t r = cuda_first(); r < in.rays; r += cuda_stride()) {
    composite_ray(
        r, in.offsets[r], in.offsets[r + 1], in.rgb, in.t_mids,
        [&](int64_t i) { return segment_alpha(in.density[i], in.deltas[i]); }, color, opacity,
        depth, weights);
  }
}

__global__ void composite_backward(CompositeInputs in, const float* grad_color,
                                   const float* grad_opacity, const float* grad_depth,
                                   const float* grad_weights, float* grad_density,
                                   float* grad_rgb) {
  for (int64_t r = cuda_first(); r < in.rays; r += cuda_stride()) {
    const CompositeGrad<float> grad(r, grad_color, grad_opacity, grad_depth, grad_weights);
    composite_ray_backward(
        in.offsets[r], in.offsets[r + 1], grad, in.rgb, in.t_mids, in.deltas,
        [&](int64_t i) { return segment_alpha(in.density[i], in.deltas[i]); }, grad_density,
        grad_rgb);
  }
}

}  // namespace
}  // namespace nc

NC_CUDA_FUNCTION(composite) {
  const nc::CompositeInputs in{rays, density, rgb, t_mids, deltas, offsets};
  NC_LAUNCH(nc::composite_forward, nc::cuda_blocks(rays), nc::kCudaThreads, 0, stream, in, color,
            opacity, depth, weights);
  return nc::cuda_status();
}

NC_CUDA_FUNCTION(composite_backward) {
  const nc::CompositeInputs in{rays, density, rgb, t_mids, deltas, offsets};
  NC_LAUNCH(nc::composite_backward, nc::cuda_blocks(rays), nc::kCudaThreads, 0, stream, in,
            grad_color, grad_opacity, grad_depth, grad_weights, grad_density, grad_rgb);
  return nc::cuda_status();
}
