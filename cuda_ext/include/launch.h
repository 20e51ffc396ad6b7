// How a .cu file launches its kernels: nvcc's own syntax, or the CPU shim of tests/cuda_ext.
#pragma once

#include <cstdint>

#include "portable.h"

#if defined(NC_CUDA_SHIM)
#include "cuda_shim.h"
#else
#include <cuda_runtime.h>
#define NC_LAUNCH(kernel, grid, block, shared, stream, ...) \
  kernel<<<grid, block, shared, static_cast<cudaStream_t>(stream)>>>(__VA_ARGS__)
// A launch whose threads meet at barriers; the shim has to run these side by side.
#define NC_LAUNCH_TOGETHER NC_LAUNCH
#define NC_DYNAMIC_SHARED(type, name) extern __shared__ type name[]
#endif

// On CUDA every function exists for float alone.
#define NC_CUDA_FUNCTION(name) NC_FUNCTION(name, f32, float, void* stream)

namespace nc {

constexpr int kCudaThreads = 128;

// Blocks of a grid-stride loop over n items; at least one, since a grid may not be empty.
inline unsigned cuda_blocks(int64_t n) {
  const int64_t blocks = (n + kCudaThreads - 1) / kCudaThreads;
  return static_cast<unsigned>(blocks < 1 ? 1 : blocks > 65535 ? 65535 : blocks);
}

// Index of this thread's first item, and the distance to its next.
__device__ inline int64_t cuda_first() {
  return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ inline int64_t cuda_stride() { return static_cast<int64_t>(gridDim.x) * blockDim.x; }

inline int cuda_status() { return static_cast<int>(cudaGetLastError()); }

}  // namespace nc
