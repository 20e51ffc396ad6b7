// fused_mlp in bfloat16: one layer over panels of points, forward and backward; sums in float32.
#pragma once

#include "bfloat_tile.h"

namespace nc {

// A layer of [h | beside]: `weight` [out, in + beside], `bias` [out] or null.
struct PairLayer {
  int64_t in, beside, out;
  const float *weight, *bias;

  int64_t pairs() const { return pairs_of(in) + pairs_of(beside); }
  int64_t feature_panels() const { return (in + 31) / 32 + (beside + 31) / 32; }
};

// Where the packed weights of one tile have its row j and pair k: at j * row + k * column.
struct Packing {
  int64_t row, column;
};

template <int kRows>
inline Packing packing_of(int64_t pairs) {
  return PairTile<kRows>::kRowMajor ? Packing{pairs, 1} : Packing{1, kRows};
}

// Rows [kRows][pairs] as packed weights of a tile.
template <int kRows>
inline void pack_tile(const Pair* rows, int64_t pairs, Pair* to) {
  if (PairTile<kRows>::kRowMajor) std::copy_n(rows, kRows * pairs, to);
  else transpose_pairs(rows, pairs, kRows, pairs, to, kRows);
}

// The weights tile by tile; `rows` has room for out * pairs().
inline void pack_rows(const PairLayer& layer, Pair* rows, Pair* to) {
  const int64_t pairs = layer.pairs();
  for (int64_t o = 0; o < layer.out; ++o) {
    const float* from = layer.weight + o * (layer.in + layer.beside);
    row_to_pairs(from, layer.in, rows + o * pairs);
    row_to_pairs(from + layer.in, layer.beside, rows + o * pairs + pairs_of(layer.in));
  }
  for_pair_tiles(layer.out, [&](auto tile_rows, int64_t first) {
    constexpr int kRows = decltype(tile_rows)::value;
    pack_tile<kRows>(rows + first * pairs, pairs, to + first * pairs);
  });
}

// The transposed weights on h tile by tile; `columns` has room for 32 * pairs_of(out).
inline void pack_columns(const PairLayer& layer, Pair* columns, Pair* to) {
  const int64_t pairs = pairs_of(layer.out), row = layer.in + layer.beside;
  for_pair_tiles(layer.in, [&](auto tile_rows, int64_t first) {
    constexpr int kRows = decltype(tile_rows)::value;
    constexpr bool kTurn = PairTile<kRows>::kRowMajor;
    Pair* found = kTurn ? columns : to + first * pairs;  // [pair][row of the tile]
    for (int64_t k = 0; k < pairs; ++k)
      for (int64_t j = 0; j < kRows; j += 16) {
        const float* from = layer.weight + 2 * k * row + first + j;
        const __mmask16 lanes = first_lanes(kRows - j);
        const __mmask16 second = 2 * k + 1 < layer.out ? lanes : 0;
        const __m512i both =
            to_pairs(_mm512_maskz_loadu_ps(lanes, from), _mm512_maskz_loadu_ps(second, from + row));
        _mm512_mask_storeu_epi32(found + k * kRows + j, lanes, both);
      }
    if (kTurn) transpose_pairs(found, kRows, pairs, kRows, to + first * pairs, pairs);
  });
}

// A tile of features by points into a panel of pairs; `active`: zero where it is not positive.
template <int kRows>
inline void store_tile(const PairTile<kRows>& tile, const Pair* active, Pair* to) {
#pragma GCC unroll 6
  for (int j = 0; j < kRows; j += 2)
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) {
      const int at = j / 2 * kPoints + 16 * h;
      __m512i pairs =
          to_pairs(tile.sum[j][h], j + 1 < kRows ? tile.sum[j + 1][h] : _mm512_setzero_ps());
      if (active) {
        const __m512i seen = load_pairs(active + at);
        const __mmask32 positive = _mm512_cmpgt_epi16_mask(seen, _mm512_setzero_si512());
        pairs = _mm512_maskz_mov_epi16(positive, pairs);
      }
      store_pairs(to + at, pairs);
    }
}

// The same as numbers, [feature][point].
template <int kRows>
inline void store_tile(const PairTile<kRows>& tile, float* to) {
#pragma GCC unroll 12
  for (int j = 0; j < kRows; ++j)
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) _mm512_storeu_ps(to + j * kPoints + 16 * h, tile.sum[j][h]);
}

