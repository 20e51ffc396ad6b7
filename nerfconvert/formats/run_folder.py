"""run_folder: the checkpoint that a training program's output folder stands for."""

from __future__ import annotations

import re
from pathlib import Path

SETTINGS = ("config.yml", "config.py")
CHECKPOINTS = "nerfstudio_models"  # a folder in nerfstudio's outputs/<experiment>/<method>/<time>/
STEP = re.compile(r"step-(\d{1,18})\.ckpt")
MODEL = "model.pth"  # in K-Planes' logs/<experiment>/


def checkpoint_of(path: Path | str) -> Path:
    """The newest checkpoint of a run of nerfstudio, or that of K-Planes, given its folder or the
    settings in it; any other path unchanged."""
    path = Path(path)
    if not (path.is_dir() or path.name in SETTINGS):
        return path
    folder = path if path.is_dir() else path.parent
    inner = folder if folder.name == CHECKPOINTS else folder / CHECKPOINTS
    found = {file: STEP.fullmatch(file.name) for file in inner.glob("step-*.ckpt")}
    steps = {file: int(match[1]) for file, match in found.items() if match}
    if steps:
        return max(steps, key=steps.get)
    return folder / MODEL if (folder / MODEL).is_file() else path
