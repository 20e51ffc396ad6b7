#!/bin/sh
# Builds the kernels into nerfconvert/_native of this checkout, for use with PYTHONPATH=.
# NERFCONVERT_JOBS says how many compilers run at once. Needs cmake and a C++ compiler; CUDA is built too where nvcc works.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cmake -S "$root/cuda_ext" -B "$root/build/native" -DCMAKE_INSTALL_PREFIX="$root" "$@"
cmake --build "$root/build/native" --parallel "${NERFCONVERT_JOBS:-2}"
cmake --install "$root/build/native"
