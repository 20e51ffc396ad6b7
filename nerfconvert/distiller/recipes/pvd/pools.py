"""The pools of PVD-AL: hard poses and hard rays, as released."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ....volume import Rays, sent
from ...streams import stream
from .poses import EPOCH

HARD_PART = 10  # of the rays of a step, one in so many is kept
RAY_CAPACITY = 4096 * 150
RAYS_FULL = 1503  # published step at which the pool of rays is
HARD_POSES = EPOCH // 10  # an epoch
POSES_ENOUGH = 100  # a pool with more than these is full
FIRST_EPOCHS = 3  # in which no poses are chosen
TILT = math.pi / 20  # largest rotation of a replayed pose about each axis


@dataclass
class RayPool:
    """Rays with the largest color errors, without their scores. It is full with `capacity` rays, or
    when it is closed."""

    capacity: int = RAY_CAPACITY
    origins: Tensor = field(default_factory=lambda: torch.empty(0, 3))
    directions: Tensor = field(default_factory=lambda: torch.empty(0, 3))
    drawn: Tensor | None = None  # slots of the pool that are in the current batch
    closed: bool = False
    kept: int = 0  # rays of the current batch

    def extend(self, rays: Rays, generator: torch.Generator) -> Rays:
        """`rays` and, once the pool is full, a tenth as many random ones of it."""
        self.drawn, self.kept = None, len(rays) // HARD_PART
        count = len(self.origins)
        if count == 0 or (count < self.capacity and not self.closed):
            return rays
        self.drawn = torch.randperm(count, generator=generator)[: self.kept]
        near, far = float(rays.near[0]), float(rays.far[0])
        old = Rays.of(self.origins[self.drawn], self.directions[self.drawn], near, far)
        return Rays.cat([rays, old])

    def keep(self, rays: Rays, errors: Tensor) -> None:
        """Adds the worst rays of a batch; in a full pool they replace those that were drawn from
        it."""
        worst = sent(errors.argsort(descending=True)[: self.kept], rays.origins.device)
        origins, directions = rays.origins[worst].cpu(), rays.directions[worst].cpu()
        if self.drawn is None:
            self.origins = torch.cat([self.origins, origins])[: self.capacity]
            self.directions = torch.cat([self.directions, directions])[: self.capacity]
        else:
            slots = self.drawn[: len(origins)]
            self.origins[slots] = origins[: len(slots)]
            self.directions[slots] = directions[: len(slots)]

    def state(self) -> dict:
        return {"origins": self.origins, "directions": self.directions}

    def restore(self, state: dict) -> None:
        self.origins, self.directions = state["origins"], state["directions"]


@dataclass
class PosePool:
    """Poses that the method considers hard; `pvd_al` says why they are not."""

    poses: Tensor = field(default_factory=lambda: torch.empty(0, 4, 4))
    errors: list[float] = field(default_factory=list)  # of the steps of the epoch, as visited

    def note(self, error: Tensor) -> None:
        """Records the mean squared error of one step."""
        self.errors.append(float(error))

    def turn(self, last: Tensor, new: Tensor, epoch: int, center: Tensor, seed: int) -> Tensor:
        """The poses [312, 4, 4] of the epoch that begins (the first one is 1): `new` ones, some
        replaced by poses of the pool once it is full. `last` are those of the epoch before, in
        the order in which they were drawn."""
        errors, self.errors = torch.tensor(self.errors), []
        if epoch <= FIRST_EPOCHS or len(errors) < EPOCH:
            return new
        hard = last[errors.argsort(descending=True)[:HARD_POSES]]
        if len(self.poses) <= POSES_ENOUGH:
            self.poses = torch.cat([self.poses, hard])
            return new
        generator = stream("pool", seed, epoch)
        slots = torch.randperm(len(self.poses), generator=generator)[:HARD_POSES]
        replaced = torch.randperm(EPOCH, generator=generator)[:HARD_POSES]
        new = new.clone()
        new[replaced] = tilted(self.poses[slots], center, generator)
        self.poses[slots] = hard
        return new

    def state(self) -> dict:
        return {"poses": self.poses, "errors": self.errors}

    def restore(self, state: dict) -> None:
        self.poses, self.errors = state["poses"], state["errors"]


def tilted(poses: Tensor, center: Tensor, generator: torch.Generator) -> Tensor:
    """Poses [V, 4, 4] turned about `center` [3] by random angles about the three world axes."""
    angles = (2 * torch.rand(len(poses), 3, generator=generator) - 1) * TILT
    turn = torch.eye(3).expand(len(poses), 3, 3)
    for axis in range(3):
        turn = _rotation(axis, angles[:, axis]) @ turn
    turned = poses.clone()
    turned[:, :3, :3] = turn @ poses[:, :3, :3]
    turned[:, :3, 3] = center + (turn @ (poses[:, :3, 3] - center)[..., None])[..., 0]
    return turned


def _rotation(axis: int, angles: Tensor) -> Tensor:
    """[V, 3, 3] about a world axis."""
    i, j = (axis + 1) % 3, (axis + 2) % 3
    turn = torch.eye(3).repeat(len(angles), 1, 1)
    turn[:, i, i] = turn[:, j, j] = angles.cos()
    turn[:, i, j], turn[:, j, i] = -angles.sin(), angles.sin()
    return turn
