"""A conversion that is killed without warning goes on with --resume, to the same bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
STEPS = 60
# The command itself saves every 30 s: this one is in a hurry.
HASTY = """
import sys
from nerfconvert.cli import main
from nerfconvert.distiller import trainer
trainer.SAVE_EVERY = 0.2
sys.exit(main(sys.argv[1:]))
"""


def start(target: Path, *how: str, resume: bool = False) -> subprocess.Popen:
    """python `how` convert ..., to a tiny hash grid."""
    sizes = ("log2_table_size=10", "finest_resolution=32", "n_levels=4", "hidden_width=16")
    options = [f"--set={size}" for size in sizes] + ["--eval-views=1", "--resolution=16x16"]
    budget = [f"--steps={STEPS}", "--memory-mb=64", "--device=cpu"]
    source = ROOT / "scenes" / "checkpoints" / "blobs-mlp.safetensors"
    command = ["convert", str(source), str(target), "--to=hashgrid", "-q", *options, *budget]
    return subprocess.Popen(
        [sys.executable, *how, *command, *(["--resume"] if resume else [])],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen) -> None:
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 0, errors


def test_a_killed_conversion_goes_on_to_the_same_bytes(tmp_path):
    whole, broken = tmp_path / "whole.safetensors", tmp_path / "broken.safetensors"
    state = tmp_path / "broken.safetensors.state"
    unbroken = start(whole, "-m", "nerfconvert")
    victim = start(broken, "-c", HASTY)
    while not state.exists():
        assert victim.poll() is None, victim.communicate()[1]
        time.sleep(0.02)
    victim.send_signal(signal.SIGKILL)
    victim.communicate(timeout=10)
    assert victim.returncode == -signal.SIGKILL
    assert not broken.exists()
    assert 0 < torch.load(state, weights_only=True)["numbers"]["step"] < STEPS
    finish(start(broken, "-m", "nerfconvert", resume=True))
    finish(unbroken)
    assert broken.read_bytes() == whole.read_bytes()
    assert not state.exists()
