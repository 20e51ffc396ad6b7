"""torch-ngp: checkpoints built by hand, read and written, against the program's mathematics."""

from __future__ import annotations

import math
import os

import numpy as np
import pytest
import torch

from nerfconvert.adapters.hashgrid import HashgridConfig, HashgridField
from nerfconvert.adapters.hashgrid_config import PRESETS
from nerfconvert.errors import FormatError, UnsupportedError
from nerfconvert.formats import identify, load, save
from nerfconvert.formats.torch_ngp import TorchNgp
from nerfconvert.volume import Aabb, FieldInfo
from tests.formats import hash_grids
from tests.formats.files import tiny_hashgrid, tiny_torch_ngp
from tests.formats.hash_grids import compare, harmonics

LEVELS, BASE, LOG2 = 3, 4, 11


def tiny_checkpoint(bound: float = 1.0, finest: float = 20, base: int = BASE) -> dict:
    """What the program saves, with random parameters, small sizes and the entry that states the
    resolutions, which the program has in its code."""
    width = 16
    levels = hash_grids.levels_of_torch_ngp(LEVELS, base, finest, LOG2)
    offsets = np.cumsum([0, *(entries for _, entries, _ in levels)])
    cascades = 1 + math.ceil(math.log2(bound))
    model = {
        "aabb_train": torch.tensor([-bound] * 3 + [bound] * 3),
        "aabb_infer": torch.tensor([-bound] * 3 + [bound] * 3),
        "density_grid": torch.rand(cascades, 128**3),
        "density_bitfield": torch.full((cascades * 128**3 // 8,), 255, dtype=torch.uint8),
        "step_counter": torch.zeros(16, 2, dtype=torch.int32),
        "encoder.embeddings": torch.randn(int(offsets[-1]), 2),
        "encoder.offsets": torch.from_numpy(offsets.astype(np.int32)),
        "sigma_net.0.weight": torch.randn(width, 2 * LEVELS) * 0.5,
        "sigma_net.1.weight": torch.randn(16, width) * 0.5,
        "color_net.0.weight": torch.randn(width, 31) * 0.5,
        "color_net.1.weight": torch.randn(width, width) * 0.5,
        "color_net.2.weight": torch.randn(3, width) * 0.5,
    }
    stats = {"loss": [0.1], "valid_loss": [], "results": [np.float64(30.0)], "best_result": None}
    return {
        "epoch": 3,
        "global_step": 300,
        "stats": {**stats, "checkpoints": ["a.pth"]},
        "mean_count": 7,
        "mean_density": 0.1,
        "model": model,
        "nerfconvert.resolutions": [base, finest],
    }


def reference(content: dict, scale=0.33, offset=(0.0, 0.0, 0.0), log2_size: int = LOG2):
    """(density, rgb) per world unit of a checkpoint at a world position, in float64."""
    state = {k: v.double().numpy() for k, v in content["model"].items()}
    bound, (base, finest) = float(state["aabb_train"][3]), content["nerfconvert.resolutions"]
    levels = hash_grids.levels_of_torch_ngp(LEVELS, base, finest, log2_size)
    density_net = [state[f"sigma_net.{i}.weight"] for i in range(2)]
    color_net = [state[f"color_net.{i}.weight"] for i in range(3)]

    def answer(position: np.ndarray, direction: np.ndarray):
        local = position[[1, 2, 0]] * scale + np.array(offset)
        unit = (local + bound) / (2 * bound)
        encoded = hash_grids.look_up(unit, levels, state["encoder.embeddings"])
        h = hash_grids.network(encoded, density_net)
        seen = np.concatenate([harmonics(direction[[1, 2, 0]]), h[1:]])
        rgb = hash_grids.sigmoid(hash_grids.network(seen, color_net))
        return math.exp(h[0]) * scale, rgb

    return answer


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


def tcnn_checkpoint(bound: float) -> dict:
    """What the program saves with --tcnn, whose sizes are fixed."""
    growth = np.exp2(np.log2(2048 * bound / 16) / 15)
    levels = hash_grids.levels_of_tcnn(16, 16, growth, 19)
    rows = sum(entries for _, entries, _ in levels)
    model = {
        "aabb_train": torch.tensor([-bound] * 3 + [bound] * 3),
        "encoder.params": torch.randn(rows * 2) * 0.3,
        "sigma_net.params": torch.randn(32 * 64 + 64 * 16) * 0.3,
        "encoder_dir.params": torch.zeros(0),
        "color_net.params": torch.randn(32 * 64 + 64 * 64 + 64 * 16) * 0.3,
    }
    return {"model": model, "levels": levels}


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


def lying(**changes) -> dict:
    """A checkpoint in which some tensors are other ones, or gone."""
    content = tiny_checkpoint()
    model = {**content["model"], **changes}
    content["model"] = {name: tensor for name, tensor in model.items() if tensor is not None}
    return content


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"aabb_train": None}, "aabb_train is"),
        ({"aabb_train": torch.tensor([-1.0, -1, -1, 1, 1, 2])}, "aabb_train is"),
        ({"aabb_train": torch.full((6,), math.nan)}, "aabb_train is"),
        ({"encoder.offsets": None}, "encoder.offsets"),
        ({"encoder.offsets": torch.tensor([0, 128, 100])}, "expected to ascend"),
        ({"encoder.offsets": torch.tensor([0, 128, 1128, 1648])}, "levels begin at|table"),
        ({"encoder.offsets": torch.tensor([0, 1 << 28, 1 << 30])}, "log2_table_size"),
        ({"encoder.offsets": torch.arange(3)}, "encoder.offsets are"),
        ({"encoder.embeddings": torch.zeros(5, 2)}, "table has shape"),
        ({"encoder.embeddings": torch.zeros(5)}, "encoder.embeddings"),
        ({"sigma_net.0.weight": torch.zeros(16, 7)}, "density_weights.0 has shape"),
        ({"sigma_net.0.weight": None}, "found no weight matrix sigma_net.0"),
        ({"sigma_net.1.weight": torch.zeros(20, 16)}, "density_weights.1 has shape"),
        ({"color_net.0.weight": torch.zeros(16, 32)}, "color_net.0.weight has 32 columns"),
        ({"color_net.2.weight": torch.full((3, 16), math.nan)}, "NaN or infinite"),
        ({"density_bitfield": torch.ones(64, dtype=torch.uint8)}, "density_bitfield has shape"),
        ({"density_bitfield": torch.ones(128**3 // 8)}, "density_bitfield has"),
        ({"bg_net.0.weight": torch.zeros(64, 24)}, "its background is a network"),
        ({"sigma_net.weights": torch.zeros(64)}, "its networks are those of"),
    ],
)
def test_lies(changes, why, tmp_path):
    torch.save(lying(**changes), tmp_path / "ngp.pth")
    with pytest.raises(FormatError, match=why) as caught:
        load(tmp_path / "ngp.pth")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "stated", [[4, 2048.0], [16, 20], [4, math.nan], [4, "20"], [4, 3], [4, 1e9], [4], "4 20", None]
)
def test_other_resolutions_are_noticed(stated, tmp_path):
    content = tiny_checkpoint()
    content["nerfconvert.resolutions"] = stated
    torch.save(content, tmp_path / "ngp.pth")
    with pytest.raises(FormatError, match=r"resolution|levels begin|table has shape"):
        load(tmp_path / "ngp.pth")


