"""Which backend runs: forced, demanded by the environment, or missing and replaced once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

import nerfconvert
from nerfconvert.errors import BackendError
from nerfconvert.kernels import KERNELS, library
from nerfconvert.kernels.dispatch import backend_info, use_backend
from nerfconvert.kernels.launch import launch
from nerfconvert.kernels.spherical_harmonics import spherical_harmonics

# Paths of an interpreter without compiled kernels: the copied sources, and no site-packages.
HIDE = "import sysconfig; sysconfig.get_path = lambda key: '/nowhere'\n"
START = """
import logging, sys, torch
logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s")
from nerfconvert.errors import BackendError
from nerfconvert.kernels import KERNELS
from nerfconvert.kernels.dispatch import backend_info, use_backend
def run(name):
    kernel = KERNELS[name]
    kernel.fast(*kernel.example(torch.Generator(), torch.device("cpu"), torch.float32))
"""
REFUSED = """
for name in KERNELS:
    try:
        run(name)
    except BackendError as error:
        print(name, "refused:", error)
with use_backend("reference"):
    run("composite")
    print("reference runs")
"""
FALLS_BACK = """
for name in [*KERNELS, *KERNELS]:
    run(name)
print("library", backend_info()["cpu_library"])
try:
    with use_backend("native"):
        run("march")
except BackendError as error:
    print("forced:", error)
"""


def run_without_libraries(script: str, folder: Path, require: str) -> list[str]:
    """Output lines of `script` beside a copy of the package that holds no compiled library."""
    source = Path(nerfconvert.__file__).parent
    shutil.copytree(source, folder / "nerfconvert", ignore=shutil.ignore_patterns("_native"))
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder),
        "NERFCONVERT_REQUIRE_NATIVE": require,
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-c", HIDE + START + script]
    done = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


def test_environment_demands_native(tmp_path):
    lines = run_without_libraries(REFUSED, tmp_path, require="1")
    assert len(lines) == len(KERNELS) + 1
    for name, line in zip(KERNELS, lines):
        assert line.startswith(
            f"{name} refused: no compiled kernel '{name}' for torch.float32 on cpu"
        )
        assert str(tmp_path / "nerfconvert" / "_native") in line
    assert lines[-1] == "reference runs"


def test_falls_back_with_one_warning(tmp_path):
    warning, library, forced = run_without_libraries(FALLS_BACK, tmp_path, require="")
    assert warning.startswith("WARNING no kernels are compiled for cpu: torch references run")
    assert library == "library None"
    assert forced.startswith("forced: no compiled kernel 'march'")


def runs_compiled() -> bool:
    """Does the op leave the mark of the compiled library in autograd's graph?"""
    directions = torch.tensor([[0.0, 0.0, 1.0]], requires_grad=True)
    return "nerfconvert" in spherical_harmonics(directions, 2).grad_fn.name()


@pytest.mark.usefixtures("compiled")
def test_use_backend_nests_and_ends():
    assert runs_compiled()
    with use_backend("reference"):
        assert not runs_compiled()
        with use_backend("native"):
            assert runs_compiled()
        assert not runs_compiled()
    assert runs_compiled()


@pytest.mark.usefixtures("compiled")
def test_use_backend_ends_with_an_exception():
    with pytest.raises(KeyError), use_backend("reference"):
        raise KeyError
    assert runs_compiled()


@pytest.mark.usefixtures("compiled")
def test_use_backend_stays_in_its_thread():
    found = []
    with use_backend("reference"):
        thread = threading.Thread(target=lambda: found.append(runs_compiled()))
        thread.start()
        thread.join()
    assert found == [True]


def test_native_on_a_device_without_kernels():
    up = torch.zeros(1, 3, device="meta")
    with use_backend("native"), pytest.raises(BackendError, match=r"spherical_harmonics.*meta"):
        spherical_harmonics(up, 1)


def test_unknown_function_is_an_error():
    with pytest.raises(BackendError, match="nc_nonsense_f32"):
        launch("nonsense", torch.zeros(1))


def test_info_is_plain():
    info = backend_info()
    assert info["threads"] == torch.get_num_threads()
    assert all(v is None or isinstance(v, (str, int, bool)) for v in info.values())
    if info["cpu_library"]:
        assert info["isa_level"] in library.LEVELS
        levels = [library.LEVELS.index(info[key]) for key in ("isa_level", "isa_supported")]
        assert levels[0] <= levels[1]


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("level", library.LEVELS)
def test_the_environment_chooses_the_level(level, monkeypatch):
    """No higher one is loaded, whatever the processor supports."""
    monkeypatch.setenv("NERFCONVERT_LEVEL", level)
    best = min(level, library.supported_level(), key=library.LEVELS.index)
    assert f"_cpu_{best}." in library.load_library.__wrapped__("cpu")._name


def test_a_level_that_there_is_not(monkeypatch):
    monkeypatch.setenv("NERFCONVERT_LEVEL", "v9")
    with pytest.raises(BackendError, match="one of base, v3, v4, bf16, amx, got 'v9'"):
        library.highest_level()
