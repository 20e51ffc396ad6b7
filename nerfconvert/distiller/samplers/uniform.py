"""Uniform sampler: new rays through random pixels, from and between cameras; any of a buffer."""

from __future__ import annotations

import torch
from torch import Tensor

from ...renderer.cameras import Cameras
from ...volume import FieldInfo, RadianceField, Rays
from ..ray_buffer import RayBuffer
from ..teacher_rays import NewRays, TeacherRays, query_teacher
from .sampler import ChosenRays, Sampler

Point = tuple[float, float, float]  # of the world


class UniformSampler(Sampler):
    """Decides where no sampler of active learning does; all importance weights are 1."""

    def __init__(self, cameras: Cameras, info: FieldInfo):
        self.cameras, self.middle = cameras, info.middle

    def draw_new_rays(self, chunk: int, count: int, generator: torch.Generator) -> NewRays:
        rays = draw_rays(self.cameras, self.middle, count, generator)
        return NewRays(rays, torch.ones(count), torch.zeros(count, dtype=torch.int64))

    def choose_rays(
        self, buffer: RayBuffer, samples: int, generator: torch.Generator
    ) -> ChosenRays:
        """Consecutive rays of a chunk: the order of rays within a chunk is random already."""
        number, new = buffer.pick(generator)
        chunk = buffer.chunks[number]
        count = max(1, round(samples * len(chunk) / len(chunk.samples)))
        places = max(1, len(chunk) - count + 1)
        start = int(torch.randint(places, (), generator=generator))
        part = chunk.part(start, min(len(chunk), start + count))
        return ChosenRays(part, part.importance, number, None, new)

    def choose_samples(
        self, answers: TeacherRays, index: Tensor, count: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        return index, torch.ones_like(answers.weights[:1]).expand(count)

    def keep_samples(
        self, answers: TeacherRays, positions: Tensor, generator: torch.Generator
    ) -> tuple[None, None]:
        return None, None


def query_random_rays(
    teacher: RadianceField, cameras: Cameras, count: int, step: float, generator: torch.Generator
) -> TeacherRays:
    """The teacher's answers on `count` random rays of `cameras`."""
    rays = draw_rays(cameras, teacher.info.middle, count, generator)
    jitter = torch.rand(count, generator=generator)
    return query_teacher(teacher, rays.to(teacher.device), step, jitter.to(teacher.device))


def draw_rays(cameras: Cameras, middle: Point, count: int, generator: torch.Generator) -> Rays:
    """`count` rays through uniformly random points of uniformly random images.

    Half of them start at a point moved towards another camera, on the sphere about `middle`, and
    aim at the same point, so that views between the cameras are fitted too.
    """
    n_views = len(cameras)
    views, others = torch.randint(n_views, (2, count), generator=generator)
    draw = torch.rand(4, count, generator=generator)
    rays = cameras.rays_at(views, draw[0] * cameras.width, draw[1] * cameras.height)
    shift = torch.where(draw[2] < 0.5, draw[3] * 0.5, torch.zeros(()))
    return moved(cameras, rays, others, shift, middle)


def moved(cameras: Cameras, rays: Rays, others: Tensor, shift: Tensor, middle: Point) -> Rays:
    """`rays` [R] of `cameras` from points `shift` [R] of the way towards the cameras `others` [R],
    aimed at the points at which they pass `middle`."""
    origins = between(rays.origins, cameras.poses[others][:, :3, 3], shift, middle)
    center = rays.origins.new_tensor(middle)
    reach = ((center - rays.origins) * rays.directions).sum(-1, keepdim=True)
    targets = rays.origins + rays.directions * reach.clamp_min(1e-3)
    return Rays.of(origins, targets - origins)


def between(origins: Tensor, others: Tensor, shift: Tensor, middle: Point) -> Tensor:
    """Points `shift` of the way from `origins` to `others`, at the distance from `middle`
    of the former; opposite cameras are left alone."""
    center = origins.new_tensor(middle)
    start, goal = origins - center, others - center
    moved = start + shift[:, None] * (goal - start)
    radius = start.norm(dim=-1, keepdim=True)
    moved = torch.nn.functional.normalize(moved, dim=-1) * radius
    facing = (start * goal).sum(-1, keepdim=True) > 0
    return center + torch.where(facing, moved, start)
