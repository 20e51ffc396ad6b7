// march_wave on the CPU: one pass over the rays.
#include "march_wave.h"

#include "../march/marched.h"
#include "host.h"

#define NC_MARCH_WAVE(suffix, T)                                                                   \
  NC_CPU_FUNCTION(march_wave, suffix, T) {                                                         \
    const nc::MarchRays<T> of{rays, origins, directions, near, far, static_cast<T>(step),          \
                              first, most, next};                                                  \
    return nc::march_and_keep<T>(of, resolution, low, high, words, offsets, kept, threads);        \
  }                                                                                                \
  NC_CPU_FUNCTION(march_wave_write, suffix, T) {                                                   \
    return nc::write_marched<T>(rays, offsets, kept, t_starts, ray_indices, threads);              \
  }

NC_MARCH_WAVE(f32, float)
NC_MARCH_WAVE(f64, double)
