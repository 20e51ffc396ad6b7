"""svox2's voxels: its mathematics both ways in numpy float64, and what is refused."""

from __future__ import annotations

import io
import os
import tracemalloc
import zipfile

import numpy as np
import pytest
import torch

from nerfconvert.adapters.tensorial.field import TensorialConfig, TensorialField
from nerfconvert.errors import FormatError, UnsupportedError
from nerfconvert.formats import identify, load, save
from nerfconvert.volume import Aabb, FieldInfo
from tests.formats.tensorf_program import harmonics

EXACT = 1e-5  # of the largest value; the program has radius and center in float32
SIZES = [(12, 12, 12), (20, 9, 13), (70, 30, 40)]


def made(sizes, coefficients=9, full=False, seed=0) -> dict[str, np.ndarray]:
    """The arrays of a file with random voxels; none at the faces unless `full`."""
    random = np.random.default_rng(seed)
    stored = random.random(sizes) < 0.5
    if not full:
        stored[[0, -1]] = stored[:, [0, -1]] = stored[:, :, [0, -1]] = False
    count = int(stored.sum())
    links = np.full(sizes, -1, np.int32)
    links[stored] = random.permutation(count)
    links[~stored] -= random.integers(0, 9, int((~stored).sum()), np.int32)  # distances to skip
    return {
        "radius": np.array([1.0, 0.8, 0.7], np.float32),
        "center": np.array([0.1, -0.2, 0.3], np.float32),
        "links": links,
        "density_data": random.normal(20, 30, (count, 1)).astype(np.float32),
        "sh_data": random.normal(0, 0.4, (count, 3 * coefficients)).astype(np.float16),
        "basis_type": np.int64(1),
    }


