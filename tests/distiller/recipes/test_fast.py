"""Our own recipe: how far its samples lie apart."""

from __future__ import annotations

import pytest

from nerfconvert.adapters.mlp import MlpConfig, MlpField
from nerfconvert.distiller.config import DistillConfig
from nerfconvert.distiller.progress import Clock
from nerfconvert.distiller.recipes.fast import FEWER_STEPS, MARCH_STEPS, plan
from nerfconvert.distiller.recipes.plan import Task
from nerfconvert.volume.nan_masked import NanMaskedField
from tests.distiller.scene import INFO, cameras, student

TABLE = student()
SMALL, LARGE = (MlpField(MlpConfig(depth=8, width=width), INFO) for width in (32, 128))


@pytest.mark.parametrize(
    ("teacher", "learner", "steps"),
    [
        (TABLE, TABLE, MARCH_STEPS),
        (SMALL, TABLE, MARCH_STEPS),
        (LARGE, TABLE, FEWER_STEPS),
        (NanMaskedField(LARGE), TABLE, FEWER_STEPS),
        (TABLE, LARGE, FEWER_STEPS),
    ],
)
def test_samples_lie_farther_apart_where_a_large_network_answers_or_learns(teacher, learner, steps):
    config = DistillConfig(seconds=None, steps=1)
    task = Task(
        teacher=teacher, student=learner, cameras=cameras(), config=config, clock=Clock(config)
    )
    assert plan(task).shared.buffer.step == pytest.approx(INFO.aabb.diagonal / steps)
