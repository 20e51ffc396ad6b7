"""Writes what the machine has: GPU, driver, compilers, versions."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys

import torch
from stage import stage_options


def first_line(*command: str) -> str | None:
    """The last line that a program prints, None where it is not there."""
    if shutil.which(command[0]) is None:
        return None
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    return lines[-1] if lines else None


def version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def gpu() -> dict[str, object] | None:
    """Name, capability and memory of the GPU; None where torch sees none."""
    if not torch.cuda.is_available():
        return None
    properties = torch.cuda.get_device_properties(0)
    return {
        "name": properties.name,
        "capability": f"{properties.major}.{properties.minor}",
        "memory_gb": round(properties.total_memory / 1e9, 1),
        "driver": first_line("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"),
    }


def main() -> int:
    options = stage_options()
    found = {
        "gpu": gpu(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torch_cuda": torch.version.cuda,
        "nvcc": first_line("nvcc", "--version"),
        "g++": first_line("g++", "-dumpfullversion"),
        "compute-sanitizer": shutil.which("compute-sanitizer") is not None,
        "packages": {name: version(name) for name in ("nerfacc", "tinycudann", "numpy")},
    }
    options.json.write_text(json.dumps(found))
    print(json.dumps(found), flush=True)
    if options.dev == "cuda" and found["gpu"] is None:
        print("torch sees no CUDA device: --dev shim runs without one", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
