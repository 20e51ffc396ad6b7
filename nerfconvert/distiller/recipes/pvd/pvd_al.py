"""pvd-al: PVD with active learning as it was released (branch `PVD-AL` of the authors' code).

All that `pvd` lists as kept and as not kept holds here too, except for the poses: their radius lies
between those of the nearest and the farthest camera. These defects of its own are kept:

* It is not progressive: both thresholds are 0, so all losses act from the first step.
* Cameras: the scores are in the order of visits, the poses in the order of drawing, and the two
  are paired position by position. The supposedly hardest poses are a random choice.
* Rays: the pool keeps no scores; rays drawn from it are overwritten by the worst rays of the
  step. They come on top of the 4096 fresh ones, so a step costs a tenth more than one of PVD.
* Samples: "hard" are those of large rendering weight, not of large error; rays that are more than
  half transparent have none. All losses on samples are restricted to them.

The levels begin to act when their pools are full: that of rays after 1,503 steps of the published
run, compressed with the budget, so a shorter one has a smaller pool; that of cameras after 7 epochs
of 312 steps, which are not compressed, since an epoch's tenth would be no pose at all. The depth
loss is left out: its weight was 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ....volume import Samples
from ...stages import StepLoss
from ..plan import Plan, Task
from .batch import composite_answer, draw_rays, march_batch
from .pair import Pair, sample_loss
from .pools import RAYS_FULL, PosePool, RayPool
from .poses import PoseSource
from .settings import RGB_WEIGHT, AdamW, frobenius, sparsity

KEPT_SAMPLES = 0.3  # of a ray's samples, those of the largest weights
OPAQUE_RAY = 0.5  # opacity below which a ray keeps none


@dataclass
class ActiveStage:
    """All losses at once, on hard poses, hard rays and hard samples."""

    pair: Pair
    paired: bool = False  # True: each error belongs to the pose of its step, as the paper has it
    rays: RayPool = field(default_factory=RayPool)
    cameras: PosePool = field(default_factory=PosePool)
    name: str = "active"

    def prepare(self, step: int, fraction: float) -> bool:
        pair = self.pair
        before, last = pair.epoch, pair.poses
        last = last[pair.order] if self.paired else last
        pair.prepare(step, fraction)
        if pair.epoch != before:
            center, number = torch.tensor(pair.source.center), pair.epoch + 1
            pair.poses = self.cameras.turn(last, pair.poses, number, center, pair.seed)
        return False

    def loss(self, generator: torch.Generator) -> StepLoss:
        self.rays.closed = self.pair.now >= RAYS_FULL
        drawn = self.rays.extend(draw_rays(self.pair.camera, generator), generator)
        batch = march_batch(self.pair.student, drawn, generator)
        wanted, found = self.pair.answers(batch)
        with torch.no_grad():
            goal, opacity, weights = composite_answer(wanted, batch)
            hard = hard_samples(weights, opacity, batch.samples)
        seen, opacity, weights = composite_answer(found, batch)
        hard |= hard_samples(weights.detach(), opacity.detach(), batch.samples)
        loss = RGB_WEIGHT * frobenius(seen - goal)
        loss = loss + sample_loss(found, wanted, self.pair.now, hard)
        loss = loss + sparsity(self.pair.student)
        difference = (seen.detach() - goal).cpu()
        self.rays.keep(batch.rays, difference.abs().sum(-1))
        error = difference.square().mean()
        self.cameras.note(error)
        return StepLoss(loss, len(batch.samples), len(batch.rays), error)

    def finished(self, step: int, fraction: float) -> bool:
        return False

    def state(self) -> dict:
        pair = self.pair
        epoch = {"epoch": pair.epoch, "poses": pair.poses, "order": pair.order}
        return {"rays": self.rays.state(), "cameras": self.cameras.state(), "epoch": epoch}

    def restore(self, state: dict) -> None:
        self.rays.restore(state["rays"])
        self.cameras.restore(state["cameras"])
        epoch = state["epoch"]
        self.pair.epoch, self.pair.poses, self.pair.order = (
            epoch[name] for name in ("epoch", "poses", "order")
        )


def hard_samples(weights: Tensor, opacity: Tensor, samples: Samples) -> Tensor:
    """[S] bool: the floor(0.3 n) + 1 samples of largest weight of each ray of n samples; none of a
    ray whose opacity [R] is below 0.5."""
    counts = samples.offsets.diff()
    order = torch.argsort(weights, descending=True)
    order = order[torch.argsort(samples.ray_indices[order], stable=True)]
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device)
    rank -= samples.offsets[samples.ray_indices]
    kept = (KEPT_SAMPLES * counts).floor().long() + 1
    kept = torch.where(opacity < OPAQUE_RAY, 0, kept)
    return rank < kept[samples.ray_indices]


def plan(task: Task, paired: bool = False) -> Plan:
    """One stage with all losses on what the three levels choose."""
    pair = Pair.of(task, PoseSource.ranged(task.cameras, task.student.aabb))
    return Plan(stages=[ActiveStage(pair, paired)], begin=pair.begin, new_optimizer=AdamW)
