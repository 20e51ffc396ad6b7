// fused_mlp in bfloat16, backward: gradients are rounded too, their sums over points are float32.
#if defined(__AVX512BF16__)
#include <utility>

#include "bfloat_mlp.h"

namespace nc {
namespace {

struct PairGradients {
  const float *outputs, *given;       // [N, out]: the results, and their gradients
  float* inputs;                      // [N, in] or null
  float *const *weights, *const *biases;  // biases may be null
};

// Gradients of the parameters that one thread sums up: [feature panel][out][32] and [out] a layer.
struct PairSums {
  std::vector<std::unique_ptr<Scratch<float>>> weights, biases;

  explicit PairSums(const PairMlp& mlp) {
    for (int64_t l = 0; l < mlp.n_layers; ++l) {
      const PairLayer& layer = mlp.layers[l];
      const int64_t out = layer.out + 1;  // of an odd last row, the zeros beside it
      weights.push_back(std::make_unique<Scratch<float>>(layer.feature_panels() * out * 32));
      biases.push_back(std::make_unique<Scratch<float>>(out));
    }
  }
};

// Adds to the sums of one input of a layer, [panel][pair of features][point]; returns what follows.
float* add_input(int64_t width, int64_t out, int64_t panels, const Pair* input, const Pair* grad,
                 int64_t grad_stride, Pair* points, Pair* rows, float* sums) {
  const int64_t pairs = pairs_of(width);
  for (int64_t p = 0; p < panels; ++p)
    pair_points(input + p * pairs * kPoints, width, points + p * pairs * kPoints);
  for (int64_t f = 0; f < width; f += 32, sums += out * 32) {
    for (int64_t p = 0; p < panels; ++p)
      transpose_pairs(points + (p * pairs * 2 + f) * 16, 16, std::min<int64_t>(32, width - f), 16,
                      rows + p * 16 * 32, 32);
    add_weight_sums(out, panels, grad, grad_stride, rows, sums);
  }
  return sums;
}

// The gradients of the results of a block, rows masked by the last ReLU, as panels of pairs.
void output_grads(const PairMlp& mlp, const PairGradients& grads, int64_t first, int64_t count,
                  float* masked, Pair* rows, Pair* to) {
  const int64_t out = mlp.layers[mlp.last()].out;
  const float* from = grads.given + first * out;
  if (mlp.last_relu) {
    for (int64_t i = 0; i < count * out; ++i)
      masked[i] = grads.outputs[first * out + i] > 0.0f ? from[i] : 0.0f;
    from = masked;
  }
  to_pair_panels(from, count, out, rows, to);
}

void backward_share(const PairMlp& mlp, const Packed& packed, const Pair* hidden,
                    const PairGradients& grads, PairSums& sums) {
  const TileRegisters registers;
  const Packed scratch = scratches(8, mlp.room());
  const Scratch<float> numbers(mlp.widest * kBlock);
  Pair *rows = scratch[0]->get(), *points = scratch[1]->get(), *turned = scratch[2]->get();
  Pair *inputs = scratch[3]->get(), *beside = scratch[4]->get();
  for_blocks(mlp, [&](int64_t first, int64_t count, int64_t panels) {
    Pair *grad = scratch[5]->get(), *next = scratch[6]->get(), *grad_points = scratch[7]->get();
    to_pair_panels(mlp.inputs + first * mlp.in, count, mlp.in, rows, inputs);
    const int64_t width = mlp.beside_width;
    if (width) to_pair_panels(mlp.beside + first * width, count, width, rows, beside);
    output_grads(mlp, grads, first, count, numbers.get(), rows, grad);
    for (int64_t l = mlp.last(); l >= 0; --l) {
      const PairLayer& layer = mlp.layers[l];
      const Pair* h = l ? mlp.hidden_at(hidden, l - 1, first) : inputs;
      const int64_t in_step = pairs_of(layer.in) * kPoints;
      const int64_t out_step = pairs_of(layer.out) * kPoints;
      for (int64_t p = 0; p < panels; ++p)
        pair_points(grad + p * out_step, layer.out, grad_points + p * out_step);
      if (grads.biases)
        add_bias_sums(layer.out, panels, grad_points, out_step, sums.biases[l]->get());
      float* after = add_input(layer.in, layer.out, panels, h, grad_points, out_step, points,
                               turned, sums.weights[l]->get());
      if (layer.beside)
        add_input(width, layer.out, panels, beside, grad_points, out_step, points, turned, after);
      if (l == 0 && !grads.inputs) break;
      for (int64_t p = 0; p < panels; ++p) {
        layer_backward_input(layer, packed[l]->get(), grad + p * out_step, h + p * in_step,
                             next + p * in_step, l ? nullptr : numbers.get());
        if (l == 0)
          from_panel(numbers.get(), count - p * kPoints, mlp.in,
                     grads.inputs + (first + p * kPoints) * mlp.in);
      }
      std::swap(grad, next);
    }
  });
}

// Sums over threads in their order: the same bits in every run with as many threads.
void reduce(const PairMlp& mlp, const std::vector<std::unique_ptr<PairSums>>& sums,
            const PairGradients& grads) {
  for (int64_t l = 0; l < mlp.n_layers; ++l) {
    const PairLayer& layer = mlp.layers[l];
    const int64_t row = layer.in + layer.beside;
    std::fill_n(grads.weights[l], layer.out * row, 0.0f);
    if (grads.biases) std::fill_n(grads.biases[l], layer.out, 0.0f);
    for (const auto& part : sums) {
      const float* from = part->weights[l]->get();
      for (const auto& [begin, width] : {std::pair(int64_t(0), layer.in), {layer.in, layer.beside}})
        for (int64_t f = 0; f < width; f += 32)
          for (int64_t o = 0; o < layer.out; ++o, from += 32)
            for (int64_t c = 0; c < std::min<int64_t>(32, width - f); ++c)
              grads.weights[l][o * row + begin + f + c] += from[c];
      for (int64_t o = 0; o < layer.out && grads.biases; ++o)
        grads.biases[l][o] += part->biases[l]->get()[o];
    }
  }
}

int backward(const PairMlp& mlp, const Pair* hidden, const PairGradients& grads, int64_t threads) {
  Packed packed(mlp.n_layers);
  std::vector<std::unique_ptr<PairSums>> sums(threads_for(mlp, threads));
#pragma omp parallel num_threads(static_cast<int>(sums.size()))
  {
#pragma omp for schedule(static)
    for (int64_t l = 0; l < mlp.n_layers; ++l) {
      const PairLayer& layer = mlp.layers[l];
      const Scratch<Pair> columns(32 * pairs_of(layer.out));
      packed[l] = std::make_unique<Scratch<Pair>>(layer.in * pairs_of(layer.out));
      pack_columns(layer, columns.get(), packed[l]->get());
    }
    auto& mine = sums[thread_index()];
    mine = std::make_unique<PairSums>(mlp);
    backward_share(mlp, packed, hidden, grads, *mine);
  }
  sums.erase(std::remove(sums.begin(), sums.end(), nullptr), sums.end());
  reduce(mlp, sums, grads);
  return kOk;
}

}  // namespace
}  // namespace nc

NC_CPU_FUNCTION(fused_mlp_bfloat16_backward, f32, float) {
  return nc::backward({points, layers, widths, inputs, beside_width, at, beside, last_relu, weights,
                       nullptr},
                      hidden, {outputs, grad_outputs, grad_inputs, grad_weights, grad_biases},
                      threads);
}
#endif
