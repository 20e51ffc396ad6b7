"""RayBuffer: a teacher's answers on rays in memory, refreshed while the student trains."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..volume import RadianceField, at_once, sent, wait_for
from .progress import Clock
from .streams import stream
from .teacher_rays import NewRays, SampleBatch, TeacherRays, draw_samples, query_teacher, samples_at

CHUNK_RAYS, RAY_BYTES = 8192, 8192  # of a chunk, on a CPU; of memory for each while it is made
MOST_TIMES = 8  # as many of them on a GPU, as there are of the samples of a step
HELD_OUT = -1  # index of the chunk that no step trains on
LEAST_SHARE, MOST_SHARE = 0.05, 0.75  # of the time that teacher queries may take
FORGET_SURPRISE, FORGET_ERROR = 0.2, 0.02  # weight of the newest value in running means
REFILLED_UNTIL = 0.95  # of the budget, after which the teacher is not queried
REFILL_EVERY = 25  # steps between chunks where the budget is in steps


@dataclass
class RefillSchedule:
    """When to query the teacher for more rays, for a budget in seconds.

    The more often, the larger the error on new rays relative to that on rays already trained on, a
    sign of overfitting.
    """

    stage: str = ""  # of these errors, whose scale differs between stages
    surprise: float = 1.5  # running mean of the error on new rays / usual error
    usual: Tensor | None = None  # running mean of the error on known rays; on the device
    due: float = 0.0  # clock time of the next query, in seconds

    @property
    def share(self) -> float:
        """Share of the time from now on that teacher queries may take."""
        return min(max(1 - 1 / self.surprise, LEAST_SHARE), MOST_SHARE)


@dataclass
class RayBuffer:
    """Answers of `teacher` on rays that `new_rays` draws, at most `memory_mb` of them.

    Chunk i depends on `seed`, i and `new_rays` alone, so a resumed run fills the same buffer again.
    `new_rays(chunk, count, generator)` returns the same rays at every call.
    """

    teacher: RadianceField
    new_rays: Callable[[int, int, torch.Generator], NewRays]
    step: float  # world units between samples
    seed: int
    memory_mb: int
    clock: Clock
    made: int = 0  # chunks ever made
    seconds: float = 0.0  # spent on the teacher
    chunks: list[TeacherRays] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)  # of these; a chunk that hits nothing has none
    schedule: RefillSchedule = field(default_factory=RefillSchedule)
    _new: bool = False  # no step has used the newest chunk
    _bytes: int = 0

    def grow(self) -> None:
        """Queries one more chunk; drops the oldest ones above the memory limit."""
        wait_for(self.teacher.device)  # training steps that are queued are no teacher's time
        start = time.monotonic()
        chunk = self._chunk(self.made)
        self.made += 1
        if len(chunk):
            self.chunks.append(chunk)
            self.numbers.append(self.made - 1)
            self._bytes += chunk.bytes()
            self._new = True
        while self._bytes > self.memory_mb * 1_000_000 and len(self.chunks) > 1:
            self._bytes -= self.chunks.pop(0).bytes()
            self.numbers.pop(0)
        self.seconds += time.monotonic() - start

    @property
    def oldest(self) -> int:
        """Number of the first chunk that is kept."""
        return self.numbers[0] if self.numbers else self.made

    @property
    def full(self) -> bool:
        """Whether the next chunk would replace the oldest."""
        return bool(self.chunks) and (
            self._bytes + self.chunks[-1].bytes() > self.memory_mb * 1_000_000
        )

    def refill(self, step: int, fraction: float) -> None:
        """Grows if due, before a `step`.

        For a budget in seconds `schedule` decides. For one in steps it grows every `REFILL_EVERY`
        steps until it is full, so that results do not depend on time.
        """
        if not step:
            return
        if self.clock.config.steps is not None:
            if step % REFILL_EVERY == 0 and not self.full:
                self.grow()
        elif self.clock.seconds >= self.schedule.due and fraction < REFILLED_UNTIL:
            already = self.seconds
            self.grow()
            spent = self.seconds - already
            self.schedule.due = self.clock.seconds + spent * (1 / self.schedule.share - 1)

    def learn_error(self, stage: str, error: Tensor, new: bool) -> None:
        """Records the error (scalar) of a step of `stage`, and whether its rays were `new`. One
        that is not finite, of a run that diverges, is forgotten."""
        if stage != self.schedule.stage:
            self.schedule = RefillSchedule(stage)
        schedule, error = self.schedule, error.detach()
        if schedule.usual is None:
            schedule.usual = torch.nan_to_num(error, 0.0, 0.0)
        elif new:
            surprise = float(error / schedule.usual.clamp_min(1e-12))
            if math.isfinite(surprise):
                schedule.surprise += FORGET_SURPRISE * (surprise - schedule.surprise)
        else:
            schedule.usual.lerp_(error.where(error.isfinite(), schedule.usual), FORGET_ERROR)

    def pick(self, generator: torch.Generator) -> tuple[int, bool]:
        """Index of a random chunk, or of the newest at its first use, and whether it is that."""
        return self.newest_or(int(torch.randint(len(self.chunks), (), generator=generator)))

    def newest_or(self, number: int) -> tuple[int, bool]:
        """`number`, or the index of the newest chunk at its first use, and whether it is that."""
        new, self._new = self._new, False
        return (len(self.chunks) - 1 if new else number), new

    def held_out(self, count: int) -> SampleBatch | None:
        """`count` samples of rays that are never in the buffer; None where these cross nothing."""
        chunk = self._chunk(HELD_OUT)
        if not len(chunk):
            return None
        index = draw_samples(chunk, count, stream("held out", self.seed))
        return samples_at(chunk, index, torch.ones_like(chunk.weights[index]))

    def held_out_rays(self, count: int) -> TeacherRays:
        """The teacher's answers on `count` rays that are never in the buffer, less those that cross
        nothing."""
        return self._chunk(HELD_OUT, count)

    def state(self) -> dict:
        """What a resumed run needs; the teacher is queried again for the rest."""
        return {
            "made": self.made,
            "oldest": self.oldest,
            "schedule": vars(self.schedule),
        }

    def restore(self, state: dict) -> None:
        """Fills a fresh buffer as it was when `state` was taken."""
        self.made = state["oldest"]
        while self.made < state["made"]:
            self.grow()
        self._new = False  # a step has drawn from it before a state is saved
        self.schedule = RefillSchedule(**state["schedule"])
        if self.schedule.usual is not None:
            self.schedule.usual = self.schedule.usual.to(self.teacher.device)

    def _chunk(self, number: int, count: int | None = None) -> TeacherRays:
        count = count or at_once(CHUNK_RAYS, self.teacher.device, RAY_BYTES, MOST_TIMES)
        generator = stream("bank", self.seed, number)  # old name: a new one would change the rays
        new = self.new_rays(number, count, generator)
        jitter = torch.rand(count, generator=generator)
        given = (sent(x, self.teacher.device) for x in (jitter, new.importance, new.regions))
        rays = new.rays.to(self.teacher.device)
        return query_teacher(self.teacher, rays, self.step, *given)
