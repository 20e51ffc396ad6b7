// fused_mlp on the CPU: a block of points goes through all layers while it is in the cache.
#include <algorithm>
#include <memory>
#include <vector>

#include "fused_mlp.h"
#include "host.h"
#include "layers.h"
#include "scratch.h"

namespace nc {
namespace {

template <class T>
struct Mlp {
  int64_t points, n_layers, widest = 0;
  Layer<T> layers[kMaxLayers];
  const T* inputs;  // [N, in]

  Mlp(int64_t n, int64_t count, const int64_t* widths, const T* in, const T* const* weights,
      const T* const* biases)
      : points(n), n_layers(count), inputs(in) {
    for (int64_t l = 0; l < count; ++l) {
      layers[l] = {widths[l], widths[l + 1], weights[l], biases ? biases[l] : nullptr};
      widest = std::max({widest, widths[l], widths[l + 1]});
    }
    widest = (widest + kPanel<T> - 1) / kPanel<T> * kPanel<T>;
  }

  // Points of a block: three activations of it should fit in half a megabyte, with some weights.
  int64_t block_points() const {
    const int64_t fit = (96 << 10) / (widest * static_cast<int64_t>(sizeof(T)));
    return std::min<int64_t>(256, std::max<int64_t>(64, fit / kPadding * kPadding));
  }

  // Hidden activations after layer l, from point `first` on, in the saved buffer.
  template <class U>
  U* hidden_at(U* hidden, int64_t l, int64_t first) const {
    for (int64_t i = 0; i < l; ++i) hidden += padded_points(points) * layers[i].out;
    return hidden + first * layers[l].out;
  }
};

// Rows [n, width] into panels [panel][feature][kPanel]; missing points are zero.
template <class T>
void to_panels(const T* rows, int64_t n, int64_t width, int64_t panels, T* to) {
  for (int64_t p = 0; p < panels; ++p, to += width * kPanel<T>) {
    const int64_t first = p * kPanel<T>;
    const int64_t count = std::max<int64_t>(0, std::min<int64_t>(kPanel<T>, n - first));
    if (count < kPanel<T>) std::fill(to, to + width * kPanel<T>, T(0));
    transpose(rows + first * width, width, count, width, to, kPanel<T>);
  }
}

template <class T>
void from_panels(const T* from, int64_t n, int64_t width, T* rows) {
  for (int64_t first = 0; first < n; first += kPanel<T>, from += width * kPanel<T>) {
    const int64_t count = std::min<int64_t>(kPanel<T>, n - first);
    transpose(from, kPanel<T>, width, count, rows + first * width, width);
  }
}

// Calls body(first point, points, panels) for this thread's share of the blocks, in order.
template <class T, class Body>
void for_blocks(const Mlp<T>& mlp, Body&& body) {
  const int64_t block = mlp.block_points();
  const int64_t blocks = (mlp.points + block - 1) / block;
  const int64_t n = thread_count(), index = thread_index();
  for (int64_t b = blocks * index / n; b < blocks * (index + 1) / n; ++b) {
    const int64_t first = b * block, count = std::min(block, mlp.points - first);
    body(first, count, padded_points(count) / kPanel<T>);
  }
}

template <class T>
int threads_for(const Mlp<T>& mlp, int64_t threads) {
  return useful_threads(threads, mlp.points, mlp.block_points());
}

// Writes outputs [N, out], and all hidden activations where `hidden` is not null.
template <class T>
int forward(const Mlp<T>& mlp, T* outputs, T* hidden, int64_t threads) {
  const int64_t last = mlp.n_layers - 1;
  if (hidden) {
    const T* end = mlp.hidden_at(hidden, last, 0);
    prefer_huge_pages(hidden, (end - hidden) * sizeof(T));
  }
#pragma omp parallel num_threads(threads_for(mlp, threads))
  {
    const int64_t size = mlp.block_points() * mlp.widest;
    const Scratch<T> first_scratch(size), second_scratch(size);
    for_blocks(mlp, [&](int64_t first, int64_t count, int64_t panels) {
      T* const scratch[2] = {first_scratch.get(), second_scratch.get()};
      const T* from = scratch[0];
      to_panels(mlp.inputs + first * mlp.layers[0].in, count, mlp.layers[0].in, panels, scratch[0]);
      for (int64_t l = 0; l < last; ++l) {
        T* to = hidden ? mlp.hidden_at(hidden, l, first) : scratch[(l + 1) % 2];
        layer_forward<T, true>(mlp.layers[l], panels, from, to);
        from = to;
      }
      T* result = scratch[mlp.n_layers % 2];
      layer_forward<T, false>(mlp.layers[last], panels, from, result);
      from_panels(result, count, mlp.layers[last].out, outputs + first * mlp.layers[last].out);
    });
  }
  return kOk;
}

// Gradients of the parameters that one thread sums up.
template <class T>
struct ParameterSums {
  std::vector<std::unique_ptr<Scratch<T>>> weights, biases;

