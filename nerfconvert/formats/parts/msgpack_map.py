"""read_map, write_map: files that are one msgpack map, plain or in a zlib (or gzip) stream."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import msgpack

ZLIB_OR_GZIP = zlib.MAX_WBITS | 32
ZLIB_START, GZIP_START = b"\x78", b"\x1f\x8b"
MAP_STARTS = {*range(0x80, 0x90), 0xDE, 0xDF}
HEAD = 1 << 16  # bytes of a file by which it is known
# A stream may grow this much: half-precision parameters hardly shrink, empty space does.
GROWTH, FREE_BYTES = 8, 64 << 20
MOST_CONTAINERS = 1 << 18  # each training camera has some tens
LIMITS = {  # of one container; each is allocated before its items are seen
    "max_array_len": 1 << 16,
    "max_map_len": 1 << 16,
    "max_str_len": 1 << 20,
    "max_ext_len": 0,
}


def read_map(path: Path) -> dict[str, Any]:
    """The map in a file. Raises OSError, or ValueError for anything but one whole map."""
    content = path.read_bytes()
    if is_stream(content):
        content = _inflated(content)
    count = _Count()
    hooks = {"object_hook": count, "list_hook": count}
    try:
        value = msgpack.unpackb(content, max_bin_len=len(content), **hooks, **LIMITS)
    except (msgpack.UnpackException, ValueError, TypeError) as problem:
        raise ValueError(f"its msgpack is damaged: {problem or type(problem).__name__}") from None
    if not isinstance(value, dict):
        raise ValueError("it is no msgpack map")
    return value


class _Count:
    """Refuses more lists and maps than honest files have: an empty one takes one byte there, and
    sixty here."""

    def __init__(self):
        self.left = MOST_CONTAINERS

    def __call__(self, container: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise ValueError(f"it has more than {MOST_CONTAINERS} lists and maps")
        return container


def write_map(path: Path, content: dict[str, Any], compress: bool) -> None:
    """Writes a map, in a zlib stream where `compress`."""
    data = msgpack.packb(content)
    path.write_bytes(zlib.compress(data) if compress else data)


def map_head(path: Path) -> bytes:
    """The beginning of the map in a file; b"" where there is none. Never raises."""
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD)
        if is_stream(head):
            head = zlib.decompressobj(ZLIB_OR_GZIP).decompress(head, HEAD)
    except (OSError, zlib.error):
        return b""
    return head if head and head[0] in MAP_STARTS else b""


def is_stream(content: bytes) -> bool:
    """Whether the bytes begin like a zlib or gzip stream."""
    return content.startswith((ZLIB_START, GZIP_START))


def _inflated(content: bytes) -> bytes:
    """The whole stream, no larger than honest files of this size. Raises ValueError."""
    limit = FREE_BYTES + GROWTH * len(content)
    inflater = zlib.decompressobj(ZLIB_OR_GZIP)
    try:
        data = inflater.decompress(content, limit)
    except zlib.error as problem:
        raise ValueError(f"its zlib stream is damaged: {problem}") from None
    if not inflater.eof:
        grown = len(data) == limit
        raise ValueError(
            f"its {len(content)} bytes inflate to more than {limit}"
            if grown
            else "its zlib stream is cut short"
        )
    return data
