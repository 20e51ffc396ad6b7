"""RayBank: lessons in memory, grown while the student trains, the oldest replaced when full."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from ..renderer.cameras import Cameras
from ..volume import RadianceField, Rays
from .lesson import Lesson, Points, ask, ask_random, draw_points
from .streams import stream

CHUNK_RAYS = 8192  # rays asked at a time


class Asker(Protocol):
    """Who chooses the rays of a chunk instead of chance."""

    def draw(
        self, chunk: int, count: int, generator: torch.Generator
    ) -> tuple[Rays, Tensor, Tensor]:
        """Rays [count], their regions of views [count] int64 and importance [count]; the same ones
        whenever the chunk of this number is drawn."""


@dataclass
class RayBank:
    """Answers of `teacher` on random rays of `cameras`, at most `memory_mb` of them.

    Chunk number i depends on `seed` and i alone (and on `asker`, which remembers), so a resumed
    run rebuilds the same bank.
    """

    teacher: RadianceField
    cameras: Cameras
    step: float  # world units between samples
    seed: int
    memory_mb: int
    asker: Asker | None = None
    made: int = 0  # chunks ever made
    seconds: float = 0.0  # spent on the teacher
    lessons: list[Lesson] = field(default_factory=list)
    fresh: bool = False  # what was drawn last is of a lesson never drawn from before
    _untaught: bool = False  # the newest lesson was never drawn from
    _bytes: int = 0

    def grow(self) -> None:
        """Asks one more chunk; drops the oldest when the memory bound is reached."""
        start = time.monotonic()
        lesson = self._chunk(self.made)
        self.made += 1
        if len(lesson):
            self.lessons.append(lesson)
            self._bytes += lesson.bytes()
            self._untaught = True
        while self._bytes > self.memory_mb * 1_000_000 and len(self.lessons) > 1:
            self._bytes -= self.lessons.pop(0).bytes()
        self.seconds += time.monotonic() - start

    @property
    def full(self) -> bool:
        """The next chunk would push out the oldest."""
        return bool(self.lessons) and (
            self._bytes + self.lessons[-1].bytes() > self.memory_mb * 1_000_000
        )

    def rebuild(self, made: int, kept: int) -> None:
        """Fills a fresh bank as it was after `made` chunks, of which the last `kept` remain."""
        self.made = made - kept
        for _ in range(kept):
            self.grow()
        self._untaught = False  # a step draws before it is saved

    def rays(self, samples: int, generator: torch.Generator) -> Lesson:
        """Consecutive rays of a lesson with about `samples` samples; the order of rays within a
        lesson is random already."""
        lesson = self.lesson(generator)
        count = max(1, round(samples * len(lesson) / len(lesson.samples)))
        places = max(1, len(lesson) - count + 1)
        start = int(torch.randint(places, (), generator=generator))
        return lesson.part(start, min(len(lesson), start + count))

    def lesson(self, generator: torch.Generator) -> Lesson:
        """The newest one when it comes for the first time, else a random one."""
        pick = int(torch.randint(len(self.lessons), (), generator=generator))
        return self.lessons[self.newest_or(pick)]

    def newest_or(self, pick: int) -> int:
        """Number of the newest lesson when it comes for the first time, else `pick`."""
        self.fresh, self._untaught = self._untaught, False
        return len(self.lessons) - 1 if self.fresh else pick

    def points(self, count: int, generator: torch.Generator) -> Points:
        """`count` samples of a random lesson, half uniform, half by the teacher's weights."""
        return draw_points(self.lesson(generator), count, generator)

    def held_out(self, count: int) -> Points:
        """`count` samples of rays that are never in the bank."""
        return draw_points(self._chunk(-1), count, stream("held out", self.seed))

    def _chunk(self, number: int) -> Lesson:
        generator = stream("bank", self.seed, number)
        if self.asker is None or number < 0:
            return ask_random(self.teacher, self.cameras, CHUNK_RAYS, self.step, generator)
        asked, *told = self.asker.draw(number, CHUNK_RAYS, generator)
        jitter = torch.rand(CHUNK_RAYS, generator=generator)
        rays, *rest = (t.to(self.teacher.device) for t in (asked, jitter, *told))
        return ask(self.teacher, rays, self.step, *rest)
