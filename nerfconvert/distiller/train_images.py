"""train_images(): a field from photographs; it makes teachers and the from-scratch baseline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..errors import UsageError
from ..renderer.cameras import Cameras
from ..renderer.image import query, render_samples
from ..renderer.march import march_rays
from ..volume import RadianceField, TrainableField
from ..volume.occupancy import dilate
from .checkpoint import digest, fingerprint_of
from .config import DistillConfig
from .losses import ray_color_loss
from .optimizers import RoleOptimizer
from .progress import Clock, Distilled
from .stages import StepLoss, batch_samples
from .trainer import Hooks, Trainer

COARSE_STEPS = 128  # samples along the box diagonal until the occupancy is known
FINE_STEPS = 512
BATCH_FACTOR = 4  # samples a step, beside distilling: few rays with many samples are noisy
RATE = 0.5  # of the peak learning rates, for the same reason
OCCUPANCY_EVERY = 16  # steps between refreshes
FIRST_PRUNING = 128  # steps: by then every cell has been visited once
RESOLUTION = 64  # cells along an axis; an MLP cannot afford to be asked about more
PARTS = 8  # refreshes that together visit every cell once
DECAY = 0.8  # of a cell's remembered opacity at each visit
THRESHOLD = 0.01  # opacity of a fine step below which a cell is empty


class LiveOccupancy:
    """The student's occupancy, re-estimated from its own density while it trains (instant-ngp)."""

    def __init__(self, student: RadianceField):
        self.student = student
        self.opacity = torch.zeros(
            RESOLUTION**3, device=student.device
        )  # decayed maximum of each cell

    @torch.no_grad()
    def refresh(self, number: int, prune: bool) -> None:
        """Looks once into each cell of part `number`; prunes only if asked."""
        generator = torch.Generator().manual_seed(number)
        cells = torch.arange(number % PARTS, RESOLUTION**3, PARTS, device=self.opacity.device)
        x, y, z = cells // RESOLUTION**2, cells // RESOLUTION % RESOLUTION, cells % RESOLUTION
        corner = torch.stack([x, y, z], -1)
        shift = torch.rand(corner.shape, generator=generator).to(corner.device)
        unit = (corner + shift) / RESOLUTION
        step = self.student.aabb.diagonal / FINE_STEPS
        found = -torch.expm1(-self._density(unit) * step)
        self.opacity[cells] = torch.maximum(self.opacity[cells] * DECAY, found)
        if prune:
            threshold = min(THRESHOLD, float(self.opacity.mean()))
            occupied = (self.opacity > threshold).view((RESOLUTION,) * 3)
            self.student.occupancy.assign(dilate(occupied))

    def _density(self, unit: Tensor) -> Tensor:
        positions = self.student.aabb.from_unit(unit)
        parts = [self.student.density(self.student.encode(p)) for p in positions.split(8192)]
        return torch.cat(parts)


@dataclass
class ImageStage:
    """Rays of the images against their pixels."""

    student: TrainableField
    cameras: Cameras
    images: Tensor  # [V, H, W, 3]
    background: float
    samples: int  # wanted a step
    occupancy: LiveOccupancy
    name: str = "images"
    rays: int = 64  # adapts so that a step has about `samples`
    known: bool = False  # the occupancy has been pruned at least once

    def prepare(self, step: int, fraction: float) -> bool:
        replaced = self.student.refine(fraction)
        if step and step % OCCUPANCY_EVERY == 0:
            self.known = step >= FIRST_PRUNING
            self.occupancy.refresh(step // OCCUPANCY_EVERY, self.known)
        return replaced

    def loss(self, generator: torch.Generator) -> StepLoss:
        v, h, w, _ = self.images.shape
        pick = torch.rand(3, self.rays, generator=generator)
        views, rows, columns = (pick[0] * v).long(), (pick[1] * h).long(), (pick[2] * w).long()
        device = self.student.device
        rays = self.cameras.rays_at(views, columns + 0.5, rows + 0.5).to(device)
        steps = FINE_STEPS if self.known else COARSE_STEPS
        jitter = torch.rand(self.rays, generator=generator).to(device)
        samples = march_rays(self.student, rays, self.student.aabb.diagonal / steps, jitter)
        density, rgb = query(self.student, rays, samples)
        seen = render_samples(density, rgb, samples, self.background)
        error = ray_color_loss(seen.rgb, self.images[views, rows, columns].to(device))
        used = max(1, len(samples))
        rays_now, self.rays = self.rays, int(min(8192, max(64, self.rays * self.samples / used)))
        return StepLoss(error, len(samples), rays_now, error.detach())

    def finished(self, step: int, fraction: float) -> bool:
        return False

    def state(self) -> dict:
        return {"rays": self.rays, "known": self.known, "opacity": self.occupancy.opacity}

    def restore(self, state: dict) -> None:
        self.rays, self.known = state["rays"], state["known"]
        self.occupancy.opacity = state["opacity"].to(self.student.device)


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
    """Trains `student` in place on `images` [V, H, W, 3] sRGB in [0, 1], already over `background`.

    Occupancy is learned on the way, as in instant-ngp. Raises DivergedError on NaN, UsageError
    where `config` asks for active learning.
    """
    if config.active:
        raise UsageError("active learning is for distilling, not for training on images")
    clock, samples = Clock(config), BATCH_FACTOR * batch_samples(student)
    stage = ImageStage(student, cameras, images, background, samples, LiveOccupancy(student))
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
