"""KeptGradient: the gradient of a table that stays in memory, zero but where a step touched it.

A look-up's backward pass adds to it and marks what it touched, instead of making a gradient of the
whole table; who steps the table clears what is marked.
"""

from __future__ import annotations

import weakref

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from .adam_lines import marks_of

_kept = WeakIdKeyDictionary()  # table -> weak reference to its gradient


class KeptGradient:
    """Of `table`, for as long as somebody holds this; afterwards `table.grad` is made again.

    Only compiled look-ups add to it; others go on to make `table.grad`.
    """

    def __init__(self, table: Tensor):
        self._table = weakref.ref(table)
        self._parts: tuple[Tensor, Tensor] | None = None
        _kept[table] = weakref.ref(self)

    @property
    def used(self) -> bool:
        """Whether anything was ever added."""
        return self._parts is not None

    def parts(self) -> tuple[Tensor, Tensor]:
        """Values, like the table, and marks [ceil(numbers / 16)] uint8, as `adam_lines` takes
        them; memory is taken at the first call."""
        if self._parts is None:
            table = self._table()
            marks = torch.zeros(marks_of(table), dtype=torch.uint8, device=table.device)
            self._parts = torch.zeros_like(table, memory_format=torch.contiguous_format), marks
        return self._parts


def kept_gradient(table: Tensor) -> KeptGradient | None:
    """The gradient that is kept of `table`, if any."""
    found = _kept.get(table)
    return found and found()
