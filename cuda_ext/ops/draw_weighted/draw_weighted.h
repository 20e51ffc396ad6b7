// draw_weighted: ONE draw from a list of weights by its inverse cumulative distribution, and the
// sum of one block of the list.
//
// Only the running sums of blocks are stored: a search among them, then a walk along one block.
#pragma once

#include "portable.h"

#define NC_ARGUMENTS_draw_weighted_sums(T) int64_t count, const T* weights, double* sums
#define NC_ARGUMENTS_draw_weighted(T)                                                            \
  int64_t count, int64_t draws_count, const T* weights, const double* ends, const double* draws, \
      int64_t* indices

namespace nc {

constexpr int kDrawBlock = 64;  // weights

// Negative and NaN weights count as 0; infinity as a number whose sums are finite.
template <class T>
NC_HD double counted_weight(T weight) {
  return weight > T(0) ? min_(static_cast<double>(weight), 1e38) : 0.0;
}

NC_HD int64_t draw_blocks(int64_t count) { return (count + kDrawBlock - 1) / kDrawBlock; }

// Sum of one block of `count` weights, in eight lanes: the same order of addition everywhere.
template <class T>
NC_HD double block_sum(const T* weights, int64_t count, int64_t block) {
  const int64_t first = block * kDrawBlock;
  const int n = static_cast<int>(min_(static_cast<int64_t>(kDrawBlock), count - first));
  double lanes[8] = {};
  for (int i = 0; i < n; ++i) lanes[i & 7] += counted_weight(weights[first + i]);
  return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
         ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

// The positive weight nearest to i, those before it first; rounding has led to one that is 0.
template <class T>
NC_HD int64_t nearest_positive(const T* weights, int64_t count, int64_t i) {
  for (int64_t k = i; k >= 0; --k)
    if (counted_weight(weights[k]) > 0) return k;
  for (int64_t k = i + 1; k < count; ++k)
    if (counted_weight(weights[k]) > 0) return k;
  return i;
}

// Index in [0, count) for a draw in [0, 1); count >= 1. ends [ceil(count / kDrawBlock)]: running
// sums of the blocks. All weights 0: every index is equally likely.
template <class T>
NC_HD int64_t draw_one(const T* weights, int64_t count, const double* ends, double draw) {
  const double below_one = 1.0 - 1.1102230246251565e-16;
  draw = draw > 0 ? min_(draw, below_one) : 0.0;
  const int64_t blocks = draw_blocks(count);
  const double total = ends[blocks - 1];
  if (!(total > 0)) return min_(static_cast<int64_t>(draw * count), count - 1);
  const double wanted = draw * total;
  int64_t low = 0, high = blocks - 1;  // the first block that ends behind what is wanted
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (ends[middle] > wanted)
      high = middle;
    else
      low = middle + 1;
  }
  const int64_t first = low * kDrawBlock, end = min_(count, first + kDrawBlock);
  double reached = low ? ends[low - 1] : 0.0;
  for (int64_t i = first; i < end; ++i) {
    reached += counted_weight(weights[i]);
    if (reached > wanted && counted_weight(weights[i]) > 0) return i;
  }
  return nearest_positive(weights, count, end - 1);
}

}  // namespace nc
