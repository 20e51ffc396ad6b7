"""Files: written whole or not at all, and TOML on every Python that we run on."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from .errors import told_of

if sys.version_info >= (3, 11):
    import tomllib as tomllib
else:
    import tomli as tomllib  # noqa: F401 (others import it from here)

PIECE = 1 << 20  # bytes of a file that are read at once


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to; what is there when the block ends becomes `path`.

    The file is durable before it is renamed. Where the block raises, `path` stays as it was and
    what was written is removed, as is what killed processes left. The suffix of the name is that
    of `path`.
    """
    remove_partials(path)
    partial = partial_path(path)
    try:
        yield partial
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def partial_path(path: Path, process: int | None = None) -> Path:
    """What `written_whole` writes to in a process, by default this one, before it is `path`."""
    return path.with_name(f".{path.stem}.{process or os.getpid()}.partial{path.suffix}")


def partials(path: Path) -> Iterator[tuple[Path, int]]:
    """What there is beside `path` that a process writes, or wrote, before it can be `path`, and the
    number of that process."""
    pattern = f".{glob.escape(path.stem)}.*.partial{glob.escape(path.suffix)}"
    for found in path.absolute().parent.glob(pattern):
        process = found.name.removesuffix(path.suffix).split(".")[-2]
        if process.isdecimal() and found.name == partial_path(path, int(process)).name:
            yield found, int(process)


def remove_partials(path: Path) -> None:
    """Removes what processes that ended meanwhile wrote before it could be `path`."""
    for found, process in partials(path):
        if not is_running(process):
            with contextlib.suppress(OSError):
                found.unlink()


def remove_partial_folders(path: Path) -> None:
    """Removes what was the folder `path` of processes that ended while they removed it."""
    for found, process in partials(path):
        if not is_running(process) and found.is_dir():
            shutil.rmtree(found, ignore_errors=True)


def is_running(process: int) -> bool:
    """Whether there is a process of this number, other than this one."""
    if process == os.getpid() or os.name != "posix":
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # of another user
        return True
    return True


def write_text(path: Path, text: str) -> None:
    """Writes `text` as UTF-8 under `path`, whole or not at all; bytes of file names that are no
    UTF-8 are escaped. Raises NerfConvertError where that fails, as on a full disk."""
    with told_of(path), written_whole(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Writes strict JSON under `path` as `write_text` does."""
    write_text(path, json.dumps(document, indent=2, allow_nan=False) + "\n")


def signs_in(path: Path, signs: Collection[bytes], limit: int) -> set[bytes]:
    """Those of `signs` that stand in the first `limit` bytes of a file. It is read in pieces: what
    is mapped ends the process where somebody cuts the file meanwhile. Raises OSError."""
    overlap, found, tail = max(map(len, signs)) - 1, set(), b""
    with path.open("rb") as stream:
        while limit > 0 and (piece := stream.read(min(PIECE, limit))):
            limit -= len(piece)
            known = tail + piece
            found |= {sign for sign in set(signs) - found if sign in known}
            tail = known[max(0, len(known) - overlap) :]
    return found


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()
