// rmsprop_rows on the CPU: a loop over rows, fetched into the cache ahead, updated in vectors.
#include "rmsprop_rows.h"

#include "host.h"

namespace nc {
namespace {

constexpr int64_t kGrain = 512;  // rows worth one thread
constexpr int64_t kAhead = 8;    // rows between fetching one and changing it
constexpr int kWidth = 28;       // density and 3 x 9 coefficients: unrolled
constexpr int64_t kLine = 64;    // bytes

template <class T>
void fetch(const T* row, int64_t width) {
  for (int64_t byte = 0; byte < static_cast<int64_t>(width * sizeof(T)); byte += kLine)
    __builtin_prefetch(reinterpret_cast<const char*>(row) + byte, 1);
}

template <class T>
void change(const RmspropRates& rates, const T* __restrict grad, T* __restrict table,
            T* __restrict square, int64_t width) {
  for (int64_t f = 0; f < width; ++f) rmsprop_entry(rates, grad[f], table + f, square + f);
}

template <class T>
int rmsprop_rows(const RmspropRates& rates, int64_t count, int64_t width, int64_t table_rows,
                 const int64_t* rows, const T* grads, T* table, T* square, int64_t threads) {
  const auto exists = [&](int64_t row) { return row >= 0 && row < table_rows; };
#pragma omp parallel for schedule(static) num_threads(useful_threads(threads, count, kGrain))
  for (int64_t i = 0; i < count; ++i) {
    if (i + kAhead < count && exists(rows[i + kAhead])) {
      fetch(table + rows[i + kAhead] * width, width);
      fetch(square + rows[i + kAhead] * width, width);
    }
    const T* grad = grads + i * width;
    if (!exists(rows[i]) || !takes_part(grad, width)) continue;
    const int64_t at = rows[i] * width;
    if (width == kWidth)
      change(rates, grad, table + at, square + at, kWidth);
    else
      change(rates, grad, table + at, square + at, width);
  }
  return kOk;
}

}  // namespace
}  // namespace nc

#define NC_RMSPROP_ROWS(suffix, T)                                                              \
  NC_CPU_FUNCTION(rmsprop_rows, suffix, T) {                                                    \
    return nc::rmsprop_rows<T>({rate, beta, scale, eps}, count, width, table_rows, rows, grads, \
                               table, square, threads);                                         \
  }

NC_RMSPROP_ROWS(f32, float)
NC_RMSPROP_ROWS(f64, double)
