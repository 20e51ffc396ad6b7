// factor_lookup on CUDA: the 32 threads of a warp share a point and take its channels side by side.
// The backward adds up what neighbouring points give the same entries, then atomically: its last
// bits may differ from run to run (on the CPU they do not).
#include "factor_lookup.h"
#include "launch.h"

namespace nc {
namespace {

constexpr int kLanes = 32;
constexpr int kRun = 8;  // points that a warp takes through the backward

__global__ void factor_forward(Factors<const float> factors, int64_t points, int64_t first,
                               const float* unit, float* products) {
  const int64_t width = factors.width, count = width - first;
  for (int64_t t = cuda_first(); t < points * kLanes; t += cuda_stride()) {
    const int64_t i = t / kLanes;
    const FactorPoint<float> point(factors, unit + 3 * i);
    float* out = products + i * count * factors.modes();
    for (int m = 0; m < factors.modes(); ++m, out += count) {
      const FactorMode<float> mode(factors, point, m);
      for (int64_t f = first + t % kLanes; f < width; f += kLanes) {
        float value = on_line(factors.line[m] + mode.line + f, width, mode.end);
        if (factors.plane[0])
          value *= on_plane(factors.plane[m] + mode.plane + f, width, mode.plane_step, mode.corner);
        for (int n = 1; n < 3 && !factors.plane[0]; ++n) {
          const FactorMode<float> other(factors, point, n);
          value *= on_line(factors.line[n] + other.line + f, width, other.end);
        }
        out[f - first] = value;
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

// Gradient of one channel at kEntries neighbours: summed while the points of a run stay in one
// cell, then added to memory.
template <int kEntries>
struct CellSum {
  float* entry = nullptr;  // the first of the neighbours
  float sum[kEntries];

  // step: from the first pair of neighbours to the second.
  __device__ void flush(int64_t width, int64_t step) const {
    for (int e = 0; e < kEntries && entry; ++e)
      atomicAdd(entry + (e >> 1) * step + (e & 1) * width, sum[e]);
  }

  __device__ void add(float* to, const float* weight, float grad, int64_t width, int64_t step) {
    const bool moved = to != entry;
    if (moved) flush(width, step);
    entry = to;
    for (int e = 0; e < kEntries; ++e) sum[e] = fma_(weight[e], grad, moved ? 0.0f : sum[e]);
  }
};

// Of the planes; null where none are set.
struct Marks {
  uint8_t* plane[3];
};

// A warp takes kRun points one after the other: samples along a ray stay in a cell for a while.
__global__ void factor_backward(Factors<const float> factors, Factors<float> grads, int64_t points,
                                int64_t first, const float* unit, const float* grad_sums,
                                const float* grad_products, Marks marks) {
  const int64_t width = factors.width;
  const int64_t runs = (points + kRun - 1) / kRun;
  for (int64_t t = cuda_first(); t < runs * kLanes; t += cuda_stride()) {
    const int64_t begin = t / kLanes * kRun, end = min_(begin + kRun, points);
    for (int m = 0; m < 3; ++m) {
      const int own = factors.plane[0] ? m : 0;
      const int64_t step = factors.size[factor_second(m)] * width;
      for (int64_t f = t % kLanes; f < width; f += kLanes) {
        CellSum<2> line;
        CellSum<4> plane;
        for (int64_t i = begin; i < end; ++i) {
          const FactorPoint<float> point(factors, unit + 3 * i);
          const FactorMode<float> mode(factors, point, m);
          const float g =
              FactorGradient<float>(grad_sums, grad_products, i, first, factors).at(own, f);
          line.add(grads.line[m] + mode.line + f, mode.end,
                   g * partner(factors, point, mode, m, f), width, 0);
          if (!factors.plane[0]) continue;
          const float h = g * on_line(factors.line[m] + mode.line + f, width, mode.end);
          plane.add(grads.plane[m] + mode.plane + f, mode.corner, h, width, step);
          for (int e = 0; e < 4 && marks.plane[m]; ++e)
            marks.plane[m][(mode.plane + f + (e >> 1) * step + (e & 1) * width) / kMarked] = 1;
        }
        line.flush(width, 0);
        plane.flush(width, step);
      }
    }
  }
}

}  // namespace
}  // namespace nc

NC_CUDA_FUNCTION(factor_lookup) {
  const auto factors = nc::make_factors(planes, lines, sizes, width);
  NC_LAUNCH(nc::factor_forward, nc::cuda_blocks(points * nc::kLanes), nc::kCudaThreads, 0, stream,
            factors, points, first, unit, products);
  return nc::cuda_status();
}

NC_CUDA_FUNCTION(factor_lookup_backward) {
  const auto factors = nc::make_factors(planes, lines, sizes, width);
  const auto grads = nc::make_factors(grad_planes, grad_lines, sizes, width);
  const auto on = static_cast<cudaStream_t>(stream);
  nc::Marks marks{};
  for (int m = 0; m < 3; ++m) {
    const int64_t area = sizes[nc::factor_first(m)] * sizes[nc::factor_second(m)];
    const int64_t length = sizes[nc::factor_line(m)] * width;
    if (line_marks) {
      if (planes) marks.plane[m] = plane_marks[m];
      cudaMemsetAsync(line_marks[m], 1, (length + nc::kMarked - 1) / nc::kMarked, on);
      continue;
    }
    if (planes) cudaMemsetAsync(grads.plane[m], 0, area * width * sizeof(float), on);
    cudaMemsetAsync(grads.line[m], 0, length * sizeof(float), on);
  }
  const int64_t runs = (points + nc::kRun - 1) / nc::kRun;
  NC_LAUNCH(nc::factor_backward, nc::cuda_blocks(runs * nc::kLanes), nc::kCudaThreads, 0, stream,
            factors, grads, points, first, unit, grad_sums, grad_products, marks);
  return nc::cuda_status();
}
