// rmsprop_rows: ONE entry of a table after a step, and whether its row takes part.
#pragma once

#include "portable.h"

// scale: inverse of the bias correction of the mean square.
#define NC_ARGUMENTS_rmsprop_rows(T)                                                               \
  int64_t count, int64_t width, int64_t table_rows, const int64_t* rows, const T* grads, T* table, \
      T* square, double rate, double beta, double scale, double eps

namespace nc {

struct RmspropRates {
  double rate, beta;
  double scale;  // inverse of the bias correction of the mean square
  double eps;
};

NC_HD float sqrt_(float a) { return sqrtf(a); }
NC_HD double sqrt_(double a) { return sqrt(a); }

// A row without any gradient keeps its entries and their mean squares.
template <class T>
NC_HD bool takes_part(const T* grad, int64_t width) {
  bool any = false;
  for (int64_t f = 0; f < width; ++f) any = any || grad[f] != T(0);
  return any;
}

template <class T>
NC_HD void rmsprop_entry(const RmspropRates& rates, T grad, T* entry, T* square) {
  const T change = fma_(grad, grad, -*square);
  *square = fma_(static_cast<T>(1.0 - rates.beta), change, *square);
  const T size = sqrt_(*square * static_cast<T>(rates.scale)) + static_cast<T>(rates.eps);
  *entry = fma_(-static_cast<T>(rates.rate), grad / size, *entry);
}

}  // namespace nc
