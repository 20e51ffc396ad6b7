"""Ray level: each ray of the bank has a priority, and comes in proportion to it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...kernels.draw_weighted import draw_weighted
from ..bank import RayBank
from ..lesson import Lesson
from .averages import learn, odds, spread

BETA = 1.0  # power of the error; 0 is uniform. The noise of a gradient is least at 1
HOPE = 2.0  # error of rays that no step has taken yet, in units of the mean
RATE = 0.7  # of the average of a ray's errors: steps come back to it rarely


@dataclass(frozen=True)
class Drawn:
    """The rays of one step."""

    lesson: Lesson
    importance: Tensor  # [R] what each counts in the losses
    number: int = -1  # of the lesson in the bank, where the ray level drew
    index: Tensor | None = None  # [R] int64, of the rays in that lesson


class RayLevel:
    """Averages of the errors of all rays of a bank, in units of the mean error of their steps.

    A step takes one lesson, in proportion to the sum of its odds, and in it rays in proportion to
    theirs: together each ray of the bank comes in proportion to its odds. Costs a pass over one
    lesson's rays, two waits for the device, and the samples drawn.
    """

    def __init__(self, beta: float = BETA):
        self.beta = beta
        self.errors: list[Tensor] = []  # of the rays of each lesson [R]
        self._lessons: list[Lesson] = []
        self._made = -1
        self._sums = torch.zeros(0)  # [L] of errors^beta

    def draw(self, bank: RayBank, samples: int, generator: torch.Generator) -> Drawn:
        """Rays of one lesson with about `samples` samples, in ascending order."""
        self._follow(bank)
        counts = self._sums.new_tensor([len(lesson) for lesson in bank.lessons])
        mean = self._sums.sum() / counts.sum()
        masses = counts * odds(self._sums / counts, mean)
        number = bank.newest_or(int(draw_weighted(masses, spread(1, generator, masses.device))))
        chances = odds(self.errors[number].pow(self.beta), mean)
        lesson = bank.lessons[number]
        sizes = lesson.samples.offsets.diff()
        count = max(1, round(samples * float(chances.sum() / (chances * sizes).sum())))
        index = draw_weighted(chances, spread(count, generator, chances.device))
        taken = lesson.gather(index)
        importance = 1 / chances[index]
        if taken.importance is not None:
            importance = importance * taken.importance
        return Drawn(taken, importance, number, index)

    def learn(self, drawn: Drawn, errors: Tensor) -> None:
        """Takes the `errors` [R], relative to their mean, of the rays of a step."""
        own = self.errors[drawn.number]
        learn(own, drawn.index, errors, RATE)
        self._sums[drawn.number] = own.pow(self.beta).sum()

    def _follow(self, bank: RayBank) -> None:
        """Forgets the rays that the bank has dropped, and hopes for those it has gained."""
        if self._made == bank.made:
            return
        known = {id(lesson): errors for lesson, errors in zip(self._lessons, self.errors)}
        fresh = [lesson.opacity.new_full((len(lesson),), HOPE) for lesson in bank.lessons]
        self._take(bank, [known.get(id(x), new) for x, new in zip(bank.lessons, fresh)])

    def _take(self, bank: RayBank, errors: list[Tensor]) -> None:
        self.errors, self._lessons, self._made = errors, list(bank.lessons), bank.made
        self._sums = torch.stack([e.pow(self.beta).sum() for e in errors])

    def state(self) -> dict:
        return {"errors": self.errors, "made": self._made}

    def restore(self, state: dict, bank: RayBank) -> None:
        """Takes back the errors of the rays of `bank`, which is as it was; a lesson of another
        size (another process has rays of its own) begins anew."""
        self._made = -1
        self._follow(bank)
        if state["made"] == bank.made:
            pairs = zip(self.errors, state["errors"], strict=True)
            self._take(bank, [new.to(old) if len(new) == len(old) else old for old, new in pairs])
