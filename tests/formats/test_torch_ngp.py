"""torch-ngp: checkpoints built by hand, read and written, against the program's mathematics."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from nerfconvert.adapters.hashgrid import HashgridConfig, HashgridField
from nerfconvert.adapters.hashgrid_config import PRESETS
from nerfconvert.errors import UnsupportedError
from nerfconvert.formats import load, save
from nerfconvert.volume import Aabb, FieldInfo
from tests.formats import hash_grids
from tests.formats.files import tiny_hashgrid
from tests.formats.hash_grids import compare, harmonics
from tests.formats.torch_ngp_checkpoints import reference, tcnn_checkpoint, tiny_checkpoint


def arguments(content: dict) -> tuple[float, float, list[float]]:
    """(bound, scale, offset) of the arguments that a file of ours names."""
    words = content["nerfconvert.arguments"].split()
    assert words[::2][:2] == ["--bound", "--scale"]
    assert words[4] == "--offset"
    return float(words[1]), float(words[3]), [float(word) for word in words[5:]]


@pytest.mark.parametrize("bound", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("bare", [False, True])
def test_reads_as_the_program_computes(bound, bare, tmp_path):
    content = tiny_checkpoint(bound)
    torch.save(content, tmp_path / "ngp.pth")
    if bare:  # the file may be the state dict alone; then its sizes are the program's
        content = tiny_checkpoint(bound, 2048 * bound, 16)
        torch.save(content["model"], tmp_path / "ngp.pth")
    field = load(tmp_path / "ngp.pth")
    assert field.aabb.high == pytest.approx([bound / 0.33] * 3)
    density, rgb = compare(field, reference(content))
    assert density < (1e-5 if not bare else 2e-3)  # float32 places 2048 * bound cells
    assert rgb < (1e-5 if not bare else 2e-3)


def test_sizes_of_the_program(tmp_path):
    """16 levels of 2^19 entries from 16 to 2048 cells, networks of 64 neurons."""
    field = HashgridField(HashgridConfig(**PRESETS["torch-ngp"]), cube(2.0))
    save(field, tmp_path / "ngp.pth")
    content = torch.load(tmp_path / "ngp.pth", weights_only=True)
    shapes = {name: list(tensor.shape) for name, tensor in content["model"].items()}
    assert shapes == {
        "aabb_train": [6],
        "aabb_infer": [6],
        "density_bitfield": [128**3 // 8],
        "encoder.embeddings": [6_119_864, 2],
        "encoder.offsets": [17],
        "sigma_net.0.weight": [64, 32],
        "sigma_net.1.weight": [16, 64],
        "color_net.0.weight": [64, 31],
        "color_net.1.weight": [64, 64],
        "color_net.2.weight": [3, 64],
    }
    assert {"stats", "epoch", "global_step", "mean_count", "mean_density"} <= content.keys()
    assert content["model"]["encoder.offsets"].dtype == torch.int32
    assert content["stats"].keys() >= {"loss", "results", "checkpoints", "best_result"}
    del content["nerfconvert.resolutions"]  # the program's own files have none
    torch.save(content, tmp_path / "ngp.pth")
    assert load(tmp_path / "ngp.pth").config == field.config


def cube(edge: float) -> FieldInfo:
    return FieldInfo(aabb=Aabb((0.5, -1.0, 0.0), (0.5 + edge, edge - 1, edge)))


@pytest.mark.parametrize("bound", [1, 4])
def test_written_files_are_what_the_program_computes(bound, tmp_path):
    made = tiny_hashgrid(**{**TORCH_NGP, "density_shift": math.log(2 * bound)})
    field = HashgridField(made.config, cube(3.0))
    field.load_state_dict(made.state_dict())
    save(field, tmp_path / "field.pth")
    content = torch.load(tmp_path / "field.pth", weights_only=True)
    stated, scale, offset = arguments(content)
    assert stated == content["model"]["aabb_train"][3] == bound
    assert scale == pytest.approx(2 * bound / 3, rel=1e-5)
    exact = [-bound - low * 2 * bound / 3 for low in (-1.0, 0.0, 0.5)]
    assert offset == pytest.approx(exact, rel=1e-5)
    assert max(compare(field, reference(content, 2 * bound / 3, exact, 9))) < 1e-5


TORCH_NGP = {
    "axes": "yzx", "density_in_color": False, "density_shift": math.log(2), "layout": "torch-ngp",
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"layout": "tiny-cuda-nn"}, "layout = tiny-cuda-nn; it needs torch-ngp"),
        ({"axes": "xyz"}, "axes = xyz"),
        ({"density_in_color": True}, "density_in_color = True"),
        ({"density_shift": 0.0}, "density_shift = 0.0"),
    ],
)
def test_fields_that_the_program_cannot_run(change, why, tmp_path):
    with pytest.raises(UnsupportedError, match=why):
        save(tiny_hashgrid(**{**TORCH_NGP, **change}), tmp_path / "field.pth")


def test_occupancy_is_read(tmp_path):
    """Bit 5 of byte 2 is cell 21 in Morton order: x is bits 0, 3; y bit 1; z bits 2."""
    content = tiny_checkpoint()
    bits = torch.zeros(128**3 // 8, dtype=torch.uint8)
    bits[2] = 1 << 5  # 21 = 0b010101: x = 0b01, y = 0b10, z = 0b01
    content["model"]["density_bitfield"] = bits
    torch.save(content, tmp_path / "ngp.pth")
    dense = load(tmp_path / "ngp.pth").occupancy.dense()
    assert dense.nonzero().tolist() == [[1, 1, 2]]  # world z, x, y of the cube


def test_cascades_reach_the_bound(tmp_path):
    """With bound 3 the cascades are cubes of half edge 1, 2 and 3."""
    content = tiny_checkpoint(3.0)
    bits = torch.zeros(3, 128**3 // 8, dtype=torch.uint8)
    bits[0, -1] = 0x80  # up to 1 of 3: cell 84 or 85 of 128
    bits[2, 0] = 1
    content["model"]["density_bitfield"] = bits.flatten()
    torch.save(content, tmp_path / "ngp.pth")
    found = load(tmp_path / "ngp.pth").occupancy.dense().nonzero().tolist()
    assert found == [[0, 0, 0], [85, 85, 85]] or [84, 84, 84] in found
    assert found[0] == [0, 0, 0]
    assert all(84 <= v <= 85 for cell in found[1:] for v in cell)


def test_occupancy_survives(tmp_path):
    field = HashgridField(HashgridConfig(n_levels=2, log2_table_size=8, **TORCH_NGP), cube(2.0))
    field.occupancy.assign(torch.rand(128, 128, 128) < 0.01)
    save(field, tmp_path / "field.pth")
    assert torch.equal(load(tmp_path / "field.pth").occupancy.words, field.occupancy.words)


@pytest.mark.parametrize("kind", ["missing", "zero"])
def test_without_occupancy_everything_may_be_occupied(kind, tmp_path):
    content = tiny_checkpoint()
    content["model"]["density_bitfield"].zero_()
    if kind == "missing":
        del content["model"]["density_bitfield"]
    torch.save(content, tmp_path / "ngp.pth")
    assert load(tmp_path / "ngp.pth").occupancy.fraction() == 1


@pytest.mark.parametrize("bound", [1.0, 2.0])
def test_tiny_cuda_nn_s_padding_is_a_bias(bound, tmp_path):
    content = tcnn_checkpoint(bound)
    torch.save({"model": content["model"]}, tmp_path / "ngp.pth")
    state = {name: tensor.double().numpy() for name, tensor in content["model"].items()}
    density_net, _ = hash_grids.matrices(state["sigma_net.params"], [32, 64, 16])
    color_net, _ = hash_grids.matrices(state["color_net.params"], [32, 64, 64, 16])

    def answer(position: np.ndarray, direction: np.ndarray):
        unit = (position[[1, 2, 0]] * 0.33 + bound) / (2 * bound)
        table = state["encoder.params"].reshape(-1, 2)
        h = hash_grids.network(hash_grids.look_up(unit, content["levels"], table), density_net)
        seen = np.concatenate([harmonics(direction[[1, 2, 0]]), h[1:], [1.0]])
        return math.exp(h[0]) * 0.33, hash_grids.sigmoid(hash_grids.network(seen, color_net)[:3])

    density, rgb = compare(load(tmp_path / "ngp.pth"), answer, points=20)
    assert density < 2e-3  # float32 places 2048 * bound cells
    assert rgb < 1e-3
