"""NpzFile: the arrays of an .npz file, read as untrusted data: nothing is unpickled, and every size
is compared with the bytes that are there before memory is taken."""

from __future__ import annotations

import contextlib
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ...errors import FormatError

MOST_INFLATED = 16  # times the file's bytes; real ones that are compressed inflate 2 to 8 times
HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
PART = 1 << 20  # bytes read at once
KINDS = "fiubU"  # floats, integers, booleans and text; others are no plain numbers


class NpzFile:
    """An .npz file: `names` of its arrays, and `array` reads one. Raises FormatError."""

    def __init__(self, path: Path):
        self.path = path
        with self._refusing(), zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            size = path.stat().st_size
            if sum(info.compress_size for info in members) > size:
                raise ValueError("its members overlap")
            inflated = sum(info.file_size for info in members)
            if inflated > MOST_INFLATED * size:
                raise ValueError(f"{size} bytes that claim to be {inflated}")
            self.names = {n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy")}

    def array(self, name: str, *shape: int | None, kinds: str = KINDS) -> np.ndarray:
        """An array of `shape`, None for any size, whose numbers are of one of `kinds`."""
        if name not in self.names:
            raise FormatError(self.path, f"found no array {name}")
        with self._refusing(), zipfile.ZipFile(self.path) as archive:
            info = archive.getinfo(f"{name}.npy")
            with archive.open(info) as file:
                sizes, by_columns, dtype = _header(file)
                count = math.prod(sizes) * dtype.itemsize
                if dtype.hasobject or dtype.kind not in kinds or not dtype.isnative:
                    raise ValueError(f"{name} holds {dtype}")
                if len(sizes) != len(shape) or any(
                    wanted is not None and found != wanted for found, wanted in zip(sizes, shape)
                ):
                    wanted = ["any" if n is None else n for n in shape]
                    raise ValueError(f"{name} has shape {list(sizes)} instead of {wanted}")
                if file.tell() + count != info.file_size:
                    raise ValueError(
                        f"{name} has {info.file_size - file.tell()} bytes instead of {count}"
                    )
                numbers = np.frombuffer(_content(file, count), dtype)
            return numbers.reshape(sizes, order="F" if by_columns else "C")

    @contextlib.contextmanager
    def _refusing(self) -> Iterator[None]:
        """Turns any exception inside into one FormatError."""
        try:
            yield
        except OSError as problem:
            raise FormatError(self.path, f"cannot be read: {problem.strerror or problem}") from None
        except Exception as problem:
            why = " ".join(str(problem).split()) or type(problem).__name__
            raise FormatError(self.path, f"expected a whole .npz file, but {why}") from problem


def _header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether columns come first, and dtype."""
    version = np.lib.format.read_magic(file)
    if version not in HEADERS:
        raise ValueError(f"an array has version {version}")
    sizes, by_columns, dtype = HEADERS[version](file)
    if not all(type(n) is int and n >= 0 for n in sizes):
        raise ValueError(f"an array has shape {sizes}")
    return sizes, by_columns, dtype


def _content(file: BinaryIO, count: int) -> bytearray:
    """The next `count` bytes, without a second copy of all of them. Raises ValueError."""
    content, done = bytearray(count), 0
    while part := file.read(PART):
        content[done : done + len(part)] = part
        done += len(part)
    if done != count:
        raise ValueError(f"an array ends after {done} of {count} bytes")
    return content


def holds(path: Path, *names: str) -> bool:
    """Whether the file is a zip archive with arrays `names`. Never raises."""
    try:
        with zipfile.ZipFile(path) as archive:
            found = set(archive.namelist())
    except Exception:  # no zip archive, or a damaged one: zipfile raises many kinds
        return False
    return all(f"{name}.npy" in found for name in names)