// relu?(weight [h | beside] + bias) of one panel; `packed` by pack_rows. To a panel of pairs, or of
// numbers where `numbers` is not null.
inline void layer_forward(const PairLayer& layer, const Pair* packed, bool relu, const Pair* h,
                          const Pair* beside, Pair* pairs, float* numbers) {
  for_pair_tiles(layer.out, [&](auto rows, int64_t first) {
    constexpr int kRows = decltype(rows)::value;
    PairTile<kRows> tile;
#pragma GCC unroll 12
    for (int j = 0; j < kRows; ++j)
      tile.sum[j][0] = tile.sum[j][1] = _mm512_set1_ps(layer.bias ? layer.bias[first + j] : 0.0f);
    const Packing at = packing_of<kRows>(layer.pairs());
    const Pair* weights = packed + first * layer.pairs();
    tile.enter();
    tile.multiply(pairs_of(layer.in), weights, at.row, at.column, h);
    if (layer.beside)
      tile.multiply(pairs_of(layer.beside), weights + pairs_of(layer.in) * at.column, at.row,
                    at.column, beside);
    tile.leave();
    if (relu) {
#pragma GCC unroll 12
      for (int j = 0; j < kRows; ++j)
#pragma GCC unroll 2
        for (int i = 0; i < 2; ++i)  // NaN passes: of two, the second operand is taken
          tile.sum[j][i] = _mm512_max_ps(_mm512_setzero_ps(), tile.sum[j][i]);
    }
    if (numbers) store_tile(tile, numbers + first * kPoints);
    else store_tile(tile, nullptr, pairs + first / 2 * kPoints);
  });
}

// weight^T grad of one panel, on h alone; `packed` by pack_columns. To a panel of pairs, zero where
// `active` is not positive, or of numbers where `numbers` is not null.
inline void layer_backward_input(const PairLayer& layer, const Pair* packed, const Pair* grad,
                                 const Pair* active, Pair* pairs, float* numbers) {
  for_pair_tiles(layer.in, [&](auto rows, int64_t first) {
    constexpr int kRows = decltype(rows)::value;
    PairTile<kRows> tile;
#pragma GCC unroll 12
    for (int j = 0; j < kRows; ++j) tile.sum[j][0] = tile.sum[j][1] = _mm512_setzero_ps();
    const int64_t depth = pairs_of(layer.out), place = first / 2 * kPoints;
    const Packing at = packing_of<kRows>(depth);
    tile.enter();
    tile.multiply(depth, packed + first * depth, at.row, at.column, grad);
    tile.leave();
    if (numbers) store_tile(tile, numbers + first * kPoints);
    else store_tile(tile, active + place, pairs + place);
  });
}

// Sums [out][32] += grad rows^T over the points of a block. grad: [panel][out][pair of points], its
// panels `grad_stride` apart; rows: [panel][pair of points][32 features].
inline void add_weight_sums(int64_t out, int64_t panels, const Pair* grad, int64_t grad_stride,
                            const Pair* rows, float* sums) {
  for_pair_tiles(out, [&](auto tile_rows, int64_t first) {
    constexpr int kRows = decltype(tile_rows)::value;
    PairTile<kRows> tile;
    float* at = sums + first * 32;
#pragma GCC unroll 12
    for (int j = 0; j < kRows; ++j)
#pragma GCC unroll 2
      for (int h = 0; h < 2; ++h) tile.sum[j][h] = _mm512_loadu_ps(at + j * 32 + 16 * h);
    tile.enter();
    for (int64_t p = 0; p < panels; ++p)
      tile.multiply(kPoints / 2, grad + p * grad_stride + first * 16, 16, 1, rows + p * 16 * 32);
    tile.leave();
    store_tile(tile, at);
  });
}

// bias sums [out] += the sum of grad over the points of a block, its panels `stride` apart.
inline void add_bias_sums(int64_t out, int64_t panels, const Pair* grad, int64_t stride,
                          float* sums) {
  const __m512bh ones = (__m512bh)_mm512_set1_epi32(0x3f803f80);
  for (int64_t o = 0; o < out; ++o) {
    __m512 sum = _mm512_setzero_ps();
    for (int64_t p = 0; p < panels; ++p)
      sum = _mm512_dpbf16_ps(sum, (__m512bh)load_pairs(grad + p * stride + o * 16), ones);
    sums[o] += _mm512_reduce_add_ps(sum);
  }
}

}  // namespace nc
