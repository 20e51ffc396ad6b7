// factor_sum: the first products of planes and lines at ONE point, summed over all modes.
#pragma once

#include "../factor_lookup/factor_lookup.h"

// sizes [3], planes [3] or null and lines [3] as in factor_lookup; the first `taken` of their
// `width` channels count.
#define NC_ARGUMENTS_factor_sum(T)                                                              \
  int64_t points, int64_t width, int64_t taken, const int64_t* sizes, const T* unit,            \
      const T* const* planes, const T* const* lines, T* sums

namespace nc {

// Where a point lies in all modes, and their products at channel f.
template <class T>
struct FactorModes {
  FactorMode<T> mode[3];

  NC_HD FactorModes(const Factors<const T>& factors, const FactorPoint<T>& point)
      : mode{{factors, point, 0}, {factors, point, 1}, {factors, point, 2}} {}

  NC_HD T line(const Factors<const T>& factors, int m, int64_t f) const {
    return on_line(factors.line[m] + mode[m].line + f, factors.width, mode[m].end);
  }
  NC_HD T plane(const Factors<const T>& factors, int m, int64_t f) const {
    return on_plane(factors.plane[m] + mode[m].plane + f, factors.width, mode[m].plane_step,
                    mode[m].corner);
  }
  NC_HD T sum(const Factors<const T>& factors, bool planes, int64_t f) const {
    if (!planes) return line(factors, 0, f) * line(factors, 1, f) * line(factors, 2, f);
    T total = plane(factors, 0, f) * line(factors, 0, f);
    for (int m = 1; m < 3; ++m) total = fma_(plane(factors, m, f), line(factors, m, f), total);
    return total;
  }
};

}  // namespace nc
