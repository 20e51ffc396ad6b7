// A few points of a factorised grid, located, and their planes' rows fetched into the cache, at once.
#pragma once

#include <new>
#include <type_traits>

#include "factor_lookup.h"

namespace nc {

constexpr int kStrip = 16;  // points of a strip

template <class T>
inline void fetch_row(const T* row, int64_t count) {
  constexpr int64_t kLine = 64 / sizeof(T);
  for (int64_t i = 0; i < count; i += kLine) __builtin_prefetch(row + i);
}

// Of all four corners in each plane the channels `from` to `to`.
template <class T>
inline void fetch_planes(const Factors<T>& factors, const FactorPoint<std::remove_const_t<T>>& point,
                         int64_t from, int64_t to) {
  for (int m = 0; factors.plane[0] && m < 3; ++m) {
    const FactorMode<std::remove_const_t<T>> mode(factors, point, m);
    for (int c = 0; c < 4; ++c)
      fetch_row(factors.plane[m] + mode.plane + (c >> 1) * mode.plane_step +
                    (c & 1) * factors.width + from,
                to - from);
  }
}

// Points of one strip, without constructing them first.
template <class T>
struct FactorStrip {
  alignas(FactorPoint<T>) unsigned char memory[kStrip * sizeof(FactorPoint<T>)];

  const FactorPoint<T>& operator[](int i) const {
    return reinterpret_cast<const FactorPoint<T>*>(memory)[i];
  }
  template <class Pointer>
  void locate(const Factors<Pointer>& factors, const T* unit, int n, int64_t from, int64_t to) {
    for (int i = 0; i < n; ++i) {
      new (reinterpret_cast<FactorPoint<T>*>(memory) + i) FactorPoint<T>(factors, unit + 3 * i);
      fetch_planes(factors, (*this)[i], from, to);
    }
  }
};

}  // namespace nc
