"""pvd: progressive volume distillation as it was published (Fang et al., AAAI 2023).

It follows the authors' code, branch `main`. It is here for comparison, so its known defects are
kept:

* Frobenius norms of the whole batch: the balance of the terms depends on the number of samples.
* The feature weight decays from the first step on, so the first stage runs on a vanishing loss
  that Adam's second moment outlives, and updates jump at each switch of stages.
* Log density is clamped to [-2, 7] in rendering too: an empty cell that counts as occupied keeps a
  haze, and nothing outside the range has a gradient.
* AdamW decays tables that receive no gradient.
* Features of factorized fields are clamped like log density, those of other teachers are not, so a
  student cannot match what lies outside.
* One camera a step, upper hemisphere only; the teacher is queried at every step, hidden samples
  included; its occupancy is shared and never refined.

What could not be kept:

* A budget of N steps, or of seconds, is the published run of 30,000 steps compressed: stages,
  decay and cosine follow the used fraction.
* All is float32; theirs is fp16 under autocast.
* Weights are copied, and there is a feature loss and a first stage, only where the shapes agree,
  as they do between the sizes `pvd` of hashgrid, mlp, vm and cp; other pairs are treated as theirs
  with `tensors`, which begin with the second stage.
* Between two fields of one architecture and size they copy everything, so that the student is the
  teacher before it begins. Here it is the networks that all share.
* Our boxes fit the object, theirs are cubes that teacher and student share: cells of our student
  are left out where less than 3/8 lie in cells of the teacher; `tensorial` stores the voxels of
  occupied cells alone, since others are never looked up.
* No zero padding of the sample buffer (half of theirs); rays beyond 262,144 samples a step are
  dropped.
* Their synthetic poses look at the origin from a distance of 4; ours look at the center of the box
  from the median distance of the cameras. Their rules for other data sets are left out.
* The papers have no cp: its size `pvd` has TensoRF's factors and their networks.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ...stages import StepLoss
from ..plan import Plan, Task
from .batch import encode
from .pair import Pair, joint_loss, sample_loss
from .poses import PoseSource
from .settings import (
    SECOND_STAGE,
    THIRD_STAGE,
    AdamW,
    feature_weight,
    frobenius,
    published_step,
    sparsity,
)

NEVER = float("inf")


@dataclass
class PublishedStage:
    """One of the three stages; it ends where the next one begins in the published run."""

    pair: Pair
    until: float  # published step at which the next stage begins

    def prepare(self, step: int, fraction: float) -> bool:
        self.pair.prepare(step, fraction)
        return False

    def finished(self, step: int, fraction: float) -> bool:
        return published_step(fraction) >= self.until

    def state(self) -> dict:
        return {}

    def restore(self, state: dict) -> None: ...


class FeatureStage(PublishedStage):
    """First stage: loss on features alone."""

    name = "features"

    def loss(self, generator: torch.Generator) -> StepLoss:
        pair, batch = self.pair, self.pair.batch(generator)
        with torch.no_grad():
            wanted = encode(pair.teacher, batch)
        error = frobenius(encode(pair.student, batch) - wanted)
        return StepLoss(feature_weight(pair.now) * error, len(batch.samples), len(batch.rays))


class SampleStage(PublishedStage):
    """Second stage: losses on features, color and log density of samples."""

    name = "samples"

    def loss(self, generator: torch.Generator) -> StepLoss:
        batch = self.pair.batch(generator)
        wanted, found = self.pair.answers(batch)
        loss = sample_loss(found, wanted, self.pair.now)
        return StepLoss(loss, len(batch.samples), len(batch.rays))


class JointStage(PublishedStage):
    """Third stage: the losses of the second, and one on the rendered colors of rays."""

    name = "rays"

    def loss(self, generator: torch.Generator) -> StepLoss:
        batch = self.pair.batch(generator)
        wanted, found = self.pair.answers(batch)
        loss, error = joint_loss(found, wanted, batch, self.pair.now)
        loss = loss + sparsity(self.pair.student)
        return StepLoss(loss, len(batch.samples), len(batch.rays), error)


def plan(task: Task) -> Plan:
    """The three stages; two where the features of teacher and student are not comparable."""
    pair = Pair.of(task, PoseSource.fixed(task.cameras, task.student.aabb))
    stages = [SampleStage(pair, THIRD_STAGE), JointStage(pair, NEVER)]
    if pair.features:
        stages.insert(0, FeatureStage(pair, SECOND_STAGE))
    return Plan(stages=stages, begin=pair.begin, new_optimizer=AdamW)
