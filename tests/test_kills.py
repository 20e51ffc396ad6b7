"""A short run of scripts/kills.py: what was ended at some moment, and run again, lost nothing.

Each takes several seconds: those of a new Python with torch, two or three times.
"""

from __future__ import annotations

import json
import shutil
import signal
import time
from pathlib import Path

from scripts.kills import COMMANDS, kill_once, prepare, start


def finish(process) -> None:
    _, said = process.communicate()
    assert process.returncode == 0, said


def test_frames_of_a_render_that_was_killed_are_those_of_one_that_was_not(tmp_path):
    command, whole = COMMANDS["frames"], tmp_path / "whole"
    prepare(whole)
    finish(start(command, whole))
    assert kill_once(command, tmp_path / "broken", whole, 1.5, signal.SIGKILL) == []


def test_a_target_whose_run_broke_off_before_the_receipt_gets_one(tmp_path):
    """--resume measures it again and writes the same bytes."""
    command, target = COMMANDS["convert"], tmp_path / "out.safetensors"
    state, receipt = (Path(f"{target}.{suffix}") for suffix in ("state", "receipt.json"))
    prepare(tmp_path)
    process = start(command, tmp_path)
    while not state.exists():
        assert process.poll() is None
        time.sleep(0.02)
    shutil.copy(state, tmp_path / "copy")
    finish(process)
    before, account = target.read_bytes(), json.loads(receipt.read_text())["target"]
    shutil.move(tmp_path / "copy", state)
    receipt.unlink()
    finish(start(command, tmp_path, "--resume"))
    assert target.read_bytes() == before
    assert json.loads(receipt.read_text())["target"] == account
    assert not state.exists()
