"""Glance: PSNR of a field from a few pixels, where measuring whole pictures takes too long."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable

import torch
from torch import Tensor

from ..distiller.progress import Progress
from ..renderer.cameras import PIXEL_CENTER
from ..renderer.image import render_rays
from ..volume import RadianceField
from .evaluation import Evaluation, render_view
from .image_metrics import mean, psnr
from .timeline import OnProgress, Timeline

LOOK_EVERY, LOOK_SECONDS, PREVIEW_SECONDS = 4.0, 0.15, 0.4  # between looks, and what one may take
FIRST_SIDE, LEAST_SIDE, MOST_SIDE = 16, 8, 200  # pixels along a side of a look
ENOUGH, FOGGY = 1024, 0.3  # pixels to time, after this part of a budget: fog is slow to render
INITIAL_PIXELS, FOG = 4096, 20.0  # of all views together, and dB


def glance(
    field: RadianceField, evaluation: Evaluation, view: int, reference: Tensor, side: int
) -> tuple[Tensor, float]:
    """A held-out view at `side` rows and columns spread over it, [h, w, 3] sRGB on the CPU, and its
    PSNR in dB against the same pixels of `reference` [H, W, 3]."""
    cameras = evaluation.cameras
    rows, columns = (
        torch.arange(min(side, size)).add(0.5).mul(size / min(side, size)).long()
        for size in (cameras.height, cameras.width)
    )
    row, column = torch.meshgrid(rows, columns, indexing="ij")
    views = torch.full((row.numel(),), view, dtype=torch.int64)
    offset = PIXEL_CENTER - field.info.pixel_shift * cameras.width
    at = [x.flatten().float() + offset for x in (column, row)]
    rays = cameras.rays_at(views, *at).to(field.device)
    seen = render_rays(field, rays, background=evaluation.background).rgb
    image = seen.view(*row.shape, 3).clamp(0, 1).cpu()
    return image, psnr(image, reference[row, column])


def initial_psnr(field: RadianceField, evaluation: Evaluation, reference: Tensor) -> float:
    """PSNR in dB of `field` against the views `reference` [V, H, W, 3], per view, then averaged.

    From `INITIAL_PIXELS` of them where that is less than `FOG`: an untrained field is slow to
    render, and wrong everywhere alike. What is near errs at few pixels, so all of them count.
    """
    side = math.isqrt(INITIAL_PIXELS // len(reference))
    pairs = list(enumerate(reference))
    level = mean(glance(field, evaluation, view, image, side)[1] for view, image in pairs)
    if level < FOG:
        return level
    return mean(psnr(render_view(field, evaluation, view).rgb, image) for view, image in pairs)


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
        self.view_seconds: float | None = None  # of a whole view, where that can be told
        self._side, self._due = FIRST_SIDE, 0.0

    def added(self, progress: Progress) -> Progress:
        """`progress` with the PSNR of the newest look, after another one where it is due."""
        begun = time.monotonic()
        if progress.step and begun >= self._due:
            image, self.psnr = glance(self.field, self.evaluation, 0, self.reference, self._side)
            if self.preview:
                self.preview(image)
            took = time.monotonic() - begun
            allowed = PREVIEW_SECONDS if self.preview else LOOK_SECONDS
            if progress.fraction > FOGGY and image[..., 0].numel() >= ENOUGH:
                self.view_seconds = took * self.reference.numel() / image.numel()
            wanted = self._side * math.sqrt(allowed / max(took, 1e-6))
            self._side = int(min(max(wanted, LEAST_SIDE), 2 * self._side, MOST_SIDE))
            self._due = begun + took + LOOK_EVERY
        return dataclasses.replace(progress, psnr=self.psnr)


def watched(live: LiveFigure, timeline: Timeline, views: int) -> OnProgress:
    """What hears of training and tells `timeline`: it adds the figure of `live`, and what measuring
    as many `views` will take."""

    def report(progress: Progress) -> None:
        shown = live.added(progress)
        if live.view_seconds is not None:
            timeline.expects(views * live.view_seconds)
        timeline.training(shown)

    return report
