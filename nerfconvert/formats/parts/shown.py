"""shown: a value of an untrusted file, in a message.

Parts of a pickle may be nested or shared so deeply that `repr` never ends.
"""

from __future__ import annotations

from typing import Any

LONGEST = 60  # characters of a text
MOST = 8  # parts of a tuple or list
LARGEST = 1 << 64


def shown(value: Any) -> str:
    """`value` where it is a short text, a number, or a few of these; else what type it has."""
    if type(value) in (tuple, list) and len(value) <= MOST and all(map(_is_plain, value)):
        return repr(value)
    return repr(value) if _is_plain(value) else f"a {type(value).__name__}"


def _is_plain(value: Any) -> bool:
    if type(value) is int:
        return abs(value) < LARGEST
    if type(value) is str:
        return len(value) <= LONGEST
    return value is None or type(value) in (bool, float)
