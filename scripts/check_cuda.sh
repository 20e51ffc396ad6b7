#!/bin/sh
# Compiles every .cu for each architecture of cuda_ext/CMakeLists.txt that this nvcc knows, and
# prints for every kernel its registers on each and the bytes spilled on all of them together. Fails
# on the first file that does not compile or that spills. Needs no GPU; without nvcc it says so and
# succeeds.
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
columns=
for target in 75 80 90 100; do
    if echo "$known" | grep -qx "compute_$target"; then
        targets="$targets -gencode arch=compute_$target,code=sm_$target"
        columns="$columns $(printf '%7s' "sm_$target")"
        last=$target
    fi
done
targets="$targets -gencode arch=compute_$last,code=compute_$last" # PTX for later GPUs

printf '%-22s %-20s%s %6s\n' file kernel "$columns" spills
for source in "$root"/cuda_ext/ops/*/*.cu; do
    # $targets is a list of options: unquoted.
    "$nvcc" -std=c++17 -O3 --fmad=false -Xptxas -v -Xcompiler -fPIC -I "$root/cuda_ext/include" \
        $targets -c "$source" -o "$out/object.o" 2>"$out/log" || { cat "$out/log" >&2; exit 1; }
    kernels=$(grep -o '__global__ void [a-z_]*' "$source" | cut -d' ' -f3)
    awk -v file="$(basename "$source")" -v kernels="$(echo $kernels)" '
        # The kernel of a mangled name, which holds each name behind its length; and its parameter.
        function name(mangled,    i) {
            for (i in known)
                if (at = index(mangled, length(known[i]) known[i])) break
            rest = substr(mangled, at + length(length(known[i]) known[i]))
            if (match(rest, /^ILi[0-9]+/)) return known[i] " " substr(rest, 4, RLENGTH - 3)
            return known[i] (rest ~ /^INS[0-9A-Z_]*4Half/ ? " half" : "")
        }
        BEGIN { split(kernels, known, " ") }
        /Compiling entry function/ {
            split($0, part, "\047")
            kernel = name(part[2])
            if (!(kernel in registers)) order[++count] = kernel
        }
        match($0, /[0-9]+ bytes spill stores/) { spills[kernel] += substr($0, RSTART) }
        match($0, /[0-9]+ bytes spill loads/) { spills[kernel] += substr($0, RSTART) }
        match($0, /Used [0-9]+/) {
            registers[kernel] = registers[kernel] sprintf(" %7d", substr($0, RSTART + 5))
        }
        END {
            for (i = 1; i <= count; ++i) {
                printf "%-22s %-20s%s %6d\n", file, order[i], registers[order[i]], spills[order[i]]
                failed += spills[order[i]] > 0
            }
            exit failed || !count
        }
    ' "$out/log" || { echo "$source: a kernel spills registers, or there is none" >&2; exit 1; }
done
