// fused_mlp on CUDA: a block takes a few points through all layers in shared memory. Each thread
// has one point and kRows outputs at a time. Activations lie as [feature][point], rows padded by
// one.
#include "fused_mlp.h"
#include "launch.h"

namespace nc {
namespace {

constexpr int kRows = 4;

struct MlpInputs {
  int64_t points, padded;  // padded: row length of the hidden activations [layer][feature][point]
  int n_layers, widest;
  int widths[kMaxLayers + 1];
  const float* inputs;  // [N, in]
  const float* weights[kMaxLayers];
  const float* biases[kMaxLayers];  // null: none
};

struct MlpGrads {
  const float *hidden, *outputs;  // saved activations, [N, out]
  float* inputs;                  // [N, in] or null
  float* weights[kMaxLayers];
  float* biases[kMaxLayers];  // null: none
};

// This thread's place in its block.
template <int kPoints>
struct Place {
  static constexpr int kStride = kPoints + 1;  // of shared rows: no bank is hit twice
  int column, group, groups;
  int64_t point;

  __device__ Place()
      : column(threadIdx.x % kPoints), group(threadIdx.x / kPoints), groups(blockDim.x / kPoints),
        point(static_cast<int64_t>(blockIdx.x) * kPoints + column) {}
};

// sum[j] += sum over k of matrix[(first + j) * row + k * column] * from[k]; rows past `rows` stay.
template <int kStride>
__device__ inline void multiply(int rows, int first, int depth, const float* matrix, int row,
                                int column, const float* from, float* sum) {
  for (int k = 0; k < depth; ++k) {
    const float x = from[k * kStride];
#pragma unroll
    for (int j = 0; j < kRows; ++j)
      if (first + j < rows) sum[j] = fma_(matrix[(first + j) * row + k * column], x, sum[j]);
  }
}

template <int kPoints>
__device__ void load_rows(const MlpInputs& mlp, const Place<kPoints>& place, const float* rows,
                          int width, float* to) {
  for (int k = place.group; k < width; k += place.groups)
    to[k * place.kStride + place.column] =
        place.point < mlp.points ? rows[place.point * width + k] : 0.0f;
}

template <int kPoints>
__global__ void mlp_forward(MlpInputs mlp, float* outputs, float* hidden) {
  NC_DYNAMIC_SHARED(float, shared);
  const Place<kPoints> place;
  float *from = shared, *to = shared + mlp.widest * place.kStride;
  load_rows(mlp, place, mlp.inputs, mlp.widths[0], from);
  __syncthreads();
  for (int l = 0; l < mlp.n_layers; ++l) {
    const int in = mlp.widths[l], out = mlp.widths[l + 1];
    const bool last = l + 1 == mlp.n_layers;
    for (int o = place.group * kRows; o < out; o += place.groups * kRows) {
      float sum[kRows];
      for (int j = 0; j < kRows; ++j)
        sum[j] = mlp.biases[l] && o + j < out ? mlp.biases[l][o + j] : 0.0f;
      multiply<Place<kPoints>::kStride>(out, o, in, mlp.weights[l], in, 1, from + place.column,
                                        sum);
      for (int j = 0; j < kRows && o + j < out; ++j) {
        const float value = !last && sum[j] < 0.0f ? 0.0f : sum[j];  // NaN passes
        to[(o + j) * place.kStride + place.column] = value;
        if (last && place.point < mlp.points) outputs[place.point * out + o + j] = value;
        if (!last && hidden && place.point < mlp.padded)
          hidden[(o + j) * mlp.padded + place.point] = value;
      }
    }
    if (hidden) hidden += out * mlp.padded;
    __syncthreads();
    float* const swap = from;
    from = to;
    to = swap;
  }
}

// grad_weight [out, in] += grad x^T and grad_bias [out] += grad, summed over the block's points.
template <int kPoints>
__device__ void add_parameter_grads(int in, int out, const float* grad, const float* x,
                                    float* grad_weight, float* grad_bias) {
  constexpr int kStride = Place<kPoints>::kStride;
  const int tiles = (out + kRows - 1) / kRows;
  for (int t = threadIdx.x; t < tiles * in; t += blockDim.x) {
    const int first = t / in * kRows, k = t % in;
    float sum[kRows] = {};
    for (int p = 0; p < kPoints; ++p)
      for (int j = 0; j < kRows; ++j)
        if (first + j < out)
          sum[j] = fma_(grad[(first + j) * kStride + p], x[k * kStride + p], sum[j]);
    for (int j = 0; j < kRows && first + j < out; ++j)
      atomicAdd(grad_weight + (first + j) * in + k, sum[j]);
  }
  for (int o = threadIdx.x; o < out && grad_bias; o += blockDim.x) {
    float sum = 0.0f;
    for (int p = 0; p < kPoints; ++p) sum += grad[o * kStride + p];
    atomicAdd(grad_bias + o, sum);
  }
}

template <int kPoints>
__global__ void mlp_backward(MlpInputs mlp, MlpGrads grads) {
  NC_DYNAMIC_SHARED(float, shared);
  const Place<kPoints> place;
  const int size = mlp.widest * place.kStride;
  float *grad = shared, *next = shared + size, *x = shared + 2 * size;
  load_rows(mlp, place, grads.outputs, mlp.widths[mlp.n_layers], grad);
  const float* hidden = grads.hidden;
  for (int l = 0; l + 1 < mlp.n_layers; ++l) hidden += mlp.widths[l + 1] * mlp.padded;
  for (int l = mlp.n_layers - 1; l >= 0; --l) {
    const int in = mlp.widths[l], out = mlp.widths[l + 1];
    if (l == 0) load_rows(mlp, place, mlp.inputs, in, x);
    if (l > 0) hidden -= in * mlp.padded;
    for (int k = place.group; k < in && l > 0; k += place.groups)
      x[k * place.kStride + place.column] =
          place.point < mlp.points ? hidden[k * mlp.padded + place.point] : 0.0f;
    __syncthreads();
    add_parameter_grads<kPoints>(in, out, grad, x, grads.weights[l], grads.biases[l]);
    for (int k = place.group * kRows; k < in && (l > 0 || grads.inputs);
         k += place.groups * kRows) {
      float sum[kRows] = {};
      multiply<Place<kPoints>::kStride>(in, k, out, mlp.weights[l], 1, in, grad + place.column,
                                        sum);
      for (int j = 0; j < kRows && k + j < in; ++j) {
        const int at = (k + j) * place.kStride + place.column;
        next[at] = l == 0 || x[at] > 0.0f ? sum[j] : 0.0f;
        if (l == 0 && place.point < mlp.points) grads.inputs[place.point * in + k + j] = next[at];
      }
    }
    __syncthreads();
    float* const swap = grad;
    grad = next;
    next = swap;
  }
}

MlpInputs mlp_inputs(int64_t points, int64_t layers, const int64_t* widths, const float* inputs,
                     const float* const* weights, const float* const* biases) {
  MlpInputs mlp{points, padded_points(points), static_cast<int>(layers), 0, {}, inputs, {}, {}};
  for (int64_t l = 0; l <= layers; ++l) {
    mlp.widths[l] = static_cast<int>(widths[l]);
    mlp.widest = mlp.widths[l] > mlp.widest ? mlp.widths[l] : mlp.widest;
  }
  for (int64_t l = 0; l < layers; ++l) {
    mlp.weights[l] = weights[l];
    mlp.biases[l] = biases ? biases[l] : nullptr;
  }
  return mlp;
}

template <int kPoints>
int launch_forward(const MlpInputs& mlp, float* outputs, float* hidden, void* stream) {
  const unsigned blocks = static_cast<unsigned>((mlp.points + kPoints - 1) / kPoints);
  const size_t shared = 2 * mlp.widest * (kPoints + 1) * sizeof(float);
  NC_LAUNCH_TOGETHER(mlp_forward<kPoints>, blocks, kCudaThreads, shared, stream, mlp, outputs,
                     hidden);
  return cuda_status();
}

template <int kPoints>
int launch_backward(const MlpInputs& mlp, const MlpGrads& grads, void* stream) {
  const unsigned blocks = static_cast<unsigned>((mlp.points + kPoints - 1) / kPoints);
  const size_t shared = 3 * mlp.widest * (kPoints + 1) * sizeof(float);
  NC_LAUNCH_TOGETHER(mlp_backward<kPoints>, blocks, kCudaThreads, shared, stream, mlp, grads);
  return cuda_status();
}

}  // namespace
}  // namespace nc

