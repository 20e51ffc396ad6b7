"""RowDescent: gradient descent of a table of rows, which its look-ups do in their backward pass.

In most steps no gradient of the table is made: a look-up adds what the gradients of its features
call for to the rows at once. Each column has one rate for all rows, so that a row which few points
reach moves as little as they ask for; RMSprop moves it by the whole learning rate.
"""

from __future__ import annotations

import weakref

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

EVERY = 32  # steps between two that measure
BETA = 0.9  # of the running mean of squared gradients, a measurement

_descents = WeakIdKeyDictionary()  # table -> weak reference to its descent


class RowDescent:
    """Of `table` [V, C], for as long as somebody holds this.

    Some steps measure the gradients of rows, which others take to be of that size: there, and of
    look-ups that are not compiled or may not give sparse gradients, `table.grad` is made.
    """

    def __init__(self, table: Tensor):
        self.table = weakref.ref(table)
        self.square = table.new_zeros(table.shape[1])  # running mean
        self.steps, self.measured = torch.zeros(2, dtype=torch.int64).unbind()
        self.rates = torch.zeros_like(self.square)
        _descents[table] = weakref.ref(self)

    @property
    def measures(self) -> bool:
        """Whether this step does: each whose number is a power of two, and one in so many."""
        step = int(self.steps)
        return step & (step - 1) == 0 or step % EVERY == 0

    def change(self, grads: Tensor) -> Tensor:
        """What gradients [N, C] add to the rows that they are of, or of points of them."""
        return grads * -self.rates

    def measure(self, grads: Tensor) -> None:
        """Takes in the gradients [R, C] of all rows that a step reaches."""
        self.measured += 1
        self.square.lerp_(grads.square().mean(0).nan_to_num(0.0), 1 - BETA)

    def set_rate(self, rate: float) -> None:
        """The rate from now on: so far moves a gradient of the usual size a row."""
        usual = (self.square / (1 - BETA ** int(self.measured))).sqrt()
        self.rates.copy_(torch.where(usual > 0, rate / usual, 0.0))

    def state(self) -> list[Tensor]:
        """The tensors that a resumed run needs, for `copy_`."""
        return [self.square, self.rates, self.steps, self.measured]


def row_descent(table: Tensor) -> RowDescent | None:
    """The descent of `table`, if any."""
    found = _descents.get(table)
    return found and found()
