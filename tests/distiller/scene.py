"""A closed-form teacher, its cameras and a small buffer of its answers."""

from __future__ import annotations

import torch

from nerfconvert.adapters.analytic import AnalyticConfig, AnalyticField, Primitive
from nerfconvert.adapters.hashgrid import HashgridConfig, HashgridField
from nerfconvert.distiller import ray_buffer
from nerfconvert.distiller.config import DistillConfig
from nerfconvert.distiller.progress import Clock
from nerfconvert.distiller.ray_buffer import RayBuffer
from nerfconvert.distiller.samplers.batches import BatchSampler
from nerfconvert.renderer.cameras import Cameras, around
from nerfconvert.renderer.occupancy import build_occupancy
from nerfconvert.volume import Aabb, FieldInfo

INFO = FieldInfo(aabb=Aabb((-1, -1, -1), (1, 1, 1)))
TINY = HashgridConfig(n_levels=4, log2_table_size=10, finest_resolution=32, hidden_width=16)


def teacher(red: float = 0.9, density: float = 40) -> AnalyticField:
    shape = {"center": (0.1, 0, 0), "size": (0.4, 0.3, 0.35)}
    box = Primitive(kind="box", **shape, density=density, color=(red, 0.3, 0.1))
    field = AnalyticField(AnalyticConfig(primitives=(box,)), INFO)
    build_occupancy(field, resolution=32)
    return field


def cameras(views: int = 8) -> Cameras:
    generator = torch.Generator().manual_seed(1)
    return around((0.0, 0.0, 0.0), (3.0, 3.2), views, generator, size=(24, 24))


def student(seed: int = 0) -> HashgridField:
    torch.manual_seed(seed)
    return HashgridField(TINY, INFO)


def filled_sampler(
    monkeypatch, chunks: int = 3, active: tuple[str, ...] = (), steps: int | None = None
) -> BatchSampler:
    """A sampler of `active` with `chunks` chunks of at most 256 rays each."""
    monkeypatch.setattr(ray_buffer, "CHUNK_RAYS", 256)
    seconds = None if steps else 120.0
    config = DistillConfig(seconds=seconds, steps=steps, memory_mb=64, active=active)
    sampler = BatchSampler(teacher(), cameras(), config, Clock(config), 0.02)
    for _ in range(chunks):
        sampler.buffer.grow()
    return sampler


def filled_buffer(monkeypatch, chunks: int = 3) -> RayBuffer:
    """A buffer of `chunks` chunks of at most 256 uniformly drawn rays each."""
    return filled_sampler(monkeypatch, chunks).buffer


def seeded(number: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(number)
