// factor_lookup on the CPU: one point at a time, its channels in vectors.
#include "factor_lookup.h"

#include <algorithm>
#include <memory>

#include "host.h"
#include "strip.h"

namespace nc {
namespace {

constexpr int64_t kGrain = 256;  // points worth one thread

// Products of the channels from `first` on.
template <class T>
void multiply(const Factors<const T>& factors, const FactorPoint<T>& point, int64_t first,
              T* __restrict out) {
  const int64_t width = factors.width, count = width - first;
  const FactorMode<T> modes[3] = {{factors, point, 0}, {factors, point, 1}, {factors, point, 2}};
  if (!factors.plane[0]) {
    const T* const z = factors.line[0] + modes[0].line + first;
    const T* const y = factors.line[1] + modes[1].line + first;
    const T* const x = factors.line[2] + modes[2].line + first;
    for (int64_t f = 0; f < count; ++f)
      out[f] = on_line(z + f, width, modes[0].end) * on_line(y + f, width, modes[1].end) *
               on_line(x + f, width, modes[2].end);
    return;
  }
  for (int m = 0; m < 3; ++m, out += count) {
    const T* const plane = factors.plane[m] + modes[m].plane + first;
    const T* const line = factors.line[m] + modes[m].line + first;
    for (int64_t f = 0; f < count; ++f)
      out[f] = on_plane(plane + f, width, modes[m].plane_step, modes[m].corner) *
               on_line(line + f, width, modes[m].end);
  }
}

template <class T>
int look_up(const Factors<const T>& factors, int64_t points, int64_t first, const T* unit,
            T* products, int64_t threads) {
  const int64_t stride = (factors.width - first) * factors.modes();
  prefer_huge_pages(products, points * stride * sizeof(T));
  const int n_threads = useful_threads(threads, points, kGrain);
#pragma omp parallel for schedule(dynamic, 16) num_threads(n_threads)
  for (int64_t begin = 0; begin < points; begin += kStrip) {
    const int n = static_cast<int>(std::min<int64_t>(kStrip, points - begin));
    FactorStrip<T> strip;
    strip.locate(factors, unit + 3 * begin, n, first, factors.width);
    for (int i = 0; i < n; ++i) multiply(factors, strip[i], first, products + (begin + i) * stride);
  }
  return kOk;
}

// The rows that one thread may add to. A tile of a plane belongs to one thread, lines are its own
// copy: no atomics, and every sum is in order of points.
template <class T>
struct Share {
  Factors<T> grads;
  uint8_t* const* plane_marks;  // or null
  int me, team;

  // Marks the lines of the row at `place` of a plane. Rows of two threads may share a line.
  void mark(int mode, int64_t place) const {
    if (!plane_marks) return;
    const int64_t last = (place + grads.width - 1) / kMarked;
    for (int64_t line = place / kMarked; line <= last; ++line)
      __atomic_store_n(plane_marks[mode] + line, 1, __ATOMIC_RELAXED);
  }

