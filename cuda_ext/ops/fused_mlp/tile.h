// fused_mlp on the CPU: the register tile that every product of the MLP is made of.
#pragma once

#include <type_traits>

#include "vector.h"

namespace nc {

// Sums of kRows rows by one panel of columns, held in registers.
template <class T, int kRows>
struct Tile {
  Vector<T> sum[kRows][2];

  // sum[j] += sum over k < depth of a[j * a_row + k * a_column] * b[k * kPanel ...].
  inline __attribute__((always_inline)) void multiply(int64_t depth, const T* a, int64_t a_row,
                                                      int64_t a_column, const T* b) {
    for (int64_t k = 0; k < depth; ++k) {
      const Vector<T> b0 = load(b + k * kPanel<T>), b1 = load(b + k * kPanel<T> + kLanes<T>);
#pragma GCC unroll 12
      for (int j = 0; j < kRows; ++j) {
        const T scalar = a[j * a_row + k * a_column];
        sum[j][0] += scalar * b0;
        sum[j][1] += scalar * b1;
      }
    }
  }
};

template <int kRows, class Body>
inline void last_rows(int64_t rows, int64_t first, Body& body) {
  if constexpr (kRows > 0) {
    if (rows == kRows) return body(std::integral_constant<int, kRows>{}, first);
    last_rows<kRows - 1>(rows, first, body);
  }
}

// Calls body(integral_constant<rows of the tile>, first row) until all `rows` are covered.
template <class Body>
inline void for_tiles(int64_t rows, Body body) {
  int64_t first = 0;
  for (; rows - first >= kTileRows; first += kTileRows)
    body(std::integral_constant<int, kTileRows>{}, first);
  last_rows<kTileRows - 1>(rows - first, first, body);
}

}  // namespace nc
