#!/bin/sh
# Compiles every .cu for each supported architecture and prints registers and spills. Fails on the
# first that does not compile or that spills. Needs nvcc, no GPU.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
nvcc=${NVCC:-nvcc}

printf '%-22s %-22s %-7s %9s %6s\n' file kernel target registers spills
for source in "$root"/cuda_ext/ops/*/*.cu; do
    "$nvcc" -std=c++17 -O3 --fmad=false -Xptxas -v -Xcompiler -fPIC -I "$root/cuda_ext/include" \
        -gencode arch=compute_80,code=sm_80 -gencode arch=compute_90,code=sm_90 \
        -gencode "arch=compute_100,code=[sm_100,compute_100]" \
        -c "$source" -o "$out/object.o" 2>"$out/log" || { cat "$out/log" >&2; exit 1; }
    awk -v file="$(basename "$source")" '
        function name(mangled) {
            if (match(mangled, /(march|composite|hash|sh|mlp)_(count|write|forward|backward)(ILi[0-9]+)?/))
                mangled = substr(mangled, RSTART, RLENGTH)
            sub(/ILi/, " ", mangled)
            return mangled
        }
        /Compiling entry function/ { split($0, part, "\047"); kernel = name(part[2]); target = part[4] }
        /bytes spill stores/ { match($0, /[0-9]+ bytes spill stores/); spills = substr($0, RSTART) + 0 }
        /Used [0-9]+ registers/ {
            match($0, /Used [0-9]+/)
            printf "%-22s %-22s %-7s %9d %6d\n", file, kernel, target, substr($0, RSTART + 5), spills
            if (spills > 0) failed = 1
        }
        END { exit failed }
    ' "$out/log" || { echo "$source: a kernel spills registers" >&2; exit 1; }
done
