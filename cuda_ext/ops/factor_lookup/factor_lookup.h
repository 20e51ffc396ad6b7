// factor_lookup: where ONE point lies in the planes and lines of a factorised grid.
//
// Mode m pairs the plane of two axes with the line of the third: xy and z, xz and y, yz and x.
#pragma once

#include "portable.h"

// sizes [3]: samples along x, y, z; planes and grad_planes [3] or null; lines and grad_lines [3].
// Products of channels from `first` on; of those before it the sum over all modes has the gradient
// grad_sums, null where it is zero.
// plane_marks and line_marks: null both, or what grad_planes and grad_lines hold is added to, and a
// mark set for each run of 16 of their numbers that may be.
#define NC_ARGUMENTS_factor_lookup(T)                                                         \
  int64_t points, int64_t width, int64_t first, const int64_t* sizes, const T* unit,          \
      const T* const* planes, const T* const* lines, T* products
#define NC_ARGUMENTS_factor_lookup_backward(T)                                                \
  int64_t points, int64_t width, int64_t first, const int64_t* sizes, const T* unit,          \
      const T* const* planes, const T* const* lines, const T* grad_sums,                      \
      const T* grad_products, T* const* grad_planes, T* const* grad_lines,                    \
      uint8_t* const* plane_marks, uint8_t* const* line_marks

namespace nc {

constexpr int64_t kMarked = 16;  // numbers of a mark, as in adam_lines

// Planes [first axis, second axis, width], lines [axis, width]; without planes (plane[0] null) the
// three lines are multiplied instead, one mode in all. T is const to read, plain to add to.
template <class T>
struct Factors {
  T* plane[3];
  T* line[3];
  int64_t size[3];  // samples along x, y, z; at least 2
  int64_t width;

  NC_HD int modes() const { return plane[0] ? 3 : 1; }
};

template <class T>
inline Factors<T> make_factors(T* const* planes, T* const* lines, const int64_t* sizes,
                               int64_t width) {
  Factors<T> factors{{}, {}, {}, width};
  for (int i = 0; i < 3; ++i) {
    factors.plane[i] = planes ? planes[i] : nullptr;
    factors.line[i] = lines[i];
    factors.size[i] = sizes[i];
  }
  return factors;
}

NC_HD int factor_first(int mode) { return mode == 2 ? 1 : 0; }
NC_HD int factor_second(int mode) { return mode == 0 ? 1 : 2; }
NC_HD int factor_line(int mode) { return 2 - mode; }

// Cell of each coordinate (clamped to the unit cube; NaN becomes 0) and the place within it; the
// first and last samples lie on the cube's faces.
template <class T>
struct FactorPoint {
  int32_t cell[3];
  T weight[3][2];

  template <class Pointer>
  NC_HD FactorPoint(const Factors<Pointer>& factors, const T* unit) {
    for (int d = 0; d < 3; ++d) {
      T x = unit[d] > T(0) ? unit[d] : T(0);
      x = x < T(1) ? x : T(1);
      const T p = x * static_cast<T>(factors.size[d] - 1);
      const T low = min_(floor_(p), static_cast<T>(factors.size[d] - 2));
      cell[d] = static_cast<int32_t>(low);
      weight[d][1] = p - low;
      weight[d][0] = T(1) - weight[d][1];
    }
  }
};

// Four neighbours in a plane, two in a line: offsets of the first, distances and weights.
template <class T>
struct FactorMode {
  int64_t plane, plane_step, line;
  T corner[4], end[2];  // corners: second axis fastest

  template <class Pointer>
  NC_HD FactorMode(const Factors<Pointer>& factors, const FactorPoint<T>& point, int mode) {
    const int a = factor_first(mode), b = factor_second(mode), c = factor_line(mode);
    plane_step = factors.size[b] * factors.width;
    plane = point.cell[a] * plane_step + point.cell[b] * factors.width;
    line = point.cell[c] * factors.width;
    for (int i = 0; i < 4; ++i) corner[i] = point.weight[a][i >> 1] * point.weight[b][i & 1];
    for (int i = 0; i < 2; ++i) end[i] = point.weight[c][i];
  }
};

// Gradients of the products at one point: one number up to channel `first`, then a row of each mode.
template <class T>
struct FactorGradient {
  const T* sum;  // or null: zero
  const T* row;  // of the first mode
  int64_t first, width;

  NC_HD FactorGradient(const T* sums, const T* products, int64_t point, int64_t first,
                       const Factors<const T>& factors)
      : sum(sums && first ? sums + point : nullptr),
        row(products + point * factors.modes() * (factors.width - first)),
        first(first),
        width(factors.width) {}

  NC_HD T at(int mode, int64_t channel) const {
    if (channel < first) return sum ? *sum : T(0);
    return row[mode * (width - first) + channel - first];
  }
};

template <class T>
NC_HD T on_line(const T* line, int64_t width, const T* weight) {
  return fma_(weight[1], line[width], weight[0] * line[0]);
}

template <class T>
NC_HD T on_plane(const T* plane, int64_t width, int64_t step, const T* weight) {
  const T low = fma_(weight[1], plane[width], weight[0] * plane[0]);
  return fma_(weight[3], plane[step + width], fma_(weight[2], plane[step], low));
}

}  // namespace nc
