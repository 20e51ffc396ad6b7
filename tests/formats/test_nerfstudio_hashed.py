"""nerfacto without tiny-cuda-nn against its formulas in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nerfconvert.errors import FormatError
from nerfconvert.formats import load
from nerfconvert.formats.parts.nerfstudio_hashed import resolutions
from tests.adapters.test_hashed import between
from tests.formats.hash_grids import compare
from tests.formats.nerfstudio_runs import affine, checkpoint, config_text, write_run

LEVELS, SIZE, APPEARANCE = (4, 8, 16), 6, 5
BOUNDED = {"base_res": 4, "disable_scene_contraction": True, "average_init_density": 0.01}


def hashed_state(age: str = "now") -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    grid, network = {
        "now": ("mlp_base.model.0", "mlp_base.model.1"),
        "2023": ("mlp_base_grid", "mlp_base_mlp"),
    }[age]
    sizes = {f"{network}.layers.0": (24, 6), f"{network}.layers.1": (16, 24)}
    sizes |= {"mlp_head.layers.0": (20, 31 + APPEARANCE), "mlp_head.layers.1": (20, 20)}
    state = {
        "aabb": torch.tensor([[-1.0, -1, -0.5], [1, 1, 1]]),
        "max_res": torch.tensor(16),
        "num_levels": torch.tensor(3),
        "log2_hashmap_size": torch.tensor(SIZE),
        f"{grid}.hash_table": torch.randn(3 << SIZE, 2, generator=draw),
        "embedding_appearance.embedding.weight": torch.randn(7, APPEARANCE, generator=draw),
    }
    for name, (rows, columns) in {**sizes, "mlp_head.layers.2": (3, 20)}.items():
        state[f"{name}.weight"] = torch.randn(rows, columns, generator=draw) * 0.4
        state[f"{name}.bias"] = torch.randn(rows, generator=draw)
    state["mlp_base.0.hash_table"] = state[f"{grid}.hash_table"]  # a second name, as in 2023
    return {f"field.{name}": tensor for name, tensor in state.items()}


def harmonics(p: np.ndarray) -> np.ndarray:
    """The program's constants, written out."""
    x, y, z = p
    a, b, c, d = 0.4886025119029199, 1.0925484305920792, 0.5900435899266435, 0.4570457994644658
    return np.array(
        [
            *(0.28209479177387814, a * y, a * z, a * x),
            *(b * x * y, b * y * z, 0.9461746957575601 * z * z - 0.31539156525251999),
            *(b * x * z, 0.5462742152960396 * (x * x - y * y)),
            *(c * y * (3 * x * x - y * y), 2.890611442640554 * x * y * z, d * y * (5 * z * z - 1)),
            *(0.3731763325901154 * z * (5 * z * z - 3), d * x * (5 * z * z - 1)),
            *(1.445305721320277 * z * (x * x - y * y), c * x * (x * x - 3 * y * y)),
        ]
    )


def hashed(state, position, direction, network="mlp_base.model.1", grid="mlp_base.model.0"):
    """(density, rgb) of the torch implementation."""
    state = {name.removeprefix("field."): tensor.double() for name, tensor in state.items()}
    low, high = state["aabb"].numpy()
    unit = (position - low) / (high - low)
    table = state[f"{grid}.hash_table"].numpy().reshape(3, -1, 2)
    h = np.concatenate([between(unit * n, level) for n, level in zip(LEVELS, table)])
    h = affine(state, f"{network}.layers.1", np.maximum(affine(state, f"{network}.layers.0", h), 0))
    mean = state["embedding_appearance.embedding.weight"].numpy().mean(0)
    seen = np.concatenate([harmonics((direction + 1) / 2), h[1:], mean])
    for i in range(2):
        seen = np.maximum(affine(state, f"mlp_head.layers.{i}", seen), 0)
    return 0.01 * np.exp(h[0]), 1 / (1 + np.exp(-affine(state, "mlp_head.layers.2", seen)))


@pytest.mark.parametrize("age", ["now", "2023"])
def test_its_mathematics(age, tmp_path):
    state = hashed_state(age)
    field = load(write_run(tmp_path, checkpoint(state), config_text("nerfacto", **BOUNDED)))
    assert field.architecture == "hashed"
    assert field.config.resolutions == LEVELS
    names = {} if age == "now" else {"network": "mlp_base_mlp", "grid": "mlp_base_grid"}
    errors = compare(field, lambda p, d: hashed(state, p, d, **names))
    assert max(errors) < 3e-5
    assert "mean" in field.info.provenance["appearance"]


def test_it_may_have_no_bounds(tmp_path):
    field = load(write_run(tmp_path, checkpoint(hashed_state()), config_text("nerfacto")))
    assert field.info.aabb.contraction is not None
    far = field.encode(torch.tensor([[1e9, 0.0, 0.0], [0.0, -1e9, 0.0]]))
    assert field.density(far).isfinite().all()


def test_resolutions_are_rounded_as_the_program_does():
    expected = (16, 22, 30, 42, 58, 80, 111, 153, 212, 294, 406, 561, 776, 1072, 1482, 2047)
    assert resolutions(16, 2048, 16) == expected


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("mlp_base.model.0.hash_table", torch.zeros(9), "no weight matrix"),
        ("mlp_base.model.0.hash_table", torch.zeros(9, 2), "shape"),
        ("mlp_base.model.1.layers.0.weight", torch.zeros(24, 7), "shape"),
        ("mlp_head.layers.0.weight", torch.zeros(20, 31), "36 inputs"),
        ("mlp_head.layers.0.weight", torch.zeros(20), "no weight matrix"),
        ("mlp_head.layers.0.bias", torch.zeros(3), "36 inputs"),
        ("mlp_head.layers.2.bias", torch.full((3,), torch.inf), "NaN"),
        ("max_res", torch.tensor(2), "levels from 4 to 2"),
        ("num_levels", torch.tensor(99), "99 levels"),
        ("log2_hashmap_size", torch.tensor(40), "log2_table_size"),
    ],
)
def test_damage_is_named(name, value, why, tmp_path):
    state = {**hashed_state(), f"field.{name}": value}
    with pytest.raises(FormatError, match=why):
        load(write_run(tmp_path, checkpoint(state), config_text("nerfacto", **BOUNDED)))
