#!/bin/sh
# The demonstration: installs nerfconvert into demo/venv, converts the bundled checkpoint (an MLP)
# to a hash grid without any data, and renders both side by side. Under three minutes on two cores
# once installed. Everything lands in demo/.
set -eu
cd "$(dirname "$0")/.."

python=demo/venv/bin/python
[ -x "$python" ] || "${PYTHON:-python3}" -m venv demo/venv
"$python" -c 'import torch' 2>/dev/null || "$python" -m pip install --quiet "torch==2.13.0" numpy
"$python" -m pip install --quiet .
nerfconvert=demo/venv/bin/nerfconvert

"$nerfconvert" info scenes/checkpoints/blobs-mlp.safetensors
"$nerfconvert" convert scenes/checkpoints/blobs-mlp.safetensors demo/blobs-hashgrid.safetensors \
    --to hashgrid --size small --seconds 60 --eval-views 4 --resolution 128x128 --overwrite
"$nerfconvert" compare scenes/checkpoints/blobs-mlp.safetensors demo/blobs-hashgrid.safetensors \
    -o demo/comparison --eval-views 2 --frames 12 --resolution 160x160 --overwrite

echo
echo "field    demo/blobs-hashgrid.safetensors"
echo "receipt  demo/blobs-hashgrid.safetensors.receipt.json"
echo "video    demo/comparison/compare.mp4"
echo "report   demo/comparison/report.html"
