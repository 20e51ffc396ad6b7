"""StructureReader: the structure that a checkpoint's pickle describes, without running it.

A pickle is a program. This reader runs a small part of its instruction set (numbers, strings,
containers), resolves the few names that tensors and numpy arrays are made of, and refuses every
other name and instruction. Tensors stay references to numbers elsewhere in the file.
"""

from __future__ import annotations

import io
import math
import pickle
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from .pickled_array import (
    NDARRAY,
    ArrayRef,
    ArrayType,
    Refused,
    array_type,
    empty_array,
    latin_bytes,
)
from .shown import shown

MOST_STEPS = 1 << 19  # instructions of a pickle; a checkpoint has about 40 for each tensor
MOST_NUMBERS = 1 << 62  # of a storage, an offset or a stride
SMALL = 1 << 60  # of a dict's keys: addresses in old optimizer states
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
    """TensorRef from the arguments of torch's `_rebuild_tensor_v2`. Raises Refused if invalid."""
    numbers = (offset, *shape, *stride)
    if not isinstance(storage, StorageRef) or not all(
        type(n) is int and 0 <= n < MOST_NUMBERS for n in numbers
    ):
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
    ("torch", "Size"): lambda sizes: tuple(sizes),
    ("numpy", "dtype"): array_type,
    ("numpy.core.multiarray", "scalar"): lambda *_: Opaque("numpy scalar"),
    ("numpy._core.multiarray", "scalar"): lambda *_: Opaque("numpy scalar"),
    ("numpy.core.multiarray", "_reconstruct"): empty_array,
    ("numpy._core.multiarray", "_reconstruct"): empty_array,
    ("_codecs", "encode"): latin_bytes,
}

INSTRUCTIONS = (
    "PROTO FRAME STOP MARK POP POP_MARK DUP NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 "
    "BINFLOAT BINUNICODE SHORT_BINUNICODE BINBYTES SHORT_BINBYTES SHORT_BINSTRING EMPTY_DICT "
    "EMPTY_LIST EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 APPEND APPENDS SETITEM SETITEMS BINPUT "
    "LONG_BINPUT MEMOIZE BINGET LONG_BINGET GLOBAL STACK_GLOBAL REDUCE BUILD BINPERSID"
).split()


class StructureReader(pickle._Unpickler):
    """Runs the harmless part of a pickle. Raises Refused, or any other exception, for the rest.

    `storages` collects the storages that the pickle describes, by key.
    """

    dispatch: ClassVar[dict[int, Callable[[StructureReader], None]]]  # below

    def __init__(self, stream: io.BytesIO):
        super().__init__(stream, encoding="utf-8")
        self.storages: dict[str, StorageRef] = {}
        self.steps = 0

    def load(self) -> Any:
        content = super().load()
        if callable(content):
            raise Refused("its content is a function")
        return content

    def find_class(self, module: str, name: str):
        if module == "torch" and name in STORAGE_DTYPES:
            return STORAGE_DTYPES[name]
        if (module, name) == ("numpy", "ndarray"):
            return NDARRAY
        if (module, name) not in FUNCTIONS:
            raise Refused(f"it wants to use {module}.{name}, which no plain checkpoint needs")
        return FUNCTIONS[module, name]

    def persistent_load(self, pid) -> StorageRef:
        kind, dtype, key, _location, count, *view = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype) or any(view):
            raise Refused("it has an unknown kind of storage")
        if not isinstance(key, str) or type(count) is not int or count < 0:
            raise Refused(f"it has a storage named {shown(key)} of {shown(count)} numbers")
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
        """Updates the dict on the stack. Keys of other types could overflow the C stack when they
        are hashed; large numbers can be chosen to have one hash."""
        if not isinstance(self.stack[-1], dict):
            raise Refused("it puts items into something that is no dict")
        if not all(isinstance(key, str) or _is_small(key) for key, _ in items):
            raise Refused("a dict has keys that are neither text nor small numbers")
        self.stack[-1].update(items)

    def load_build(self) -> None:
        state = self.stack.pop()  # of others attributes, which no format needs (_metadata)
        if isinstance(self.stack[-1], ArrayRef | ArrayType):
            self.stack[-1].build(state)


def _is_small(key: Any) -> bool:
    return isinstance(key, int) and abs(key) < SMALL


def _counted(load: Callable[[StructureReader], None]) -> Callable[[StructureReader], None]:
    """An instruction that a pickle has only so often: each may take 100 bytes of memory."""

    def step(reader: StructureReader) -> None:
        reader.steps += 1
        if reader.steps > MOST_STEPS:
            raise Refused(f"its pickle has more than {MOST_STEPS} instructions")
        load(reader)

    return step


def _instruction(name: str) -> Callable[[StructureReader], None]:
    """What is run for an instruction: ours where we have one."""
    code = getattr(pickle, name)[0]
    return vars(StructureReader).get(f"load_{name.lower()}") or pickle._Unpickler.dispatch[code]


StructureReader.dispatch = {
    getattr(pickle, name)[0]: _counted(_instruction(name)) for name in INSTRUCTIONS
}
