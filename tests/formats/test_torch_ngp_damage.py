"""Checkpoints of torch-ngp that lie, and files that it does not know."""

from __future__ import annotations

import math
import os

import pytest
import torch

from nerfconvert.errors import FormatError
from nerfconvert.formats import identify, load, save
from nerfconvert.formats.torch_ngp import TorchNgp
from tests.formats.files import tiny_torch_ngp
from tests.formats.torch_ngp_checkpoints import tcnn_checkpoint, tiny_checkpoint


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
        ({"encoder.offsets": (0, 128, 1128)}, "encoder.offsets"),  # found by scripts/fuzz.py
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
