// wave_lookup on CUDA: one thread a point and volume; the points of a warp read one volume.
#include "launch.h"
#include "wave_lookup.h"

namespace nc {
namespace {

__global__ void wave_forward(int64_t points, int64_t count, int64_t size, int64_t width,
                             const float* turns, const float* frequencies, const float* volumes,
                             float* features) {
  for (int64_t t = cuda_first(); t < points * 2 * count; t += cuda_stride()) {
    const int64_t v = t / points, i = t % points;
    float upper[3];
    int64_t first = 0;
    for (int d = 2; d >= 0; --d)
      first = first * size +
              wave_cell(turns[3 * i + d], frequencies[v / 2], v & 1, size, upper + d);
    const float* volume = volumes + v * size * size * size * width;
    for (int64_t f = 0; f < width; ++f)
      features[(i * 2 * count + v) * width + f] =
          wave_feature(volume, first, upper, size, width, f);
  }
}

}  // namespace
}  // namespace nc

NC_CUDA_FUNCTION(wave_lookup) {
  NC_LAUNCH(nc::wave_forward, nc::cuda_blocks(points * 2 * count), nc::kCudaThreads, 0, stream,
            points, count, size, width, turns, frequencies, volumes, features);
  return nc::cuda_status();
}
