"""What the README prints is true: its script runs, its commands are read, it stays short."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys

import pytest

from nerfconvert.cli import main
from nerfconvert.formats import load
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^(nerfconvert (?:info|convert|compare) .*)$", README, re.MULTILINE)


def test_the_script_runs_as_printed(tmp_path):
    (script,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (tmp_path / "scenes").symlink_to(ROOT / "scenes")
    script += "\nprint(*image.shape, *features.shape[:1], *density.shape, *rgb.shape)"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = [sys.executable, "-c", script]
    done = subprocess.run(run, cwd=tmp_path, env=env, text=True, capture_output=True, timeout=280)
    assert done.returncode == 0, done.stderr
    *_, psnr, shapes = done.stdout.splitlines()
    assert float(psnr) > 20
    assert shapes == "200 200 3 1 1 1 3"
    assert load(tmp_path / "grid.safetensors").architecture == "hashgrid"


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_do_as_printed(line, tmp_path, monkeypatch, capsys):
    """Each on what it needs, in less time: few steps, few views."""
    (tmp_path / "scenes").symlink_to(ROOT / "scenes")
    monkeypatch.chdir(tmp_path)
    argv = shlex.split(line, comments=True)[1:]
    quick = {"convert": ["--eval-views", "1", "--resolution", "24x24"], "compare": ["--help"]}
    if "--seconds" in argv:
        argv[argv.index("--seconds") + 1] = "2"
    assert main([*argv, *quick.get(argv[0], []), "-q"]) == 0
    capsys.readouterr()


def test_it_can_be_read_in_one_go():
    assert len(README.splitlines()) <= 150
    assert len(COMMANDS) >= 3
