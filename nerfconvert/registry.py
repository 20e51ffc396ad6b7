"""Registry: a table from a name to an object that is imported when first used."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

from .errors import UnknownNameError


class Registry(Mapping[str, Any]):
    """Maps names to objects written as ``"module:attribute"``; imports on access.

    Raises `UnknownNameError` (with the nearest known name) for a name not in the table,
    and `ValueError` at construction for an entry that is not ``"module:attribute"``.
    """

    def __init__(self, kind: str, entries: dict[str, str]):
        for name, target in entries.items():
            if target.count(":") != 1:
                raise ValueError(f"{kind} '{name}': expected 'module:attribute', got '{target}'")
        self.kind = kind
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> Any:
        if name not in self._entries:
            raise UnknownNameError(self.kind, name, self._entries)
        module, attribute = self._entries[name].split(":")
        return getattr(importlib.import_module(module), attribute)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
