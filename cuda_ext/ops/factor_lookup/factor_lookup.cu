// factor_lookup on CUDA: the 32 threads of a warp share a point and take its channels side by side.
// The backward adds atomically, so its last bits may differ from run to run (on the CPU they do
// not).
#include "factor_lookup.h"
#include "launch.h"

namespace nc {
namespace {

constexpr int kLanes = 32;

__global__ void factor_forward(Factors<const float> factors, int64_t points, const float* unit,
                               float* features) {
  const int64_t width = factors.width;
  for (int64_t t = cuda_first(); t < points * kLanes; t += cuda_stride()) {
    const int64_t i = t / kLanes;
    const FactorPoint<float> point(factors, unit + 3 * i);
    float* out = features + i * width * factors.modes();
    for (int m = 0; m < factors.modes(); ++m, out += width) {
      const FactorMode<float> mode(factors, point, m);
      for (int64_t f = t % kLanes; f < width; f += kLanes) {
        float value = on_line(factors.line[m] + mode.line + f, width, mode.end);
        if (factors.plane[0])
          value *= on_plane(factors.plane[m] + mode.plane + f, width, mode.plane_step, mode.corner);
        for (int n = 1; n < 3 && !factors.plane[0]; ++n) {
          const FactorMode<float> other(factors, point, n);
          value *= on_line(factors.line[n] + other.line + f, width, other.end);
        }
        out[f] = value;
      }
    }
  }
}

// What multiplies line `mode` at channel f: its plane, or the two other lines.
__device__ float partner(const Factors<const float>& factors, const FactorPoint<float>& point,
                         const FactorMode<float>& mode, int m, int64_t f) {
  if (factors.plane[0])
    return on_plane(factors.plane[m] + mode.plane + f, factors.width, mode.plane_step, mode.corner);
  float value = 1.0f;
  for (int n = 0; n < 3; ++n) {
    if (n == m) continue;
    const FactorMode<float> other(factors, point, n);
    value *= on_line(factors.line[n] + other.line + f, factors.width, other.end);
  }
  return value;
}

__global__ void factor_backward(Factors<const float> factors, Factors<float> grads, int64_t points,
                                const float* unit, const float* grad_features) {
  const int64_t width = factors.width;
  for (int64_t t = cuda_first(); t < points * kLanes; t += cuda_stride()) {
    const int64_t i = t / kLanes;
    const FactorPoint<float> point(factors, unit + 3 * i);
    const float* grad = grad_features + i * width * factors.modes();
    for (int m = 0; m < 3; ++m, grad += factors.plane[0] ? width : 0) {
      const FactorMode<float> mode(factors, point, m);
      for (int64_t f = t % kLanes; f < width; f += kLanes) {
        const float g = grad[f] * partner(factors, point, mode, m, f);
        float* line = grads.line[m] + mode.line + f;
        for (int e = 0; e < 2; ++e) atomicAdd(line + e * width, mode.end[e] * g);
        if (!factors.plane[0]) continue;
        const float h = grad[f] * on_line(factors.line[m] + mode.line + f, width, mode.end);
        float* plane = grads.plane[m] + mode.plane + f;
        for (int c = 0; c < 4; ++c)
          atomicAdd(plane + (c >> 1) * mode.plane_step + (c & 1) * width, mode.corner[c] * h);
      }
    }
  }
}

template <class T>
Factors<T> make_factors(T* const* planes, T* const* lines, const int64_t* sizes, int64_t width) {
  Factors<T> factors{{}, {}, {}, width};
  for (int i = 0; i < 3; ++i) {
    factors.plane[i] = planes ? planes[i] : nullptr;
    factors.line[i] = lines[i];
    factors.size[i] = sizes[i];
  }
  return factors;
}

}  // namespace
}  // namespace nc

NC_API int nc_factor_lookup_f32(int64_t points, int64_t width, const int64_t* sizes,
                                const float* unit, const float* const* planes,
                                const float* const* lines, float* features, void* stream) {
  const auto factors = nc::make_factors(planes, lines, sizes, width);
  NC_LAUNCH(nc::factor_forward, nc::cuda_blocks(points * nc::kLanes), nc::kCudaThreads, 0, stream,
            factors, points, unit, features);
  return nc::cuda_status();
}

NC_API int nc_factor_lookup_backward_f32(int64_t points, int64_t width, const int64_t* sizes,
                                         const float* unit, const float* const* planes,
                                         const float* const* lines, const float* grad_features,
                                         float* const* grad_planes, float* const* grad_lines,
                                         void* stream) {
  const auto factors = nc::make_factors(planes, lines, sizes, width);
  const auto grads = nc::make_factors(grad_planes, grad_lines, sizes, width);
  const auto on = static_cast<cudaStream_t>(stream);
  for (int m = 0; m < 3; ++m) {
    const int64_t area = sizes[nc::factor_first(m)] * sizes[nc::factor_second(m)];
    if (planes) cudaMemsetAsync(grads.plane[m], 0, area * width * sizeof(float), on);
    const int64_t length = sizes[nc::factor_line(m)];
    cudaMemsetAsync(grads.line[m], 0, length * width * sizeof(float), on);
  }
  NC_LAUNCH(nc::factor_backward, nc::cuda_blocks(points * nc::kLanes), nc::kCudaThreads, 0, stream,
            factors, grads, points, unit, grad_features);
  return nc::cuda_status();
}
