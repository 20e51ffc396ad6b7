"""Files that travel between a benchmark's folder and a node: contents by relative name."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..errors import UsageError, told_of
from ..files import written_whole

MOST_BYTES = 2 << 30  # that are sent at once: a field, a folder of photographs, what a run wrote
Files = dict[str, bytes]


def packed(paths: Iterable[Path], root: Path) -> Files:
    """The files among and inside `paths`, named by their places below `root`.

    Raises UsageError, before anything is read, where they have more than `MOST_BYTES`.
    """
    found = [file for path in paths for file in files_in(path)]
    size = 0
    for file in found:
        size += file.stat().st_size
        if size > MOST_BYTES:
            raise UsageError(
                f"{file}: with it more than {MOST_BYTES >> 30} GB would have to be sent to or from "
                "a node at once; use --executor local"
            )
    return {os.path.relpath(file, root): file.read_bytes() for file in found}


def unpack(files: Files, root: Path, last: Path | None = None) -> None:
    """Writes `files` below `root`, each whole or not at all, the file `last` after all others.

    Raises NerfConvertError where that fails, as on a full disk.
    """
    for name in sorted(files, key=lambda name: root / name == last):
        path = root / name
        with told_of(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(path) as partial:
                partial.write_bytes(files[name])


def files_in(path: Path) -> Iterator[Path]:
    """`path` where it is a file, else all files below it but hidden ones, which are unfinished."""
    if path.is_file():
        yield path
    for folder, _, names in os.walk(path, followlinks=True):
        for file in (Path(folder, name) for name in sorted(names) if not name.startswith(".")):
            if file.is_file():
                yield file
