"""Ray sampler: draws the buffer's rays in proportion to their errors."""

from __future__ import annotations

import torch
from torch import Tensor

from ...kernels.draw_weighted import draw_weighted
from ...renderer.cameras import Cameras
from ...volume import FieldInfo, sent
from ..ray_buffer import RayBuffer
from ..teacher_rays import TeacherRays
from .averages import learn, odds, spread
from .sampler import ChosenRays, RayBatch, Sampler

BETA = 1.0  # power of the error; 0 is uniform. The variance of gradients is least at 1
UNKNOWN = 2.0  # error of rays that no step has taken yet, in units of the mean
RATE = 0.7  # of the running mean of a ray's errors: a ray is drawn rarely


class RaySampler(Sampler):
    """Running means of the errors of a buffer's rays, in units of the mean error of their step.

    A step draws one chunk in proportion to the sum of its odds, and in it rays in proportion to
    theirs: together each ray of the buffer is drawn in proportion to its odds. Costs a pass over
    one chunk's rays, two synchronizations with the device, and a copy of the drawn samples.
    """

    def __init__(self, cameras: Cameras, info: FieldInfo, beta: float = BETA):
        self.beta = beta
        self.errors: list[Tensor] = []  # of the rays of each chunk [R]
        self._chunks: list[TeacherRays] = []
        self._made = -1  # `buffer.made` at the last update
        self._sums = torch.zeros(0)  # [C] of errors^beta
        self._restored: dict | None = None  # applied once the buffer is filled again

    def choose_rays(
        self, buffer: RayBuffer, samples: int, generator: torch.Generator
    ) -> ChosenRays:
        """Rays of one chunk in ascending order."""
        self.follow(buffer)
        counts = torch.tensor([len(chunk) for chunk in buffer.chunks], dtype=self._sums.dtype)
        counts = sent(counts, self._sums.device)
        mean = self._sums.sum() / counts.sum()
        masses = counts * odds(self._sums / counts, mean)
        drawn = int(draw_weighted(masses, spread(1, generator, masses.device)))
        number, new = buffer.newest_or(drawn)
        chances = odds(self.errors[number].pow(self.beta), mean)
        chunk = buffer.chunks[number]
        sizes = chunk.samples.offsets.diff()
        count = max(1, round(samples * float(chances.sum() / (chances * sizes).sum())))
        index = draw_weighted(chances, spread(count, generator, chances.device))
        answers = chunk.gather(index)
        return ChosenRays(answers, answers.importance / chances[index], number, index, new)

    def learn_rays(self, batch: RayBatch, errors: Tensor) -> None:
        chosen = batch.chosen
        own = self.errors[chosen.chunk]
        learn(own, chosen.index, errors * chosen.answers.importance, RATE)
        self._sums[chosen.chunk] = own.pow(self.beta).sum()

    def follow(self, buffer: RayBuffer) -> None:
        """Drops errors of rays that the buffer has dropped; new rays start at `UNKNOWN`."""
        if self._made == buffer.made:
            return
        known = {id(chunk): errors for chunk, errors in zip(self._chunks, self.errors)}
        fresh = [chunk.opacity.new_full((len(chunk),), UNKNOWN) for chunk in buffer.chunks]
        errors = [known.get(id(x), new) for x, new in zip(buffer.chunks, fresh)]
        if self._restored and self._restored["made"] == buffer.made:
            errors = list(map(_taken, errors, self._restored["errors"]))
        self._restored = None
        self.errors, self._chunks, self._made = errors, list(buffer.chunks), buffer.made
        self._sums = torch.stack([e.pow(self.beta).sum() for e in errors])

    def state(self, buffer: RayBuffer) -> dict:
        return {"errors": self.errors, "made": self._made}

    def restore(self, state: dict) -> None:
        self._made, self._restored = -1, state


def _taken(new: Tensor, saved: Tensor) -> Tensor:
    """`saved` errors if as many as `new` ones, else those: another process has other rays."""
    return saved.to(new) if len(saved) == len(new) else new
