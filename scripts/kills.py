#!/usr/bin/env python3
"""Ends commands at random moments, runs them again, and looks for what was lost.

    python scripts/kills.py --moments 100 [--command bench] [--seed 7] [-o findings]

Of each command one run is left alone. Others get SIGKILL, SIGTERM or SIGINT at some moment of it
and the same command again, with --resume where it has one. A finding is a traceback, a file that is
damaged under its final name, a second run that fails, and then other bytes, or other files, than
the unbroken run's. Its folder is kept under that of -o. Exit code 1 where there are findings.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from nerfconvert.errors import OutputExistsError
from nerfconvert.renderer.cameras import on_circle
from tests.conftest import write_transforms

ROOT = Path(__file__).resolve().parents[1]
GLASS = str(ROOT / "scenes" / "glass.toml")
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
SLOW = 300.0  # seconds that a run may take
# Commands save every 30 s: here they are in a hurry.
HASTY = """
import os, signal
signal.signal(signal.SIGINT, lambda *_: os._exit(130))  # while Python itself starts
from nerfconvert.__main__ import main
from nerfconvert.distiller import trainer
trainer.SAVE_EVERY = 0.2
raise SystemExit(main())
"""
SIZES = "log2_table_size=10 finest_resolution=32 n_levels=4 hidden_width=16".split()
TINY = [f"--set={size}" for size in SIZES] + ["--steps=60", "--memory-mb=64", "--device=cpu"]
VIEWS = ["--eval-views=1", "--resolution=16x12"]
BENCH = f"""
views = 1
resolution = "16x12"
memory_mb = 64
steps = 20
[[teachers]]
name = "glass"
path = "{GLASS}"
[[targets]]
arch = "hashgrid"
size = "small"
set = {{ {", ".join(SIZES)} }}
"""


@dataclass(frozen=True)
class Command:
    """What is run in a folder of its own, and which files then are the same every time."""

    words: list[str]
    same: str
    resumes: bool = False


COMMANDS = {
    "convert": Command(
        ["convert", GLASS, "out.safetensors", "--to=hashgrid", "--preview", *VIEWS, *TINY],
        "out.safetensors",
        resumes=True,
    ),
    "train": Command(
        ["train", "photos", "out.safetensors", "--arch=hashgrid", "--bounds=1", *VIEWS, *TINY],
        "out.safetensors",
        resumes=True,
    ),
    "bench": Command(["bench", "bench.toml", "-o", "out"], "out/cells/*.safetensors"),
    "compare": Command(
        ["compare", GLASS, GLASS, "-o", "out", "--frames=4", *VIEWS], "out/**/*.[mp][pn][4g]"
    ),
    "render": Command(["render", GLASS, "-o", "out.mp4", "--frames=6", VIEWS[1]], "out.mp4"),
    "frames": Command(["render", GLASS, "-o", "out", "--frames=6", VIEWS[1]], "out/*.png"),
}
READ = {
    ".json": lambda path: json.loads(path.read_text(encoding="utf-8")),
    ".png": lambda path: cv2.imread(str(path)).shape,
    ".state": lambda path: torch.load(path, weights_only=True)["fingerprint"],
}


def prepare(folder: Path) -> None:
    """Fills a new folder with what the commands read: photographs and a benchmark."""
    poses = on_circle((0.0, 0.0, 0.0), 3.0, 4).poses
    images = np.random.default_rng(0).integers(0, 60, (4, 12, 16, 3), dtype=np.uint8)
    for split in ("train", "test"):
        write_transforms(folder / "photos", f"transforms_{split}", poses, images)
    (folder / "bench.toml").write_text(BENCH)


def start(command: Command, folder: Path, *more: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", HASTY, *command.words, *more],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell may ignore it
    )


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def damaged(command: Command, folder: Path, whole: Path) -> list[str]:
    """What is wrong with files under final names; hidden ones are not."""
    same = {str(path.relative_to(folder)) for path in folder.glob(command.same)}
    wrong = []
    for name in sorted(files_in(folder)):
        path = folder / name
        if path.name.startswith("."):
            continue
        wanted = whole / name  # kept frames of a film are not there any more
        if name in same and wanted.exists() and path.read_bytes() != wanted.read_bytes():
            wrong.append(f"{name} is not the unbroken run's")
        try:
            READ.get(path.suffix, Path.stat)(path)
        except Exception as error:
            wrong.append(f"{name} is damaged: {type(error).__name__}: {error}")
    return wrong


def kill_once(
    command: Command, folder: Path, whole: Path, moment: float, number: signal.Signals
) -> list[str]:
    """Runs `command` in the new `folder`, ends it after `moment` seconds by the signal `number` and
    runs it again. What is wrong, by comparison with the folder `whole` of an unbroken run."""
    prepare(folder)
    process = start(command, folder)
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        process.send_signal(number)
    _, said = process.communicate(timeout=SLOW)
    wrong = damaged(command, folder, whole)
    if process.returncode not in (0, -number, 128 + number) or "nerfconvert/" in said:
        wrong.append(f"ended with {process.returncode}: {said[-2000:]}")
    again = start(command, folder, *(["--resume"] if command.resumes else []))
    _, said = again.communicate(timeout=SLOW)
    if again.returncode not in (0, OutputExistsError.exit_code):
        wrong.append(f"again: {again.returncode}: {said[-2000:]}")
    wrong += [f"again: {what}" for what in damaged(command, folder, whole)]
    if others := files_in(folder) ^ files_in(whole):
        wrong.append(f"again: lacks, or has besides: {', '.join(sorted(others))}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moments", type=int, default=100, help="of each command")
    parser.add_argument("--command", action="append", choices=list(COMMANDS), help="default: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, default=Path("findings"))
    options = parser.parse_args()
    chosen = {name: COMMANDS[name] for name in options.command or COMMANDS}
    tried, findings, seconds = Counter(), Counter(), {}
    with tempfile.TemporaryDirectory() as temporary:
        whole = Path(temporary) / "whole"
        for name, command in chosen.items():
            prepare(whole / name)
            begun = time.monotonic()
            _, said = (process := start(command, whole / name)).communicate(timeout=SLOW)
            assert process.returncode == 0, said
            seconds[name] = time.monotonic() - begun
        for turn in range(options.moments):
            for name, command in chosen.items():
                chance = random.Random(f"{options.seed} {name} {turn}")
                moment, number = chance.uniform(0, seconds[name]), SIGNALS[turn % len(SIGNALS)]
                folder = Path(temporary) / f"{name}-{turn}"
                wrong = kill_once(command, folder, whole / name, moment, number)
                tried[name] += 1
                for what in wrong:
                    print(f"{name}-{turn}: {number.name} after {moment:.2f} s: {what}", flush=True)
                if wrong:
                    findings[name] += 1
                    shutil.copytree(folder, options.output / folder.name, dirs_exist_ok=True)
                shutil.rmtree(folder)
            if turn % 10 == 9 or turn == options.moments - 1:
                print(f"{dict(tried)} tried, {dict(findings)} findings", flush=True)
    return 1 if findings else 0


if __name__ == "__main__":
    raise SystemExit(main())
