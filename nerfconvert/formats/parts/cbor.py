"""decode, encode: the plain part of CBOR (RFC 8949): numbers, strings, lists, maps. No tags.

Tags make general decoders build objects; no file here needs them. A stated length is compared with
the bytes that are left before memory is taken.
"""

from __future__ import annotations

import struct
from typing import Any

SIMPLE = {20: False, 21: True, 22: None, 23: None}
FLOATS = {25: (">e", 2), 26: (">f", 4), 27: (">d", 8)}
DEPTH_LIMIT = 16
MOST_ITEMS = 1 << 20  # of all lists and maps: an empty one takes one byte there, and sixty here
HEADS = ((1 << 8, 24), (1 << 16, 25), (1 << 32, 26), (1 << 64, 27))  # counts below, their mark


def decode(data: bytes) -> Any:
    """The one value that `data` holds. Raises ValueError naming the byte where decoding failed."""
    value, position = _Decoder(memoryview(data)).value(0, 0)
    if position != len(data):
        raise ValueError(f"{len(data) - position} bytes are left over")
    return value


class _Decoder:
    """Decodes `data`, as long as it has no more than `MOST_ITEMS` items."""

    def __init__(self, data: memoryview):
        self.data, self.left = data, MOST_ITEMS

    def value(self, position: int, depth: int) -> tuple[Any, int]:
        """The value at `position` and the position after it."""
        data = self.data
        if position >= len(data) or depth > DEPTH_LIMIT:
            raise ValueError(f"it ends too early or nests too deeply, at byte {position}")
        kind, low = data[position] >> 5, data[position] & 31
        if kind == 7:
            return _simple(data, position, low)
        count, position = _count(data, position, low)
        if kind == 0:
            return count, position
        if kind == 1:
            return -1 - count, position
        if kind == 6:
            raise ValueError(f"tag {count} at byte {position}; expected plain values only")
        left = len(data) - position
        if count > left:
            raise ValueError(
                f"{count} bytes or items are claimed at byte {position}, {left} are left"
            )
        if kind in (2, 3):
            piece = bytes(data[position : position + count])
            return piece if kind == 2 else piece.decode("utf-8"), position + count
        if kind == 4:
            return self.items(position, count, depth)
        items, position = self.items(position, 2 * count, depth)
        if not all(isinstance(key, str) for key in items[::2]):
            raise ValueError(f"a map's key is not text, before byte {position}")
        return dict(zip(items[::2], items[1::2], strict=True)), position

    def items(self, position: int, count: int, depth: int) -> tuple[list[Any], int]:
        self.left -= count
        if self.left < 0:
            raise ValueError(f"it has more than {MOST_ITEMS} items, at byte {position}")
        items = []
        for _ in range(count):
            item, position = self.value(position, depth + 1)
            items.append(item)
        return items, position


def _count(data: memoryview, position: int, low: int) -> tuple[int, int]:
    """The number in an item's head, and the position after the head."""
    position += 1
    if low < 24:
        return low, position
    size = {24: 1, 25: 2, 26: 4, 27: 8}.get(low)
    if size is None or position + size > len(data):
        raise ValueError(f"an unknown or cut-off length at byte {position}")
    return int.from_bytes(data[position : position + size], "big"), position + size


def _simple(data: memoryview, position: int, low: int) -> tuple[Any, int]:
    if low in SIMPLE:
        return SIMPLE[low], position + 1
    if low not in FLOATS:
        raise ValueError(f"an unknown simple value at byte {position}")
    code, size = FLOATS[low]
    end = position + 1 + size
    if end > len(data):
        raise ValueError(f"it ends inside a number, at byte {position}")
    return struct.unpack(code, data[position + 1 : end])[0], end


def encode(value: Any) -> bytes:
    """`value` of text, bytes, whole and other numbers, lists and maps from text; numbers with a
    point are doubles. Raises TypeError for anything else."""
    if type(value) is int:
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if type(value) is float:
        return b"\xfb" + struct.pack(">d", value)
    if type(value) is bytes:
        return _head(2, len(value)) + value
    if type(value) is str:
        text = value.encode("utf-8")
        return _head(3, len(text)) + text
    if type(value) is list:
        return _head(4, len(value)) + b"".join(map(encode, value))
    if type(value) is dict:
        pairs = (encode(item) for pair in value.items() for item in pair)
        return _head(5, len(value)) + b"".join(pairs)
    raise TypeError(f"{type(value).__name__} cannot be written as CBOR")


def _head(kind: int, count: int) -> bytes:
    """The first bytes of an item: its kind, and a number that it is or has."""
    if count < 24:
        return bytes([kind << 5 | count])
    mark = next(mark for limit, mark in HEADS if count < limit)
    return bytes([kind << 5 | mark]) + count.to_bytes(1 << mark - 24, "big")
