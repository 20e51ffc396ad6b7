// Runs the .cu files on the CPU, compiled by g++ with -DNC_CUDA_SHIM: as much CUDA as we use.
//
// Blocks run one after the other. A plain launch runs the threads of a block in a loop; a launch
// "together" runs each as an operating-system thread, so that barriers and warp operations are real
// and the thread and address sanitizers see what the kernel does. Either in a plain launch aborts,
// and so does one that not every thread reaches. Not covered: static __shared__ (does not compile),
// warp operations of some lanes only, memory spaces, registers.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <thread>
#include <vector>

#define __global__
#define __device__
#define __host__

struct ShimIndex {
  unsigned x = 0, y = 0, z = 0;
};

inline thread_local ShimIndex threadIdx;
inline ShimIndex blockIdx, blockDim, gridDim;
inline float* shim_shared = nullptr;

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

[[noreturn]] inline void shim_abort(const char* why) {
  std::fprintf(stderr, "cuda_shim: %s\n", why);
  std::abort();
}

// Threads that wait for each other: a block, or the lanes of a warp.
struct ShimMeeting {
  unsigned size = 0, waiting = 0;
  uint64_t held = 0;  // meetings so far
  std::condition_variable over;
};

// A warp's exchange of values. Odd and even operations take turns, so that nobody overwrites what
// another lane has yet to read.
struct ShimWarp {
  ShimMeeting lanes;
  uint64_t slot[2][32];
};

// The block that runs "together" now.
struct ShimBlock {
  std::mutex mutex;
  unsigned running, waiting = 0;
  ShimMeeting everyone;
  std::vector<ShimWarp> warps;

  explicit ShimBlock(unsigned threads) : running(threads), warps((threads + 31) / 32) {
    everyone.size = threads;
    for (unsigned w = 0; w < warps.size(); ++w)
      warps[w].lanes.size = threads - 32 * w < 32 ? threads - 32 * w : 32;
  }

  void look_for_deadlock() {
    if (waiting && !running) shim_abort("deadlock: not every thread reaches a barrier");
  }

  void meet(ShimMeeting& meeting) {
    std::unique_lock<std::mutex> lock(mutex);
    if (meeting.waiting + 1 == meeting.size) {
      running += meeting.waiting;
      waiting -= meeting.waiting;
      meeting.waiting = 0;
      ++meeting.held;
      meeting.over.notify_all();
      return;
    }
    const uint64_t mine = meeting.held;
    ++meeting.waiting;
    ++waiting;
    --running;
    look_for_deadlock();
    meeting.over.wait(lock, [&] { return meeting.held != mine; });
  }

  void leave() {
    std::unique_lock<std::mutex> lock(mutex);
    --running;
    look_for_deadlock();
  }
};

inline ShimBlock* shim_block = nullptr;
inline thread_local unsigned shim_operation;  // of this lane's warp, counted

inline void __syncthreads() {
  if (!shim_block) shim_abort("__syncthreads in a launch without NC_LAUNCH_TOGETHER");
  shim_block->meet(shim_block->everyone);
}

// What every lane of this warp brings to one operation.
template <class T>
const uint64_t* shim_exchange(unsigned mask, T value) {
  if (!shim_block) shim_abort("a warp operation in a launch without NC_LAUNCH_TOGETHER");
  if (mask != 0xffffffffu) shim_abort("a warp operation of some lanes only");
  ShimWarp& warp = shim_block->warps[threadIdx.x / 32];
  uint64_t* slots = warp.slot[shim_operation++ % 2];
  std::memcpy(slots + threadIdx.x % 32, &value, sizeof(T));
  shim_block->meet(warp.lanes);
  return slots;
}

// The value of `from`, or this lane's own where that is none of the warp's 32.
template <class T>
T shim_shuffle(unsigned mask, T value, int from) {
  const uint64_t* slots = shim_exchange(mask, value);
  const unsigned lane = from < 0 || from > 31 ? threadIdx.x % 32 : from;
  if (lane >= shim_block->warps[threadIdx.x / 32].lanes.size) shim_abort("a lane that is not there");
  std::memcpy(&value, slots + lane, sizeof(T));
  return value;
}

template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned distance) {
  return shim_shuffle(mask, value, static_cast<int>(threadIdx.x % 32) - static_cast<int>(distance));
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned distance) {
  return shim_shuffle(mask, value, static_cast<int>(threadIdx.x % 32 + distance));
}
inline unsigned __ballot_sync(unsigned mask, bool vote) {
  const uint64_t* slots = shim_exchange(mask, static_cast<uint64_t>(vote));
  unsigned bits = 0;
  for (unsigned lane = 0; lane < shim_block->warps[threadIdx.x / 32].lanes.size; ++lane)
    bits |= (slots[lane] ? 1u : 0u) << lane;
  return bits;
}
inline int __any_sync(unsigned mask, bool vote) { return __ballot_sync(mask, vote) != 0; }
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline int __ffs(int bits) { return __builtin_ffs(bits); }

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
  gridDim.x = grid;
  blockDim.x = block;
  for (blockIdx.x = 0; blockIdx.x < grid; ++blockIdx.x) {
    // Fresh and exact: the sanitizer sees a step beyond it, NaN shows a read before a write.
    std::vector<float> memory(shared / sizeof(float), __builtin_nanf(""));
    shim_shared = memory.data();
    if (!together) {
      for (threadIdx.x = 0; threadIdx.x < block; ++threadIdx.x) kernel();
      continue;
    }
    ShimBlock threads_of(block);
    shim_block = &threads_of;
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < block; ++t)
      threads.emplace_back([&, t] {
        threadIdx.x = t;
        shim_operation = 0;
        kernel();
        threads_of.leave();
      });
    for (std::thread& thread : threads) thread.join();
    shim_block = nullptr;
  }
}

#define NC_LAUNCH(kernel, grid, block, shared, stream, ...) \
  ((void)(stream), shim_blocks(grid, block, false, shared, [&] { kernel(__VA_ARGS__); }))
#define NC_LAUNCH_TOGETHER(kernel, grid, block, shared, stream, ...) \
  ((void)(stream), shim_blocks(grid, block, true, shared, [&] { kernel(__VA_ARGS__); }))
#define NC_DYNAMIC_SHARED(type, name) type* const name = shim_shared
