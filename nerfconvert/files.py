"""Files: written whole or not at all, and TOML on every Python that we run on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib as tomllib
else:
    import tomli as tomllib  # noqa: F401 (others import it from here)


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to; what is there when the block ends becomes `path`.

    The file is durable before it is renamed. Where the block raises, `path` stays as it was and
    what was written is removed. The suffix of the name is that of `path`.
    """
    partial = partial_path(path)
    try:
        yield partial
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def partial_path(path: Path) -> Path:
    """What `written_whole` writes to before it is `path`."""
    return path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")


def is_running(process: int) -> bool:
    """Whether there is a process of this number, other than this one."""
    if process == os.getpid() or os.name != "posix":
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # of another user
        return True
    return True


def write_text(path: Path, text: str) -> None:
    """Writes `text` as UTF-8 under `path`, whole or not at all; bytes of file names that are no
    UTF-8 are escaped."""
    with written_whole(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Writes strict JSON under `path`, whole or not at all."""
    write_text(path, json.dumps(document, indent=2, allow_nan=False) + "\n")


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
