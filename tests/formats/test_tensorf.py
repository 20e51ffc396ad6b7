"""TensoRF's checkpoints: its mathematics both ways, its alpha mask, and what is refused."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch

from nerfconvert.adapters.factorized.cp import CpField
from nerfconvert.adapters.factorized.factorized_config import FactorizedConfig
from nerfconvert.adapters.factorized.vm import VmField
from nerfconvert.errors import FormatError, UnsupportedError
from nerfconvert.formats import identify, load, save
from nerfconvert.volume import Aabb, FieldInfo
from tests.formats.tensorf_program import BOX, answers, kept, made, with_mask

EXACT = 1e-5  # of the largest value: float32
KINDS = [
    ({}, "MLP_Fea"),
    ({"view_pe": 0, "fea_pe": 0}, "MLP_Fea"),
    ({"fea2denseAct": "relu"}, "MLP"),
    ({"width": 27}, "SH"),
    ({"width": 3, "density_shift": -0.5}, "RGB"),
]


@pytest.fixture(params=KINDS, ids=lambda kind: f"{kind[1]}-{len(kind[0])}")
def kind(request):
    return request.param


def points(n: int = 400) -> tuple[torch.Tensor, torch.Tensor]:
    unit = torch.rand(n, 3)
    low, high = torch.tensor(BOX)
    return low + unit * (high - low), torch.nn.functional.normalize(torch.randn(n, 3), dim=1)


def agree(field, checkpoint) -> None:
    positions, directions = points()
    density, rgb = answers(checkpoint, positions, directions)
    field = field.double()
    features = field.encode(positions.double())
    error = field.density(features).detach().numpy() - density
    assert np.abs(error).max() <= EXACT * density.max()
    found = field.color(features, directions.double()).detach()
    np.testing.assert_allclose(found, np.clip(rgb, 0, 1), atol=EXACT)
    assert density.max() > 1


@pytest.mark.parametrize("planes", [True, False], ids=["VMSplit", "CP"])
def test_reads_the_programs_mathematics(planes, kind, tmp_path):
    counts = {} if planes else {"density": (3,) * 3, "app": (4,) * 3}
    checkpoint = made(planes, kind[1], **counts, **kind[0])
    torch.save(checkpoint, tmp_path / "a.th")
    field = load(tmp_path / "a.th")
    assert (field.architecture, field.factors.sizes) == ("vm" if planes else "cp", [9, 7, 6])
    assert (field.info.frame, field.info.background) == ("world", "white")
    agree(field, checkpoint)


@pytest.mark.parametrize("planes", [True, False], ids=["VMSplit", "CP"])
def test_writes_the_programs_mathematics(planes, kind, tmp_path):
    """What is read again by numpy, and equal to the bit where modes have as many components."""
    counts = {"density": (3,) * 3, "app": (4,) * 3}
    checkpoint = made(planes, kind[1], **counts, **kind[0])
    torch.save(checkpoint, tmp_path / "a.th")
    field = load(tmp_path / "a.th")
    save(field, tmp_path / "b.th")
    again = torch.load(tmp_path / "b.th", weights_only=True)
    assert again["state_dict"].keys() == checkpoint["state_dict"].keys()
    for name, tensor in checkpoint["state_dict"].items():
        assert torch.equal(again["state_dict"][name], tensor)
    agree(field, again)
    assert load(tmp_path / "b.th").config == field.config


@pytest.mark.parametrize("legacy", [True, False])
def test_the_mask_is_where_the_program_looks(legacy, tmp_path):
    """Every place that the program looks at is occupied, and few others; its box is another."""
    mask = np.random.default_rng(0).random((11, 8, 15)) < 0.05
    box = [[-1.3, -0.5, 0.3], [0.7, 1.5, 2.5]]
    path = tmp_path / "a.th"
    content = with_mask(made(), mask, box)
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    field = load(path)
    positions, _ = points(20_000)
    wanted = kept(mask, box, positions)
    found = field.occupancy.query(field.aabb.to_unit(positions)).numpy()
    assert not (wanted & ~found).any()
    assert 0.1 < wanted.mean() < 0.6
    assert (found & ~wanted).mean() < 0.4 * wanted.mean()


@pytest.mark.parametrize("cells", [16, 128])
def test_an_occupancy_comes_back(cells, tmp_path):
    """Single cells, corners and blocks, as a mask that keeps just these; the pickle is plain."""
    dense = torch.rand(cells, cells, cells) < 0.02
    dense[0, 0, 0] = dense[-1, -1, -1] = True
    field = VmField(FactorizedConfig(resolution=6), FieldInfo(aabb=Aabb(*BOX)))
    field.occupancy.assign(dense)
    save(field, tmp_path / "a.th")
    content = torch.load(tmp_path / "a.th", weights_only=True)
    shape = content["alphaMask.shape"][2:]
    mask = np.unpackbits(content["alphaMask.mask"].numpy(), count=np.prod(shape)).reshape(shape)
    positions, _ = points(20_000)
    wanted = field.occupancy.query(field.aabb.to_unit(positions)).numpy()
    found = kept(mask, content["alphaMask.aabb"], positions)
    assert (found != wanted).mean() < 1e-3  # places that are in one cell for float32 only
    again = load(tmp_path / "a.th").occupancy
    twice = dense
    for axis in range(3):
        twice = twice.repeat_interleave(again.resolution // cells, axis)
    assert torch.equal(again.dense(), twice)
    save(load(tmp_path / "a.th"), tmp_path / "b.th")
    once_more = load(tmp_path / "b.th").occupancy
    assert torch.equal(once_more.words, again.words)


def test_a_full_occupancy_needs_no_mask(tmp_path):
    save(CpField(FactorizedConfig(resolution=6), FieldInfo(aabb=Aabb(*BOX))), tmp_path / "a.th")
    assert "alphaMask.mask" not in torch.load(tmp_path / "a.th", weights_only=True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"density_activation": "exp"}, "density_activation = exp; it needs softplus or relu"),
        ({"shading": "network_harmonics"}, "it needs network_frequencies or harmonics or"),
        ({"density_activation": "relu"}, "density_shift = -10.0; it needs 0.0"),
    ],
)
def test_fields_that_the_program_cannot_run(settings, message, tmp_path):
    field = VmField(FactorizedConfig(resolution=6, **settings), FieldInfo(aabb=Aabb(*BOX)))
    with pytest.raises(UnsupportedError, match=message):
        save(field, tmp_path / "a.th")
    assert not list(tmp_path.iterdir())


def changed(**changes) -> dict:
    checkpoint = made()
    for name, value in changes.items():
        if name in checkpoint["kwargs"]:
            checkpoint["kwargs"][name] = value
        else:
            checkpoint["state_dict"][name.replace("__", ".")] = value
    return checkpoint


def without(name: str) -> dict:
    checkpoint = made()
    del checkpoint["state_dict"][name]
    return checkpoint


WRONG = [
    (lambda: changed(shadingMode="MLP_PE"), "shadingMode MLP_PE"),
    (lambda: changed(plane_coef=torch.zeros(3, 4, 5, 5)), "TensorVM"),
    (lambda: changed(gridSize=[9, 7, 5]), "gridSize"),
    (lambda: changed(gridSize=[-9, 7, 6]), "gridSize"),
    (lambda: changed(app_dim=1 << 40), "feature_width"),
    (lambda: changed(app_dim=4), "shape"),
    (lambda: changed(featureC="wide"), "featureC"),
    (lambda: changed(distance_scale=float("nan")), "density_scale"),
    (lambda: changed(density_shift=None), "density_shift"),
    (lambda: changed(fea2denseAct="tanh"), "density_activation"),
    (lambda: changed(aabb=torch.tensor([[1.0, 0, 0], [0, 1, 1]])), "aabb"),
    (lambda: changed(aabb=torch.full((2, 3), float("nan"))), "aabb"),
    (lambda: changed(aabb=[0, 1]), "aabb"),
    (lambda: changed(app_line__1=torch.full((1, 1, 7, 1), float("inf"))), "NaN or infinite"),
    (lambda: changed(app_line__1=torch.zeros(1, 2, 7, 1)), "components"),
    (lambda: changed(app_line__1=torch.zeros(1, 1, 8, 1)), "sizes"),
    (lambda: changed(app_line__1=torch.zeros(1, 1, 0, 1)), "shape"),
    (lambda: changed(app_line__1=[1, 2]), "missing"),
    (lambda: changed(surplus=torch.zeros(3)), "surplus is not expected"),
    (lambda: without("density_line.2"), "density_line.2 is missing"),
    (lambda: without("renderModule.mlp.2.bias"), "missing"),
    (lambda: without("basis_mat.weight"), "basis_mat.weight"),
    (lambda: {**made(), "state_dict": [1]}, "state_dict"),
    (lambda: with_mask(made(), np.ones((4, 4, 1), bool)), "alphaMask.shape"),
    (lambda: {**with_mask(made(), np.ones((4, 4, 4), bool)), "alphaMask.shape": (1, 1, 9, 9, 9)},
     "alphaMask.mask has 8 bytes for 729 bits"),
    (lambda: {**with_mask(made(), np.ones((4, 4, 4), bool)), "alphaMask.mask": "all"}, "numpy"),
    (lambda: with_mask(made(), np.ones((4, 4, 4), bool), [[0.0] * 3, [0.0] * 3]), "alphaMask.aabb"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "message"), WRONG, ids=[message for _, message in WRONG])
def test_wrong_files_are_refused_in_words(make, message, tmp_path):
    path = tmp_path / "a.th"
    torch.save(make(), path)
    assert identify(path).name == "tensorf"
    with pytest.raises((FormatError, UnsupportedError), match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_shared_numbers_and_padding_take_no_memory(tmp_path):
    """Many tensors that are one, and one mode with far more components than the others."""
    checkpoint = made(planes=False, density=(16,) * 3, app=(16,) * 3, width=16)
    line = torch.randn(1, 16, 4096, 1)
    for name in list(checkpoint["state_dict"]):
        if "line" in name:
            checkpoint["state_dict"][name] = line
    torch.save(checkpoint, tmp_path / "a.th")
    with pytest.raises(FormatError, match="claims"):
        load(tmp_path / "a.th")
    torch.save(made(density=(900, 1, 1), app=(1, 1, 1)), tmp_path / "b.th")
    load(tmp_path / "b.th")  # within four times the numbers
    checkpoint = made(density=(900, 1, 1), app=(1, 1, 1))
    for name in ("density", "app"):
        checkpoint["state_dict"][f"{name}_plane.2"] = torch.zeros(1, 1, 900, 7)
    torch.save(checkpoint, tmp_path / "c.th")
    with pytest.raises(FormatError, match="more alike"):
        load(tmp_path / "c.th")


def test_runs_no_code(tmp_path):
    class Attack:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'trace'}",)

    torch.save({**made(), "alphaMask.mask": Attack()}, tmp_path / "a.th")
    with pytest.raises(FormatError, match="wants to use"):
        load(tmp_path / "a.th")
    assert not (tmp_path / "trace").exists()


def test_a_published_checkpoint(shared, tmp_path):
    """chair, TensorCP with its mask: the program's mathematics, and the same file once more."""
    path = shared / "checkpoints/tensorf_cp/chair.th"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    field = load(path)
    assert (field.architecture, field.parameter_count) == ("cp", 618_851)
    assert 0.08 < field.occupancy.fraction() < 0.1
    save(field, tmp_path / "again.th")
    written = torch.load(tmp_path / "again.th", weights_only=True)
    again = load(tmp_path / "again.th")
    assert (again.config, again.info) == (field.config, field.info)
    assert torch.equal(again.occupancy.words, field.occupancy.words)
    for name, tensor in field.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor)
    occupied = field.occupancy.dense().nonzero()[::4001]
    unit = (occupied + 0.5) / field.occupancy.resolution
    positions = field.aabb.from_unit(unit).double()
    directions = torch.nn.functional.normalize(torch.randn(len(unit), 3).double(), dim=1)
    density, rgb = answers(written, positions, directions)
    exact = field.double()
    features = exact.encode(positions)
    error = exact.density(features).detach().numpy() - density
    assert np.abs(error).max() <= EXACT * density.max()
    np.testing.assert_allclose(exact.color(features, directions).detach(), rgb, atol=EXACT)
    assert density.max() > 100
