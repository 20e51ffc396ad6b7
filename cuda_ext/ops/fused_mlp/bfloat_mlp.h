// fused_mlp in bfloat16: the network, and the blocks of points that go through it.
#pragma once

#include <memory>
#include <vector>

#include "bfloat_layers.h"
#include "fused_mlp.h"
#include "host.h"
#include "scratch.h"

namespace nc {

constexpr int64_t kBlock = 256;  // points: their activations and a layer fit the second-level cache

struct PairMlp {
  int64_t points, n_layers, in, beside_width, widest = 0;
  bool last_relu;
  const float *inputs, *beside;  // [N, in], [N, beside_width]
  PairLayer layers[kMaxLayers];

  PairMlp(int64_t n, int64_t count, const int64_t* widths, const float* given, int64_t width,
          const int64_t* at, const float* more, int64_t relu, const float* const* weights,
          const float* const* biases)
      : points(n), n_layers(count), in(widths[0]), beside_width(width), last_relu(relu),
        inputs(given), beside(more) {
    for (int64_t l = 0; l < count; ++l) {
      layers[l] = {widths[l], at[l] ? width : 0, widths[l + 1], weights[l],
                   biases ? biases[l] : nullptr};
      widest = std::max({widest, widths[l] + layers[l].beside, widths[l + 1]});
    }
    widest = (widest + 31) / 32 * 32 + 32;
  }

  int64_t last() const { return n_layers - 1; }
  int64_t room() const { return widest / 2 * kBlock; }  // pairs of a block

  // Activations after hidden layer l, from point `first` on.
  template <class P>
  P* hidden_at(P* hidden, int64_t l, int64_t first) const {
    for (int64_t i = 0; i < l; ++i) hidden += padded_points(points) * pairs_of(layers[i].out);
    return hidden + first * pairs_of(layers[l].out);
  }
};

using Packed = std::vector<std::unique_ptr<Scratch<Pair>>>;

inline int threads_for(const PairMlp& mlp, int64_t threads) {
  return useful_threads(threads, mlp.points, kBlock);
}

// Calls body(first point, points, panels) for this thread's share of the blocks, in order.
template <class Body>
void for_blocks(const PairMlp& mlp, Body&& body) {
  const int64_t blocks = (mlp.points + kBlock - 1) / kBlock;
  const int64_t n = thread_count(), index = thread_index();
  for (int64_t b = blocks * index / n; b < blocks * (index + 1) / n; ++b) {
    const int64_t first = b * kBlock, count = std::min(kBlock, mlp.points - first);
    body(first, count, padded_points(count) / kPoints);
  }
}

// Rows [count, width] of a block as panels of pairs.
inline void to_pair_panels(const float* from, int64_t count, int64_t width, Pair* rows, Pair* to) {
  for (int64_t p = 0; p < count; p += kPoints, to += pairs_of(width) * kPoints)
    to_pair_panel(from + p * width, std::min(kPoints, count - p), width, rows, to);
}

// A panel of numbers [feature][point] into rows [count, width].
inline void from_panel(const float* panel, int64_t count, int64_t width, float* rows) {
  transpose(panel, kPoints, width, std::min(kPoints, count), rows, width);
}

inline Packed scratches(int count, int64_t size) {
  Packed made;
  for (int i = 0; i < count; ++i) made.push_back(std::make_unique<Scratch<Pair>>(size));
  return made;
}

}  // namespace nc
