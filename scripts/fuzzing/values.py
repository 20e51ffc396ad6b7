"""mutated_value: numbers, texts, lists and maps with a mistake somewhere in them."""

from __future__ import annotations

import random
from typing import Any

NUMBERS = [0, 1, -1, 2, 3, 7, 16, 127, 128, 255, 256, 1000, 4096, 1 << 16, (1 << 24) + 1]
NUMBERS += [(1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 40, (1 << 63) - 1, 1 << 63]
FLOATS = [0.0, -0.0, -1.0, 0.5, 1e-46, 1e-9, 1e9, 3e38, 1e39, 1e308, float("nan"), float("inf")]
TEXTS = ["", "x", "é" * 50, "relu", "exp", "mlp", "ndc", "black", "[1]", "a" * 5000, "\0", "../x"]
DEEP = 400  # lists in lists


def mutated_value(value: Any, draw: random.Random) -> Any:
    """`value` with a mistake at one place of it; parts that stay are shared."""
    if value and isinstance(value, dict | list | tuple) and draw.random() < 0.9:
        return _with_part(value, draw)
    return _another(value, draw)


def _with_part(value: Any, draw: random.Random) -> Any:
    """A map or list of which one part changed, is missing, or is there too much."""
    if isinstance(value, dict):
        names = list(value)
        name = draw.choice(names)
        changed = dict(value)
        match draw.randrange(8):
            case 0:
                del changed[name]
            case 1:
                changed[draw.choice(TEXTS)] = value[name]
            case 2:
                changed[name] = value[draw.choice(names)]
            case _:
                changed[name] = mutated_value(value[name], draw)
        return changed
    changed = list(value)
    at = draw.randrange(len(changed))
    match draw.randrange(8):
        case 0:
            del changed[at]
        case 1:
            changed[at:at] = changed[at : at + 4] * draw.choice((1, 1, 3, 3000))
        case _:
            changed[at] = mutated_value(changed[at], draw)
    return type(value)(changed)


def _another(value: Any, draw: random.Random) -> Any:
    """Something else in the place of a value; most often of its own kind."""
    if draw.random() < 0.3:
        return draw.choice((None, True, draw.choice(NUMBERS), draw.choice(FLOATS), _nested(draw)))
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return draw.choice((*NUMBERS, -value, value + 1, value - 1, 2 * value, value // 2))
    if isinstance(value, float):
        return draw.choice((*FLOATS, -value, value * 2, value + 1e-3, repr(value)))
    if isinstance(value, bytes):
        return _other_bytes(value, draw)
    return draw.choice((draw.choice(TEXTS), [], {}, [value], {"x": value}))


def _other_bytes(value: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(value) + 1)
    piece = draw.randbytes(draw.choice((1, 2, 8, 100)))
    return draw.choice(
        (value[:at], value[at:], value + piece, value[:at] + piece + value[at + len(piece) :], b"")
    )


def _nested(draw: random.Random) -> Any:
    value: Any = draw.choice(NUMBERS)
    for _ in range(draw.choice((1, 2, 8, DEEP))):
        value = [value]
    return draw.choice((value, [0] * 70_000, {"x": value}, "y" * 70_000))
