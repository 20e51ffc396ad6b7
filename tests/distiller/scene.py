"""A closed-form teacher, its cameras and a small bank."""

from __future__ import annotations

import torch

from nerfconvert.adapters.analytic import AnalyticConfig, AnalyticField, Primitive
from nerfconvert.adapters.hashgrid import HashgridConfig, HashgridField
from nerfconvert.distiller import bank as bank_module
from nerfconvert.distiller.bank import RayBank
from nerfconvert.renderer.cameras import Cameras, around
from nerfconvert.renderer.occupancy import build_occupancy
from nerfconvert.volume import Aabb, FieldInfo

INFO = FieldInfo(aabb=Aabb((-1, -1, -1), (1, 1, 1)))
TINY = HashgridConfig(n_levels=4, log2_table_size=10, finest_resolution=32, hidden_width=16)


def teacher() -> AnalyticField:
    box = Primitive(
        kind="box", center=(0.1, 0, 0), size=(0.4, 0.3, 0.35), density=40, color=(0.9, 0.3, 0.1)
    )
    field = AnalyticField(AnalyticConfig(primitives=(box,)), INFO)
    build_occupancy(field, resolution=32)
    return field


def cameras(views: int = 8) -> Cameras:
    generator = torch.Generator().manual_seed(1)
    return around((0.0, 0.0, 0.0), (3.0, 3.2), views, generator, size=(24, 24))


def student(seed: int = 0) -> HashgridField:
    torch.manual_seed(seed)
    return HashgridField(TINY, INFO)


def filled_bank(monkeypatch, chunks: int = 3, asker=None) -> RayBank:
    """`chunks` lessons of at most 256 rays each."""
    monkeypatch.setattr(bank_module, "CHUNK_RAYS", 256)
    bank = RayBank(teacher(), cameras(), 0.02, 0, 64, asker)
    for _ in range(chunks):
        bank.grow()
    return bank


def seeded(number: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(number)