// Points a block: as many as three activations leave within 48 KiB of shared memory.
NC_CUDA_FUNCTION(fused_mlp) {
  if (points == 0) return 0;
  const auto mlp = nc::mlp_inputs(points, layers, widths, inputs, weights, biases);
  if (mlp.widest <= 96) return nc::launch_forward<32>(mlp, outputs, hidden, stream);
  if (mlp.widest <= 192) return nc::launch_forward<16>(mlp, outputs, hidden, stream);
  return nc::launch_forward<8>(mlp, outputs, hidden, stream);
}

NC_CUDA_FUNCTION(fused_mlp_backward) {
  const auto mlp = nc::mlp_inputs(points, layers, widths, inputs, weights, nullptr);
  nc::MlpGrads grads{hidden, grad_outputs, grad_inputs, {}, {}};
  for (int64_t l = 0; l < layers; ++l) {
    grads.weights[l] = grad_weights[l];
    grads.biases[l] = grad_biases ? grad_biases[l] : nullptr;
    const auto on = static_cast<cudaStream_t>(stream);
    cudaMemsetAsync(grads.weights[l], 0, widths[l] * widths[l + 1] * sizeof(float), on);
    if (grad_biases) cudaMemsetAsync(grads.biases[l], 0, widths[l + 1] * sizeof(float), on);
  }
  if (points == 0) return nc::cuda_status();
  if (mlp.widest <= 96) return nc::launch_backward<32>(mlp, grads, stream);
  if (mlp.widest <= 192) return nc::launch_backward<16>(mlp, grads, stream);
  return nc::launch_backward<8>(mlp, grads, stream);
}
