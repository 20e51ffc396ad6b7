// fused_mlp in bfloat16 on processors with AVX512-BF16, in tiles where there is AMX: a block of
// points goes through all layers while it is in the cache. Inputs, parameters, results and every
// sum are float32.
#if defined(__AVX512BF16__)
#include "bfloat_mlp.h"

namespace nc {
namespace {

void forward_block(const PairMlp& mlp, const Packed& packed, Pair* hidden, float* outputs,
                   const Packed& scratch, float* numbers, int64_t first, int64_t count,
                   int64_t panels) {
  Pair *rows = scratch[0]->get(), *beside = scratch[1]->get(), *from = scratch[2]->get();
  Pair* other = scratch[3]->get();
  to_pair_panels(mlp.inputs + first * mlp.in, count, mlp.in, rows, from);
  const int64_t width = mlp.beside_width;
  if (width) to_pair_panels(mlp.beside + first * width, count, width, rows, beside);
  for (int64_t l = 0; l < mlp.n_layers; ++l) {
    const PairLayer& layer = mlp.layers[l];
    const bool last = l == mlp.last();
    Pair* to = last || !hidden ? other : mlp.hidden_at(hidden, l, first);
    for (int64_t p = 0; p < panels; ++p) {
      layer_forward(layer, packed[l]->get(), !last || mlp.last_relu,
                    from + p * pairs_of(layer.in) * kPoints,
                    beside + p * pairs_of(width) * kPoints,
                    to + p * pairs_of(layer.out) * kPoints, last ? numbers : nullptr);
      if (last)
        from_panel(numbers, count - p * kPoints, layer.out,
                   outputs + (first + p * kPoints) * layer.out);
    }
    if (!hidden) other = from;
    from = to;
  }
}

int forward(const PairMlp& mlp, float* outputs, Pair* hidden, int64_t threads) {
  Packed packed(mlp.n_layers);
  if (hidden) {
    const Pair* end = mlp.hidden_at(hidden, mlp.last(), 0);
    prefer_huge_pages(hidden, (end - hidden) * sizeof(Pair));
  }
#pragma omp parallel num_threads(threads_for(mlp, threads))
  {
#pragma omp for schedule(static)
    for (int64_t l = 0; l < mlp.n_layers; ++l) {
      const int64_t size = mlp.layers[l].out * mlp.layers[l].pairs();
      const Scratch<Pair> rows(size);
      packed[l] = std::make_unique<Scratch<Pair>>(size);
      pack_rows(mlp.layers[l], rows.get(), packed[l]->get());
    }
    const TileRegisters registers;
    const Packed scratch = scratches(4, mlp.room());
    const Scratch<float> numbers(mlp.widest * kPoints);
    for_blocks(mlp, [&](int64_t first, int64_t count, int64_t panels) {
      forward_block(mlp, packed, hidden, outputs, scratch, numbers.get(), first, count, panels);
    });
  }
  return kOk;
}

}  // namespace
}  // namespace nc

NC_CPU_FUNCTION(fused_mlp_bfloat16, f32, float) {
  return nc::forward({points, layers, widths, inputs, beside_width, at, beside, last_relu, weights,
                      biases},
                     outputs, hidden, threads);
}
#endif
