#!/bin/sh
# Everything a change must pass, in a virtual environment of its own (.venv, reused when there):
# install with the compiled kernels, lint, tests, and the CUDA compile check where nvcc is.
# Arguments go to pytest: scripts/test.sh tests/renderer; without any, two processes share the tests.
set -eu
cd "$(dirname "$0")/.."

python=.venv/bin/python
[ -x "$python" ] || "${PYTHON:-python3}" -m venv .venv
"$python" -c 'import torch' 2>/dev/null || "$python" -m pip install --quiet "torch==2.13.0" numpy
"$python" -m pip install --quiet ".[dev]"

"$python" -m ruff check .
"$python" -m ruff format --check .
# The tests of pages need a browser: where it can be installed, it has to be there.
has_chromium() { command -v chromium || command -v chromium-browser || command -v google-chrome; }
if ! has_chromium >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } ||
        echo "Chromium cannot be installed here: the tests of pages skip" >&2
fi
if has_chromium >/dev/null; then
    export NERFCONVERT_REQUIRE_CHROMIUM=1
fi
# A missing kernel is an error here, not a slower reference.
export NERFCONVERT_REQUIRE_NATIVE=1
if [ $# -gt 0 ]; then "$python" -m pytest "$@"; else "$python" -m pytest -n 2 --dist worksteal; fi

# The check for GPUs, as far as it goes without one.
[ $# -gt 0 ] || "$python" scripts/gpu_check.py --dev shim

if command -v nvcc >/dev/null 2>&1 && [ -x scripts/check_cuda.sh ]; then
    scripts/check_cuda.sh
fi
