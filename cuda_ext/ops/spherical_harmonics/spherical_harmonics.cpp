// spherical_harmonics on the CPU: the body over vectors of directions.
#include "spherical_harmonics.h"

#include <algorithm>

#include "host.h"

namespace nc {
namespace {

constexpr int kLanes = 8;
constexpr int64_t kGrain = 4096;  // directions worth one thread

template <class T>
struct Lanes {
  typedef T type __attribute__((vector_size(kLanes * sizeof(T))));
};

template <class T>
using Vector = typename Lanes<T>::type;

// Columns of up to kLanes rows [n, width] as vectors; missing rows are zero.
template <class T>
void load_columns(const T* rows, int width, int n, Vector<T>* columns) {
  for (int c = 0; c < width; ++c)
    for (int i = 0; i < kLanes; ++i) columns[c][i] = i < n ? rows[i * width + c] : T(0);
}

template <class T>
void store_columns(const Vector<T>* columns, int width, int n, T* rows) {
  for (int i = 0; i < n; ++i)
    for (int c = 0; c < width; ++c) rows[i * width + c] = columns[c][i];
}

template <class T>
int spherical_harmonics(int64_t points, int degree, const T* directions, T* basis,
                        int64_t threads) {
  const int width = degree * degree;
  prefer_huge_pages(basis, points * width * sizeof(T));
#pragma omp parallel for schedule(static) num_threads(useful_threads(threads, points, kGrain))
  for (int64_t first = 0; first < points; first += kLanes) {
    const int n = static_cast<int>(std::min<int64_t>(kLanes, points - first));
    Vector<T> d[3] = {}, out[16];
    load_columns<T>(directions + 3 * first, 3, n, d);
    sh_basis<Vector<T>, T>(d[0], d[1], d[2], degree, out);
    store_columns<T>(out, width, n, basis + width * first);
  }
  return kOk;
}

template <class T>
int spherical_harmonics_backward(int64_t points, int degree, const T* directions,
                                 const T* grad_basis, T* grad, int64_t threads) {
  const int width = degree * degree;
#pragma omp parallel for schedule(static) num_threads(useful_threads(threads, points, kGrain))
  for (int64_t first = 0; first < points; first += kLanes) {
    const int n = static_cast<int>(std::min<int64_t>(kLanes, points - first));
    Vector<T> d[3] = {}, g[16] = {}, out[3];
    load_columns<T>(directions + 3 * first, 3, n, d);
    load_columns<T>(grad_basis + width * first, width, n, g);
    sh_basis_backward<Vector<T>, T>(d[0], d[1], d[2], degree, g, out);
    store_columns<T>(out, 3, n, grad + 3 * first);
  }
  return kOk;
}

}  // namespace
}  // namespace nc

#define NC_SPHERICAL_HARMONICS(suffix, T)                                                    \
  NC_CPU_FUNCTION(spherical_harmonics, suffix, T) {                                          \
    return nc::spherical_harmonics<T>(points, static_cast<int>(degree), directions, basis,   \
                                      threads);                                              \
  }                                                                                          \
  NC_CPU_FUNCTION(spherical_harmonics_backward, suffix, T) {                                 \
    return nc::spherical_harmonics_backward<T>(points, static_cast<int>(degree), directions, \
                                               grad_basis, grad, threads);                   \
  }

NC_SPHERICAL_HARMONICS(f32, float)
NC_SPHERICAL_HARMONICS(f64, double)
