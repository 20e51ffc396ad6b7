// adam_lines on CUDA: one thread a number; a warp has two lines. Marks are cleared by the caller,
// after all threads have read them.
#include "adam_lines.h"
#include "launch.h"

namespace nc {
namespace {

__global__ void adam_lines(AdamRates<float> rates, int64_t count, float* table, float* first,
                           float* second, float* grad, const uint8_t* marks) {
  for (int64_t i = cuda_first(); i < count; i += cuda_stride())
    if (marks[i / kNumbers]) adam_number(rates, table + i, first + i, second + i, grad + i);
}

}  // namespace
}  // namespace nc

NC_CUDA_FUNCTION(adam_lines) {
  const nc::AdamRates<float> rates{rate, beta1, beta2, momentum, size, eps};
  NC_LAUNCH(nc::adam_lines, nc::cuda_blocks(count), nc::kCudaThreads, 0, stream, rates, count,
            table, first, second, grad, marks);
  cudaMemsetAsync(marks, 0, (count + nc::kNumbers - 1) / nc::kNumbers,
                  static_cast<cudaStream_t>(stream));
  return nc::cuda_status();
}
