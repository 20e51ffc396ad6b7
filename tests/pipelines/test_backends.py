"""doctor on backends of others: absent, broken, working; commands that ask for them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch

from nerfconvert.bench.benchmark import BenchConfig, Target, Teacher
from nerfconvert.bench.cells import Cell
from nerfconvert.bench.runs import cell_run, comparison_run, scratch_run, teacher_run
from nerfconvert.cli import main
from nerfconvert.kernels.backends import BACKENDS
from nerfconvert.options.groups import Where
from nerfconvert.runtime.device import backends
from tests.conftest import write_transforms


def write_package(folder, name: str, code: str) -> None:
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(code)


@pytest.mark.parametrize("name", ["nerfacc", "tcnn"])
def test_a_package_that_is_not_there(name):
    if importlib.util.find_spec(BACKENDS[name].package):
        pytest.skip(f"{BACKENDS[name].package} is installed")
    assert backends()[name] == {"version": None, "works": False, "reason": "not installed"}


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("print('hello')\nraise OSError('no GPU\\nat all')", "OSError: no GPU"),
        ("def render_weight_from_density(*a):\n    return [a[2]]", "ValueError: wrong weights"),
    ],
)
def test_a_package_that_fails(code, reason, tmp_path, monkeypatch, capsys):
    if importlib.util.find_spec("nerfacc"):
        pytest.skip("nerfacc is installed")
    write_package(tmp_path, "nerfacc", code)
    monkeypatch.syspath_prepend(tmp_path)
    found = backends()["nerfacc"]
    sys.modules.pop("nerfacc", None)  # which a later test would take for the true one
    assert found["version"] == "unknown"
    assert not found["works"]
    assert found["reason"].startswith(reason)
    assert capsys.readouterr().out == ""


def test_every_backend_but_the_reference_is_an_option():
    assert {*get_args(get_type_hints(Where)["backend"]), "reference"} == set(BACKENDS)


@pytest.mark.parametrize("name", ["tcnn", "nerfacc"])
@pytest.mark.parametrize("command", ["convert", "train", "render", "compare", "bench"])
def test_a_backend_that_is_missing(command, name, scenes, tmp_path, capsys, monkeypatch):
    """Told before anything is written, with how to get it."""
    package = BACKENDS[name].package
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == package else find(n))
    given, folder = tmp_path / "given", tmp_path / "written"
    folder.mkdir()
    data = given / "data"
    write_transforms(data, "transforms", torch.eye(4)[None], np.zeros((1, 4, 4, 3), np.uint8))
    config = given / "bench.toml"
    config.write_text(
        f'seconds = 1\n[[teachers]]\nname = "a"\npath = "{scenes / "blobs.toml"}"\n'
        '[[targets]]\narch = "hashgrid"\n'
    )
    out = str(folder / "out.safetensors")
    words = {
        "convert": ["convert", str(scenes / "blobs.toml"), out, "--to", "hashgrid"],
        "train": ["train", str(data), out, "--arch", "hashgrid"],
        "render": ["render", str(scenes / "blobs.toml"), "-o", str(folder / "out.mp4")],
        "compare": ["compare", *2 * [str(scenes / "blobs.toml")], "-o", str(folder / "out")],
        "bench": ["bench", str(config), "-o", str(folder / "out")],
    }
    assert main([*words[command], "--backend", name]) == 6
    told = capsys.readouterr().err
    assert package in told
    assert "pip install" in told
    assert not list(folder.iterdir())


def test_the_runs_of_a_benchmark_take_its_backend(scenes, tmp_path):
    """Under names of their own; with our kernels under those from before there were others."""
    file, target = scenes / "blobs.toml", Target(arch="hashgrid")
    teacher = Teacher(name="blobs", path=file, to="mlp")
    config = BenchConfig(teachers=(teacher,), targets=(target,), data=tmp_path, scratch=True)

    def runs(where: Where) -> list:
        return [
            teacher_run(config, teacher, tmp_path, where),
            cell_run(config, Cell(teacher, target, "fast"), file, tmp_path, where),
            scratch_run(config, target, tmp_path, where),
            comparison_run(config, Path("a"), [Path("b")], tmp_path, where),
        ]

    half, native = runs(Where(device="cuda", backend="half")), runs(Where(device="cuda"))
    for one, other in zip(half, native, strict=True):
        assert one.target != other.target
        assert [word for word in one.argv if word not in other.argv][-2:] == ["--backend", "half"]
        assert "--backend" not in other.argv
