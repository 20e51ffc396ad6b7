// harmonic_color on CUDA: one thread a point.
#include "harmonic_color.h"

#include "launch.h"

namespace nc {
namespace {

__global__ void color_forward(int64_t points, int degree, const float* features,
                              const float* directions, float* density, float* rgb) {
  const int width = 1 + 3 * degree * degree;
  for (int64_t i = cuda_first(); i < points; i += cuda_stride())
    harmonic_color(features + i * width, directions + 3 * i, degree, density + i, rgb + 3 * i);
}

__global__ void color_backward(int64_t points, int degree, const float* directions,
                               const float* grad_density, const float* grad_rgb,
                               float* grad_features) {
  const int width = 1 + 3 * degree * degree;
  for (int64_t i = cuda_first(); i < points; i += cuda_stride())
    harmonic_color_backward(directions + 3 * i, degree, grad_density[i], grad_rgb + 3 * i,
                            grad_features + i * width);
}

}  // namespace
}  // namespace nc

NC_CUDA_FUNCTION(harmonic_color) {
  NC_LAUNCH(nc::color_forward, nc::cuda_blocks(points), nc::kCudaThreads, 0, stream, points,
            static_cast<int>(degree), features, directions, density, rgb);
  return nc::cuda_status();
}

NC_CUDA_FUNCTION(harmonic_color_backward) {
  NC_LAUNCH(nc::color_backward, nc::cuda_blocks(points), nc::kCudaThreads, 0, stream, points,
            static_cast<int>(degree), directions, grad_density, grad_rgb, grad_features);
  return nc::cuda_status();
}
