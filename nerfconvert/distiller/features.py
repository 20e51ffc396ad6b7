"""The feature stage: where teacher and student can share a decoder, the joint is learnt first."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..volume import RadianceField
from .bank import RayBank
from .descent import StepLoss
from .plateau import Plateau

POINTS = 65_536  # at which the teacher's features are known
MEMORY_SHARE = 0.25  # of the bank's bound that they may take
CHECK_EVERY = 50  # steps between looks at the held-out part
HELD_OUT = 4096  # points
SHOWN = 1e-3  # render weight above which the teacher was certainly asked for a color
OPACITY_ERROR, COLOR_ERROR = 0.05, 0.02  # mean differences within which two decoders are the same


@torch.no_grad()
def share_decoder(teacher: RadianceField, student: RadianceField, bank: RayBank) -> bool:
    """Copies the teacher's decoder into the student, if it means the same there.

    It does when all shapes agree and the student's density and color, computed from the teacher's
    features, are the teacher's at points of `bank`. Otherwise nothing is changed; False.
    """
    theirs = teacher.parameter_groups()["decoder"]
    ours = student.parameter_groups()["decoder"]
    if not ours or teacher.feature_dim != student.feature_dim:
        return False
    if [p.shape for p in ours] != [p.shape for p in theirs]:
        return False
    points = bank.held_out(HELD_OUT)
    own = [p.clone() for p in ours]
    for mine, given in zip(ours, theirs):
        mine.copy_(given)
    features = teacher.encode(points.positions)
    density = student.density(features)
    opacity = torch.expm1(-density * points.deltas) - torch.expm1(-points.density * points.deltas)
    color = student.color(features, points.directions) - points.rgb
    shown = points.weights > SHOWN
    same = opacity.abs().mean() < OPACITY_ERROR and color[shown].abs().mean() < COLOR_ERROR
    if not same:
        for mine, kept in zip(ours, own):
            mine.copy_(kept)
    return bool(same)


@dataclass
class FeatureStage:
    """The student's features against the teacher's, at fixed points near what is seen."""

    student: RadianceField
    teacher: RadianceField
    bank: RayBank
    batch: int  # points a step
    last_fraction: float  # of the budget at which the stage ends at the latest
    name: str = "features"
    plateau: Plateau = field(default_factory=Plateau)
    _known: tuple[Tensor, Tensor, Tensor] | None = None

    def prepare(self, step: int, fraction: float) -> None:
        if self._known is None:
            self._known = self._ask()

    @torch.no_grad()
    def _ask(self) -> tuple[Tensor, Tensor, Tensor]:
        """Positions [P, 3], the teacher's features [P, F] there, and their scale [F]."""
        room = self.bank.memory_mb * 1e6 * MEMORY_SHARE
        count = int(min(POINTS, room // (4 * (3 + self.teacher.feature_dim))))
        positions = self.bank.held_out(count).positions
        features = self.teacher.encode(positions)
        valid = features.isfinite().all(1)
        positions, features = positions[valid], features[valid]
        return positions, features, features.std(0).clamp_min(1e-3)

    def loss(self, generator: torch.Generator) -> StepLoss:
        positions, features, _ = self._known
        index = torch.randint(HELD_OUT, len(positions), (self.batch,), generator=generator)
        return StepLoss(self._error(positions[index], features[index]), self.batch)

    def _error(self, positions: Tensor, wanted: Tensor) -> Tensor:
        found = self.student.encode(positions)
        return ((found - wanted) / self._known[2]).square().mean()

    def finished(self, step: int, fraction: float) -> bool:
        if fraction >= self.last_fraction:
            return True
        if step % CHECK_EVERY:
            return False
        with torch.no_grad():
            positions, features, _ = self._known
            return self.plateau.look(float(self._error(positions[:HELD_OUT], features[:HELD_OUT])))

    def state(self) -> dict:
        return vars(self.plateau)

    def restore(self, state: dict) -> None:
        self.plateau = Plateau(**state)
