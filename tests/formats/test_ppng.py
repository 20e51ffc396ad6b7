"""Plenoptic PNG: real files and a tiny one, by a look-up written out corner by corner."""

from __future__ import annotations

import itertools
import json
import math

import cbor2
import numpy as np
import pytest
import torch

from nerfconvert.adapters.ppng import UNIT_CUBE, PpngConfig, PpngField
from nerfconvert.errors import FormatError, UnsupportedError
from nerfconvert.formats import load, save
from nerfconvert.formats.ppng import Ppng
from nerfconvert.volume import Aabb, Contraction, FieldInfo
from tests.formats.files import ppng_document, tiny_ppng


def dense_matrix(data: bytes, rows: int, columns: int) -> np.ndarray:
    """[rows, columns] of 4x4 blocks, [input block][output block], each row-major."""
    stored = np.frombuffer(data, np.float32).astype(np.float64)
    matrix, position = np.zeros((rows, columns)), 0
    for column in range(0, columns, 4):
        for row in range(0, rows, 4):
            matrix[row : row + 4, column : column + 4] = stored[position : position + 16].reshape(
                4, 4
            )
            position += 16
    return matrix


def factor_value(factors: np.ndarray, kind: int, volume: int, corner) -> np.ndarray:
    """[C]: a volume at integer (x, y, z), summed over ranks."""
    x, y, z = corner
    if kind == 1:
        return (factors[0, volume, x] * factors[1, volume, y] * factors[2, volume, z]).sum(0)
    planes = factors[0, volume, z, y] * factors[1, volume, z, x] * factors[2, volume, y, x]
    return planes.sum(0)


def look_up(document: dict, position: np.ndarray) -> np.ndarray:
    """[2F * C] features of a world position, one corner after the other. Of L levels, the largest
    cube, of edge 2^(L - 1), is what the features span."""
    kind, side = document["qff_type"], document["n_quants"]
    frequencies = document["freqs"]
    shape = (3, 2 * len(frequencies), *(side,) * kind, document["rank"], document["n_feats"])
    factors = np.frombuffer(document["qff_buffer"], np.float16).astype(np.float64).reshape(shape)
    largest = 2 ** (len(document["grid_rles"]) - 1)
    unit = np.array([position[1], position[2], position[0]]) * 0.33 / largest + 0.5
    features = []
    for i, frequency in enumerate(frequencies):
        for volume, wave in ((2 * i, math.sin), (2 * i + 1, math.cos)):
            texture = [(wave(frequency * math.pi * (u - 0.5)) * (side - 1) / side) for u in unit]
            place = [(t + 1) / 2 * side - 0.5 for t in texture]
            cell = [min(int(p), side - 2) for p in place]
            total = np.zeros(document["n_feats"])
            for corner in itertools.product((0, 1), repeat=3):
                parts = zip(corner, place, cell, strict=True)
                weight = math.prod(p - c if k else 1 + c - p for k, p, c in parts)
                at = [c + k for c, k in zip(cell, corner, strict=True)]
                total += weight * factor_value(factors, kind, volume, at)
            features.append(total)
    return np.concatenate(features)


def harmonics(d: np.ndarray) -> np.ndarray:
    """The first 16 real spherical harmonics, from Legendre's polynomials, instant-ngp's signs."""
    x, y, z = d
    azimuth = math.atan2(y, x)
    values = []
    for degree in range(4):
        for order in range(-degree, degree + 1):
            m = abs(order)
            norm = math.sqrt(
                (2 * degree + 1)
                / (4 * math.pi)
                * math.factorial(degree - m)
                / math.factorial(degree + m)
            )
            value = norm * legendre(degree, m, z)
            if order:
                turn = math.cos(m * azimuth) if order > 0 else math.sin(m * azimuth)
                value *= math.sqrt(2) * turn
            values.append(value)
    return np.array(values)


def legendre(degree: int, order: int, z: float) -> float:
    """Associated Legendre polynomial with the Condon-Shortley phase."""
    table = {order: (-1) ** order * math.prod(range(1, 2 * order, 2)) * (1 - z * z) ** (order / 2)}
    table[order + 1] = z * (2 * order + 1) * table[order]
    for n in range(order + 2, degree + 1):
        table[n] = ((2 * n - 1) * z * table[n - 1] - (n + order - 1) * table[n - 2]) / (n - order)
    return table[degree]


def occupied(document: dict, position: np.ndarray) -> bool:
    """Whether the density of a place counts: one level says nothing, of several the smallest cube
    that holds it does."""
    runs, side = document["grid_rles"], document["grid_res"]
    if len(runs) == 1:
        return True
    p = position[[1, 2, 0]] * 0.33
    level = next(k for k in range(len(runs)) if np.abs(p).max() <= 0.5 * 2**k)
    x, y, z = ((p / 2**level + 0.5) * side).astype(int).clip(0, side - 1)
    ends = np.cumsum(runs[level])
    return int(np.searchsorted(ends, x + side * (y + side * z), side="right")) % 2 == 1


