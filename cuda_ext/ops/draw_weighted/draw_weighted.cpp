// draw_weighted on the CPU: loops over blocks, then over draws.
#include "draw_weighted.h"

#include "host.h"

namespace nc {
namespace {

template <class T>
int draw_weighted_sums(int64_t count, const T* weights, double* sums, int64_t threads) {
  const int64_t blocks = draw_blocks(count);
#pragma omp parallel for schedule(static) num_threads(useful_threads(threads, blocks, 1024))
  for (int64_t b = 0; b < blocks; ++b)
    sums[b] = block_sum(weights, count, b);
  return kOk;
}

template <class T>
int draw_weighted(int64_t count, int64_t draws_count, const T* weights, const double* ends,
                  const double* draws, int64_t* indices, int64_t threads) {
#pragma omp parallel for schedule(static) num_threads(useful_threads(threads, draws_count, 4096))
  for (int64_t i = 0; i < draws_count; ++i)
    indices[i] = draw_one(weights, count, ends, draws[i]);
  return kOk;
}

}  // namespace
}  // namespace nc

#define NC_DRAW_WEIGHTED(suffix, T)                                                          \
  NC_CPU_FUNCTION(draw_weighted_sums, suffix, T) {                                           \
    return nc::draw_weighted_sums<T>(count, weights, sums, threads);                         \
  }                                                                                          \
  NC_CPU_FUNCTION(draw_weighted, suffix, T) {                                                \
    return nc::draw_weighted<T>(count, draws_count, weights, ends, draws, indices, threads); \
  }

NC_DRAW_WEIGHTED(f32, float)
NC_DRAW_WEIGHTED(f64, double)
