// spherical_harmonics on CUDA: one thread a direction.
#include "launch.h"
#include "spherical_harmonics.h"

namespace nc {
namespace {

__global__ void sh_forward(int64_t points, int degree, const float* directions, float* basis) {
  const int width = degree * degree;
  for (int64_t i = cuda_first(); i < points; i += cuda_stride()) {
    const float* d = directions + 3 * i;
    float out[16];
    sh_basis<float, float>(d[0], d[1], d[2], degree, out);
    for (int c = 0; c < width; ++c) basis[i * width + c] = out[c];
  }
}

__global__ void sh_backward(int64_t points, int degree, const float* directions,
                            const float* grad_basis, float* grad) {
  const int width = degree * degree;
  for (int64_t i = cuda_first(); i < points; i += cuda_stride()) {
    const float* d = directions + 3 * i;
    sh_basis_backward<float, float>(d[0], d[1], d[2], degree, grad_basis + i * width,
                                    grad + 3 * i);
  }
}

}  // namespace
}  // namespace nc

NC_CUDA_FUNCTION(spherical_harmonics) {
  NC_LAUNCH(nc::sh_forward, nc::cuda_blocks(points), nc::kCudaThreads, 0, stream, points,
            static_cast<int>(degree), directions, basis);
  return nc::cuda_status();
}

NC_CUDA_FUNCTION(spherical_harmonics_backward) {
  NC_LAUNCH(nc::sh_backward, nc::cuda_blocks(points), nc::kCudaThreads, 0, stream, points,
            static_cast<int>(degree), directions, grad_basis, grad);
  return nc::cuda_status();
}
