"""ngp_pl: checkpoints built by hand, against the program's mathematics."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from nerfconvert.errors import FormatError, UnsupportedError
from nerfconvert.formats import load, save
from tests.formats import hash_grids
from tests.formats.files import ngp_pl_state
from tests.formats.hash_grids import compare, harmonics


def levels_of(scale: float) -> list[tuple]:
    growth = np.exp(np.log(2048 * scale / 16) / 15)
    return hash_grids.levels_of_tcnn(16, 16, growth, 19)


def tiny_state(scale: float) -> dict:
    rows = sum(entries for _, entries, _ in levels_of(scale))
    return ngp_pl_state(scale, rows, max(1 + math.ceil(math.log2(2 * scale)), 1))


def reference(state: dict):
    """(density, rgb) of a checkpoint, in float64, in the frame of the program's data."""
    scale = float(state["model.xyz_max"][0, 0])
    numbers = {name: tensor.double().numpy() for name, tensor in state.items()}
    density_net, table = hash_grids.matrices(numbers["model.xyz_encoder.params"], [32, 64, 16])
    color_net, rest = hash_grids.matrices(numbers["model.rgb_net.params"], [32, 64, 64, 16])
    assert not len(rest)
    levels = levels_of(scale)

    def answer(position: np.ndarray, direction: np.ndarray):
        unit = (position + scale) / (2 * scale)
        h = hash_grids.network(hash_grids.look_up(unit, levels, table.reshape(-1, 2)), density_net)
        seen = np.concatenate([harmonics(direction), h])
        return math.exp(h[0]), hash_grids.sigmoid(hash_grids.network(seen, color_net)[:3])

    return answer


@pytest.mark.parametrize("scale", [1 / 128, 1 / 64, 0.5])
def test_reads_as_the_program_computes(scale, tmp_path):
    state = tiny_state(scale)
    torch.save(state, tmp_path / "epoch=19_slim.ckpt")
    field = load(tmp_path / "epoch=19_slim.ckpt")
    assert field.aabb.high == (scale,) * 3
    limit = 1e-5 if scale < 0.5 else 1e-3  # float32 places 1024 cells
    assert max(compare(field, reference(state), points=30)) < limit


def test_a_whole_checkpoint_of_lightning(tmp_path):
    state = tiny_state(1 / 128)
    more = {"model.density_grid": torch.zeros(1, 128**3), "directions": torch.zeros(9, 3)}
    content = {
        "epoch": 19,
        "pytorch-lightning_version": "1.7.7",
        "state_dict": {**state, **more, "val_lpips.net.weight": torch.zeros(4)},
        "hyper_parameters": {"dataset_name": "nsvf", "scale": 0.5, "use_exposure": False},
        "optimizer_states": [{"state": {}, "param_groups": [{"lr": 1e-2, "params": [0, 1]}]}],
    }
    torch.save(content, tmp_path / "epoch=19.ckpt")
    field = load(tmp_path / "epoch=19.ckpt")
    assert max(compare(field, reference(state), points=10)) < 1e-5
    assert field.info.background == "white"


def test_occupancy(tmp_path):
    """Scale 1: cascades of half edge 0.5 and 1."""
    state = tiny_state(1.0)
    bits = torch.zeros(2, 128**3 // 8, dtype=torch.uint8)
    bits[0, 0], bits[1, 0] = 1, 2  # the second cell in Morton order is x = 1
    state["model.density_bitfield"] = bits.flatten()
    torch.save(state, tmp_path / "a.ckpt")
    field = load(tmp_path / "a.ckpt")
    assert field.occupancy.dense().nonzero().tolist() == [[1, 0, 0], [32, 32, 32]]
    assert field.info.background == "black"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"xyz_max": None}, "xyz_max and xyz_min are"),
        ({"xyz_min": torch.zeros(1, 3)}, "xyz_max and xyz_min are"),
        ({"xyz_max": torch.full((1, 3), math.nan)}, "xyz_max and xyz_min are"),
        ({"xyz_encoder.params": torch.zeros(7)}, "a network of 3072 parameters is expected"),
        ({"xyz_encoder.params": torch.zeros(99, 99)}, "found no vector xyz_encoder.params"),
        ({"xyz_encoder.params": torch.zeros(3072 + 2 * 4096)}, "table has shape"),
        ({"rgb_net.params": torch.zeros(3072)}, "rgb_net.params has 3072 numbers"),
        ({"rgb_net.params": torch.full((7168,), math.inf)}, "NaN or infinite"),
        ({"density_bitfield": torch.ones(5, dtype=torch.uint8)}, "density_bitfield has shape"),
        ({"tonemapper_net_0.params": torch.zeros(5)}, "HDR"),
    ],
)
def test_lies(changes, why, tmp_path):
    state = {**ngp_pl_state(), **{f"model.{name}": tensor for name, tensor in changes.items()}}
    torch.save({k: v for k, v in state.items() if v is not None}, tmp_path / "a.ckpt")
    with pytest.raises(FormatError, match=why) as caught:
        load(tmp_path / "a.ckpt")
    assert "\n" not in str(caught.value)


def test_is_not_written(tmp_path):
    torch.save(ngp_pl_state(), tmp_path / "a.ckpt")
    with pytest.raises(UnsupportedError, match="not written"):
        save(load(tmp_path / "a.ckpt"), tmp_path / "b.ckpt", format="ngp_pl")
