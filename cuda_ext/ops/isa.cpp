// Which instruction-set level this processor has, and whether OpenMP is in; read by library.py.
#include "host.h"
#include "portable.h"

// 0 = base, 1 = x86-64-v3 (AVX2, FMA), 2 = x86-64-v4 (AVX-512), 3 = with AVX512-BF16 too.
NC_API int nc_isa_level() {
#if defined(__x86_64__)
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                  __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
  const bool bf16 = v4 && __builtin_cpu_supports("avx512bf16");
  return bf16 ? 3 : v4 ? 2 : v3 ? 1 : 0;
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
