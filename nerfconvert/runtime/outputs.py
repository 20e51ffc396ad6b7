"""Outputs of a command: what it will write, beside what, and whether that can be.

Imports no torch, so that what cannot end well is refused at once.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from ..errors import OutputExistsError, UnknownNameError, UnsupportedError, UsageError
from ..files import partial_path, remove_partials
from ..formats import name_of_suffix
from ..formats.format_files import FORMAT_FILES, FormatFiles

log = logging.getLogger(__name__)
# What a comparison writes into its folder: its document first, and numbered PNG files.
COMPARED = ("compare.json", "report.html", "compare.mp4", "compare.gif", "compare.webp")
COMPARED_PICTURES = ("views", "frames", "pictures/*")
NAME_MAX = 255  # bytes of a file name, where the system does not tell


def check_file(path: Path, overwrite: bool, inputs: Iterable[Path] = ()) -> None:
    """Refuses a file that cannot be written, or not without losing one of the `inputs`.

    Raises OutputExistsError for one that is there, UsageError for all else.
    """
    folder = path.absolute().parent
    if not os.path.exists(folder):
        raise UsageError(f"{path}: the folder {folder} does not exist")
    _check_folder(path, folder)
    _check_name(path, folder)
    refuse_inputs(path, inputs)
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a file")
    if path.exists() and not overwrite:
        raise OutputExistsError(path)
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is a device or a pipe; name a file")


def check_run(
    target: Path, overwrite: bool, inputs: Iterable[Path], beside: Iterable[Path]
) -> None:
    """As `check_file`, for a target and the files `beside` it that the run writes."""
    check_file(target, overwrite, inputs)
    for path in beside:
        _check_name(path, path.absolute().parent)
        refuse_inputs(path, inputs)
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is in the way: {target.name} needs a file of this name")


def check_folder(path: Path) -> None:
    """Raises UsageError where `path` is not, and cannot become, a folder that can be written to."""
    above = path.absolute()
    while not os.path.exists(above):
        above = above.parent
    if above == path.absolute() and not path.is_dir():
        raise UsageError(f"-o {path} must be a folder, found a file")
    _check_folder(path, above)
    if above != path.absolute():
        _check_name(path, above)


def files_of(
    path: Path, format: str | None, architecture: str | None = None
) -> tuple[str, FormatFiles]:
    """Name and entry of the format that `path` will have. Raises UnsupportedError for an unknown
    suffix, UnknownNameError for an unknown format; both list those that hold `architecture`."""
    if format is not None and format not in FORMAT_FILES:
        known = [
            name for name, files in FORMAT_FILES.items() if architecture in (None, *files.writes)
        ]
        raise UnknownNameError("format", format, known)
    name = format or name_of_suffix(path, architecture)
    return name, FORMAT_FILES[name]


def check_holds(path: Path, format: str | None, architecture: str) -> None:
    """Raises UnsupportedError where `path` cannot hold the result, UnknownNameError for a format
    that cannot be written."""
    name, files = files_of(path, format, architecture)
    held = files.writes
    if architecture not in held:
        what = (
            f"a {architecture}, only {', '.join(held)}" if held else "anything: they are read only"
        )
        raise UnsupportedError(
            f"{path}: {name} files cannot hold {what}; name a .safetensors file instead"
        )


def compared_files(folder: Path) -> list[Path]:
    """The files in `folder` of the names that a comparison writes, its document first."""
    files = [folder / name for name in COMPARED if os.path.lexists(folder / name)]
    numbered = (sorted(folder.glob(f"{name}/[0-9]*.png")) for name in COMPARED_PICTURES)
    return [*files, *(path for paths in numbered for path in paths)]


def comparing_path(folder: Path) -> Path:
    """What is in the `folder` of a comparison until that is finished: the files there are its."""
    return folder / ".comparing"


def refuse_inputs(path: Path, inputs: Iterable[Path]) -> None:
    """Raises UsageError where `path` is one of the `inputs`, by whatever name."""
    for found in inputs:
        if _same(path, found):
            raise UsageError(f"{path} is an input of this command ({found}); name another output")


def state_path(target: Path) -> Path:
    """OUT.state: what an interrupted run needs to go on."""
    return target.with_name(target.name + ".state")


def check_state(target: Path, may_lose: bool) -> None:
    """Raises OutputExistsError where the state of an interrupted run would be lost unasked."""
    state = state_path(target)
    if state.exists() and not may_lose:
        how = "it is of an interrupted run; --resume goes on with it, --overwrite starts anew"
        raise OutputExistsError(state, how)


def is_unaccounted(target: Path) -> bool:
    """Whether `target` is of a run that broke off after writing it, before its last file: the state
    of that run is there, and older."""
    state = state_path(target)
    both = state.is_file() and target.is_file()
    return both and state.stat().st_mtime_ns <= target.stat().st_mtime_ns


def note_fresh_start(target: Path, resume: bool) -> None:
    """Logs that a run which was asked to go on has nothing to go on from."""
    state = state_path(target)
    if resume and not state.exists():
        log.warning("--resume: there is no %s, so this run starts from the beginning", state)


def preview_path(target: Path) -> Path:
    """OUT.preview.png: what an unfinished OUT looks like."""
    return target.with_name(target.name + ".preview.png")


def remove_unfinished(target: Path) -> None:
    """Removes the state and the preview of a finished OUT, and what killed runs left of them."""
    for path in (state_path(target), preview_path(target)):
        path.unlink(missing_ok=True)
        remove_partials(path)


def frames_path(target: Path) -> Path:
    """OUT.frames: the frames of a film that is not finished."""
    return target.with_name(target.name + ".frames")


def crop_path(source: Path) -> Path:
    """IN.crop.json beside IN: the box that was exported for it."""
    return source.with_name(source.name + ".crop.json")


def receipt_path(target: Path) -> Path:
    """OUT.receipt.json beside OUT."""
    return target.with_name(target.name + ".receipt.json")


def report_path(target: Path) -> Path:
    """OUT.report.html: the receipt with pictures, as a page of no other name."""
    return target.with_name(target.name + ".report.html")


def _same(one: Path, other: Path) -> bool:
    return os.path.exists(one) and os.path.exists(other) and one.samefile(other)


def _check_folder(path: Path, folder: Path) -> None:
    if not folder.is_dir():
        raise UsageError(f"{path}: {folder} is not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"{path}: the folder {folder} cannot be written to")


def _check_name(path: Path, folder: Path) -> None:
    try:
        limit = os.pathconf(folder, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):  # Windows
        limit = NAME_MAX
    longest = len(os.fsencode(partial_path(path).name))
    if longest > limit:
        raise UsageError(
            f"the name {path.name[:40]}... is too long by {longest - limit} bytes, with what the "
            "run adds to it while it writes"
        )
