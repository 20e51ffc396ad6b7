// hash_encode on CUDA: one thread a point and level. The backward adds up within a warp what falls
// on the same entries, then atomically: its last bits may differ from run to run (on the CPU they
// do not).
#include "hash_encode.h"
#include "launch.h"

namespace nc {
namespace {

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffu;
constexpr int kMostRuns = kWarp / 2;  // of a warp: with more, every lane adds for itself

// t / points: GPUs divide 32 bits several times as fast as 64.
__device__ inline int64_t level_of(int64_t t, int64_t points) {
  if ((t | points) >> 32) return t / points;
  return static_cast<uint32_t>(t) / static_cast<uint32_t>(points);
}

// Points vary fastest, so the threads of a warp read one level. The table holds float or Half.
template <class Stored>
__global__ void hash_forward(HashInputs<float> in, const Stored* table, float* features) {
  for (int64_t t = cuda_first(); t < in.points * in.levels; t += cuda_stride()) {
    const int64_t l = level_of(t, in.points), i = t - l * in.points;
    const auto level = in.level(l);
    const HashCorners<float> corners(level, in.unit + 3 * i);
    for (int64_t f = 0; f < in.width; ++f)
      features[(i * in.levels + l) * in.width + f] =
          hash_feature(corners, table + level.first * in.width, in.width, f);
  }
}

// The same for tables of two features, an entry being one load.
template <class Stored>
__global__ void hash_forward_two(HashInputs<float> in, const TwoFeatures<Stored>* table,
                                 TwoFeatures<float>* features) {
  for (int64_t t = cuda_first(); t < in.points * in.levels; t += cuda_stride()) {
    const int64_t l = level_of(t, in.points), i = t - l * in.points;
    const auto level = in.level(l);
    const HashCorners<float> corners(level, in.unit + 3 * i);
    features[i * in.levels + l] = hash_two_features(corners, table + level.first);
  }
}

// The lanes of a warp whose neighbours lie in the same cell: samples of a ray do in coarse levels.
struct Runs {
  int lane, last;   // of this lane's run
  unsigned firsts;  // bit of each lane that begins a run

  __device__ explicit Runs(const uint32_t* cell) : lane(threadIdx.x % kWarp) {
    bool first = lane == 0;
    for (int d = 0; d < 3; ++d) first |= __shfl_up_sync(kAllLanes, cell[d], 1) != cell[d];
    firsts = __ballot_sync(kAllLanes, first);
    const unsigned later = firsts >> lane >> 1;
    last = later ? lane + __ffs(later) - 1 : kWarp - 1;
  }

  __device__ bool begins() const { return firsts >> lane & 1; }

  // In the first lane of each run, the run's sums; in the others some part of them.
  template <int kSums>
  __device__ void add_up(float* sums) const {
    for (int step = 1; __any_sync(kAllLanes, lane + step <= last); step *= 2)
      for (int k = 0; k < kSums; ++k) {
        const float other = __shfl_down_sync(kAllLanes, sums[k], step);
        if (lane + step <= last) sums[k] += other;
      }
  }
};

// A warp has one level, so points are rounded up to whole warps: lanes past the last point repeat
// it without a gradient.
__global__ void hash_backward(HashInputs<float> in, const float* grad_features, float* grad_table) {
  const int64_t padded = (in.points + kWarp - 1) / kWarp * kWarp;
  for (int64_t t = cuda_first(); t < padded * in.levels; t += cuda_stride()) {
    const int64_t l = level_of(t, padded), place = t - l * padded;
    const int64_t i = min_(place, in.points - 1);
    const bool repeated = place != i;
    const auto level = in.level(l);
    const HashCorners<float> corners(level, in.unit + 3 * i);
    const Runs runs(corners.cell);
    const bool together = __popc(runs.firsts) <= kMostRuns;
    const float* grads = grad_features + (i * in.levels + l) * in.width;
    for (int64_t f = 0; f < in.width; ++f) {
      const float grad = repeated ? 0.0f : grads[f];
      float sums[8];
      for (int c = 0; c < 8; ++c) sums[c] = corners.wx[c & 1] * corners.wyz[c >> 1] * grad;
      if (together) runs.add_up<8>(sums);
      if (together && !runs.begins()) continue;
      for (int c = 0; c < 8; ++c)
        atomicAdd(grad_table + (level.first + corners.index[c]) * in.width + f, sums[c]);
    }
  }
}

template <class T>
bool in_twos(const T* memory) {
  return reinterpret_cast<uintptr_t>(memory) % alignof(TwoFeatures<T>) == 0;
}

template <class Stored>
int launch_forward(const HashInputs<float>& in, const Stored* table, float* features,
                   void* stream) {
  if (in.width == 2 && in_twos(table) && in_twos(features)) {
    NC_LAUNCH(hash_forward_two, cuda_blocks(in.points * in.levels), kCudaThreads, 0, stream, in,
              reinterpret_cast<const TwoFeatures<Stored>*>(table),
              reinterpret_cast<TwoFeatures<float>*>(features));
    return cuda_status();
  }
  NC_LAUNCH(hash_forward, cuda_blocks(in.points * in.levels), kCudaThreads, 0, stream, in, table,
            features);
  return cuda_status();
}

}  // namespace
}  // namespace nc

NC_CUDA_FUNCTION(hash_encode) {
  return nc::launch_forward({points, levels, width, unit, offsets, resolutions, scales}, table,
                            features, stream);
}

NC_CUDA_FUNCTION(hash_encode_half) {
  return nc::launch_forward({points, levels, width, unit, offsets, resolutions, scales}, table,
                            features, stream);
}

NC_CUDA_FUNCTION(hash_encode_backward) {
  cudaMemsetAsync(grad_table, 0, entries * width * sizeof(float),
                  static_cast<cudaStream_t>(stream));
  const nc::HashInputs<float> in{points, levels, width, unit, offsets, resolutions, scales};
  const int64_t padded = (points + nc::kWarp - 1) / nc::kWarp * nc::kWarp;
  NC_LAUNCH_TOGETHER(nc::hash_backward, nc::cuda_blocks(padded * levels), nc::kCudaThreads, 0,
                     stream, in, grad_features, grad_table);
  return nc::cuda_status();
}
