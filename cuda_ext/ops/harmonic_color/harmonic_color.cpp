// harmonic_color on the CPU: a loop over points.
#include "harmonic_color.h"

#include <type_traits>

#include "host.h"

namespace nc {
namespace {

constexpr int64_t kGrain = 2048;  // points worth one thread

// Bands as a constant, so that loops over them are unrolled.
template <int kDegree, class T>
void color_points(int64_t points, const T* features, const T* directions, T* density, T* rgb,
                  int threads) {
  constexpr int kWidth = 1 + 3 * kDegree * kDegree;
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t i = 0; i < points; ++i)
    harmonic_color(features + i * kWidth, directions + 3 * i, kDegree, density + i, rgb + 3 * i);
}

template <int kDegree, class T>
void color_points_backward(int64_t points, const T* directions, const T* grad_density,
                           const T* grad_rgb, T* grad_features, int threads) {
  constexpr int kWidth = 1 + 3 * kDegree * kDegree;
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t i = 0; i < points; ++i)
    harmonic_color_backward(directions + 3 * i, kDegree, grad_density[i], grad_rgb + 3 * i,
                            grad_features + i * kWidth);
}

// Calls body(a constant of the value `degree`), 1 to 4.
template <class Body>
void with_degree(int64_t degree, Body&& body) {
  if (degree == 1) return body(std::integral_constant<int, 1>());
  if (degree == 2) return body(std::integral_constant<int, 2>());
  if (degree == 3) return body(std::integral_constant<int, 3>());
  body(std::integral_constant<int, 4>());
}

}  // namespace
}  // namespace nc

#define NC_HARMONIC_COLOR(suffix, T)                                                            \
  NC_CPU_FUNCTION(harmonic_color, suffix, T) {                                                  \
    nc::prefer_huge_pages(rgb, points * 3 * sizeof(T));                                         \
    const int used = nc::useful_threads(threads, points, nc::kGrain);                           \
    nc::with_degree(degree, [&](auto known) {                                                   \
      nc::color_points<known.value>(points, features, directions, density, rgb, used);          \
    });                                                                                         \
    return nc::kOk;                                                                             \
  }                                                                                             \
  NC_CPU_FUNCTION(harmonic_color_backward, suffix, T) {                                         \
    nc::prefer_huge_pages(grad_features, points * (1 + 3 * degree * degree) * sizeof(T));       \
    const int used = nc::useful_threads(threads, points, nc::kGrain);                           \
    nc::with_degree(degree, [&](auto known) {                                                   \
      nc::color_points_backward<known.value>(points, directions, grad_density, grad_rgb,        \
                                             grad_features, used);                              \
    });                                                                                         \
    return nc::kOk;                                                                             \
  }

NC_HARMONIC_COLOR(f32, float)
NC_HARMONIC_COLOR(f64, double)
