"""Document: a map of an untrusted file, in which the type of every value is checked."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

NEEDED = object()  # default of a value that must be there


class Document:
    """A map from names to values; `name` says what it is in errors. Raises ValueError, as all its
    methods do for a value that is missing or of the wrong kind."""

    def __init__(self, content: Any, name: str = "its outermost value"):
        if not isinstance(content, dict):
            raise ValueError(f"{name} is no map")
        self._content = content

    def __contains__(self, name: str) -> bool:
        return name in self._content

    def get(self, name: str, kind: type | tuple[type, ...], default: Any = NEEDED) -> Any:
        value = self._content.get(name, default)
        boolean = isinstance(value, bool) and kind is not bool
        if value is NEEDED or not isinstance(value, kind) or boolean:
            raise ValueError(f"{name} is missing or of the wrong kind")
        return value

    def part(self, name: str) -> Document:
        return Document(self._content.get(name), name)

    def number(self, name: str, default: Any = NEEDED) -> float:
        value = float(self.get(name, (int, float), default))
        if not math.isfinite(value):
            raise ValueError(f"{name} is {value}")
        return value

    def numbers(self, name: str, count: int, default: Any = NEEDED) -> list[float]:
        values = self.get(name, (list, tuple), default)
        if len(values) != count or not all(type(v) in (int, float) for v in values):
            raise ValueError(f"{name} should be {count} numbers")
        if not all(map(math.isfinite, values)):
            raise ValueError(f"{name} is {values}")
        return [float(v) for v in values]

    def count(self, name: str, default: Any = NEEDED) -> int:
        return self.get(name, int, default)

    def word(self, name: str, default: Any = NEEDED) -> str:
        """A text, in small letters."""
        return self.get(name, str, default).lower()

    def array(self, name: str, dtype: type, shape: tuple[int, ...]) -> Tensor:
        """A byte string as a float32 tensor; its length must be that of `shape`."""
        data = self.get(name, bytes)
        expected = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if len(data) != expected:
            raise ValueError(f"{name} has {len(data)} bytes; its sizes say {expected}")
        return torch.from_numpy(np.frombuffer(data, dtype).astype(np.float32)).view(shape)