  bool owns(int mode, int64_t a, int64_t b) const {
    const uint32_t tile = static_cast<uint32_t>((a >> 3) * 8209 + (b >> 3) * 3 + mode);
    return static_cast<int>(uint64_t{tile * 2654435761u} * static_cast<uint32_t>(team) >> 32) == me;
  }
};

// One gradient for all channels, read like a row of them.
template <class T>
struct Same {
  T value;
  T operator[](int64_t) const { return value; }
};

// Gradients, table entries and places to add to of `count` channels, of which rows lie `width` apart.
template <class T, class Gradient>
void add_row(T weight, Gradient grad, const T* __restrict line, const T* end, T* __restrict row,
             int64_t width, int64_t count) {
#pragma GCC ivdep
  for (int64_t f = 0; f < count; ++f)
    row[f] = fma_(weight, grad[f] * on_line(line + f, width, end), row[f]);
}

template <class T, class Gradient>
void add_line(const FactorMode<T>& mode, Gradient grad, const T* __restrict plane,
              T* __restrict row, int64_t width, int64_t count) {
#pragma GCC ivdep
  for (int64_t f = 0; f < count; ++f) {
    const T g = grad[f] * on_plane(plane + f, width, mode.plane_step, mode.corner);
    row[f] = fma_(mode.end[0], g, row[f]);
    row[f + width] = fma_(mode.end[1], g, row[f + width]);
  }
}

// All four corners and both ends at once.
template <class T, class Gradient>
void add_all(const FactorMode<T>& mode, Gradient grad, const T* __restrict plane,
             const T* __restrict line, T* __restrict to_plane, T* __restrict to_line, int64_t width,
             int64_t count) {
  const int64_t step = mode.plane_step;
#pragma GCC ivdep
  for (int64_t f = 0; f < count; ++f) {
    const T g = grad[f] * on_line(line + f, width, mode.end);
    const T h = grad[f] * on_plane(plane + f, width, step, mode.corner);
    to_plane[f] = fma_(mode.corner[0], g, to_plane[f]);
    to_plane[f + width] = fma_(mode.corner[1], g, to_plane[f + width]);
    to_plane[f + step] = fma_(mode.corner[2], g, to_plane[f + step]);
    to_plane[f + step + width] = fma_(mode.corner[3], g, to_plane[f + step + width]);
    to_line[f] = fma_(mode.end[0], h, to_line[f]);
    to_line[f + width] = fma_(mode.end[1], h, to_line[f + width]);
  }
}

// `count` channels of mode m from channel `from` on; `mine` says which corners are this thread's.
template <class T, class Gradient>
void add_channels(const Factors<const T>& factors, const Share<T>& share, const FactorMode<T>& mode,
                  int m, const bool* mine, Gradient grad, int64_t from, int64_t count) {
  const int64_t width = factors.width;
  const T* const plane = factors.plane[m] + mode.plane + from;
  const T* const line = factors.line[m] + mode.line + from;
  T* const to_plane = share.grads.plane[m] + mode.plane + from;
  T* const to_line = share.grads.line[m] + mode.line + from;
  if (mine[0] && mine[1] && mine[2] && mine[3])
    return add_all(mode, grad, plane, line, to_plane, to_line, width, count);
  for (int c = 0; c < 4; ++c)
    if (mine[c])
      add_row(mode.corner[c], grad, line, mode.end,
              to_plane + (c >> 1) * mode.plane_step + (c & 1) * width, width, count);
  if (mine[0]) add_line(mode, grad, plane, to_line, width, count);
}

template <class T>
void add_planes(const Factors<const T>& factors, const Share<T>& share, const FactorPoint<T>& point,
                const FactorGradient<T>& grad) {
  const int64_t width = factors.width, rest = width - grad.first;
  for (int m = 0; m < 3; ++m) {
    const FactorMode<T> mode(factors, point, m);
    const int64_t a = point.cell[factor_first(m)], b = point.cell[factor_second(m)];
    bool mine[4];
    for (int c = 0; c < 4; ++c) {
      mine[c] = share.owns(m, a + (c >> 1), b + (c & 1));
      if (mine[c]) share.mark(m, mode.plane + (c >> 1) * mode.plane_step + (c & 1) * width);
    }
    if (grad.sum)
      add_channels(factors, share, mode, m, mine, Same<T>{*grad.sum}, 0, grad.first);
    add_channels(factors, share, mode, m, mine, grad.row + m * rest, grad.first, rest);
  }
}

// `count` channels of three lines from channel `from` on.
template <class T, class Gradient>
void add_lines(const Factors<const T>& factors, const Share<T>& share, const FactorPoint<T>& point,
               Gradient grad, int64_t from, int64_t count) {
  const int64_t width = factors.width;
  for (int m = 0; m < 3; ++m) {
    const int others[2] = {m == 0 ? 1 : 0, m == 2 ? 1 : 2};
    const FactorMode<T> mode(factors, point, m);
    const FactorMode<T> first(factors, point, others[0]), second(factors, point, others[1]);
    const T* const a = factors.line[others[0]] + first.line + from;
    const T* const b = factors.line[others[1]] + second.line + from;
    T* const row = share.grads.line[m] + mode.line + from;
#pragma GCC ivdep
    for (int64_t f = 0; f < count; ++f) {
      const T g = grad[f] * on_line(a + f, width, first.end) * on_line(b + f, width, second.end);
      row[f] = fma_(mode.end[0], g, row[f]);
      row[f + width] = fma_(mode.end[1], g, row[f + width]);
    }
  }
}

// What one call gives gradients for.
template <class T>
struct Asked {
  int64_t points, first;
  const T* unit;
  const T* grad_sums;
  const T* grad_products;
};

// Strips of all points, or of this thread's where there are no planes.
template <class T>
void add_strips(const Factors<const T>& factors, const Share<T>& share, const Asked<T>& asked) {
  const bool planes = factors.plane[0];
  const int64_t from = planes ? 0 : asked.points * share.me / share.team;
  const int64_t to = planes ? asked.points : asked.points * (share.me + 1) / share.team;
  for (int64_t begin = from; begin < to; begin += kStrip) {
    const int n = static_cast<int>(std::min<int64_t>(kStrip, to - begin));
    FactorStrip<T> strip;
    strip.locate(share.grads, asked.unit + 3 * begin, n, 0, factors.width);
    for (int i = 0; i < n; ++i) {
      const FactorGradient<T> grad(asked.grad_sums, asked.grad_products, begin + i, asked.first,
                                   factors);
      if (planes) {
        add_planes(factors, share, strip[i], grad);
        continue;
      }
      if (grad.sum) add_lines(factors, share, strip[i], Same<T>{*grad.sum}, 0, grad.first);
      add_lines(factors, share, strip[i], grad.row, grad.first, factors.width - grad.first);
    }
  }
}

template <class T>
void fill_share(T* values, int64_t count, int me, int team) {
  std::fill(values + count * me / team, values + count * (me + 1) / team, T(0));
}

template <class T>
int look_up_backward(const Factors<const T>& factors, const Factors<T>& grads,
                     const Asked<T>& asked, uint8_t* const* plane_marks, uint8_t* const* line_marks,
                     int64_t threads) {
  const int n_threads = useful_threads(threads, asked.points, kGrain);
  int64_t line_size[3], lines = 0, plane_size[3] = {};
  for (int m = 0; m < 3; ++m) {
    line_size[m] = factors.size[factor_line(m)] * factors.width;
    lines += line_size[m];
    if (!factors.plane[0]) continue;
    plane_size[m] = factors.size[factor_first(m)] * factors.size[factor_second(m)] * factors.width;
    if (!line_marks) prefer_huge_pages(grads.plane[m], plane_size[m] * sizeof(T));
  }
  std::unique_ptr<T, decltype(&std::free)> copies(  // of the lines, one a further thread
      static_cast<T*>(std::malloc(((n_threads - 1) * lines + 1) * sizeof(T))), &std::free);
  if (!copies) return kOutOfMemory;
#pragma omp parallel num_threads(n_threads)
  {
    Share<T> share{grads, plane_marks, thread_index(), thread_count()};
    T* copy = copies.get() + (share.me - 1) * lines;
    for (int m = 0; m < 3; ++m) {
      if (share.me) share.grads.line[m] = copy;
      copy += line_size[m];
      if (share.me || !line_marks) std::fill_n(share.grads.line[m], line_size[m], T(0));
      if (!line_marks) fill_share(grads.plane[m], plane_size[m], share.me, share.team);
      const int64_t marks = (line_size[m] + kMarked - 1) / kMarked;
      if (line_marks && !share.me) std::fill_n(line_marks[m], marks, 1);
    }
#pragma omp barrier
    add_strips(factors, share, asked);
#pragma omp barrier
    int64_t offset = 0;
    for (int m = 0; m < 3; offset += line_size[m++])
      for (int other = 1; other < share.team; ++other) {
        const T* const from = copies.get() + (other - 1) * lines + offset;
        for (int64_t f = line_size[m] * share.me / share.team;
             f < line_size[m] * (share.me + 1) / share.team; ++f)
          grads.line[m][f] += from[f];
      }
  }
  return kOk;
}

}  // namespace
}  // namespace nc

#define NC_FACTOR_LOOKUP(suffix, T)                                                                \
  NC_CPU_FUNCTION(factor_lookup, suffix, T) {                                                      \
    return nc::look_up<T>(nc::make_factors(planes, lines, sizes, width), points, first, unit,      \
                          products, threads);                                                      \
  }                                                                                                \
  NC_CPU_FUNCTION(factor_lookup_backward, suffix, T) {                                             \
    return nc::look_up_backward<T>(                                                                \
        nc::make_factors(planes, lines, sizes, width),                                             \
        nc::make_factors(grad_planes, grad_lines, sizes, width),                                   \
        {points, first, unit, grad_sums, grad_products}, plane_marks, line_marks, threads);        \
  }

NC_FACTOR_LOOKUP(f32, float)
NC_FACTOR_LOOKUP(f64, double)
