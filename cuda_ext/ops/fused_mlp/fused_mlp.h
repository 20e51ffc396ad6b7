// fused_mlp: what its CPU loops, its CUDA kernels and its callers agree on.
#pragma once

#include "portable.h"

// widths [layers + 1]; weights, biases and their gradients: a pointer a layer, biases may be null.
// hidden: the activations after each hidden layer, padded_points() of each feature; null: not kept.
// Their order within is for each device to choose. grad_inputs may be null.
#define NC_ARGUMENTS_fused_mlp(T)                                         \
  int64_t points, int64_t layers, const int64_t* widths, const T* inputs, \
      const T* const* weights, const T* const* biases, T* outputs, T* hidden
#define NC_ARGUMENTS_fused_mlp_backward(T)                                             \
  int64_t points, int64_t layers, const int64_t* widths, const T* inputs,              \
      const T* const* weights, const T* hidden, const T* grad_outputs, T* grad_inputs, \
      T* const* grad_weights, T* const* grad_biases

// The same in bfloat16, on processors that multiply it; all but `hidden` is float32. Layers l with
// at[l] act on [h | beside], beside [N, beside_width]; last_relu: there is a ReLU after the last
// layer too. hidden: pairs of features, padded_points() of each pair.
#define NC_ARGUMENTS_fused_mlp_bfloat16(T)                                                     \
  int64_t points, int64_t layers, const int64_t* widths, const T* inputs,                      \
      int64_t beside_width, const int64_t* at, const T* beside, int64_t last_relu,             \
      const T* const* weights, const T* const* biases, T* outputs, uint32_t* hidden
#define NC_ARGUMENTS_fused_mlp_bfloat16_backward(T)                                            \
  int64_t points, int64_t layers, const int64_t* widths, const T* inputs,                      \
      int64_t beside_width, const int64_t* at, const T* beside, int64_t last_relu,             \
      const T* const* weights, const T* outputs, const uint32_t* hidden, const T* grad_outputs, \
      T* grad_inputs, T* const* grad_weights, T* const* grad_biases

namespace nc {

constexpr int kMaxLayers = 10;
constexpr int64_t kPadding = 32;  // points of the hidden activations are rounded up to this

inline int64_t padded_points(int64_t points) {
  return (points + kPadding - 1) / kPadding * kPadding;
}

}  // namespace nc