@torch.no_grad()
def check_against_file(path, n_points: int = 40) -> None:
    document = cbor2.loads(path.read_bytes())
    n_features = 2 * len(document["freqs"]) * document["n_feats"]
    density_matrix = dense_matrix(document["qff_density_layer_0"], 16, n_features)
    hidden = dense_matrix(document["qff_color_layer_0"], 16, 32)
    last = dense_matrix(document["qff_color_layer_1"], 4, 16)[:3]
    field = load(path)
    draw = torch.rand(n_points, 3, generator=torch.Generator().manual_seed(0))
    positions = field.aabb.from_unit(draw)
    known = [occupied(document, position) for position in positions.numpy().astype(float)]
    directions = torch.nn.functional.normalize(draw - 0.4, dim=-1)
    features = field.encode(positions)
    density, rgb = field.density(features), field.color(features, directions)
    for i in range(n_points):
        h = density_matrix @ look_up(document, positions[i].numpy().astype(float))
        if not known[i]:
            assert float(density[i]) < 1e-30
            continue
        np.testing.assert_allclose(features[i], h, atol=2e-4 * max(1, np.abs(h).max()))
        expected = 0.33 * math.exp(min(float(features[i, 0]), 11))
        assert float(density[i]) == pytest.approx(expected, rel=1e-5)
        seen = directions[i].numpy().astype(float)[[1, 2, 0]]
        joint = np.concatenate([h, harmonics(seen)])
        color = 1 / (1 + np.exp(-(last @ np.maximum(hidden @ joint, 0))))
        np.testing.assert_allclose(rgb[i], color, atol=2e-3)


@pytest.mark.parametrize("kind", [1, 2])
def test_tiny_file(kind, tmp_path):
    path = tmp_path / "tiny"
    path.write_bytes(cbor2.dumps(ppng_document(kind)))
    check_against_file(path)


def levels_document(kind: int = 1) -> dict:
    """Three levels, and one camera at (0.5, 0.6, 0.7) of the unit cube, in OpenCV's axes."""
    generator = np.random.default_rng(3)
    runs = []
    for _ in range(3):
        ends = np.sort(generator.choice(np.arange(1, 512), 60, replace=False))
        runs.append(np.diff([0, *ends, 512]).tolist())
    pose = [[1.0, 0, 0, 0.5], [0, 0, -1.0, 0.6], [0, 1.0, 0, 0.7]]
    return {**ppng_document(kind), "grid_rles": runs, "poses": [pose]}


@pytest.mark.parametrize("kind", [1, 2])
def test_tiny_file_of_an_unbounded_scene(kind, tmp_path):
    path = tmp_path / "tiny"
    path.write_bytes(cbor2.dumps(levels_document(kind)))
    check_against_file(path, 80)
    field = load(path)
    radius = 0.5 / 0.33
    assert field.aabb.high == pytest.approx((radius * 1.75,) * 3)
    corner = torch.tensor([[4 * radius, -4 * radius, 4 * radius]])
    torch.testing.assert_close(field.aabb.to_unit(corner), torch.tensor([[1.0, 0.0, 1.0]]))


def test_cells_with_density_are_occupied(tmp_path):
    """The grid over contracted space leaves out nothing that a level holds."""
    path = tmp_path / "tiny"
    path.write_bytes(cbor2.dumps(levels_document()))
    field = load(path)
    unit = torch.rand(20_000, 3, generator=torch.Generator().manual_seed(0))
    dense = field.density(field.encode(field.aabb.from_unit(unit))) > 1e-30
    assert 0.2 < float(dense.float().mean()) < 0.8
    assert float(field.occupancy.query(unit)[dense].float().mean()) > 0.999


def test_viewpoints_are_the_training_poses(tmp_path):
    """Its x, y, z are the world's y, z, x, its lengths 0.33 of ours, its cameras look along +z."""
    path = tmp_path / "tiny"
    path.write_bytes(cbor2.dumps(levels_document()))
    pose = torch.tensor(load(path).info.viewpoints[0]).view(3, 4)
    torch.testing.assert_close(pose[:, 3], torch.tensor([0.2, 0.0, 0.1]) / 0.33)
    torch.testing.assert_close(-pose[:, 2], torch.tensor([0.0, 0.0, -1.0]))  # its (0, -1, 0)
    torch.testing.assert_close(pose[:, 1], torch.tensor([-1.0, 0.0, 0.0]))  # its (0, 0, -1)


