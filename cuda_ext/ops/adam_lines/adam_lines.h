// adam_lines: ONE number of a table after a step of Adam (Kingma and Ba 2015).
#pragma once

#include "portable.h"

// marks [ceil(count / 16)]: 1 where one of 16 numbers may have a gradient, which is 0 elsewhere.
// momentum, size: inverses of the bias corrections, of the mean gradient and of the root of the
// mean square.
#define NC_ARGUMENTS_adam_lines(T)                                                    \
  int64_t count, T* table, T* first, T* second, T* grad, uint8_t* marks, double rate, \
      double beta1, double beta2, double momentum, double size, double eps

namespace nc {

constexpr int64_t kNumbers = 16;  // of a mark: a cache line of floats

NC_HD float adam_root(float a) { return sqrtf(a); }
NC_HD double adam_root(double a) { return sqrt(a); }

template <class T>
struct AdamRates {
  T rate, gain1, gain2;  // gains: 1 - beta
  T size, eps;

  AdamRates(double rate, double beta1, double beta2, double momentum, double size, double eps)
      : rate(static_cast<T>(rate * momentum)),
        gain1(static_cast<T>(1.0 - beta1)),
        gain2(static_cast<T>(1.0 - beta2)),
        size(static_cast<T>(size)),
        eps(static_cast<T>(eps)) {}
};

// A number without a gradient keeps its value and its means; the gradient is cleared.
template <class T>
NC_HD void adam_number(const AdamRates<T>& rates, T* entry, T* first, T* second, T* grad) {
  const T g = *grad;
  const T mean = fma_(rates.gain1, g - *first, *first);
  const T square = fma_(rates.gain2, fma_(g, g, -*second), *second);
  const T root = fma_(adam_root(square), rates.size, rates.eps);
  const T moved = fma_(-rates.rate, mean / root, *entry);
  const bool changes = g != T(0);
  *entry = changes ? moved : *entry;
  *first = changes ? mean : *first;
  *second = changes ? square : *second;
  *grad = T(0);
}

}  // namespace nc
