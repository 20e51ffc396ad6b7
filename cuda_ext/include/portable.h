// What one body needs to compile for the host and for CUDA.
//
// Bodies are templates over the scalar: float in use, double on the CPU only, for gradient checks.
// They write fma_() wherever a * b + c occurs, so that march and hash agree bit for bit on every
// compiler and device, whatever its contraction flags.
#pragma once

#include <cmath>
#include <cstdint>

#if defined(__CUDACC__)
#include <cuda_fp16.h>
#define NC_HD __host__ __device__ __forceinline__
#else
#define NC_HD inline __attribute__((always_inline))
#endif

#define NC_API extern "C" __attribute__((visibility("default")))

// The head of a C function of an op, for one scalar T. Its arguments stand once, in the macro
// NC_ARGUMENTS_<name> of the op's header; a further function tells them as text, so that Python
// checks its calls against what was compiled.
#define NC_FUNCTION(name, suffix, T, last)                \
  NC_API const char* nc_##name##_##suffix##_arguments() { \
    return NC_TEXT(NC_ARGUMENTS_##name(T));               \
  }                                                       \
  NC_API int nc_##name##_##suffix(NC_ARGUMENTS_##name(T), last)
#define NC_TEXT(...) NC_TEXT_(__VA_ARGS__)  // once more around: macros inside are expanded first
#define NC_TEXT_(...) #__VA_ARGS__

namespace nc {

// A number in half precision, IEEE binary16.
struct Half {
  uint16_t bits;
};

NC_HD float widened(float a) { return a; }
NC_HD double widened(double a) { return a; }
NC_HD float widened(Half a) {
#if defined(__CUDA_ARCH__)
  return __half2float(__ushort_as_half(a.bits));
#else
  union {
    uint32_t bits;
    float value;
  } pun;
  pun.bits = static_cast<uint32_t>(a.bits & 0x7fff) << 13;
  pun.value *= 5.192296858534828e33f;  // 2^112: the two exponents count from different zeros
  if ((a.bits & 0x7c00) == 0x7c00) pun.bits |= 0x7f800000;
  pun.bits |= static_cast<uint32_t>(a.bits & 0x8000) << 16;
  return pun.value;
#endif
}

NC_HD float fma_(float a, float b, float c) { return fmaf(a, b, c); }
NC_HD double fma_(double a, double b, double c) { return fma(a, b, c); }
NC_HD float floor_(float a) { return floorf(a); }
NC_HD double floor_(double a) { return floor(a); }
NC_HD float ceil_(float a) { return ceilf(a); }
NC_HD double ceil_(double a) { return ceil(a); }

template <class T>
NC_HD T min_(T a, T b) {
  return a < b ? a : b;
}

template <class T>
NC_HD T max_(T a, T b) {
  return a > b ? a : b;
}

NC_HD float power_of_two(int n) {  // 2^n for -126 <= n <= 127
  union {
    uint32_t bits;
    float value;
  } pun;
  pun.bits = static_cast<uint32_t>(n + 127) << 23;
  return pun.value;
}

// exp(x) - 1 to 1.5 ulp for x in [-87, 88] (clamped); own polynomial, so that compilers vectorise
// it and every device rounds alike. NaN stays NaN.
NC_HD float expm1_(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  const float n = floor_(fma_(x == x ? x : 0.0f, 1.44269504f, 0.5f));
  float r = fma_(n, -0.693145752f, x);
  r = fma_(n, -1.42860677e-6f, r);
  float p = fma_(r, 1.98412698e-4f, 1.38888889e-3f);
  p = fma_(p, r, 8.33333333e-3f);
  p = fma_(p, r, 4.16666667e-2f);
  p = fma_(p, r, 0.166666667f);
  p = fma_(p, r, 0.5f);
  p = fma_(p * r, r, r);
  const float s = power_of_two(static_cast<int>(n));
  return fma_(s, p, s - 1.0f);
}
NC_HD double expm1_(double x) { return expm1(x); }

}  // namespace nc
