"""Sidecar: the settings file that a training program leaves beside its checkpoint."""

from __future__ import annotations

import errno
import re
from pathlib import Path

LIMIT = 64 << 10  # bytes read of a settings file
LINE = re.compile(r"^(\s*)([A-Za-z_][\w.-]*)\s*[:=](.*)$")


def read_sidecar(folder: Path, names: tuple[str, ...]) -> dict[str, str]:
    """Settings of the first of `names` that exists, or {}: "outer.inner" to the raw text.

    Parses ``name = value`` and indented ``name: value`` lines, which is all that these files use;
    other lines are skipped. Never raises: without settings there are defaults.
    """
    for name in names:
        try:
            return parse(beginning(folder / name, LIMIT).decode("utf-8", "replace"))
        except OSError:
            continue
    return {}


def beginning(path: Path, limit: int) -> bytes:
    """The first `limit` bytes of a file. Raises OSError, also for a pipe, on which reading would
    wait for ever."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "no regular file")
    with open(path, "rb") as file:
        return file.read(limit)


def parse(text: str) -> dict[str, str]:
    """Settings of a text; see `read_sidecar`."""
    settings: dict[str, str] = {}
    outer: list[tuple[int, str]] = []  # (indentation, name) of the open sections
    for line in text.splitlines():
        found = LINE.match(line.split("#")[0])
        if not found:
            continue
        indent, name, value = len(found[1]), found[2], found[3].strip().strip("'\"")
        while outer and outer[-1][0] >= indent:
            outer.pop()
        if value:
            settings[".".join([*(n for _, n in outer), name])] = value
        else:
            outer.append((indent, name))
    return settings


def is_true(settings: dict[str, str], name: str, default: bool) -> bool:
    """A setting as a truth value."""
    return settings.get(name, str(default)).lower() in ("true", "1", "yes", "on")
