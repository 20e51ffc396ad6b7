// The two passes of a march on CUDA: one thread a ray counts its samples, then writes them. Between
// the two the caller sums up.
#pragma once

#include "launch.h"
#include "march.h"

namespace nc {

struct MarchBox {
  int64_t resolution;
  const float *low, *high;
  const uint64_t* words;

  __device__ MarchGrid<float> grid() const {
    return march_grid(words, static_cast<int>(resolution), low, high, nullptr);
  }
};

static __global__ void count_marched(MarchBox box, MarchRays<float> rays, int64_t* offsets) {
  for (int64_t r = cuda_first(); r < rays.count; r += cuda_stride()) {
    int64_t count = 0;
    rays.march(box.grid(), r, [&](float) { ++count; });
    offsets[r + 1] = count;
  }
}

static __global__ void write_marched(MarchBox box, MarchRays<float> rays, const int64_t* offsets,
                                     float* t_starts, int64_t* ray_indices) {
  for (int64_t r = cuda_first(); r < rays.count; r += cuda_stride()) {
    int64_t i = offsets[r];
    rays.march(box.grid(), r, [&](float t) {
      t_starts[i] = t;
      ray_indices[i++] = r;
    });
  }
}

}  // namespace nc
