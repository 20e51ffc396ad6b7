#!/bin/sh
# Compiles every .cu for each architecture of cuda_ext/CMakeLists.txt that this nvcc knows, and
# prints registers and spills. Fails on the first that does not compile or that spills; the tiles
# of fused_mlp may spill. Needs no GPU; without nvcc it says so and succeeds.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
nvcc=${NVCC:-nvcc}
if ! command -v "$nvcc" >/dev/null 2>&1; then
    echo "check_cuda: no nvcc here, nothing checked"
    exit 0
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

known=$("$nvcc" --list-gpu-arch)
targets=
for target in 75 80 90 100; do
    if echo "$known" | grep -qx "compute_$target"; then
        targets="$targets -gencode arch=compute_$target,code=sm_$target"
        last=$target
    fi
done
targets="$targets -gencode arch=compute_$last,code=compute_$last" # PTX for later GPUs

printf '%-22s %-22s %-7s %9s %6s\n' file kernel target registers spills
for source in "$root"/cuda_ext/ops/*/*.cu; do
    # $targets is a list of options: unquoted.
    "$nvcc" -std=c++17 -O3 --fmad=false -Xptxas -v -Xcompiler -fPIC -I "$root/cuda_ext/include" \
        $targets -c "$source" -o "$out/object.o" 2>"$out/log" || { cat "$out/log" >&2; exit 1; }
    awk -v file="$(basename "$source")" '
        function name(mangled) {
            if (match(mangled, /(march|composite|hash|sh|mlp|voxel|factor)_(count|write|forward|backward)(ILi[0-9]+)?/))
                mangled = substr(mangled, RSTART, RLENGTH)
            sub(/ILi/, " ", mangled)
            return mangled
        }
        /Compiling entry function/ { split($0, part, "\047"); kernel = name(part[2]); target = part[4] }
        /bytes spill stores/ {
            match($0, /[0-9]+ bytes spill stores/)
            spills = substr($0, RSTART) + 0
            match($0, /[0-9]+ bytes spill loads/)
            spills += substr($0, RSTART)
        }
        /Used [0-9]+ registers/ {
            match($0, /Used [0-9]+/)
            printf "%-22s %-22s %-7s %9d %6d\n", file, kernel, target, substr($0, RSTART + 5), spills
            if (spills > 0 && file != "fused_mlp.cu") failed = 1
            kernels++
        }
        END { exit failed || !kernels }
    ' "$out/log" || { echo "$source: a kernel spills registers, or there is none" >&2; exit 1; }
done
