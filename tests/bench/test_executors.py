"""Executors that can be asked for are those that there are; a missing package is named."""

from __future__ import annotations

import importlib.util
import typing

from nerfconvert.bench.executors import EXECUTORS
from nerfconvert.cli import main
from nerfconvert.options.per_command import BenchOptions


def test_the_command_line_offers_the_table():
    hint = typing.get_type_hints(BenchOptions)["executor"]
    assert typing.get_args(hint) == tuple(EXECUTORS)


def test_without_ray_the_extra_is_named(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    asked = ["bench", "any.toml", "-o", str(tmp_path / "out"), "--executor", "ray"]
    assert main(asked) == 6
    assert "pip install '.[ray]'" in capsys.readouterr().err
