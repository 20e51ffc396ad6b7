// factor_sum on CUDA: one thread a point.
#include "factor_sum.h"
#include "launch.h"

namespace nc {
namespace {

__global__ void factor_sums(Factors<const float> factors, int64_t points, int64_t taken,
                            const float* unit, float* sums) {
  for (int64_t i = cuda_first(); i < points; i += cuda_stride()) {
    const FactorModes<float> modes(factors, FactorPoint<float>(factors, unit + 3 * i));
    float total = 0.0f;
    for (int64_t f = 0; f < taken; ++f) total += modes.sum(factors, factors.plane[0], f);
    sums[i] = total;
  }
}

}  // namespace
}  // namespace nc

NC_CUDA_FUNCTION(factor_sum) {
  NC_LAUNCH(nc::factor_sums, nc::cuda_blocks(points), nc::kCudaThreads, 0, stream,
            nc::make_factors(planes, lines, sizes, width), points, taken, unit, sums);
  return nc::cuda_status();
}
