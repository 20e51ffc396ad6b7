"""CPU loops and .cu files under the address and undefined-behavior sanitizers, on small sizes."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from nerfconvert.kernels import KERNELS

from .compiled import COMPILER, compile_library

ROOT = Path(__file__).resolve().parents[2]
SANITIZE = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
EXERCISE = """
import ctypes, sys
import torch
from tests.cuda_ext.compiled import ORDERS, examples, ordered, results
torch.set_num_threads(1)
kind, path = sys.argv[1:3]
library = ctypes.CDLL(path)
for name in sys.argv[3:]:
    for arguments in examples(name):
        if kind == "cpu":
            results(name, arguments, library)
            continue
        for seed in ORDERS:
            print("order of seed", seed, "of", name, file=sys.stderr)
            with ordered(library, seed):
                results(name, arguments, library)
    print("done", name)
"""


def sanitizer_runtime() -> str | None:
    """Path of the address sanitizer's library, which Python must load first."""
    if COMPILER is None or platform.system() != "Linux":
        return None
    command = [COMPILER, "-print-file-name=libasan.so"]
    path = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return path if Path(path).is_absolute() else None


def exercise(kind: str, library: Path, runtime: str, *names: str) -> subprocess.CompletedProcess:
    """The examples of the kernels through `library`, the shim's in every order."""
    return watched(EXERCISE, runtime, kind, str(library), *names)


def watched(program: str, runtime: str, *arguments: str) -> subprocess.CompletedProcess:
    """A Python that the sanitizer watches, running `program`."""
    environment = {
        **os.environ,
        "LD_PRELOAD": runtime,
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("kind", ["cpu", "shim"])
def test_no_sanitizer_complains(kind, tmp_path):
    runtime = sanitizer_runtime()
    if runtime is None:
        pytest.skip("no g++ with an address sanitizer")
    vectors = ["-mavx2", "-mfma"] if platform.machine() == "x86_64" and kind == "cpu" else []
    library = compile_library(kind, tmp_path, *SANITIZE, *vectors)
    done = exercise(kind, library, runtime, *KERNELS)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.split()[1::2] == list(KERNELS)
