// fused_mlp on the CPU: one layer over a block of points, forward and backward.
//
// Activations of a block lie in panels of kPanel points: [panel][feature][point], so that points
// are the vector and weights the scalars of every product, and a panel is read front to back.
#pragma once

#include "tile.h"

namespace nc {

template <class T>
struct Layer {
  int64_t in, out;
  const T* weight;  // [out, in]
  const T* bias;    // [out] or null
};

// to [panels][out][kPanel] = relu?(weight from + bias), from [panels][in][kPanel].
template <class T, bool kRelu>
void layer_forward(const Layer<T>& layer, int64_t panels, const T* from, T* to) {
  for (int64_t p = 0; p < panels; ++p, from += layer.in * kPanel<T>, to += layer.out * kPanel<T>) {
    for_tiles(layer.out, [&](auto rows, int64_t first) {
      constexpr int kRows = decltype(rows)::value;
      Tile<T, kRows> tile;
#pragma GCC unroll 12
      for (int j = 0; j < kRows; ++j) {
        const T bias = layer.bias ? layer.bias[first + j] : T(0);
        tile.sum[j][0] = tile.sum[j][1] = Vector<T>{} + bias;
      }
      tile.multiply(layer.in, layer.weight + first * layer.in, layer.in, 1, from);
#pragma GCC unroll 12
      for (int j = 0; j < kRows; ++j)
#pragma GCC unroll 2
        for (int h = 0; h < 2; ++h) {
          Vector<T> value = tile.sum[j][h];
          if (kRelu) value = value < T(0) ? Vector<T>{} : value;  // NaN passes
          store(to + (first + j) * kPanel<T> + h * kLanes<T>, value);
        }
    });
  }
}

// grad_in = weight^T grad_out, zero where `active` (this layer's input after ReLU) is not positive;
// `active` may be null. Panels as above.
template <class T>
void layer_backward_input(const Layer<T>& layer, int64_t panels, const T* grad_out,
                          const T* active, T* grad_in) {
  for (int64_t p = 0; p < panels; ++p) {
    for_tiles(layer.in, [&](auto rows, int64_t first) {
      constexpr int kRows = decltype(rows)::value;
      Tile<T, kRows> tile;
#pragma GCC unroll 12
      for (int j = 0; j < kRows; ++j) tile.sum[j][0] = tile.sum[j][1] = Vector<T>{};
      tile.multiply(layer.out, layer.weight + first, 1, layer.in, grad_out);
#pragma GCC unroll 12
      for (int j = 0; j < kRows; ++j)
#pragma GCC unroll 2
        for (int h = 0; h < 2; ++h) {
          const int64_t at = (first + j) * kPanel<T> + h * kLanes<T>;
          Vector<T> value = tile.sum[j][h];
          if (active) value = load(active + at) > T(0) ? value : Vector<T>{};
          store(grad_in + at, value);
        }
    });
    grad_out += layer.out * kPanel<T>;
    grad_in += layer.in * kPanel<T>;
    if (active) active += layer.in * kPanel<T>;
  }
}

// Feature panels of a layer's input: `rows` is [feature panel][point][kPanel], points the depth.
// grad_weight [feature panel][out][kPanel] += grad_out rows^T; grad_bias [out] += sum of grad_out.
template <class T>
void layer_backward_weight(const Layer<T>& layer, int64_t panels, const T* grad_out, const T* rows,
                           T* grad_weight, T* grad_bias) {
  const int64_t points = panels * kPanel<T>;
  const int64_t feature_panels = (layer.in + kPanel<T> - 1) / kPanel<T>;
  for (int64_t f = 0; f < feature_panels; ++f) {
    const T* columns = rows + f * points * kPanel<T>;
    T* sums = grad_weight + f * layer.out * kPanel<T>;
    for_tiles(layer.out, [&](auto tile_rows, int64_t first) {
      constexpr int kRows = decltype(tile_rows)::value;
      Tile<T, kRows> tile;
      T* at = sums + first * kPanel<T>;
#pragma GCC unroll 12
      for (int j = 0; j < kRows; ++j)
#pragma GCC unroll 2
        for (int h = 0; h < 2; ++h) tile.sum[j][h] = load(at + j * kPanel<T> + h * kLanes<T>);
      for (int64_t p = 0; p < panels; ++p)
        tile.multiply(kPanel<T>, grad_out + (p * layer.out + first) * kPanel<T>, kPanel<T>, 1,
                      columns + p * kPanel<T> * kPanel<T>);
#pragma GCC unroll 12
      for (int j = 0; j < kRows; ++j)
#pragma GCC unroll 2
        for (int h = 0; h < 2; ++h) store(at + j * kPanel<T> + h * kLanes<T>, tile.sum[j][h]);
    });
  }
  for (int64_t o = 0; o < layer.out && grad_bias; ++o) {
    Vector<T> sum = {};
    for (int64_t p = 0; p < panels; ++p)
#pragma GCC unroll 2
      for (int h = 0; h < 2; ++h)
        sum += load(grad_out + (p * layer.out + o) * kPanel<T> + h * kLanes<T>);
    for (int i = 0; i < kLanes<T>; ++i) grad_bias[o] += sum[i];
  }
}

}  // namespace nc
