"""pickled_array: the numpy arrays in a checkpoint's pickle, without running numpy's code."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .shown import shown

ARRAY_DTYPES = {
    "f4": torch.float32,
    "f8": torch.float64,
    "i4": torch.int32,
    "i8": torch.int64,
    "u1": torch.uint8,
    "b1": torch.bool,
}

OBJECTS = "O8"  # arrays of other arrays, of which the pickle has a list
NDARRAY = "numpy.ndarray"  # the only kind of array that is rebuilt


class Refused(Exception):
    """Found something that a plain checkpoint does not have; becomes a FormatError."""


@dataclass
class ArrayType:
    """A numpy dtype; a BUILD instruction tells its byte order."""

    code: str
    order: str = "<"

    def build(self, state: Any) -> None:
        if not isinstance(state, tuple) or not isinstance(state[1], str):
            raise Refused("the byte order of a numpy array is no text")
        self.order = state[1]


@dataclass
class ArrayRef:
    """A numpy array, whose numbers are in the pickle; a BUILD instruction brings them. One of
    `OBJECTS` has a list instead, and no tensor."""

    kind: ArrayType | None = None
    shape: tuple[int, ...] = ()
    data: bytes | list = b""

    def build(self, state: Any) -> None:
        _version, self.shape, self.kind, by_columns, self.data = state
        known = isinstance(self.kind, ArrayType)
        content = list if known and self.kind.code == OBJECTS else bytes
        if by_columns or not known or not isinstance(self.data, content):
            raise Refused("a numpy array is described by something else than rows of numbers")

    def tensor(self) -> Tensor:
        """The numbers as a tensor. Raises Refused for types and sizes that contradict them."""
        kind = self.kind
        if kind is None or kind.code not in ARRAY_DTYPES or kind.order not in ("<", "|"):
            raise Refused(f"a numpy array holds {kind}")
        dtype = ARRAY_DTYPES[kind.code]
        sizes = self.shape if isinstance(self.shape, tuple) else ()
        if not all(type(n) is int and n > 0 for n in sizes) or len(sizes) > 8:
            raise Refused(f"the shape of a numpy array is {shown(self.shape)}")
        if math.prod(sizes) * dtype.itemsize != len(self.data):
            raise Refused(f"a numpy array of shape {sizes} has {len(self.data)} bytes")
        return torch.frombuffer(bytearray(self.data), dtype=dtype).view(sizes)


def array_type(code, *_unused) -> ArrayType:
    if not isinstance(code, str):
        raise Refused("the type of a numpy array is no text")
    return ArrayType(code)


def latin_bytes(text, encoding) -> bytes:
    """What pickles of Python 2's protocol call for each byte string."""
    if not isinstance(text, str) or encoding != "latin1":
        raise Refused("bytes are encoded in an unknown way")
    return text.encode("latin1")


def empty_array(kind, *_unused) -> ArrayRef:
    if kind is not NDARRAY:
        raise Refused("an array of a kind of its own")
    return ArrayRef()
