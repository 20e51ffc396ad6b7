"""train_images(): a field from photographs; it makes teachers and the from-scratch baseline."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from ..errors import UsageError
from ..renderer.cameras import Cameras
from ..renderer.image import query, render_samples
from ..renderer.march import march_rays
from ..renderer.visual_hull import visual_hull
from ..volume import RadianceField, TrainableField, sent
from .checkpoint import digest, fingerprint_of
from .config import DistillConfig
from .emptied import Emptied, begin_anew
from .live_occupancy import FINE_STEPS, RESOLUTION, LiveOccupancy
from .losses import ray_color_loss
from .optimizers.by_role import RoleOptimizer
from .pixels import ShowingPixels, draw_pixels, least_opacity
from .progress import Clock, Distilled
from .stages import StepLoss, batch_samples
from .trainer import Hooks, Trainer

log = logging.getLogger(__name__)

COARSE_STEPS = 128  # samples along the box diagonal until the occupancy is known
BATCH_FACTOR = 4  # samples a step, beside distilling: few rays with many samples are noisy
RATE = 0.5  # of the peak learning rates, for the same reason
OCCUPANCY_EVERY = 16  # steps between refreshes
FIRST_PRUNING = 128  # steps: by then every cell has been visited once
CLEAR = 1 / 255  # opacity that a pixel asks for up to which it shows nothing
AGREED = 0.9  # of the views of opaque images that show something at a cell where density begins
FRAMED = 0.9  # pixels that show something: with more of them, there is no background to carve by


@dataclass
class ImageStage:
    """Rays of the images against their pixels."""

    student: TrainableField
    cameras: Cameras
    images: Tensor  # [V, H, W, 3], or [V, H, W, 4] multiplied by alpha
    background: float  # of images without alpha
    samples: int  # wanted a step
    occupancy: LiveOccupancy
    name: str = "images"
    rays: int = 64  # adapts so that a step has about `samples`
    known: bool = False  # the occupancy has been pruned at least once
    begun: int = 0  # the step at which the student was new, for the first or second time
    emptied: Emptied = field(init=False)
    showing: ShowingPixels | None = None  # after a restart half of the rays are theirs

    def __post_init__(self):
        self.emptied = Emptied(self.student.device)

    def prepare(self, step: int, fraction: float) -> bool:
        replaced = self.student.refine(fraction)
        if step and step % OCCUPANCY_EVERY == 0:
            self.known = step - self.begun >= FIRST_PRUNING
            self.occupancy.refresh(step // OCCUPANCY_EVERY, self.known)
            if not self.begun and self.emptied.looks_so(step):
                self._restart(step)
                return True
        return replaced

    def _restart(self, step: int) -> None:
        log.warning(
            "step %d: the field has emptied itself; it begins anew, with half of its rays through "
            "pixels that show something",
            step,
        )
        begin_anew(self.student, step)
        self.occupancy.begin()
        self.known, self.begun = False, step
        self.showing = ShowingPixels(self.images, self.background)

    def loss(self, generator: torch.Generator) -> StepLoss:
        drawn = draw_pixels(self.images, self.rays, generator)
        if self.showing:
            self.showing.put_into(drawn, generator)
        views, rows, columns = drawn
        pixels, device = self.images[views, rows, columns], self.student.device
        rays = self.cameras.rays_at(views, columns + 0.5, rows + 0.5).to(device)
        rays = self.student.info.local_rays(rays)
        steps = FINE_STEPS if self.known else COARSE_STEPS
        jitter = sent(torch.rand(self.rays, generator=generator), device)
        samples = march_rays(self.student, rays, self.student.aabb.diagonal / steps, jitter)
        density, rgb = query(self.student, rays, samples)
        background, target = self._targets(pixels, generator)
        seen = render_samples(density, rgb, samples, background)
        self.emptied.learn(seen.opacity, least_opacity(pixels, self.background))
        error = ray_color_loss(seen.rgb, target)
        used = max(1, len(samples))
        rays_now, self.rays = self.rays, int(min(8192, max(64, self.rays * self.samples / used)))
        return StepLoss(error, len(samples), rays_now, error.detach())

    def _targets(self, pixels: Tensor, generator: torch.Generator) -> tuple[float | Tensor, Tensor]:
        """Background and colors [R, 3] of `pixels` [R, 3 or 4]. Where there is alpha each ray has a
        background of its own: on one alone, thin things of nearly its color fit as nothing."""
        device = self.student.device
        if pixels.shape[-1] == 3:
            return self.background, sent(pixels, device)
        background = torch.rand(len(pixels), 3, generator=generator)
        target = pixels[:, :3] + (1 - pixels[:, 3:]) * background
        return sent(background, device), sent(target, device)

    def finished(self, step: int, fraction: float) -> bool:
        return False

    def state(self) -> dict:
        return {
            "rays": self.rays,
            "known": self.known,
            "begun": self.begun,
            "opacity": self.occupancy.opacity,
            "hull": self.occupancy.hull,
            "emptied": self.emptied.means,
        }

    def restore(self, state: dict) -> None:
        self.rays, self.known, self.begun = state["rays"], state["known"], state["begun"]
        self.occupancy.opacity = state["opacity"].to(self.student.device)
        self.occupancy.allow(state["hull"])
        self.emptied.means = state["emptied"].to(self.student.device)
        if self.begun:
            self.showing = ShowingPixels(self.images, self.background)


def train_images(
    student: TrainableField,
    cameras: Cameras,
    images: Tensor,
    config: DistillConfig,
    *,
    background: float = 1.0,
    hooks: Hooks | None = None,
    state_path: Path | None = None,
    resume: bool = False,
) -> Distilled:
    """Trains `student` in place on `images` [V, H, W, 3] sRGB in [0, 1], already over `background`,
    or [V, H, W, 4], color multiplied by alpha, over random ones.

    Occupancy is learned on the way, as in instant-ngp. Raises DivergedError on NaN, UsageError
    where `config` asks for active learning.
    """
    if config.active:
        raise UsageError("active learning is for distilling, not for training on images")
    clock, samples = Clock(config), BATCH_FACTOR * batch_samples(student)
    hull = _hull(student, cameras, images, background)
    occupancy = LiveOccupancy(student, hull, grows=images.shape[-1] == 3)
    occupancy.begin()
    stage = ImageStage(student, cameras, images, background, samples, occupancy)
    fingerprint = {}
    if state_path:
        more = {"images": digest(images, background), "optimizers": RoleOptimizer.description()}
        fingerprint = fingerprint_of("images", student, cameras, config, **more)
    trainer = Trainer(
        student=student,
        config=config,
        clock=clock,
        stages=[stage],
        shared=None,
        hooks=hooks or Hooks(),
        state_path=state_path,
        fingerprint=fingerprint,
        rate=RATE,
    )
    if resume:
        trainer.resume()
    return trainer.run()


def _hull(
    student: RadianceField, cameras: Cameras, images: Tensor, background: float
) -> Tensor | None:
    """[r, r, r] bool, r = RESOLUTION: where the `images` let density begin; None for everywhere.

    It keeps samples and gradients on thin objects, which else end as nothing. By alpha it is where
    there may be density at all. An opaque picture may be of the background's very color where there
    is something, so there most views must say that there is nothing, and they may err.
    """
    opaque = images.shape[-1] == 3
    shown = torch.stack([least_opacity(image, background) > CLEAR for image in images]).cpu()
    if opaque and float(shown.float().mean()) > FRAMED:
        return None
    agreed = AGREED if opaque else 1.0
    hull = visual_hull(shown, cameras, student.aabb, RESOLUTION, agreed)
    if hull.any():
        return hull
    if not opaque:
        log.warning("no part of the box is in the silhouettes of all images; alpha carves nothing")
    return None
