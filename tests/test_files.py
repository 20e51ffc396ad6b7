"""files: TOML on every Python that the project supports, and text of any file name."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from types import ModuleType

import pytest

from nerfconvert import files


def test_python_without_tomllib_takes_tomli(monkeypatch):
    """The module, run as Python 3.10 would; a bare module stands in for a tomli not installed."""
    tomli = ModuleType("tomli")
    monkeypatch.setitem(sys.modules, "tomli", tomli)
    monkeypatch.setattr(sys, "version_info", (3, 10, 0))
    spec = importlib.util.spec_from_file_location("nerfconvert.files_again", files.__file__)
    again = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(again)
    assert again.tomllib is tomli


def test_a_name_that_is_not_utf8_is_escaped(tmp_path):
    files.write_text(tmp_path / "page.html", "é caf\udce9.ckpt")
    assert (tmp_path / "page.html").read_bytes() == "é caf\\udce9.ckpt".encode()


@pytest.mark.parametrize("before", [0, 5, files.PIECE - 3, 2 * files.PIECE - 1])
def test_signs_are_found_across_pieces_and_up_to_the_limit(before, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(before) + b"sign" + bytes(9) + b"other")
    both = {b"sign", b"other", b"missing"}
    assert files.signs_in(path, both, 1 << 30) == {b"sign", b"other"}
    assert files.signs_in(path, both, before + 4) == {b"sign"}
    assert files.signs_in(path, both, before + 3) == set()


@pytest.fixture
def ended() -> int:
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize("name", ["out.safetensors", "out", "o[u]t.safetensors.state"])
def test_what_a_killed_process_left_goes_with_the_next_that_is_written(name, tmp_path, ended):
    path = tmp_path / name
    left = files.partial_path(path, ended)
    never = files.partial_path(path, 1 << 80)
    others = [
        files.partial_path(path, os.getppid()),  # it still writes
        files.partial_path(tmp_path / f"my.{name}", ended),
        files.partial_path(tmp_path / f"{name}.png", ended),
        left.with_name(left.name.replace(str(ended), f"{ended}x")),
        left.with_name(left.name.replace(str(ended), "backup")),
    ]
    for file in (left, never, *others):
        file.write_text("half")
    files.write_text(path, "whole")
    assert sorted(tmp_path.iterdir()) == sorted([path, *others])


def test_a_folder_is_no_leftover(tmp_path, ended):
    files.partial_path(tmp_path / "out", ended).mkdir()
    files.write_text(tmp_path / "out", "whole")
    assert len(list(tmp_path.iterdir())) == 2
