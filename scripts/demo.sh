#!/bin/sh
# The demonstration: installs nerfconvert into demo/venv, opens the bundled still life (a hash grid),
# converts it to low-rank tensors without any photograph, and films both side by side. Under three
# minutes on two cores once installed. Everything lands in demo/.
set -eu
cd "$(dirname "$0")/.."

begun=$(date +%s)
say() { echo; echo "[$(($(date +%s) - begun)) s] $1"; }
source=scenes/checkpoints/still-life.safetensors
target=demo/still-life-vm.safetensors
python=demo/venv/bin/python

say "1/4 installing into demo/venv: torch for the CPU, then nerfconvert, whose kernels are compiled"
[ -x "$python" ] || "${PYTHON:-python3}" -m venv demo/venv
"$python" -c 'import torch' 2>/dev/null || "$python" -m pip install "torch==2.13.0" numpy
"$python" -m pip install .
nerfconvert=demo/venv/bin/nerfconvert

say "2/4 what is in the file"
"$nerfconvert" info "$source"

say "3/4 converting it for 60 seconds; demo/still-life-vm.safetensors.preview.png shows how far it is"
"$nerfconvert" convert "$source" "$target" --to vm --size small --seconds 60 \
    --eval-views 4 --preview --overwrite

say "4/4 filming source and target side by side"
"$nerfconvert" compare "$source" "$target" -o demo/comparison --eval-views 2 --frames 24 \
    --resolution 300x300 --overwrite

say "done"
echo "field    $target"
echo "receipt  $target.receipt.json"
echo "video    demo/comparison/compare.mp4"
echo "report   demo/comparison/report.html"
