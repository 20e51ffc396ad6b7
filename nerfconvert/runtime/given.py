"""Paths that a command was given: whether something is there, and whether cameras are in it.

Imports no torch, as `outputs` does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ..errors import FormatError
from ..formats.format_files import FORMAT_FILES
from ..formats.run_folder import CHECKPOINTS, checkpoint_of


def there(*paths: Path | None) -> Iterable[Path]:
    """The paths that were given. Raises FormatError for one where nothing is."""
    given = [path for path in paths if path is not None]
    for path in given:
        if not os.path.exists(path):
            raise FormatError(path, "no such file or folder")
    return given


def check_cameras(path: Path | None, split: str | None, *, images: bool = False) -> None:
    """Raises FormatError where `path` is given and has no cameras of `split`, or, asked for
    `images`, not all of theirs."""
    if path is None or path.suffix == ".toml":  # an orbit
        return
    # Late: they need numpy, which `--help` should not wait for.
    from ..renderer.camera_files import read_capture
    from ..renderer.camera_files.camera_file import Asked

    capture = read_capture(path, Asked(split))
    for view in capture.views if images else ():
        view.image_file(capture.file)


def files_of_field(path: Path) -> list[Path]:
    """The files that reading the field `path` may open: the checkpoint, settings of its program."""
    checkpoint = checkpoint_of(path)
    folders = [checkpoint.parent]
    if checkpoint.parent.name == CHECKPOINTS:
        folders.append(checkpoint.parent.parent)
    names = {name for files in FORMAT_FILES.values() for name in files.beside}
    settings = [folder / name for folder in folders for name in sorted(names)]
    found = [path, checkpoint, *(file for file in settings if file.is_file())]
    return list(dict.fromkeys(found))
