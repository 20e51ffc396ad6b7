"""Training computes networks in bfloat16 unless asked not to; what measures it does not."""

from __future__ import annotations

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from nerfconvert.adapters.mlp import MlpField
from nerfconvert.adapters.mlp_config import MlpConfig
from nerfconvert.distiller.config import DistillConfig
from nerfconvert.distiller.distill import distill
from nerfconvert.distiller.optimizers.muon import orthogonalize
from nerfconvert.distiller.trainer import Hooks
from nerfconvert.kernels.precision import bfloat16_allowed, in_bfloat16, trained_in
from nerfconvert.renderer.cameras import around
from nerfconvert.renderer.image import render_image
from tests.distiller import scene

OP = "nerfconvert::fused_mlp_bfloat16"
LIKE = torch.zeros(1)


@pytest.fixture(autouse=True)
def _capable(monkeypatch):
    monkeypatch.delenv("NERFCONVERT_NETWORKS", raising=False)
    with bfloat16_allowed():
        if not in_bfloat16(LIKE):
            pytest.skip("this processor has no AVX512-BF16, or the kernels are not compiled")


def student() -> MlpField:
    torch.manual_seed(0)
    config = MlpConfig(depth=4, width=64, skips=(2,), head_width=32, density_activation="exp")
    return MlpField(config, scene.INFO)


def views(seed: int, count: int):
    generator = torch.Generator().manual_seed(seed)
    return around((0.0, 0.0, 0.0), (3.0, 3.2), count, generator, size=(24, 24))


def test_training_is_in_bfloat16_and_its_measures_are_not():
    seen = []
    hooks = Hooks(checkpoints=[0.0], on_checkpoint=lambda _: seen.append(in_bfloat16(LIKE)))
    config = DistillConfig(seconds=None, steps=2)
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        distill(scene.teacher(), student(), views(1, 4), config, hooks=hooks,
                probe=lambda: seen.append(in_bfloat16(LIKE)) or 0.0)  # fmt: skip
    names = {event.key for event in recorded.key_averages()}
    assert {OP, f"{OP}_backward"} <= names
    assert seen == [False, False]


def test_training_is_in_float32_where_asked(monkeypatch):
    assert trained_in(LIKE.device) == "bfloat16"
    monkeypatch.setenv("NERFCONVERT_NETWORKS", "float32")
    assert trained_in(LIKE.device) == "float32"


def test_a_render_is_in_float32():
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        render_image(student(), views(2, 1), 0)
    assert not any(event.key.startswith(OP) for event in recorded.key_averages())


def test_large_matrices_are_orthogonalized_in_bfloat16():
    """As nearly as in float32, to three digits of 8 bits; small ones in float32, to the bit."""
    large, small = torch.randn(2, 160, 200), torch.randn(2, 64, 200)
    full = orthogonalize(large), orthogonalize(small)
    with bfloat16_allowed():
        found = orthogonalize(large), orthogonalize(small)
    assert torch.equal(found[1], full[1])
    assert found[0].dtype == torch.float32
    error = (found[0] - full[0]).norm() / full[0].norm()
    assert 1e-4 < error < 2**-6
    assert torch.linalg.svdvals(found[0]).sub(1).abs().max() < 0.2
