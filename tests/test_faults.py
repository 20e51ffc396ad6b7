"""Machines that lack something: each lack is said in words, before work where that can be."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

import pytest

from tests.conftest import ROOT

GLASS = ROOT / "scenes" / "glass.toml"
SMALL = ["--frames=2", "--resolution=16x12", "--overwrite"]


def run(*words: object, shell: str = "exec", **environment: str) -> tuple[int, str]:
    """Exit code and messages of a command that a shell runs after the words of `shell`."""
    command = shlex.join(map(str, (sys.executable, "-m", "nerfconvert", *words)))
    done = subprocess.run(
        ["bash", "-c", f"{shell} {command}"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stderr


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KB, on which 20 are left."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        if subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("mounting a file system needs root")
    except FileNotFoundError:
        pytest.skip("no program to mount a file system with")
    (folder / "other").write_bytes(bytes(44 << 10))
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_small_disk(small_disk):
    field = ROOT / "scenes" / "checkpoints" / "blobs-mlp.safetensors"
    code, said = run("export", field, small_disk / "out.safetensors")
    assert (code, said) == (
        1,
        f"nerfconvert: {small_disk}/out.safetensors: cannot be written: No space left on device\n",
    )
    code, said = run("render", GLASS, "-o", small_disk, *SMALL, "-q")  # of another file system
    assert code == 0, said
    assert sorted(os.listdir(small_disk)) == ["00000.png", "00001.png", "other"]


def test_a_folder_that_was_removed(tmp_path):
    folder = shlex.quote(str(tmp_path / "gone"))
    code, said = run("info", GLASS, shell=f"mkdir {folder}; cd {folder}; rmdir {folder}; exec")
    assert code == 2
    assert said == "nerfconvert: the current folder was removed; go to one that exists\n"


@pytest.mark.parametrize("words", [["--help"], ["info", GLASS]])
def test_a_locale_without_utf8(words):
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    code, said = run(*words, **locale)
    assert code == 0
    assert "error" not in said


def test_no_home_and_one_core(tmp_path):
    target = tmp_path / "out.mp4"
    first = min(os.sched_getaffinity(0))
    code, said = run(
        "render", GLASS, "-o", target, *SMALL, shell=f"taskset -c {first}", HOME="/nonexistent"
    )
    assert code == 0, said
    assert target.stat().st_size > 500
