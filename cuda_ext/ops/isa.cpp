// Which instruction-set level this processor has, and whether OpenMP is in; read by library.py.
#include "host.h"
#include "portable.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

// Whether tiles of bfloat16 are there and Linux lets this process use their registers, which has to
// be asked for (its documentation, arch/x86/xstate).
static bool tiles_allowed() {
  constexpr unsigned kBfloatTiles = 1u << 22, kTiles = 1u << 24;  // of leaf 7, in edx
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  if (!(d & kBfloatTiles) || !(d & kTiles)) return false;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
#else
static inline bool tiles_allowed() { return false; }
#endif

// 0 = base, 1 = x86-64-v3 (AVX2, FMA), 2 = x86-64-v4 (AVX-512), 3 = with AVX512-BF16 too, 4 = and
// with AMX.
NC_API int nc_isa_level() {
#if defined(__x86_64__)
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                  __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
  const bool bf16 = v4 && __builtin_cpu_supports("avx512bf16");
  return bf16 && tiles_allowed() ? 4 : bf16 ? 3 : v4 ? 2 : v3 ? 1 : 0;
#else
  return 0;
#endif
}

NC_API int nc_has_openmp() {
#if defined(_OPENMP)
  return 1;
#else
  return 0;
#endif
}
