// rmsprop_rows on CUDA: one thread an entry; the threads of a row all look whether it takes part.
#include "launch.h"
#include "rmsprop_rows.h"

namespace nc {
namespace {

__global__ void rmsprop_rows(RmspropRates rates, int64_t count, int64_t width, int64_t table_rows,
                             const int64_t* rows, const float* grads, float* table,
                             float* square) {
  for (int64_t t = cuda_first(); t < count * width; t += cuda_stride()) {
    const int64_t i = t / width, row = rows[i];
    if (row < 0 || row >= table_rows || !takes_part(grads + i * width, width)) continue;
    const int64_t at = row * width + t % width;
    rmsprop_entry(rates, grads[t], table + at, square + at);
  }
}

}  // namespace
}  // namespace nc

NC_CUDA_FUNCTION(rmsprop_rows) {
  const nc::RmspropRates rates{rate, beta, scale, eps};
  NC_LAUNCH(nc::rmsprop_rows, nc::cuda_blocks(count * width), nc::kCudaThreads, 0, stream, rates,
            count, width, table_rows, rows, grads, table, square);
  return nc::cuda_status();
}
