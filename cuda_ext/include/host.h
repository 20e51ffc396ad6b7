// What the CPU loops share: status codes, threads, huge pages.
#pragma once

#include <cstdint>
#include <cstdlib>

#include "portable.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif
#if defined(_OPENMP)
#include <omp.h>
#endif

// On the CPU every function exists for float (f32) and double (f64).
#define NC_CPU_FUNCTION(name, suffix, T) NC_FUNCTION(name, suffix, T, int64_t threads)

namespace nc {

// Returned by every launch function; the Python side turns them into messages.
enum Status : int { kOk = 0, kBadOffsets = 1, kOutOfMemory = 2 };

inline int thread_index() {
#if defined(_OPENMP)
  return omp_get_thread_num();
#else
  return 0;
#endif
}

inline int thread_count() {
#if defined(_OPENMP)
  return omp_get_num_threads();
#else
  return 1;
#endif
}

// Threads worth waking for `work` items when one thread should have at least `grain` of them.
inline int useful_threads(int64_t threads, int64_t work, int64_t grain) {
  const int64_t most = (work + grain - 1) / grain;
  const int64_t n = threads < most ? threads : most;
  return n > 1 ? static_cast<int>(n) : 1;
}

// Whether offsets [rays + 1] ascend from 0 to `samples`.
inline bool valid_offsets(const int64_t* offsets, int64_t rays, int64_t samples) {
  bool valid = offsets[0] == 0 && offsets[rays] == samples;
  for (int64_t r = 0; r < rays; ++r) valid &= offsets[r] <= offsets[r + 1];
  return valid;
}

// Asks for 2 MiB pages under a large fresh buffer: first touch then faults 512 times less often.
inline void prefer_huge_pages(void* memory, int64_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr uintptr_t page = 1 << 21;
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(memory) + page - 1) / page * page;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(memory) + bytes) / page * page;
  if (end > begin) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#else
  (void)memory;
  (void)bytes;
#endif
}

}  // namespace nc
