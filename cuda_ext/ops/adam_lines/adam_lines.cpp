// adam_lines on the CPU: marks are looked through eight at a time, marked lines updated in vectors.
#include "adam_lines.h"

#include <algorithm>
#include <cstring>

#include "host.h"

namespace nc {
namespace {

constexpr int64_t kChunk = 4096;     // marks that a thread takes at once
constexpr int64_t kGrain = 1 << 15;  // marks worth one thread
constexpr int64_t kDense = 8;        // where one line in so many is marked, all are passed through
constexpr int64_t kAhead = 6;        // marked lines between fetching one and changing it

// Places of the marked ones among `n` marks, which are looked through eight at a time.
inline int64_t find_marked(const uint8_t* marks, int64_t n, int32_t* marked) {
  int64_t found = 0;
  for (int64_t i = 0; i < n; ++i) {
    uint64_t eight = 1;
    if (i + 8 <= n) std::memcpy(&eight, marks + i, 8);
    if (!eight) i += 7;
    if (eight && marks[i]) marked[found++] = static_cast<int32_t>(i);
  }
  return found;
}

// Numbers of a table, from one mark on.
template <class T>
struct Numbers {
  T *table, *first, *second, *grad;

  Numbers at(int64_t line) const {
    const int64_t n = line * kNumbers;
    return {table + n, first + n, second + n, grad + n};
  }
  void fetch() const {
    for (const T* line : {table, first, second, grad}) __builtin_prefetch(line, 1);
  }
};

template <class T>
void change(const AdamRates<T>& rates, T* __restrict table, T* __restrict first,
            T* __restrict second, T* __restrict grad, int64_t n) {
  for (int64_t f = 0; f < n; ++f) adam_number(rates, table + f, first + f, second + f, grad + f);
}

template <class T>
void change(const AdamRates<T>& rates, const Numbers<T>& at, int64_t n) {
  if (n == kNumbers)
    change(rates, at.table, at.first, at.second, at.grad, kNumbers);
  else
    change(rates, at.table, at.first, at.second, at.grad, n);
}

template <class T>
int adam_lines(const AdamRates<T>& rates, int64_t count, const Numbers<T>& all, uint8_t* marks,
               int64_t threads) {
  const int64_t lines = (count + kNumbers - 1) / kNumbers;
#pragma omp parallel for schedule(dynamic, 1) num_threads(useful_threads(threads, lines, kGrain))
  for (int64_t begin = 0; begin < lines; begin += kChunk) {
    const int64_t n = std::min(kChunk, lines - begin);
    const auto step = [&](int64_t line) {
      change(rates, all.at(line), std::min(kNumbers, count - line * kNumbers));
    };
    int32_t marked[kChunk];
    const int64_t found = find_marked(marks + begin, n, marked);
    for (int64_t i = 0; i < n && found * kDense >= n; ++i) step(begin + i);
    for (int64_t i = 0; i < found && found * kDense < n; ++i) {
      if (i + kAhead < found) all.at(begin + marked[i + kAhead]).fetch();
      step(begin + marked[i]);
    }
    std::fill_n(marks + begin, n, 0);
  }
  return kOk;
}

}  // namespace
}  // namespace nc

#define NC_ADAM_LINES(suffix, T)                                                               \
  NC_CPU_FUNCTION(adam_lines, suffix, T) {                                                     \
    return nc::adam_lines<T>({rate, beta1, beta2, momentum, size, eps}, count,                 \
                             {table, first, second, grad}, marks, threads);                    \
  }

NC_ADAM_LINES(f32, float)
NC_ADAM_LINES(f64, double)