def test_a_file_without_poses_has_no_viewpoints(tmp_path):
    path = tmp_path / "tiny"
    document = levels_document()
    del document["poses"]
    path.write_bytes(cbor2.dumps(document))
    assert load(path).info.viewpoints == ()


def test_an_unbounded_scene_survives_our_own_file(tmp_path):
    path, again = tmp_path / "tiny", tmp_path / "again.safetensors"
    path.write_bytes(cbor2.dumps(levels_document()))
    field = load(path)
    save(field, again)
    positions = torch.randn(100, 3, generator=torch.Generator().manual_seed(0)) * 2
    assert load(again).info == field.info
    assert torch.equal(load(again).encode(positions), field.encode(positions))


@pytest.mark.parametrize("name", ["lego/ppng_1", "lego/ppng_2", "chair/ppng_2", "garden/ppng_1"])
def test_real_files(name, shared):
    check_against_file(shared / "checkpoints/ppng" / f"{name}.ppng", 12)


def test_occupancy(tmp_path):
    """Runs: x of the unit cube fastest; its x, y, z are the world's y, z, x."""
    document = ppng_document()
    document["grid_rles"] = [[2 + 8 * 3 + 64 * 5, 1, 512 - 347]]  # cell (2, 3, 5) of the unit cube
    path = tmp_path / "tiny"
    path.write_bytes(cbor2.dumps(document))
    assert load(path).occupancy.dense().nonzero().tolist() == [[5, 2, 3]]


def test_occupied_cells_hold_the_density(shared):
    """In a real file nearly all dense points lie in cells that the file calls occupied."""
    field = load(shared / "checkpoints/ppng/lego/ppng_2.ppng")
    unit = torch.rand(100_000, 3, generator=torch.Generator().manual_seed(0))
    unit = 0.25 + 0.5 * unit  # what the training views saw
    dense = field.density(field.encode(field.aabb.from_unit(unit))) > 20
    occupied = field.occupancy.query(unit)
    assert 1000 < int(dense.sum()) < 50_000
    assert occupied[dense].float().mean() > 3 * occupied.float().mean()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"n_quants": 9}, "qff_buffer"),
        ({"n_quants": 100_000}, "resolution"),
        ({"n_quants": 256, "rank": 1}, "qff_buffer"),
        ({"n_quants": -8}, "resolution"),
        ({"n_freqs": 3}, "freqs"),
        ({"freqs": ["a", "b"]}, "freqs"),
        ({"freqs": [1.0, math.inf]}, "frequencies"),
        ({"qff_type": 3}, "factor_dimensions"),
        ({"qff_type": True}, "qff_type"),
        ({"n_color_layers": [64, 4]}, "layers"),
        ({"qff_color_layer_1": b"\x00" * 12}, "qff_color_layer_1"),
        ({"qff_buffer": "text"}, "qff_buffer"),
        ({"grid_rles": [[512, 5]]}, "cells"),
        ({"grid_rles": [[2**60, 2**60]]}, "cells"),
        ({"grid_rles": [[-1, 513]]}, "run lengths"),
        ({"grid_rles": [[256], [256]]}, "256 cells; expected 512"),
        ({"grid_rles": [[512]] * 9}, "9 levels"),
        ({"grid_rles": [[512]] * 2, "poses": [[[1.0] * 4] * 2]}, "poses"),
        ({"grid_rles": [[512]] * 2, "poses": [[[math.nan] * 4] * 3]}, "poses"),
        ({"grid_rles": [[512]] * 2, "poses": [["abcd"] * 3]}, "poses"),
        ({"grid_rles": [[134217728]] * 2, "grid_res": 512}, "at most"),
        ({"grid_res": 1 << 30}, "grid_res"),
        ({"render_step": None}, "render_step"),
        ({"render_step": math.nan}, "render_step"),
        ({"freqs": [1, 10**18 * 10**18]}, "tag"),
        ({"qff_density_layer_0": np.full(256, np.nan, np.float32).tobytes()}, "NaN"),
    ],
)
def test_lies(change, why, tmp_path):
    path = tmp_path / "tiny"
    path.write_bytes(cbor2.dumps({**ppng_document(), **change}))
    with pytest.raises(FormatError, match=why):
        load(path)


def same_but_poses(path, again) -> None:
    """What was written is what was read, byte for byte where numbers are stored as bytes."""
    one, other = (cbor2.loads(p.read_bytes()) for p in (path, again))
    assert one.keys() == other.keys()
    padded = "qff_color_layer_1"  # its fourth row has no meaning
    weights = (
        np.frombuffer(d.pop(padded), np.float32).reshape(4, 4, 4)[:, :3] for d in (one, other)
    )
    np.testing.assert_array_equal(*weights)
    lost = {"poses"} if len(one["grid_rles"]) == 1 else set()
    assert all(one[key] == other[key] for key in one.keys() - lost - {"poses", "grid_mip"})
    if not lost:
        np.testing.assert_allclose(other["poses"], one["poses"], atol=1e-12)