@pytest.mark.parametrize("name", ["sigma_net.params", "color_net.params", "encoder.params"])
def test_vectors_of_the_wrong_length(name, tmp_path):
    model = tcnn_checkpoint(1.0)["model"]
    model[name] = model[name][:-1]
    torch.save({"model": model}, tmp_path / "ngp.pth")
    with pytest.raises(FormatError, match=r"numbers; expected|whole number|table has shape"):
        load(tmp_path / "ngp.pth")


def test_a_hash_grid_of_pvd_is_another_program_s(tmp_path):
    content = tiny_checkpoint()
    content["model"]["encoder.offsets"] = torch.arange(15, dtype=torch.int32)
    torch.save(content, tmp_path / "ngp.pth")
    assert not TorchNgp().sniff(tmp_path / "ngp.pth")


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/nerfconvert-was-here",)


def test_nothing_is_run(tmp_path):
    content = {**tiny_checkpoint(), "extra": Evil()}
    torch.save(content, tmp_path / "ngp.pth")
    with pytest.raises(FormatError, match="system"):
        load(tmp_path / "ngp.pth")
    assert not os.path.exists("/tmp/nerfconvert-was-here")


def test_a_field_of_ours_is_known_by_its_content(tmp_path):
    save(tiny_torch_ngp(), tmp_path / "any.name", format="torch-ngp")
    assert identify(tmp_path / "any.name").name == "torch-ngp"
