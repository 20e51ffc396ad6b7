"""Timeline: how far a whole command is and how long it will still take; and a live figure."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable

import torch
from torch import Tensor

from ..distiller.progress import Progress
from ..renderer.image import render_rays
from ..volume import RadianceField
from .evaluation import Evaluation
from .image_metrics import psnr

LOOK_EVERY, LOOK_SECONDS, PREVIEW_SECONDS = 4.0, 0.15, 0.4  # between looks, and what one may take
FIRST_SIDE, LEAST_SIDE, MOST_SIDE = 16, 8, 200  # pixels along a side of a look
REPORT_EVERY = 0.25  # seconds between reports
FINISH = 1.0  # seconds to write files

OnProgress = Callable[[Progress], None]


class Timeline:
    """Reports of one command, from its first second to its last.

    `seconds` is the budget of training, None where it is in steps. What is left is that of the
    training and what measuring will take, as soon as a view has been measured.
    """

    def __init__(self, on_progress: OnProgress | None, seconds: float | None):
        self.on_progress, self.seconds = on_progress, seconds
        self.training_left = seconds or 0.0
        self.measuring_left = 0.0
        self._begun, self._told = time.monotonic(), -REPORT_EVERY

    @property
    def spent(self) -> float:
        """Seconds since the command began."""
        return time.monotonic() - self._begun

    @property
    def left(self) -> float:
        """Seconds until it ends, as far as known."""
        return self.training_left + self.measuring_left + FINISH

    def phase(self, what: str) -> None:
        """Says that `what` begins."""
        self._tell(Progress(what, 0, 0.0, 0.0, None, rays=0, samples=0), at_once=True)

    def measures(self, what: str, views: int, later: int = 0) -> Callable[[int, float], None]:
        """What hears of each view that is measured now (its number, its seconds); `later` views
        will be measured after that."""

        def measured(number: int, seconds: float) -> None:
            self.measuring_left = seconds * (views - number - 1 + later)
            self._tell(Progress(what, 0, 0.0, 0.0, None, rays=0, samples=0))

        return measured

    def training(self, progress: Progress) -> None:
        """Passes on what training reports, with the time that all of the command takes."""
        if self.seconds is not None:
            self.training_left = max(0.0, self.seconds - progress.seconds)
        elif progress.fraction > 0:
            self.training_left = progress.seconds * (1 / progress.fraction - 1)
        self._tell(progress)

    def _tell(self, progress: Progress, *, at_once: bool = False) -> None:
        if not self.on_progress or (self.spent - self._told < REPORT_EVERY and not at_once):
            return
        self._told = self.spent
        part = self.spent / (self.spent + self.left)
        self.on_progress(dataclasses.replace(progress, fraction=part, left=self.left))


class LiveFigure:
    """PSNR of a field against `reference` [H, W, 3], what the first held-out view shows, while the
    field trains: of every so many of its pixels, as many as a look has time for."""

    def __init__(
        self,
        field: RadianceField,
        evaluation: Evaluation,
        reference: Tensor,
        preview: Callable[[Tensor], None] | None = None,
    ):
        self.field, self.evaluation, self.reference = field, evaluation, reference
        self.preview = preview
        self.psnr: float | None = None
        self._side, self._due = FIRST_SIDE, 0.0

    def added(self, progress: Progress) -> Progress:
        """`progress` with the PSNR of the newest look, after another one where it is due."""
        begun = time.monotonic()
        if progress.step and begun >= self._due:
            self._look()
            took = time.monotonic() - begun
            allowed = PREVIEW_SECONDS if self.preview else LOOK_SECONDS
            wanted = self._side * math.sqrt(allowed / max(took, 1e-6))
            self._side = int(min(max(wanted, LEAST_SIDE), 2 * self._side, MOST_SIDE))
            self._due = begun + took + LOOK_EVERY
        return dataclasses.replace(progress, psnr=self.psnr)

    def _look(self) -> None:
        cameras = self.evaluation.cameras
        sides = (min(self._side, size) for size in (cameras.height, cameras.width))
        rows, columns = (
            torch.linspace(0, size - 1, side).round().long()
            for size, side in zip((cameras.height, cameras.width), sides)
        )
        row, column = torch.meshgrid(rows, columns, indexing="ij")
        view = torch.zeros(row.numel(), dtype=torch.int64)
        at = [x.flatten().float() + cameras.pixel_offset for x in (column, row)]
        rays = cameras.rays_at(view, *at).to(self.field.device)
        seen = render_rays(self.field, rays, background=self.evaluation.background).rgb
        image = seen.view(*row.shape, 3).clamp(0, 1).cpu()
        self.psnr = psnr(image, self.reference[row, column])
        if self.preview:
            self.preview(image)
