// Runs the .cu files on the CPU, compiled by g++ with -DNC_CUDA_SHIM: as much CUDA as we use.
//
// Blocks run one after the other. A plain launch runs the threads of a block in a loop; a launch
// "together" runs each as an operating-system thread, of which one goes on at a time until it waits
// at a barrier or a warp operation. Either in a plain launch aborts, and so does one that not every
// thread reaches. Blocks and threads take their turns in ascending order, or shuffled by a seed
// (shim_order): what depends on the order shows up as a difference. Not covered: static __shared__
// (does not compile), warp operations of some lanes only, memory spaces, registers.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <numeric>
#include <random>
#include <thread>
#include <utility>
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

inline uint64_t shim_seed = 0;  // 0: ascending order

// Of all launches from now on.
extern "C" __attribute__((visibility("default"), used)) inline void shim_order(uint64_t seed) {
  shim_seed = seed;
}

[[noreturn]] inline void shim_abort(const char* why) {
  std::fprintf(stderr, "cuda_shim: %s (order of seed %llu)\n", why,
               static_cast<unsigned long long>(shim_seed));
  std::abort();
}

// Who goes next in one launch: the same launch has the same order every time.
struct ShimOrder {
  std::mt19937_64 draw{shim_seed};

  // 0 ... count - 1.
  std::vector<unsigned> all(unsigned count) {
    std::vector<unsigned> turns(count);
    std::iota(turns.begin(), turns.end(), 0u);
    if (shim_seed) std::shuffle(turns.begin(), turns.end(), draw);
    return turns;
  }

  // One of those that are ready, which it no longer is.
  unsigned take(std::vector<unsigned>& ready) {
    const auto lowest = std::min_element(ready.begin(), ready.end());
    const auto next = shim_seed ? ready.begin() + draw() % ready.size() : lowest;
    std::swap(*next, ready.back());
    const unsigned taken = ready.back();
    ready.pop_back();
    return taken;
  }
};

// Threads that wait for each other: a block, or the lanes of a warp.
struct ShimMeeting {
  unsigned size = 0;
  std::vector<unsigned> here;
};

// A warp's exchange of values. Odd and even operations take turns, so that nobody overwrites what
// another lane has yet to read.
struct ShimWarp {
  ShimMeeting lanes;
  uint64_t slot[2][32];
};

// The block that runs "together" now.
struct ShimBlock {
  static constexpr unsigned kNobody = ~0u;
  ShimOrder& order;
  std::mutex mutex;
  std::vector<std::condition_variable> turn;  // of each thread
  std::vector<unsigned> ready;
  unsigned running = kNobody, left;  // left: threads that have not returned
  ShimMeeting everyone;
  std::vector<ShimWarp> warps;

  ShimBlock(unsigned threads, ShimOrder& turns)
      : order(turns), turn(threads), ready(turns.all(threads)), left(threads),
        warps((threads + 31) / 32) {
    everyone.size = threads;
    for (unsigned w = 0; w < warps.size(); ++w)
      warps[w].lanes.size = threads - 32 * w < 32 ? threads - 32 * w : 32;
  }

  void next() {
    if (ready.empty() && left) shim_abort("deadlock: not every thread reaches a barrier");
    running = ready.empty() ? kNobody : order.take(ready);
    if (running != kNobody) turn[running].notify_one();
  }

  void wait_for_turn(std::unique_lock<std::mutex>& lock) {
    turn[threadIdx.x].wait(lock, [&] { return running == threadIdx.x; });
  }

  void begin() {
    std::unique_lock<std::mutex> lock(mutex);
    wait_for_turn(lock);
  }

  void meet(ShimMeeting& meeting) {
    std::unique_lock<std::mutex> lock(mutex);
    meeting.here.push_back(threadIdx.x);
    if (meeting.here.size() == meeting.size) {
      ready.insert(ready.end(), meeting.here.begin(), meeting.here.end());
      meeting.here.clear();
    }
    next();
    wait_for_turn(lock);
  }

  void leave() {
    std::unique_lock<std::mutex> lock(mutex);
    --left;
    next();
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

// Runs `kernel` on every thread of a block, each as a thread of its own.
template <class Kernel>
void shim_together(unsigned block, ShimOrder& order, Kernel& kernel) {
  ShimBlock threads_of(block, order);
  shim_block = &threads_of;
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < block; ++t)
    threads.emplace_back([&, t] {
      threadIdx.x = t;
      shim_operation = 0;
      threads_of.begin();
      kernel();
      threads_of.leave();
    });
  {
    std::unique_lock<std::mutex> lock(threads_of.mutex);
    threads_of.next();
  }
  for (std::thread& thread : threads) thread.join();
  shim_block = nullptr;
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
  ShimOrder order;
  for (const unsigned b : order.all(grid)) {
    blockIdx.x = b;
    // Fresh and exact: the sanitizer sees a step beyond it, NaN shows a read before a write.
    std::vector<float> memory(shared / sizeof(float), __builtin_nanf(""));
    shim_shared = memory.data();
    if (together) {
      shim_together(block, order, kernel);
      continue;
    }
    for (const unsigned t : order.all(block)) {
      threadIdx.x = t;
      kernel();
    }
  }
}

#define NC_LAUNCH(kernel, grid, block, shared, stream, ...) \
  ((void)(stream), shim_blocks(grid, block, false, shared, [&] { kernel(__VA_ARGS__); }))
#define NC_LAUNCH_TOGETHER(kernel, grid, block, shared, stream, ...) \
  ((void)(stream), shim_blocks(grid, block, true, shared, [&] { kernel(__VA_ARGS__); }))
#define NC_DYNAMIC_SHARED(type, name) type* const name = shim_shared
