// spherical_harmonics: the real basis of ONE direction, bands 0 to degree - 1, and its gradient.
#pragma once

#include "portable.h"

#define NC_ARGUMENTS_spherical_harmonics(T) \
  int64_t points, int64_t degree, const T* directions, T* basis
#define NC_ARGUMENTS_spherical_harmonics_backward(T) \
  int64_t points, int64_t degree, const T* directions, const T* grad_basis, T* grad

namespace nc {

// out [degree^2]. T is a scalar, or a vector of scalars for several directions at once.
template <class T, class S>
NC_HD void sh_basis(T x, T y, T z, int degree, T* out) {
  const T xx = x * x, yy = y * y, zz = z * z;
  out[0] = x * S(0) + S(0.28209479177387814);
  if (degree < 2) return;
  out[1] = S(-0.4886025119029199) * y;
  out[2] = S(0.4886025119029199) * z;
  out[3] = S(-0.4886025119029199) * x;
  if (degree < 3) return;
  out[4] = S(1.0925484305920792) * x * y;
  out[5] = S(-1.0925484305920792) * y * z;
  out[6] = S(0.31539156525252005) * (S(2) * zz - xx - yy);
  out[7] = S(-1.0925484305920792) * x * z;
  out[8] = S(0.5462742152960396) * (xx - yy);
  if (degree < 4) return;
  out[9] = S(-0.5900435899266435) * y * (S(3) * xx - yy);
  out[10] = S(2.890611442640554) * x * y * z;
  out[11] = S(-0.4570457994644658) * y * (S(4) * zz - xx - yy);
  out[12] = S(0.3731763325901154) * z * (S(2) * zz - S(3) * xx - S(3) * yy);
  out[13] = S(-0.4570457994644658) * x * (S(4) * zz - xx - yy);
  out[14] = S(1.445305721320277) * z * (xx - yy);
  out[15] = S(-0.5900435899266435) * x * (xx - S(3) * yy);
}

// grad [3] of the direction for cotangents g [degree^2].
template <class T, class S>
NC_HD void sh_basis_backward(T x, T y, T z, int degree, const T* g, T* grad) {
  const T xx = x * x, yy = y * y, zz = z * z;
  T gx = x * S(0), gy = gx, gz = gx;
  if (degree > 1) {
    gx = gx - S(0.4886025119029199) * g[3];
    gy = gy - S(0.4886025119029199) * g[1];
    gz = gz + S(0.4886025119029199) * g[2];
  }
  if (degree > 2) {
    const S a = S(1.0925484305920792), b = S(0.6307831305050401);
    gx = gx + a * (y * g[4] - z * g[7] + x * g[8]) - b * x * g[6];
    gy = gy + a * (x * g[4] - z * g[5] - y * g[8]) - b * y * g[6];
    gz = gz - a * (y * g[5] + x * g[7]) + S(2) * b * z * g[6];
  }
  if (degree > 3) {
    const S a = S(0.5900435899266435), b = S(2.890611442640554), c = S(0.4570457994644658);
    const S d = S(0.3731763325901154);
    const T five = S(4) * zz - xx - yy, square = xx - yy;
    gx = gx - a * (S(6) * x * y * g[9] + S(3) * square * g[15]) +
         b * (y * z * g[10] + x * z * g[14]) +
         c * (S(2) * x * y * g[11] - (five - S(2) * xx) * g[13]) - S(6) * d * x * z * g[12];
    gy = gy - a * (S(3) * square * g[9] - S(6) * x * y * g[15]) +
         b * (x * z * g[10] - y * z * g[14]) -
         c * ((five - S(2) * yy) * g[11] - S(2) * x * y * g[13]) - S(6) * d * y * z * g[12];
    gz = gz + b * (x * y * g[10] + S(0.5) * square * g[14]) -
         S(8) * c * z * (y * g[11] + x * g[13]) +
         d * (S(6) * zz - S(3) * xx - S(3) * yy) * g[12];
  }
  grad[0] = gx;
  grad[1] = gy;
  grad[2] = gz;
}

}  // namespace nc
