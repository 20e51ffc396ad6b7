"""Settings files: the two layouts that training programs leave, and anything else."""

from __future__ import annotations

import os

import pytest

from nerfconvert.formats.parts.plain_yaml import read_yaml
from nerfconvert.formats.parts.python_literal import read_literal
from nerfconvert.formats.parts.sidecar import beginning, is_true, parse, read_sidecar


def test_assignments():
    text = "expname = lego\n\n# comment\nno_ndc = True  # flag\nlrate=5e-4\nnot a setting\n"
    assert parse(text) == {"expname": "lego", "no_ndc": "True", "lrate": "5e-4"}


def test_indented_sections():
    text = (
        "dataset:\n  type: llff\n  near: 0\nmodels:\n  fine:\n    width: 64\n  note: 'a'\nlast: 1\n"
    )
    assert parse(text) == {
        "dataset.type": "llff",
        "dataset.near": "0",
        "models.fine.width": "64",
        "models.note": "a",
        "last": "1",
    }


def test_code_stays_text():
    text = "a: !!python/object/apply:os.system ['echo']\n"
    assert parse(text) == {"a": "!!python/object/apply:os.system ['echo']"}


def test_first_file_wins_and_none_is_fine(tmp_path):
    assert read_sidecar(tmp_path, ("a.txt", "b.txt")) == {}
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe broken = 1\nx = 2\n")
    assert read_sidecar(tmp_path, ("a.txt", "b.txt"))["x"] == "2"
    (tmp_path / "a.txt").write_text("x = 1")
    assert read_sidecar(tmp_path, ("a.txt", "b.txt")) == {"x": "1"}
    (tmp_path / "c.txt").mkdir()
    assert read_sidecar(tmp_path, ("c.txt",)) == {}


def test_truth():
    assert is_true({"a": "True"}, "a", False)
    assert not is_true({"a": "false"}, "a", True)
    assert is_true({}, "a", True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no such pipes")
@pytest.mark.parametrize("name", ["config.yml", "args.txt", "dataparser_transforms.json"])
def test_a_pipe_is_no_settings_file(name, tmp_path):
    os.mkfifo(tmp_path / name)
    with pytest.raises(OSError, match="no regular file"):
        beginning(tmp_path / name, 100)
    assert read_sidecar(tmp_path, (name,)) == {}
    with pytest.raises(OSError):
        read_yaml(tmp_path / name)
    with pytest.raises(OSError):
        read_literal(tmp_path / name, "config")
