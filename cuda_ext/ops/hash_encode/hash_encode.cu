// hash_encode on CUDA: one thread a point and level. The backward adds atomically, so its last bits
// may differ from run to run (on the CPU they do not).
#include "hash_encode.h"
#include "launch.h"

namespace nc {
namespace {

struct HashInputs {
  int64_t points, levels, width;
  const float* unit;  // [N, 3]
  const int64_t *offsets, *resolutions;
  const float* scales;
};

// Points vary fastest, so the threads of a warp read one level.
__global__ void hash_forward(HashInputs in, const float* table, float* features) {
  for (int64_t t = cuda_first(); t < in.points * in.levels; t += cuda_stride()) {
    const int64_t l = t / in.points, i = t % in.points;
    const auto level = hash_level<float>(in.offsets, in.resolutions, in.scales, l);
    const HashCorners<float> corners(level, in.unit + 3 * i);
    for (int64_t f = 0; f < in.width; ++f)
      features[(i * in.levels + l) * in.width + f] =
          hash_feature(corners, table + level.first * in.width, in.width, f);
  }
}

__global__ void hash_backward(HashInputs in, const float* grad_features, float* grad_table) {
  for (int64_t t = cuda_first(); t < in.points * in.levels; t += cuda_stride()) {
    const int64_t l = t / in.points, i = t % in.points;
    const auto level = hash_level<float>(in.offsets, in.resolutions, in.scales, l);
    const HashCorners<float> corners(level, in.unit + 3 * i);
    const float* grad = grad_features + (i * in.levels + l) * in.width;
    for (int c = 0; c < 8; ++c) {
      const float weight = corners.wx[c & 1] * corners.wyz[c >> 1];
      float* entry = grad_table + (level.first + corners.index[c]) * in.width;
      for (int64_t f = 0; f < in.width; ++f) atomicAdd(entry + f, weight * grad[f]);
    }
  }
}

}  // namespace
}  // namespace nc

NC_API int nc_hash_encode_f32(int64_t points, int64_t levels, int64_t width, const float* unit,
                              const float* table, const int64_t* offsets,
                              const int64_t* resolutions, const float* scales, float* features,
                              void* stream) {
  const nc::HashInputs in{points, levels, width, unit, offsets, resolutions, scales};
  NC_LAUNCH(nc::hash_forward, nc::cuda_blocks(points * levels), nc::kCudaThreads, 0, stream, in,
            table, features);
  return nc::cuda_status();
}

// entries: rows of grad_table.
NC_API int nc_hash_encode_backward_f32(int64_t points, int64_t levels, int64_t width,
                                       const float* unit, const int64_t* offsets,
                                       const int64_t* resolutions, const float* scales,
                                       int64_t entries, const float* grad_features,
                                       float* grad_table, void* stream) {
  cudaMemsetAsync(grad_table, 0, entries * width * sizeof(float),
                  static_cast<cudaStream_t>(stream));
  const nc::HashInputs in{points, levels, width, unit, offsets, resolutions, scales};
  NC_LAUNCH(nc::hash_backward, nc::cuda_blocks(points * levels), nc::kCudaThreads, 0, stream, in,
            grad_features, grad_table);
  return nc::cuda_status();
}
