// draw_weighted on CUDA: one thread a block of weights, then one thread a draw. Between the two the
// caller sums.
#include "draw_weighted.h"
#include "launch.h"

namespace nc {
namespace {

__global__ void draw_weighted_sums(int64_t count, const float* weights, double* sums) {
  const int64_t blocks = draw_blocks(count);
  for (int64_t b = cuda_first(); b < blocks; b += cuda_stride())
    sums[b] = block_sum(weights, count, b);
}

__global__ void draw_weighted(int64_t count, int64_t draws_count, const float* weights,
                              const double* ends, const double* draws, int64_t* indices) {
  for (int64_t i = cuda_first(); i < draws_count; i += cuda_stride())
    indices[i] = draw_one(weights, count, ends, draws[i]);
}

}  // namespace
}  // namespace nc

NC_CUDA_FUNCTION(draw_weighted_sums) {
  const unsigned blocks = nc::cuda_blocks(nc::draw_blocks(count));
  NC_LAUNCH(nc::draw_weighted_sums, blocks, nc::kCudaThreads, 0, stream, count, weights, sums);
  return nc::cuda_status();
}

NC_CUDA_FUNCTION(draw_weighted) {
  NC_LAUNCH(nc::draw_weighted, nc::cuda_blocks(draws_count), nc::kCudaThreads, 0, stream, count,
            draws_count, weights, ends, draws, indices);
  return nc::cuda_status();
}
