// voxel_lookup on CUDA: 32 neighbouring threads share a point and take its channels side by side,
// so that rows are read in whole lines. Values are added atomically, so their last bits may differ
// from run to run (on the CPU they do not).
#include "launch.h"
#include "voxel_lookup.h"

namespace nc {
namespace {

constexpr int kLanes = 32;

__global__ void voxel_forward(VoxelBricks grid, int64_t points, int64_t width, const float* unit,
                              const float* table, float* features) {
  for (int64_t t = cuda_first(); t < points * kLanes; t += cuda_stride()) {
    const int64_t i = t / kLanes;
    const VoxelCorners<float> corners(grid, unit + 3 * i);
    for (int64_t f = t % kLanes; f < width; f += kLanes) {
      float sum = 0.0f;
      for (int c = 0; c < 8; ++c)
        if (corners.row[c] >= 0)
          sum = fma_(corners.weight[c], table[corners.row[c] * width + f], sum);
      features[i * width + f] = sum;
    }
  }
}

__global__ void voxel_touch(VoxelBricks grid, int64_t points, const float* unit, uint8_t* touched) {
  for (int64_t i = cuda_first(); i < points; i += cuda_stride()) {
    const VoxelCorners<float> corners(grid, unit + 3 * i);
    for (int c = 0; c < 8; ++c)
      if (corners.row[c] >= 0) touched[corners.row[c]] = 1;
  }
}

// slots [rows], if given: where in table each of the lattice's rows lies.
__global__ void voxel_add(VoxelBricks grid, int64_t points, int64_t width, const float* unit,
                          const float* values, const int32_t* slots, float* table) {
  for (int64_t t = cuda_first(); t < points * kLanes; t += cuda_stride()) {
    const int64_t i = t / kLanes;
    VoxelCorners<float> corners(grid, unit + 3 * i);
    if (slots) corners.move(slots);
    for (int64_t f = t % kLanes; f < width; f += kLanes) {
      const float value = values[i * width + f];
      for (int c = 0; c < 8; ++c)
        if (corners.row[c] >= 0)
          atomicAdd(table + corners.row[c] * width + f, corners.weight[c] * value);
    }
  }
}

}  // namespace
}  // namespace nc

NC_CUDA_FUNCTION(voxel_lookup) {
  const nc::VoxelBricks grid{words, first, cells, bricks, rows};
  NC_LAUNCH(nc::voxel_forward, nc::cuda_blocks(points * nc::kLanes), nc::kCudaThreads, 0, stream,
            grid, points, width, unit, table, features);
  return nc::cuda_status();
}

NC_CUDA_FUNCTION(voxel_touch) {
  const nc::VoxelBricks grid{words, first, cells, bricks, rows};
  NC_LAUNCH(nc::voxel_touch, nc::cuda_blocks(points), nc::kCudaThreads, 0, stream, grid, points,
            unit, touched);
  return nc::cuda_status();
}

NC_CUDA_FUNCTION(voxel_add) {
  const nc::VoxelBricks grid{words, first, cells, bricks, rows};
  NC_LAUNCH(nc::voxel_add, nc::cuda_blocks(points * nc::kLanes), nc::kCudaThreads, 0, stream, grid,
            points, width, unit, values, slots, table);
  return nc::cuda_status();
}
