// march on the CPU: one pass over the rays.
#include "march.h"

#include "host.h"
#include "marched.h"

#define NC_MARCH(suffix, T)                                                                        \
  NC_CPU_FUNCTION(march, suffix, T) {                                                              \
    const nc::MarchRays<T> of{rays, origins, directions, near, far, static_cast<T>(step)};         \
    return nc::march_and_keep<T>(of, resolution, low, high, words, offsets, kept, threads);        \
  }                                                                                                \
  NC_CPU_FUNCTION(march_write, suffix, T) {                                                        \
    return nc::write_marched<T>(rays, offsets, kept, t_starts, ray_indices, threads);              \
  }

NC_MARCH(f32, float)
NC_MARCH(f64, double)
