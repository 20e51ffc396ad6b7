"""Builds the kernels: for this GPU into the checkout, or for the shim into the working folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import torch
from stage import stage_options

from tests.cuda_ext.compiled import compile_library

ROOT = Path(__file__).resolve().parents[2]


def build_cuda() -> None:
    """The libraries in nerfconvert/_native, with line numbers for the sanitizer."""
    major, minor = torch.cuda.get_device_capability()
    command = ["sh", str(ROOT / "scripts" / "build_native.sh")]
    command += [f"-DCMAKE_CUDA_ARCHITECTURES={major}{minor}", "-DCMAKE_CUDA_FLAGS=-lineinfo"]
    built = ROOT / "nerfconvert" / "_native" / "nerfconvert_cuda.so"
    built.unlink(missing_ok=True)  # of an earlier build, which must not stand for this one
    jobs = {"NERFCONVERT_JOBS": str(min(16, os.cpu_count() or 2))}
    subprocess.run(command, env={**os.environ, **jobs}, check=True)
    if not built.is_file():
        raise SystemExit("no CUDA library was built: is nvcc on the PATH?")


def main() -> int:
    options = stage_options()
    start = time.monotonic()
    if options.dev == "cuda":
        build_cuda()
    else:
        compile_library("shim", options.work, "-O1")
    options.json.write_text(json.dumps({"build_s": round(time.monotonic() - start, 1)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
