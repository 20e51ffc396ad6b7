// fused_mlp in bfloat16: the tile that every product is made of, in vector registers, and, on
// processors with AMX, one of 32 rows in tile registers.
#pragma once

#include <algorithm>

#include "bfloat.h"
#include "tile.h"
#if defined(NC_AMX)
#include "tile_registers.h"
#endif

namespace nc {

// Sums of kRows rows by the 32 columns of a panel, in float32. enter() and leave() stand around all
// multiply(): between them the sums may be out of reach.
template <int kRows>
struct PairTile {
  static constexpr bool kRowMajor = false;  // of packed weights: [pair][row of the tile]

  __m512 sum[kRows][2];

  void enter() {}
  void leave() {}

  // sum[j] += sum over k < pairs of a[j * a_row + k * a_column] . b[k * kPoints ...].
  inline __attribute__((always_inline)) void multiply(int64_t pairs, const Pair* a, int64_t a_row,
                                                      int64_t a_column, const Pair* b) {
    for (int64_t k = 0; k < pairs; ++k, a += a_column, b += kPoints) {
      const __m512bh b0 = (__m512bh)load_pairs(b), b1 = (__m512bh)load_pairs(b + 16);
#pragma GCC unroll 12
      for (int j = 0; j < kRows; ++j) {
        const __m512bh scalar = (__m512bh)_mm512_set1_epi32(static_cast<int>(a[j * a_row]));
        sum[j][0] = _mm512_dpbf16_ps(sum[j][0], scalar, b0);
        sum[j][1] = _mm512_dpbf16_ps(sum[j][1], scalar, b1);
      }
    }
  }
};

#if defined(NC_AMX)
constexpr int kWideRows = 2 * kRegisterRows;

template <>
struct PairTile<kWideRows> {
  static constexpr bool kRowMajor = true;
  static constexpr int64_t kDepth = 16;       // pairs of a register
  static constexpr int64_t kRow = kPoints * 4;  // bytes of 32 sums, and of 32 pairs

  __m512 sum[kWideRows][2];

  void enter() {
    load_register<0>(&sum[0][0], kRow);
    load_register<1>(&sum[0][1], kRow);
    load_register<2>(&sum[kRegisterRows][0], kRow);
    load_register<3>(&sum[kRegisterRows][1], kRow);
  }

  void leave() {
    store_register<0>(&sum[0][0], kRow);
    store_register<1>(&sum[0][1], kRow);
    store_register<2>(&sum[kRegisterRows][0], kRow);
    store_register<3>(&sum[kRegisterRows][1], kRow);
  }

  // The same sums; `a_column` must be 1.
  void multiply(int64_t pairs, const Pair* a, int64_t a_row, int64_t a_column, const Pair* b) {
    const int64_t whole = pairs / kDepth * kDepth, a_bytes = a_row * sizeof(Pair);
    for (int64_t k = 0; k < whole; k += kDepth) {
      load_register<4>(a + k, a_bytes);
      load_register<6>(b + k * kPoints, kRow);
      add_products<0, 4, 6>();
      load_register<7>(b + k * kPoints + 16, kRow);
      add_products<1, 4, 7>();
      load_register<5>(a + kRegisterRows * a_row + k, a_bytes);
      add_products<2, 5, 6>();
      add_products<3, 5, 7>();
    }
    if (whole < pairs) multiply_rest(pairs - whole, a + whole, a_row, b + whole * kPoints);
  }

 private:
  void multiply_rest(int64_t pairs, const Pair* a, int64_t a_row, const Pair* b) {
    leave();
    constexpr int kPart = 8;
    for (int64_t first = 0; first < kWideRows; first += kPart) {
      PairTile<kPart> part;
      std::copy_n(&sum[first][0], kPart * 2, &part.sum[0][0]);
      part.multiply(pairs, a + first * a_row, a_row, 1, b);
      std::copy_n(&part.sum[0][0], kPart * 2, &sum[first][0]);
    }
    enter();
  }
};

// The tile registers, for one thread.
struct TileRegisters {
  TileRegisters() { configure_registers(); }
  ~TileRegisters() { release_registers(); }
};
#else
struct TileRegisters {
  ~TileRegisters() {}  // there are none
};
#endif

// Calls body(integral_constant<rows of the tile>, first row) until all `rows` are covered.
template <class Body>
inline void for_pair_tiles(int64_t rows, Body body) {
  int64_t begin = 0;
#if defined(NC_AMX)
  for (; rows - begin >= kWideRows; begin += kWideRows)
    body(std::integral_constant<int, kWideRows>{}, begin);
#endif
  for_tiles(rows - begin, [&](auto tile_rows, int64_t first) { body(tile_rows, begin + first); });
}

}  // namespace nc
