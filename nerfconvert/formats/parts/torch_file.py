"""TorchFile: the content of a torch checkpoint, zip or legacy, read as untrusted data.

Every size that a file states is compared with the bytes it has before memory is taken.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import torch
from torch import Tensor

from ...errors import FormatError
from .pickled_array import ArrayRef, Refused
from .unpickle import StorageRef, StructureReader, TensorRef

LEGACY_START = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9"
ZIP_START = b"PK\x03\x04"
PICKLE_LIMIT = 16 << 20  # bytes; an alpha mask of TensoRF takes up to 4 million of them


class TorchFile:
    """A torch checkpoint, zip or legacy: `content` is its structure; TensorRef and ArrayRef stand
    for numbers.

    Raises FormatError for anything but a whole, plain checkpoint. Holds the structure only in
    memory; `tensors` reads the requested ones.
    """

    content: Any

    def __init__(self, path: Path):
        self.path = Path(path)
        with self._refusing(), open(self.path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = file.read(len(LEGACY_START))
            file.seek(0)
            if start == LEGACY_START:
                self.content, self._places = read_legacy(file, size)
            elif start.startswith(ZIP_START):
                self.content, self._places = read_zip(file, size)
            else:
                raise Refused("it begins neither like a zip nor like a legacy checkpoint")

    def tensors(self, state: Any, what: str) -> dict[str, Tensor]:
        """The tensors of a state dict that is part of `content`; `what` names it in errors."""
        if not isinstance(state, dict) or not all(isinstance(k, str) for k in state):
            raise FormatError(self.path, f"{what} should be a dict of tensors")
        others = sorted(name for name, ref in state.items() if not isinstance(ref, TensorRef))
        if others:
            raise FormatError(self.path, f"{what}: {others[0]} should be a tensor")
        self.refuse_shared(state, what)
        storages: dict[str, Tensor] = {}
        with self._refusing(), open(self.path, "rb") as file:
            for ref in state.values():
                if ref.storage.key not in storages:
                    storages[ref.storage.key] = self._read(file, ref.storage)
            return {
                name: storages[ref.storage.key].as_strided(ref.shape, ref.stride, ref.offset)
                for name, ref in state.items()
            }

    def refuse_shared(self, state: dict[str, Any], what: str) -> None:
        """Raises FormatError where the tensors of a state dict would take more memory than the file
        has bytes: they share storages, which multiplies once each has its own."""
        refs = [ref for ref in state.values() if isinstance(ref, TensorRef)]
        claimed = sum(math.prod(ref.shape) * ref.storage.dtype.itemsize for ref in refs)
        size = self.path.stat().st_size
        if claimed > size:
            raise FormatError(self.path, f"{what} claims {claimed} bytes of a file of {size}")

    def array(self, ref: Any, what: str) -> Tensor:
        """The numpy array or tensor `ref`, a part of `content`, as a tensor; `what` names it in
        errors."""
        if isinstance(ref, TensorRef):
            return self.tensors({what: ref}, what)[what]
        if not isinstance(ref, ArrayRef):
            raise FormatError(self.path, f"{what} should be a numpy array")
        with self._refusing():
            return ref.tensor()

    def _read(self, file: BinaryIO, storage: StorageRef) -> Tensor:
        file.seek(self._places[storage.key].start)
        numbers = bytearray(storage.n_bytes)
        if file.readinto(numbers) != storage.n_bytes:
            raise Refused(f"storage {storage.key} is cut short")
        expected = self._places[storage.key].crc
        if expected is not None and zlib.crc32(numbers) != expected:
            raise Refused(f"the checksum of storage {storage.key} is wrong")
        if not numbers:
            return torch.empty(0, dtype=storage.dtype)
        return torch.frombuffer(numbers, dtype=storage.dtype)

    @contextlib.contextmanager
    def _refusing(self) -> Iterator[None]:
        """Turns any exception inside into one FormatError."""
        try:
            yield
        except FormatError:
            raise
        except OSError as problem:
            raise FormatError(self.path, f"cannot be read: {problem.strerror or problem}") from None
        except Exception as problem:
            why = next(iter(str(problem).splitlines()), type(problem).__name__)
            if isinstance(problem, KeyError):
                why = f"nothing is known of {why}"
            why = f"expected a whole, plain torch checkpoint, but {why}"
            raise FormatError(self.path, " ".join(why.split())) from problem


class Place(NamedTuple):
    """Where the numbers of a storage begin, and their checksum where the container keeps one."""

    start: int
    crc: int | None


def read_legacy(file: BinaryIO, size: int) -> tuple[Any, dict[str, Place]]:
    """Structure and storage places of the layout before torch 1.6: pickles, then raw numbers."""
    stream = io.BytesIO(file.read(PICKLE_LIMIT))
    _magic, _version, system = (StructureReader(stream).load() for _ in range(3))
    if not system.get("little_endian", True):
        raise Refused("it was written on a big-endian machine")
    reader = StructureReader(stream)
    content = reader.load()
    places: dict[str, Place] = {}
    keys = StructureReader(stream).load()
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise Refused("its list of storages holds something else than names")
    position = stream.tell()
    for key in keys:
        storage = reader.storages[key]
        file.seek(position)
        if int.from_bytes(file.read(8), "little") != storage.count:
            raise Refused(f"storage {key} does not begin where it should")
        places[key] = Place(position + 8, None)
        position += 8 + storage.n_bytes
        if position > size:
            raise Refused(f"it has {size} bytes where at least {position} are needed")
    if reader.storages.keys() - places.keys():
        raise Refused("the numbers of some tensors are missing")
    return content, places


def read_zip(file: BinaryIO, size: int) -> tuple[Any, dict[str, Place]]:
    """Structure and storage places of the zip layout: data.pkl and one stored member a storage."""
    with zipfile.ZipFile(file) as archive:
        members = {info.filename: info for info in archive.infolist()}
        for info in members.values():
            stored = info.compress_type == zipfile.ZIP_STORED and info.flag_bits & 1 == 0
            if not stored or info.header_offset + info.file_size > size:
                raise Refused(f"member {info.filename} is compressed, encrypted or cut short")
        if sum(info.file_size for info in members.values()) > size:
            raise Refused("its members overlap")
        pickles = [name for name in members if name.endswith("/data.pkl")]
        if len(pickles) != 1 or members[pickles[0]].file_size > PICKLE_LIMIT:
            raise Refused("it has not exactly one data.pkl of a plausible size")
        root = pickles[0].removesuffix("data.pkl")
        if root + "byteorder" in members and archive.read(root + "byteorder") != b"little":
            raise Refused("it was written on a big-endian machine")
        reader = StructureReader(io.BytesIO(archive.read(pickles[0])))
    content = reader.load()
    places = {}
    for key, storage in reader.storages.items():
        member = members[f"{root}data/{key}"]
        if member.file_size != storage.n_bytes:
            raise Refused(
                f"storage {key} has {member.file_size} bytes instead of {storage.n_bytes}"
            )
        file.seek(member.header_offset + 26)
        name_and_extra = struct.unpack("<HH", file.read(4))
        start = member.header_offset + 30 + sum(name_and_extra)
        if start + member.file_size > size:
            raise Refused(f"storage {key} is cut short")
        places[key] = Place(start, member.CRC)
    return content, places
