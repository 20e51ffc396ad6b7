"""Point sampler: draws samples in proportion to the student's error x transmittance."""

from __future__ import annotations

import torch
from torch import Tensor

from ...kernels.draw_weighted import draw_weighted
from ...renderer.cameras import Cameras
from ...volume import FieldInfo
from ..ray_buffer import RayBuffer
from ..teacher_rays import SampleBatch, TeacherRays
from .averages import keeping, learn, odds, spread, systematic
from .sampler import Sampler

RESOLUTION = 64  # cells along each edge of the box, each with its own error
RATE = 0.3  # of the running mean of a cell's errors


class PointSampler(Sampler):
    """Running means of the student's errors in the cells of `aabb`.

    Errors of cells and not of samples: a buffer holds more samples than a run evaluates, and
    neighboring samples have similar errors. They start at 1, the largest error of opacity.

    A step takes twice the rays and the student is evaluated at half of their samples; the others
    have the teacher's density and color. The losses of samples keep their expectation; the error of
    a ray is that of its kept samples alone, so it is too small where many share an error, and 0, as
    without this sampler, where the student equals the teacher. The PSNR that is shown is of these
    errors.
    """

    kept = 0.5
    candidates = 4

    def __init__(self, cameras: Cameras, info: FieldInfo):
        self.aabb = info.aabb
        self.errors = torch.ones(RESOLUTION**3)

    def choose_samples(
        self, answers: TeacherRays, index: Tensor, count: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Draws candidates in proportion to their odds.

        For any function, the mean of importance x function over the drawn ones has its mean over
        the candidates as expectation.
        """
        ray = answers.samples.ray_indices[index]
        positions = answers.rays.points(ray, answers.samples.t_mids[index])
        chances = self.odds(positions, answers.transmittance[index])
        chosen = draw_weighted(chances, spread(count, generator, chances.device))
        return index[chosen], 1 / chances[chosen]

    def keep_samples(
        self, answers: TeacherRays, positions: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """The importance of each is the inverse of its probability of being kept."""
        chance = keeping(self.odds(positions, answers.transmittance), self.kept)
        index = systematic(chance, float(torch.rand((), generator=generator)))
        return index, 1 / chance[index]

    def odds(self, positions: Tensor, transmittance: Tensor) -> Tensor:
        """[N] proportional to error x transmittance above a floor, mean 1."""
        self.errors = self.errors.to(transmittance.device)
        return odds(self.errors[self._cells(positions)] * transmittance)

    def learn_samples(self, samples: SampleBatch, density: Tensor, rgb: Tensor) -> None:
        self.errors = self.errors.to(density.device)
        wrong = sample_error(density, rgb, samples.density, samples.rgb, samples.deltas)
        learn(self.errors, self._cells(samples.positions), wrong, RATE)

    def _cells(self, positions: Tensor) -> Tensor:
        """[N] int64 indices of the cells."""
        cell = (self.aabb.to_unit(positions) * RESOLUTION).long().clamp(0, RESOLUTION - 1)
        return (cell[:, 0] * RESOLUTION + cell[:, 1]) * RESOLUTION + cell[:, 2]

    def state(self, buffer: RayBuffer) -> dict:
        return {"errors": self.errors}

    def restore(self, state: dict) -> None:
        self.errors = state["errors"]


def sample_error(
    density: Tensor, rgb: Tensor, wanted_density: Tensor, wanted_rgb: Tensor, deltas: Tensor
) -> Tensor:
    """Errors [N] of samples as rendered without occlusion: the difference of opacities, and of
    colors where the teacher is opaque."""
    opacity, wanted = (-torch.expm1(-x * deltas) for x in (density, wanted_density))
    return (opacity - wanted).abs() + wanted * (rgb - wanted_rgb).abs().mean(-1)