def answers(arrays, positions, directions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(density per world unit, rgb, whether the place is in the box) as the program has them for a
    Blender scene, whose world it shrinks to 2/3."""
    sizes = np.array(arrays["links"].shape)
    center, radius = (arrays[name].astype(np.float64) for name in ("center", "radius"))
    at = ((positions * 2 / 3 - center) / (2 * radius) + 0.5) * sizes - 0.5
    inside = ((at >= -0.5) & (at <= sizes - 0.5)).all(1)
    at = np.clip(at, 0, sizes - 1)
    cell = np.minimum(at.astype(int), sizes - 2)
    values = np.concatenate([arrays["density_data"], arrays["sh_data"]], 1).astype(np.float64)
    values = np.concatenate([values, np.zeros((1, values.shape[1]))])  # the last row is empty
    total = np.zeros((len(positions), values.shape[1]))
    for corner in np.ndindex(2, 2, 2):
        row = np.maximum(arrays["links"][tuple((cell + corner).T)], -1)
        weight = np.prod(np.abs(1 - np.array(corner) - (at - cell)), axis=1)
        total += weight[:, None] * values[row]
    colors = total[:, 1:].reshape(len(positions), 3, -1)
    basis = harmonics(directions)[:, None, : colors.shape[2]]
    return np.maximum(total[:, 0], 0) * 2 / 3, np.maximum((colors * basis).sum(2) + 0.5, 0), inside


def points(field, count=20_000) -> tuple[np.ndarray, np.ndarray]:
    low, high = np.array(field.aabb.low), np.array(field.aabb.high)
    random = np.random.default_rng(1)
    directions = random.normal(size=(count, 3))
    return (
        low + random.random((count, 3)) * (high - low),
        directions / np.linalg.norm(directions, axis=1, keepdims=True),
    )


def agree(field, arrays) -> None:
    positions, directions = points(field)
    density, rgb, inside = answers(arrays, positions, directions)
    occupied = field.occupancy.query(field.aabb.to_unit(torch.from_numpy(positions))).numpy()
    assert not (density > 0)[inside & ~occupied].any()
    field = field.double()
    features = field.encode(torch.from_numpy(positions))
    found = field.density(features).detach().numpy()
    assert np.abs(found - density)[inside].max() <= EXACT * density.max()
    found = field.color(features, torch.from_numpy(directions)).detach().numpy()
    np.testing.assert_allclose(found[inside], np.clip(rgb, 0, 1)[inside], atol=EXACT)
    assert density.max() > 10
    assert inside.mean() > 0.02


@pytest.mark.parametrize("full", [False, True], ids=["inside", "up to the faces"])
@pytest.mark.parametrize("coefficients", [1, 4, 9])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_the_programs_mathematics_both_ways(sizes, coefficients, full, tmp_path):
    arrays = made(sizes, coefficients, full)
    np.savez(tmp_path / "a.npz", **arrays)
    field = load(tmp_path / "a.npz")
    assert (field.architecture, field.info.frame) == ("tensorial", "world")
    save(field, tmp_path / "b.npz")
    again = load(tmp_path / "b.npz")
    assert torch.equal(again.table, field.table)
    assert torch.equal(again.words, field.words)
    assert (again.config, again.info) == (field.config, field.info)
    agree(field, arrays)
    with np.load(tmp_path / "b.npz", allow_pickle=False) as file:
        written = dict(file)
    assert written["sh_data"].dtype == np.float16
    agree(again, written)


def test_a_trained_field_loses_nothing(tmp_path):
    """Stored in a unit of its own, in float32, which float16 could not hold."""
    field = TensorialField(TensorialConfig(resolution=12), FieldInfo(aabb=Aabb((0,) * 3, (2,) * 3)))
    torch.nn.init.normal_(field.table, std=40.0)
    field.unit.fill_(0.008)
    save(field, tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        written = dict(file)
    assert (written["links"].shape, written["sh_data"].dtype) == ((13,) * 3, np.float32)
    again = load(tmp_path / "a.npz")
    assert torch.equal(again.table, field.table * field.unit)
    positions, directions = points(field, 2000)
    density, rgb, inside = answers(written, positions, directions)
    features = field.encode(torch.from_numpy(positions).float())
    found = field.density(features).detach().numpy()
    assert np.abs(found - density).max() <= EXACT * density.max()
    found = field.color(features, torch.from_numpy(directions).float()).detach()
    np.testing.assert_allclose(found, np.clip(rgb, 0, 1), atol=EXACT)
    assert inside.all()


def test_files_of_the_first_versions(tmp_path):
    """One array for both, a box of -1 to 1, no type of basis; compressed."""
    arrays = made((12, 12, 12))
    both = np.concatenate([arrays["density_data"], arrays["sh_data"]], 1)
    np.savez_compressed(tmp_path / "a.npz", links=arrays["links"], data=both.astype(np.float32))
    arrays |= {"radius": np.ones(3), "center": np.zeros(3)}
    agree(load(tmp_path / "a.npz"), arrays)


def test_nothing_but_empty_voxels(tmp_path):
    arrays = made((8, 8, 8))
    arrays["links"][:] = -3
    np.savez(tmp_path / "a.npz", **arrays)
    field = load(tmp_path / "a.npz")
    assert (len(field.table), field.occupancy.fraction()) == (0, 0)
    save(field, tmp_path / "b.npz")
    assert len(load(tmp_path / "b.npz").table) == 0


def test_colors_that_the_program_does_not_have(tmp_path):
    config = TensorialConfig(resolution=8, color_activation="sigmoid")
    field = TensorialField(config, FieldInfo(aabb=Aabb((0,) * 3, (1,) * 3)))
    with pytest.raises(UnsupportedError, match="color_activation = sigmoid; it needs clamp"):
        save(field, tmp_path / "a.npz")
    assert not list(tmp_path.iterdir())


def changed(**changes) -> dict[str, np.ndarray]:
    arrays = {**made((8, 8, 8)), **changes}
    return {name: values for name, values in arrays.items() if values is not None}


WRONG = [
    (lambda: changed(basis_type=np.int64(4)), "texture of directions"),
    (lambda: changed(basis_type=np.int64(255)), "a network"),
    (lambda: changed(basis_type=None, basis_data=np.zeros((2, 2, 2, 9))), "texture of directions"),
    (lambda: changed(basis_type=np.array([1])), "shape"),
    (lambda: changed(background_data=np.zeros((1, 1, 4))), "background"),
    (lambda: changed(sh_data=np.zeros((len(made((8, 8, 8))["sh_data"]), 48))), "48 coefficients"),
    (lambda: changed(sh_data=np.zeros((3, 27), np.float32)), "sh_data has shape"),
    (lambda: changed(sh_data=None), "sh_data"),
    (lambda: changed(density_data=np.zeros(5, np.float32)), "density_data has shape"),
    (lambda: changed(density_data=np.array([["a"]])), "holds"),
    (lambda: changed(links=np.full((8, 8, 8), 1 << 30, np.int32)), "rows"),
    (lambda: changed(links=np.zeros((8, 8, 8), np.int32)), "more voxels than there are rows"),
    (lambda: changed(links=np.full((1, 8, 8), -1, np.int32)), "links"),
    (lambda: changed(links=np.full((8, 0, 8), -1, np.int32)), "links"),
    (lambda: changed(links=np.full((1000, 2, 2), -1, np.int32)), "nearly empty"),
    (lambda: changed(links=np.full((1200, 2, 2), -1, np.int32)), "nearly empty"),
    (lambda: changed(links=np.full((8, 8, 8), -1.0)), "links holds float64"),
    (lambda: changed(radius=np.array([1.0, -1.0, 1.0])), "radius"),
    (lambda: changed(radius=np.array([1.0, np.nan, 1.0])), "radius"),
    (lambda: changed(center=np.zeros(2)), "center"),
    (lambda: changed(density_data=np.full_like(made((8, 8, 8))["density_data"], np.nan)), "NaN"),
    (lambda: changed(nerfconvert=np.array("{")), "note is damaged"),
    (lambda: changed(nerfconvert_place=np.array([8, 3, 0, 0])), "does not fit"),
    (lambda: changed(nerfconvert_place=np.array([9, 0, 0, 0])), "note is damaged"),
    (lambda: changed(nerfconvert_place=np.array([8, -1, 0, 0])), "note is damaged"),
    (lambda: changed(nerfconvert_place=np.array([1024, 0, 0, 0])), "nearly empty"),
]


@pytest.mark.parametrize(("make", "message"), WRONG, ids=[message for _, message in WRONG])
def test_wrong_files_are_refused_in_words(make, message, tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, **make())
    assert identify(path).name == "svox2"
    with pytest.raises((FormatError, UnsupportedError), match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


class Attack:
    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.system, (f"touch {self.trace}",)


@pytest.mark.parametrize("name", ["links", "density_data", "basis_type"])
def test_runs_no_code(name, tmp_path):
    trace = tmp_path / "trace"
    objects = np.array([[Attack(trace)]], dtype=object)
    np.savez(tmp_path / "a.npz", **changed(**{name: objects}))
    with pytest.raises(FormatError, match="object"):
        load(tmp_path / "a.npz")
    assert not trace.exists()


def header(sizes: str, dtype: str = "<i4") -> bytes:
    """The start of an .npy member that says it has these sizes."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {sizes}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    "member",
    [
        header("(1099511627776, 1024, 1024)"),
        header("(-8, -8, 8)") + bytes(2048),
        header("(8, 8, 8)") + bytes(2047),
        header("(8, 8, 8)") + bytes(2049),
        header("(8, 8, 8)", "|O") + bytes(4096),
        header("(8, 8, 8)", ">i4") + bytes(2048),
        header("__import__('os').system('touch trace')"),
        header("(8, 8, 8)")[:60],
        b"\x93NUMPY\x09\x00",
        b"",
    ],
    ids=range(10),
)
def test_members_that_lie_about_their_size(member, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", **changed(links=None))
    with zipfile.ZipFile("a.npz", "a") as archive:
        archive.writestr("links.npy", member)
    tracemalloc.start()
    with pytest.raises(FormatError, match=r"whole \.npz file"):
        load("a.npz")
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()
    assert not (tmp_path / "trace").exists()


def test_zip_bombs(tmp_path):
    """Zeros that inflate a thousandfold, and members that share their bytes."""
    np.savez_compressed(tmp_path / "a.npz", **changed(links=np.zeros((256, 256, 256), np.int32)))
    with pytest.raises(FormatError, match="claim to be"):
        load(tmp_path / "a.npz")
    content = io.BytesIO()
    np.savez(content, **changed())
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        with zipfile.ZipFile(content) as source:
            for name in source.namelist():
                archive.writestr(name, source.read(name))
        first = archive.getinfo("links.npy")
        for number in range(20):
            again = zipfile.ZipInfo(f"more{number}.npy")
            again.header_offset, again.CRC = first.header_offset, first.CRC
            again.file_size = again.compress_size = first.file_size
            archive.filelist.append(again)
    with pytest.raises(FormatError, match="overlap"):
        load(tmp_path / "b.npz")
