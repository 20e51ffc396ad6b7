"""CPU loops under the thread sanitizer: no two threads of a kernel touch the same number at once.

OpenMP's own library is not compiled for the sanitizer, which then sees no barrier of it;
`threads.cpp` stands in for it. Compiling takes most of the 15 seconds.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nerfconvert.kernels import KERNELS

from .compiled import COMPILER, HERE, SOURCES, compile_library

ROOT = HERE.parents[1]
OPENMP = HERE / "threads.cpp"
POINTS = 3000  # worth several threads to every kernel
EXERCISE = f"""
import ctypes, sys
import torch
from tests.cuda_ext.compiled import results, with_sizes
torch.set_num_threads(1)
torch.get_num_threads = lambda: 4  # of ours alone: those of torch are not watched
library = ctypes.CDLL(sys.argv[1])
for name in sys.argv[2:]:
    results(name, with_sizes(name, {POINTS}), library)
    print(name)
"""


@pytest.fixture(scope="module")
def runtime() -> str:
    """Path of the sanitizer's library, which Python must load first."""
    if sys.platform != "linux" or COMPILER is None or shutil.which("setarch") is None:
        pytest.skip("no Linux, g++ or setarch")
    command = [COMPILER, "-print-file-name=libtsan.so"]
    path = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    if not Path(path).is_absolute():
        pytest.skip("g++ without its thread sanitizer")
    return path


def exercise(runtime: str, library: Path, *names: str) -> subprocess.CompletedProcess:
    """Each kernel of `names` on four threads; at addresses that the sanitizer can map."""
    environment = {
        **os.environ,
        "LD_PRELOAD": runtime,
        "TSAN_OPTIONS": "ignore_noninstrumented_modules=1 exitcode=66",
        "PYTHONPATH": str(ROOT),
    }
    command = ["setarch", "-R", sys.executable, "-c", EXERCISE, str(library), *names]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)


def compiled(to: Path, *flags: str, ops: str = "**") -> Path:
    sources = [*(SOURCES / "ops").glob(f"{ops}/*.cpp"), OPENMP]
    flags = ("-O1", "-g", "-fsanitize=thread", "-fopenmp", "-Wl,-Bsymbolic", *flags)
    return compile_library("cpu", to, *flags, sources=sources)


def test_no_two_threads_race(runtime, tmp_path):
    done = exercise(runtime, compiled(tmp_path), *KERNELS)
    assert done.returncode == 0, done.stderr[:4000]
    assert done.stdout.split() == list(KERNELS)


def test_a_race_would_be_seen(runtime, tmp_path):
    """The adding up of line gradients, without the barriers that it needs."""
    library = compiled(tmp_path, "-DNC_WITHOUT_BARRIERS", ops="factor_*")
    done = exercise(runtime, library, "factor_lookup")
    assert done.returncode == 66
    assert "data race" in done.stderr
