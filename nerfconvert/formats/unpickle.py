"""TorchFile: what a torch checkpoint holds, found without running anything in it.

A pickle is a program. This reader runs a small part of its instruction set (numbers, strings,
containers), knows the few names that tensors are made of, and refuses every other name and
instruction. Tensors stay references until asked for, and every size a file claims is compared
with the bytes it has before memory is taken.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import pickle
import struct
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import torch
from torch import Tensor

from ..errors import FormatError

LEGACY_START = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9"
ZIP_START = b"PK\x03\x04"
PICKLE_LIMIT = 4 << 20  # bytes; the structure of real checkpoints takes a few thousand

STORAGE_DTYPES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class Refused(Exception):
    """Found something that a plain checkpoint does not have; becomes a FormatError."""


@dataclass(frozen=True)
class StorageRef:
    """A run of `count` numbers that lies elsewhere in the file under `key`."""

    dtype: torch.dtype
    key: str
    count: int

    @property
    def n_bytes(self) -> int:
        return self.count * self.dtype.itemsize


@dataclass(frozen=True)
class TensorRef:
    """A tensor not yet read."""

    storage: StorageRef
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True)
class Opaque:
    """A value that is known to be harmless and that no format needs (a numpy scalar, a device)."""

    name: str


def rebuild_tensor(storage, offset, shape, stride, *_unused) -> TensorRef:
    """The TensorRef of torch's `_rebuild_tensor_v2` arguments. Raises Refused if they lie."""
    numbers = (offset, *shape, *stride)
    if not isinstance(storage, StorageRef) or not all(type(n) is int and n >= 0 for n in numbers):
        raise Refused("a tensor is described by something else than sizes")
    if len(shape) != len(stride) or len(shape) > 8:
        raise Refused(f"a tensor has shape {shape} but stride {stride}")
    count = math.prod(shape)
    last = offset + sum((s - 1) * t for s, t in zip(shape, stride, strict=True))
    if count > storage.count or (count and last >= storage.count):
        raise Refused(f"a tensor of shape {shape} claims more than its {storage.count} numbers")
    return TensorRef(storage, offset, tuple(shape), tuple(stride))


def rebuild_parameter(tensor, *_unused) -> TensorRef:
    if not isinstance(tensor, TensorRef):
        raise Refused("a parameter is not a tensor")
    return tensor


def empty_ordered_dict(*arguments) -> OrderedDict:
    if arguments:
        raise Refused("an OrderedDict is built from arguments")
    return OrderedDict()


FUNCTIONS = {
    ("collections", "OrderedDict"): empty_ordered_dict,
    ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
    ("torch._utils", "_rebuild_tensor"): rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): rebuild_parameter,
    ("torch", "device"): lambda *_: Opaque("torch.device"),
    ("torch", "Size"): lambda *_: Opaque("torch.Size"),
    ("numpy", "dtype"): lambda *_: Opaque("numpy.dtype"),
    ("numpy.core.multiarray", "scalar"): lambda *_: Opaque("numpy scalar"),
    ("numpy._core.multiarray", "scalar"): lambda *_: Opaque("numpy scalar"),
    ("_codecs", "encode"): lambda *_: Opaque("bytes"),
}

INSTRUCTIONS = (
    "PROTO FRAME STOP MARK POP POP_MARK DUP NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 "
    "BINFLOAT BINUNICODE SHORT_BINUNICODE BINBYTES SHORT_BINBYTES SHORT_BINSTRING EMPTY_DICT "
    "EMPTY_LIST EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 APPEND APPENDS SETITEM SETITEMS BINPUT "
    "LONG_BINPUT MEMOIZE BINGET LONG_BINGET GLOBAL STACK_GLOBAL REDUCE BUILD BINPERSID"
).split()


class StructureReader(pickle._Unpickler):
    """Runs the harmless part of a pickle. Raises Refused, or anything, on what it does not like.

    `storages` collects, by key, what the pickle says about them.
    """

    dispatch = {  # noqa: RUF012 (the base class's table, shortened)
        getattr(pickle, name)[0]: pickle._Unpickler.dispatch[getattr(pickle, name)[0]]
        for name in INSTRUCTIONS
    }

    def __init__(self, stream: io.BytesIO):
        super().__init__(stream, encoding="utf-8")
        self.storages: dict[str, StorageRef] = {}

    def find_class(self, module: str, name: str):
        if module == "torch" and name in STORAGE_DTYPES:
            return STORAGE_DTYPES[name]
        if (module, name) not in FUNCTIONS:
            raise Refused(f"it wants to use {module}.{name}, which no plain checkpoint needs")
        return FUNCTIONS[module, name]

    def persistent_load(self, pid) -> StorageRef:
        kind, dtype, key, _location, count, *view = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype) or any(view):
            raise Refused("an unknown kind of storage")
        if not isinstance(key, str) or type(count) is not int or count < 0:
            raise Refused(f"a storage named {key!r} of {count!r} numbers")
        storage = StorageRef(dtype, key, count)
        if self.storages.setdefault(key, storage) != storage:
            raise Refused(f"storage {key} is described in two ways")
        return storage

    def load_reduce(self) -> None:
        arguments = self.stack.pop()
        if not any(self.stack[-1] is function for function in FUNCTIONS.values()):
            raise Refused("it calls something that is not a function")
        self.stack[-1] = self.stack[-1](*arguments)

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._put([(key, value)])

    def load_setitems(self) -> None:
        items = self.pop_mark()
        self._put(list(zip(items[::2], items[1::2], strict=True)))

    def _put(self, items: list[tuple[Any, Any]]) -> None:
        """Fills the dict on the stack; hashing other keys could overflow the C stack."""
        if not isinstance(self.stack[-1], dict):
            raise Refused("it puts items into something that is no dict")
        if not all(isinstance(key, str | int) for key, _ in items):
            raise Refused("a dict has keys that are neither text nor numbers")
        self.stack[-1].update(items)

    def load_build(self) -> None:
        self.stack.pop()  # attributes such as OrderedDict._metadata: nobody needs them

    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems
    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.BUILD[0]] = load_build


class TorchFile:
    """A torch checkpoint, zip or legacy: `content` is its structure with TensorRef leaves.

    Raises FormatError for anything else than a whole, plain checkpoint. Memory: the structure
    only; `tensors` reads what is asked for.
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
        storages: dict[str, Tensor] = {}
        with self._refusing(), open(self.path, "rb") as file:
            for ref in state.values():
                if ref.storage.key not in storages:
                    storages[ref.storage.key] = self._read(file, ref.storage)
            return {
                name: storages[ref.storage.key].as_strided(ref.shape, ref.stride, ref.offset)
                for name, ref in state.items()
            }

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
        """Turns whatever goes wrong inside into one FormatError."""
        try:
            yield
        except FormatError:
            raise
        except OSError as problem:
            raise FormatError(self.path, f"cannot be read: {problem.strerror or problem}") from None
        except Exception as problem:
            why = str(problem) or type(problem).__name__
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
