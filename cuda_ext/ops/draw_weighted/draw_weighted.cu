// draw_weighted on CUDA: one thread a block of weights, then one thread a draw. Between the two the
// caller sums.
#include "draw_weighted.h"
#include "launch.h"

namespace nc {
namespace {

__global__ void draw_weighted_sums(int64_t count, const float* weights, double* sums) {
  const int64_t blocks = (count + kDrawBlock - 1) / kDrawBlock;
  for (int64_t b = cuda_first(); b < blocks; b += cuda_stride()) {
    const int64_t first = b * kDrawBlock;
    const int64_t n = min_(static_cast<int64_t>(kDrawBlock), count - first);
    sums[b] = block_sum(weights + first, static_cast<int>(n));
  }
}

__global__ void draw_weighted(int64_t count, int64_t draws_count, const float* weights,
                              const double* ends, const double* draws, int64_t* indices) {
  for (int64_t i = cuda_first(); i < draws_count; i += cuda_stride())
    indices[i] = draw_one(weights, count, ends, draws[i]);
}

}  // namespace
}  // namespace nc

NC_API int nc_draw_weighted_sums_f32(int64_t count, const float* weights, double* sums,
                                     void* stream) {
  const int64_t blocks = (count + nc::kDrawBlock - 1) / nc::kDrawBlock;
  NC_LAUNCH(nc::draw_weighted_sums, nc::cuda_blocks(blocks), nc::kCudaThreads, 0, stream, count,
            weights, sums);
  return nc::cuda_status();
}

NC_API int nc_draw_weighted_f32(int64_t count, int64_t draws_count, const float* weights,
                                const double* ends, const double* draws, int64_t* indices,
                                void* stream) {
  NC_LAUNCH(nc::draw_weighted, nc::cuda_blocks(draws_count), nc::kCudaThreads, 0, stream, count,
            draws_count, weights, ends, draws, indices);
  return nc::cuda_status();
}