  explicit ParameterSums(const Mlp<T>& mlp) {
    for (int64_t l = 0; l < mlp.n_layers; ++l) {
      const Layer<T>& layer = mlp.layers[l];
      const int64_t padded = (layer.in + kPanel<T> - 1) / kPanel<T> * kPanel<T>;
      weights.push_back(std::make_unique<Scratch<T>>(padded * layer.out));
      biases.push_back(std::make_unique<Scratch<T>>(layer.out));
    }
  }
};

// Inputs of layer l for a block, as [feature panel][point][kPanel].
template <class T>
void feature_panels(const Mlp<T>& mlp, const T* hidden, int64_t l, int64_t first, int64_t count,
                    int64_t panels, T* to) {
  const int64_t width = mlp.layers[l].in, points = panels * kPanel<T>;
  if (l > 0) {
    const T* from = mlp.hidden_at(hidden, l - 1, first);
    for (int64_t f = 0; f < width; f += kPanel<T>, to += points * kPanel<T>)
      for (int64_t p = 0; p < panels; ++p)
        transpose(from + (p * width + f) * kPanel<T>, kPanel<T>,
                  std::min<int64_t>(kPanel<T>, width - f), kPanel<T>,
                  to + p * kPanel<T> * kPanel<T>, kPanel<T>);
    return;
  }
  for (int64_t f = 0; f < width; f += kPanel<T>, to += points * kPanel<T>) {
    const int64_t columns = std::min<int64_t>(kPanel<T>, width - f);
    for (int64_t i = 0; i < count; ++i)
      std::copy_n(mlp.inputs + (first + i) * width + f, columns, to + i * kPanel<T>);
  }
}

template <class T>
struct Gradients {
  const T* outputs;           // [N, out]
  T* inputs;                  // [N, in] or null
  T *const *weights, *const *biases;  // [out, in] and [out] a layer; biases may be null
};

template <class T>
void backward_share(const Mlp<T>& mlp, const T* hidden, const Gradients<T>& grads,
                    ParameterSums<T>& sums) {
  const int64_t size = mlp.block_points() * mlp.widest, last = mlp.n_layers - 1;
  const Scratch<T> first_scratch(size), second_scratch(size), rows(size);
  for_blocks(mlp, [&](int64_t first, int64_t count, int64_t panels) {
    T *grad = first_scratch.get(), *next = second_scratch.get();
    const int64_t out = mlp.layers[last].out, in = mlp.layers[0].in;
    to_panels(grads.outputs + first * out, count, out, panels, grad);
    for (int64_t l = last; l >= 0; --l) {
      feature_panels(mlp, hidden, l, first, count, panels, rows.get());
      layer_backward_weight(mlp.layers[l], panels, grad, rows.get(), sums.weights[l]->get(),
                            grads.biases ? sums.biases[l]->get() : nullptr);
      if (l == 0 && !grads.inputs) break;
      const T* active = l ? mlp.hidden_at(hidden, l - 1, first) : nullptr;
      layer_backward_input(mlp.layers[l], panels, grad, active, next);
      std::swap(grad, next);
    }
    if (grads.inputs) from_panels(grad, count, in, grads.inputs + first * in);
  });
}

// Sums over threads in their order: the same bits in every run with as many threads.
template <class T>
void reduce(const Mlp<T>& mlp, const std::vector<std::unique_ptr<ParameterSums<T>>>& sums,
            const Gradients<T>& grads) {
  for (int64_t l = 0; l < mlp.n_layers; ++l) {
    const Layer<T>& layer = mlp.layers[l];
    std::fill_n(grads.weights[l], layer.out * layer.in, T(0));
    if (grads.biases) std::fill_n(grads.biases[l], layer.out, T(0));
    for (const auto& part : sums) {
      const T* from = part->weights[l]->get();
      for (int64_t f = 0; f < layer.in; f += kPanel<T>)
        for (int64_t o = 0; o < layer.out; ++o, from += kPanel<T>)
          for (int64_t c = 0; c < std::min<int64_t>(kPanel<T>, layer.in - f); ++c)
            grads.weights[l][o * layer.in + f + c] += from[c];
      for (int64_t o = 0; o < layer.out && grads.biases; ++o)
        grads.biases[l][o] += part->biases[l]->get()[o];
    }
  }
}

template <class T>
int backward(const Mlp<T>& mlp, const T* hidden, const Gradients<T>& grads, int64_t threads) {
  std::vector<std::unique_ptr<ParameterSums<T>>> sums(threads_for(mlp, threads));
  if (grads.inputs)
    prefer_huge_pages(grads.inputs, mlp.points * mlp.layers[0].in * sizeof(T));
#pragma omp parallel num_threads(static_cast<int>(sums.size()))
  {
    auto& mine = sums[thread_index()];
    mine = std::make_unique<ParameterSums<T>>(mlp);
    backward_share(mlp, hidden, grads, *mine);
  }
  sums.erase(std::remove(sums.begin(), sums.end(), nullptr), sums.end());
  reduce(mlp, sums, grads);
  return kOk;
}

}  // namespace
}  // namespace nc

#define NC_FUSED_MLP(suffix, T)                                                               \
  NC_CPU_FUNCTION(fused_mlp, suffix, T) {                                                     \
    return nc::forward<T>({points, layers, widths, inputs, weights, biases}, outputs, hidden, \
                          threads);                                                           \
  }                                                                                           \
  NC_CPU_FUNCTION(fused_mlp_backward, suffix, T) {                                            \
    return nc::backward<T>({points, layers, widths, inputs, weights, nullptr}, hidden,        \
                           {grad_outputs, grad_inputs, grad_weights, grad_biases}, threads);  \
  }

NC_FUSED_MLP(f32, float)
NC_FUSED_MLP(f64, double)
