// Runs the .cu files on the CPU, compiled by g++ with -DNC_CUDA_SHIM: as much CUDA as we use.
//
// Blocks run one after the other. A plain launch runs the threads of a block in a loop; a launch
// "together" runs each as an operating-system thread, so barriers are real and the thread and
// address sanitizers see what the kernel does. A barrier in a plain launch aborts; one that not
// every thread of a block reaches hangs. Not covered: warps, static __shared__ (does not compile),
// memory spaces, registers.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include <pthread.h>

#define __global__
#define __device__
#define __host__

struct ShimIndex {
  unsigned x = 0, y = 0, z = 0;
};

inline thread_local ShimIndex threadIdx;
inline ShimIndex blockIdx, blockDim, gridDim;
inline pthread_barrier_t shim_barrier;
inline float* shim_shared = nullptr;
inline bool shim_together = false;

typedef void* cudaStream_t;
enum cudaError_t { cudaSuccess = 0, cudaErrorInvalidConfiguration = 9 };
inline cudaError_t shim_error = cudaSuccess;
inline cudaError_t cudaGetLastError() {
  const cudaError_t error = shim_error;
  shim_error = cudaSuccess;
  return error;
}
inline cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t) {
  std::memset(memory, value, bytes);
  return cudaSuccess;
}

inline void __syncthreads() {
  if (!shim_together) {
    std::fputs("cuda_shim: __syncthreads in a launch without NC_LAUNCH_TOGETHER\n", stderr);
    std::abort();
  }
  pthread_barrier_wait(&shim_barrier);
}

inline float atomicAdd(float* address, float value) {
  float old;
  __atomic_load(address, &old, __ATOMIC_RELAXED);
  for (float sum = old + value; !__atomic_compare_exchange(address, &old, &sum, false,
                                                           __ATOMIC_RELAXED, __ATOMIC_RELAXED);)
    sum = old + value;
  return old;
}

template <class Kernel>
void shim_blocks(unsigned grid, unsigned block, bool together, size_t shared, Kernel&& kernel) {
  // What every GPU refuses, and more shared memory than one gives without being asked.
  if (grid < 1 || grid > 0x7fffffff || block < 1 || block > 1024 || shared > 48 * 1024) {
    shim_error = cudaErrorInvalidConfiguration;
    return;
  }
  shim_together = together;
  gridDim.x = grid;
  blockDim.x = block;
  for (blockIdx.x = 0; blockIdx.x < grid; ++blockIdx.x) {
    // Fresh and exact: the sanitizer sees a step beyond it, NaN shows a read before a write.
    std::vector<float> memory(shared / sizeof(float), __builtin_nanf(""));
    shim_shared = memory.data();
    const auto run = [&](unsigned t) {
      threadIdx.x = t;
      kernel();
    };
    if (!together) {
      for (unsigned t = 0; t < block; ++t) run(t);
      continue;
    }
    pthread_barrier_init(&shim_barrier, nullptr, block);
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < block; ++t) threads.emplace_back(run, t);
    for (std::thread& thread : threads) thread.join();
    pthread_barrier_destroy(&shim_barrier);
  }
}

#define NC_LAUNCH(kernel, grid, block, shared, stream, ...) \
  ((void)(stream), shim_blocks(grid, block, false, shared, [&] { kernel(__VA_ARGS__); }))
#define NC_LAUNCH_TOGETHER(kernel, grid, block, shared, stream, ...) \
  ((void)(stream), shim_blocks(grid, block, true, shared, [&] { kernel(__VA_ARGS__); }))
#define NC_DYNAMIC_SHARED(type, name) type* const name = shim_shared
