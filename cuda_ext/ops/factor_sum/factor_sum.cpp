// factor_sum on the CPU: one point at a time, its channels in vectors; nothing but the sum is stored.
#include "factor_sum.h"

#include <algorithm>

#include "../factor_lookup/strip.h"
#include "host.h"

namespace nc {
namespace {

constexpr int kLanes = 16;       // channels summed side by side
constexpr int64_t kGrain = 512;  // points worth one thread

template <bool kPlanes, class T>
T sum_channels(const Factors<const T>& factors, const FactorPoint<T>& point, int64_t taken) {
  const FactorModes<T> modes(factors, point);
  T sum[kLanes] = {};
  int64_t f = 0;
  for (; f + kLanes <= taken; f += kLanes)
    for (int i = 0; i < kLanes; ++i) sum[i] += modes.sum(factors, kPlanes, f + i);
  for (; f < taken; ++f) sum[0] += modes.sum(factors, kPlanes, f);
  T total = 0;
  for (int i = 0; i < kLanes; ++i) total += sum[i];
  return total;
}

template <class T>
int sum_up(const Factors<const T>& factors, int64_t points, int64_t taken, const T* unit, T* sums,
           int64_t threads) {
  const int n_threads = useful_threads(threads, points, kGrain);
#pragma omp parallel for schedule(dynamic, 16) num_threads(n_threads)
  for (int64_t first = 0; first < points; first += kStrip) {
    const int n = static_cast<int>(std::min<int64_t>(kStrip, points - first));
    FactorStrip<T> strip;
    strip.locate(factors, unit + 3 * first, n, 0, taken);
    for (int i = 0; i < n; ++i)
      sums[first + i] = factors.plane[0] ? sum_channels<true>(factors, strip[i], taken)
                                         : sum_channels<false>(factors, strip[i], taken);
  }
  return kOk;
}

}  // namespace
}  // namespace nc

#define NC_FACTOR_SUM(suffix, T)                                                                 \
  NC_CPU_FUNCTION(factor_sum, suffix, T) {                                                       \
    return nc::sum_up<T>(nc::make_factors(planes, lines, sizes, width), points, taken, unit, sums, \
                         threads);                                                               \
  }

NC_FACTOR_SUM(f32, float)
NC_FACTOR_SUM(f64, double)