@pytest.mark.parametrize("kind", [1, 2])
@pytest.mark.parametrize("levels", [1, 3])
def test_a_file_is_written_as_it_was_read(kind, levels, tmp_path):
    document = levels_document(kind) if levels > 1 else ppng_document(kind)
    last = np.frombuffer(document["qff_color_layer_1"], np.float32).reshape(4, 4, 4).copy()
    last[:, 3] = 0  # of the fourth row, padding, of each block
    document["qff_color_layer_1"] = last.tobytes()
    path, again = tmp_path / "tiny", tmp_path / "again.ppng"
    path.write_bytes(cbor2.dumps(document))
    field = load(path)
    save(field, again)
    same_but_poses(path, again)
    read = load(again)
    assert (read.info.aabb, read.info.background) == (field.info.aabb, field.info.background)
    for name, tensor in field.state_dict().items():
        assert torch.equal(tensor, read.state_dict()[name])


@pytest.mark.parametrize("name", ["lego/ppng_1", "lego/ppng_2", "garden/ppng_1"])
def test_real_files_are_written_as_they_were_read(shared, name, tmp_path):
    path = shared / "checkpoints/ppng" / f"{name}.ppng"
    save(load(path), tmp_path / "again.ppng")
    same_but_poses(path, tmp_path / "again.ppng")
    assert (tmp_path / "again.ppng").stat().st_size < 1.02 * path.stat().st_size


def test_a_field_of_any_box_is_written_with_the_cube_about_it(tmp_path):
    path, box = tmp_path / "out.ppng", Aabb((1.0, -2.0, 0.0), (3.0, 1.0, 2.5))
    field = PpngField(tiny_ppng().config, FieldInfo(aabb=box, background="black"))
    field.load_state_dict({**tiny_ppng().state_dict(), "occupancy.words": field.occupancy.words})
    cells = torch.zeros(128, 128, 128, dtype=torch.bool)
    cells[20:60, 30:90, 40:70] = True
    field.occupancy.assign(cells)
    save(field, path)
    again = load(path)
    assert again.aabb == Aabb((0.5, -2.0, -0.25), (3.5, 1.0, 2.75))
    assert again.info.background == "black"
    positions = box.from_unit(torch.rand(20_000, 3, generator=torch.Generator().manual_seed(2)))
    known, read = (f.occupancy.query(f.aabb.to_unit(positions)) for f in (field, again))
    assert float((known != read).float().mean()) < 0.01 < float(known.float().mean())
    assert torch.equal(again.encode(positions), field.encode(positions))
    density = [f.density(f.encode(positions)) for f in (field, again)]
    assert torch.equal(*density)
    poses = np.array(cbor2.loads(path.read_bytes())["poses"])
    ahead = np.array([0.5, 0.5, 0.5]) - poses[:, :, 3]
    np.testing.assert_allclose(ahead / 1.3, poses[:, :, 2], atol=1e-12)


@pytest.mark.parametrize("edge", [2.5, 3.5])
def test_a_note_of_another_box_than_a_cube_is_refused(edge, tmp_path):
    path = tmp_path / "out.ppng"
    save(tiny_ppng(), path)
    content = cbor2.loads(path.read_bytes())
    note = json.loads(content["nerfconvert"])
    note["aabb"] = [[0, 0, 0], [3, 3, edge]]
    path.write_bytes(cbor2.dumps({**content, "nerfconvert": json.dumps(note)}))
    with pytest.raises(FormatError, match="not a cube of the world"):
        load(path)


def test_a_new_file_has_one_level():
    with pytest.raises(UnsupportedError, match="one level of occupancy, not 3"):
        Ppng().check(PpngConfig(levels=3))


def test_what_a_file_cannot_hold(tmp_path):
    path = tmp_path / "out.ppng"
    field = tiny_ppng()
    with torch.no_grad():
        field.factors[0, 0, 0] = 1e6
    with pytest.raises(UnsupportedError, match="half precision"):
        save(field, path)
    curved = Aabb((-1,) * 3, (1,) * 3, Contraction("2", (0.0, 0.0, 0.0), 0.5))
    for info in (FieldInfo(aabb=curved), FieldInfo(aabb=UNIT_CUBE, frame="ndc")):
        with pytest.raises(UnsupportedError, match="a box of the world"):
            save(PpngField(field.config, info), path)
    odd = PpngConfig(frequencies=(1.0,), channels=3)
    with pytest.raises(UnsupportedError, match="multiple of 4"):
        save(PpngField(odd, FieldInfo(aabb=UNIT_CUBE)), path)
    assert not path.exists()
