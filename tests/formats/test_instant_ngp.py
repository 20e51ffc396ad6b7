"""instant-ngp: snapshots built by hand, read and written, against the program's mathematics."""

from __future__ import annotations

import copy
import math
import resource
import zlib
from pathlib import Path

import msgpack
import numpy as np
import pytest
import torch

from nerfconvert.adapters.hashgrid import HashgridConfig, HashgridField
from nerfconvert.errors import FormatError, UnsupportedError
from nerfconvert.formats import load, save
from nerfconvert.formats.parts.document import Document
from nerfconvert.formats.parts.ngp_network import config_of
from nerfconvert.formats.parts.rebuild import WithoutMemory
from nerfconvert.volume import Aabb, FieldInfo
from tests.formats import hash_grids
from tests.formats.files import INFO, tiny_hashgrid
from tests.formats.hash_grids import compare, harmonics

WIDTH, LEVELS, FEATURES, BASE, LOG2 = 16, 3, 2, 4, 9

BASE_ENCODING = {
    "n_levels": 8,
    "n_features_per_level": 4,
    "log2_hashmap_size": 19,
    "base_resolution": 16,
}


def growth_of(snapshot: dict) -> float:
    """The growth per level that the program takes."""
    encoding, dataset = snapshot["encoding"], snapshot["snapshot"]["nerf"]["dataset"]
    if "per_level_scale" in encoding:
        return encoding["per_level_scale"]
    ratio = np.float32(2048 * dataset["aabb_scale"] / encoding["base_resolution"])
    exponent = np.float32(np.float32(math.log(ratio)) / np.float32(encoding["n_levels"] - 1))
    return float(np.float32(math.exp(exponent)))


def network(layers: int) -> dict:
    return {
        "otype": "FullyFusedMLP",
        "activation": "ReLU",
        "output_activation": "None",
        "n_neurons": WIDTH,
        "n_hidden_layers": layers,
    }


def tiny_snapshot(aabb_scale: int = 1, mitsuba: bool = False, growth: float | None = 2.0) -> dict:
    """A small snapshot with random parameters; every cell is seen and empty but for a few."""
    random = np.random.default_rng(aabb_scale)
    dataset = {
        "n_images": 2,
        "scale": 0.33 if not mitsuba else 0.66,
        "offset": [0.5, 0.5, 0.5] if not mitsuba else [0.165, 0.2, 0.3],
        "aabb_scale": aabb_scale,
        "from_mitsuba": mitsuba,
        "is_hdr": False,
        "n_extra_learnable_dims": 0,
    }
    content = {
        "encoding": {
            "otype": "HashGrid",
            "n_levels": LEVELS,
            "n_features_per_level": FEATURES,
            "log2_hashmap_size": LOG2,
            "base_resolution": BASE,
        },
        "network": network(1),
        "dir_encoding": {
            "otype": "Composite",
            "nested": [
                {"n_dims_to_encode": 3, "otype": "SphericalHarmonics", "degree": 4},
                {"otype": "Identity"},
            ],
        },
        "rgb_network": network(2),
        "loss": {"otype": "Huber"},
        "optimizer": {"otype": "Adam"},
        "snapshot": {"version": 1, "mode": "nerf", "nerf": {"dataset": dataset}},
    }
    if growth is not None:
        content["encoding"]["per_level_scale"] = growth
    rows = sum(entries for _, entries, _ in levels(content))
    padding = 16 * WIDTH  # encoded features are 6 of 16 columns
    sizes = (padding + WIDTH * 16, 32 * WIDTH + WIDTH * WIDTH + WIDTH * 16, rows * FEATURES)
    parameters = np.concatenate([random.normal(size=n) * 0.5 for n in sizes]).astype(np.float16)
    cascades = 1 + int(math.log2(aabb_scale))
    grid = np.full((cascades, 128**3), 1e-6, np.float16)
    grid[0, 0b111] = 1.0  # cell (1, 1, 1)
    content["snapshot"] |= {
        "n_params": len(parameters),
        "params_type": "__half",
        "params_binary": parameters.tobytes(),
        "density_grid_size": 128,
        "density_grid_binary": grid.tobytes(),
        "background_color": [0.0, 0.0, 0.0, 1.0],
        "training_step": 35,
    }
    return content


def levels(content: dict) -> list[tuple]:
    encoding = content["encoding"]
    sizes = encoding["base_resolution"], growth_of(content), encoding["log2_hashmap_size"]
    return hash_grids.levels_of_tcnn(encoding["n_levels"], *sizes)


def reference(content: dict):
    """(density, rgb) per world unit of a snapshot at a world position, in float64."""
    encoding, snapshot = content["encoding"], content["snapshot"]
    width, dataset = content["network"]["n_neurons"], snapshot["nerf"]["dataset"]
    kind = {"__half": np.float16, "float": np.float32}[snapshot["params_type"]]
    vector = np.frombuffer(snapshot["params_binary"], kind).astype(np.float64)
    features = encoding["n_features_per_level"]
    encoded = encoding["n_levels"] * features
    padded = -(-encoded // 16) * 16
    depths = [content[name]["n_hidden_layers"] for name in ("network", "rgb_network")]
    density_net, vector = hash_grids.matrices(vector, [padded, *[width] * depths[0], 16])
    color_net, vector = hash_grids.matrices(vector, [32, *[width] * depths[1], 16])
    table, known = vector.reshape(-1, features), levels(content)
    edge = dataset["aabb_scale"]

    def answer(position: np.ndarray, direction: np.ndarray):
        place = position * dataset["scale"] + np.array(dataset["offset"])
        if not dataset["from_mitsuba"]:
            place, direction = place[[1, 2, 0]], direction[[1, 2, 0]]
        unit = (place - (0.5 - edge / 2)) / edge
        inputs = np.zeros(padded)  # a grid's padding is 0
        inputs[:encoded] = hash_grids.look_up(unit, known, table)
        h = hash_grids.network(inputs, density_net)
        rgb = hash_grids.network(np.concatenate([h, harmonics(direction)]), color_net)[:3]
        return math.exp(h[0]) * dataset["scale"], hash_grids.sigmoid(rgb)

    return answer


def write(path, content: dict) -> None:
    data = msgpack.packb(content)
    path.write_bytes(data if path.suffix == ".msgpack" else zlib.compress(data))


def read(path) -> dict:
    return msgpack.unpackb(zlib.decompress(path.read_bytes()))


@pytest.mark.parametrize("suffix", [".ingp", ".msgpack"])
@pytest.mark.parametrize("aabb_scale", [1, 2, 8])
@pytest.mark.parametrize("mitsuba", [False, True])
def test_reads_as_the_program_computes(suffix, aabb_scale, mitsuba, tmp_path):
    path = tmp_path / f"base{suffix}"
    content = tiny_snapshot(aabb_scale, mitsuba)
    write(path, content)
    density, rgb = compare(load(path), reference(content))
    assert density < 1e-5
    assert rgb < 1e-5


def test_full_precision(tmp_path):
    content = tiny_snapshot()
    half = np.frombuffer(content["snapshot"]["params_binary"], np.float16)
    exact = half.astype(np.float32) * 1.0001
    content["snapshot"] |= {"params_type": "float", "params_binary": exact.tobytes()}
    write(tmp_path / "base.ingp", content)
    assert max(compare(load(tmp_path / "base.ingp"), reference(content))) < 1e-5


@pytest.mark.parametrize(("aabb_scale", "total"), [(1, 11_692_032), (4, 12_865_536)])
def test_sizes_of_the_program_s_own_config(aabb_scale, total, tmp_path):
    """Eight levels of four features; the growth is not in the file."""
    content = tiny_snapshot(aabb_scale, growth=None)
    content["encoding"] |= BASE_ENCODING
    for name in ("network", "rgb_network"):
        content[name]["n_neurons"] = 64
    draw = np.random.default_rng(0).normal(size=total) * 0.3
    content["snapshot"] |= {
        "n_params": total,
        "params_binary": draw.astype(np.float16).tobytes(),
    }
    write(tmp_path / "base.msgpack", content)
    field = load(tmp_path / "base.msgpack")
    assert field.config.finest_resolution == pytest.approx(2048 * aabb_scale, rel=1e-6)
    density, rgb = compare(field, reference(content))
    assert density < 2e-3  # float32 places a point within 1e-7 of the box: 8192 cells see it
    assert rgb < 1e-3


@pytest.mark.parametrize(
    ("aabb_scale", "total"),
    [
        (1, 11_692_032),
        (2, 12_671_168),
        (4, 12_865_536),
        (8, 12_950_272),
        (16, 13_051_904),
    ],
)
def test_parameters_of_the_program_s_own_config(aabb_scale, total):
    content = tiny_snapshot(1, growth=None)
    content["encoding"] |= BASE_ENCODING
    for name in ("network", "rgb_network"):
        content[name]["n_neurons"] = 64
    config = config_of(Document(content), aabb_scale, "yzx")
    with WithoutMemory():
        table = HashgridField(config, INFO).table
    networks = 32 * 64 + 64 * 16 + 32 * 64 + 64 * 64 + 64 * 16  # 13 of 16 rows pad
    assert table.numel() + networks == total


@pytest.mark.parametrize("axes", ["xyz", "yzx"])
@pytest.mark.parametrize("shift", [0.0, math.log(4)])
@pytest.mark.parametrize("density_in_color", [True, False])
def test_written_files_are_what_the_program_computes(axes, shift, density_in_color, tmp_path):
    field = tiny_hashgrid(
        half=True, axes=axes, density_shift=shift, density_in_color=density_in_color
    )
    save(field, tmp_path / "field.ingp")
    density, rgb = compare(field, reference(read(tmp_path / "field.ingp")))
    assert density < 1e-5
    assert rgb < 1e-5


def test_writing_rounds_to_half_precision(tmp_path):
    field = tiny_hashgrid(axes="yzx")
    save(field, tmp_path / "field.ingp")
    again = load(tmp_path / "field.ingp")
    assert torch.equal(again.table, field.table.half().float())
    density, rgb = compare(field, reference(read(tmp_path / "field.ingp")))
    assert 1e-5 < density < 1e-2
    assert 1e-6 < rgb < 1e-2


def test_occupancy_is_read(tmp_path):
    """Morton order: the lowest bit is the cube's x, which is the world's y."""
    content = tiny_snapshot()
    grid = np.zeros(128**3, np.float16)
    grid[0b001_010_100] = 1.0  # x: bits 0, 3, 6; y: 1, 4, 7; z: 2, 5, 8 = cell (4, 2, 1)
    content["snapshot"]["density_grid_binary"] = grid.tobytes()
    write(tmp_path / "base.ingp", content)
    bits = [0b001_010_100 >> k & 1 for k in range(9)]
    x, y, z = (sum(bits[axis + 3 * k] << k for k in range(3)) for axis in range(3))
    assert (x, y, z) == (4, 2, 1) or (x, y, z) == (1, 2, 4)
    dense = load(tmp_path / "base.ingp").occupancy.dense()
    assert dense.nonzero().tolist() == [[z, x, y]]


def test_cells_below_the_mean_are_empty(tmp_path):
    """Occupied is above the mean of the first cascade, and above 0.01 at any rate."""
    content = tiny_snapshot()
    grid = np.full(128**3, -1, np.float16)  # never seen
    grid[:1000] = [*[0.001] * 500, *[0.02] * 500]
    content["snapshot"]["density_grid_binary"] = grid.tobytes()
    write(tmp_path / "base.ingp", content)
    assert load(tmp_path / "base.ingp").occupancy.dense().sum() == 1000
    grid[:1000], grid[1000:] = 0.005, 0.02
    content["snapshot"]["density_grid_binary"] = grid.tobytes()
    write(tmp_path / "base.ingp", content)
    assert load(tmp_path / "base.ingp").occupancy.dense().sum() == 128**3 - 1000


def test_cascades_are_joined(tmp_path):
    """The first cascade is the middle eighth of a cube of edge 2, the second all of it."""
    content = tiny_snapshot(aabb_scale=2, mitsuba=True)
    grid = np.zeros((2, 128**3), np.float16)
    grid[0, 0] = grid[1, -1] = 1.0
    content["snapshot"]["density_grid_binary"] = grid.tobytes()
    write(tmp_path / "base.ingp", content)
    found = load(tmp_path / "base.ingp").occupancy.dense().nonzero().tolist()
    assert found == [[32, 32, 32], [127, 127, 127]]


@pytest.mark.parametrize("empty", [b"", None])
def test_without_occupancy_everything_may_be_occupied(empty, tmp_path):
    content = tiny_snapshot()
    content["snapshot"]["density_grid_binary"] = empty
    if empty is None:
        del content["snapshot"]["density_grid_binary"]
    write(tmp_path / "base.ingp", content)
    assert load(tmp_path / "base.ingp").occupancy.fraction() == 1


@pytest.mark.parametrize("shift", [0.0, math.log(2)])
def test_occupancy_survives(shift, tmp_path):
    cube = FieldInfo(aabb=Aabb((-1.0, -0.5, 0.25), (1.0, 1.5, 2.25)))
    field = HashgridField(
        HashgridConfig(n_levels=2, log2_table_size=8, density_shift=shift, axes="yzx"), cube
    )
    field.occupancy.assign(torch.rand(128, 128, 128) < 0.01)
    save(field, tmp_path / "field.ingp")
    assert torch.equal(load(tmp_path / "field.ingp").occupancy.words, field.occupancy.words)


def test_a_box_that_is_no_cube(tmp_path):
    """Nothing is occupied in the rest of the program's cube; nothing inside is lost."""
    info = FieldInfo(aabb=Aabb((0.0, 0.0, 0.0), (1.0, 2.0, 4.0)))
    field = HashgridField(HashgridConfig(n_levels=2, log2_table_size=8, axes="yzx"), info)
    save(field, tmp_path / "field.ingp")
    content = read(tmp_path / "field.ingp")
    grid = np.frombuffer(content["snapshot"]["density_grid_binary"], np.float16)
    assert grid.astype(int).sum() == 128**3 / 8
    assert content["snapshot"]["render_aabb"] == {"min": [0, 0, 0], "max": [0.5, 1.0, 0.25]}
    assert load(tmp_path / "field.ingp").occupancy.fraction() == 1
    del content["nerfconvert"]  # without our note the box is the cube
    write(tmp_path / "field.ingp", content)
    again = load(tmp_path / "field.ingp")
    assert again.aabb == Aabb((0.0, 0.0, 0.0), (4.0, 4.0, 4.0))
    assert again.occupancy.fraction() == pytest.approx(1 / 8)


def test_a_cell_that_is_hardly_occupied_is_left_out(tmp_path):
    """What lies beside occupied cells may be anything. Box: 1 by 1 by 1.6, cube: 1.6."""
    info = FieldInfo(aabb=Aabb((0.0, 0.0, 0.0), (1.0, 1.0, 1.6)))
    field = HashgridField(HashgridConfig(n_levels=2, log2_table_size=8), info)
    dense = torch.zeros(128, 128, 128, dtype=torch.bool)
    dense[8:20, 5, :] = True  # y: 5 to 6 of 128 is 3.125 to 3.75 of the cube's 128
    dense[8:20, 11, :] = True  # 6.875 to 7.5: an eighth of one cell, half of the next
    field.occupancy.assign(dense)
    save(field, tmp_path / "field.ingp")
    del (content := read(tmp_path / "field.ingp"))["nerfconvert"]
    write(tmp_path / "field.ingp", content)
    found = load(tmp_path / "field.ingp").occupancy.dense()
    x, y, _ = found.nonzero().unique(dim=0).unbind(1)
    assert sorted(set(y.tolist())) == [3, 7]
    assert sorted(set(x.tolist())) == [5, 6, 7, 8, 9, 10, 11]  # 12 is half in x, half in y


def test_what_the_program_s_reader_requires(tmp_path):
    """Keys that its C++ code reads without asking whether they are there."""
    save(tiny_hashgrid(axes="yzx"), tmp_path / "field.ingp")
    content = read(tmp_path / "field.ingp")
    for name in ("encoding", "network", "dir_encoding", "rgb_network", "loss", "optimizer"):
        assert content[name]["otype"]
    snapshot = content["snapshot"]
    assert snapshot["n_params"] * 2 == len(snapshot["params_binary"])
    assert len(snapshot["density_grid_binary"]) == 128**3 * 2
    assert {"version", "mode", "training_step", "loss", "params_type"} <= snapshot.keys()
    assert snapshot["nerf"]["rgb"].keys() == {
        "rays_per_batch", "measured_batch_size", "measured_batch_size_before_compaction",
    }  # fmt: skip
    dataset = snapshot["nerf"]["dataset"]
    assert {"render_aabb", "up", "offset", "envmap_resolution", "scale"} <= dataset.keys()
    assert {"aabb_scale", "from_mitsuba"} <= dataset.keys()
    assert len(dataset["metadata"]) == len(dataset["xforms"]) == dataset["n_images"] == 1
    assert {"resolution", "focal_length", "principal_point"} <= dataset["metadata"][0].keys()
    pose = np.array(dataset["xforms"][0]["start"])
    assert pose.shape == (3, 4)
    assert np.linalg.det(pose[:, :3]) == pytest.approx(1)
    assert pose[:, 3] + 1.5 * pose[:, 2] == pytest.approx([0.5] * 3)  # looks at the center
    assert pose[:, 1].tolist() == [-v for v in dataset["up"]]  # OpenCV: y is down
    assert content["encoding"]["per_level_scale"] == pytest.approx(math.sqrt(5), rel=1e-7)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"layout": "torch-ngp"}, "layout = torch-ngp"),
        ({"density_shift": 0.5}, "density_shift = 0.5"),
        ({"density_shift": math.log(256)}, "density_shift"),
        ({"density_shift": 29.0}, "density_shift"),
    ],
)
def test_fields_that_the_program_cannot_hold(change, why, tmp_path):
    with pytest.raises(UnsupportedError, match=why):
        save(tiny_hashgrid(**change), tmp_path / "field.ingp")
    assert not list(tmp_path.iterdir())


def test_numbers_beyond_half_precision(tmp_path):
    field = tiny_hashgrid()
    with torch.no_grad():
        field.color_weights[1][2, 3] = 1e5
    with pytest.raises(UnsupportedError, match="1e\\+05"):
        save(field, tmp_path / "field.ingp")


def changed(path: str, value) -> dict:
    """A snapshot in which the value at a path is another one (or gone, where it is None)."""
    content = tiny_snapshot()
    *parents, last = path.split(".")
    place = content
    for name in parents:
        place = place[name]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return content


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        ("snapshot", None, "snapshot"),
        ("snapshot.mode", "sdf", "its mode is sdf"),
        ("snapshot.version", 0, "version is 0"),
        ("snapshot.nerf", None, "mode"),
        ("snapshot.n_params", 7, "params_binary has"),
        ("snapshot.n_params", -1, "-1 parameters"),
        ("snapshot.n_params", 1 << 60, "parameters of type"),
        ("snapshot.params_type", "double", "of type double"),
        ("snapshot.params_binary", b"\x00" * 10, "params_binary has 10 bytes"),
        ("snapshot.params_binary", "text", "params_binary is missing or of the wrong kind"),
        ("snapshot.density_grid_size", 64, "density_grid_size is 64"),
        ("snapshot.density_grid_binary", b"\x00" * 64, "density_grid_binary has 64 bytes"),
        ("snapshot.nerf.dataset.is_hdr", True, "HDR"),
        ("snapshot.nerf.dataset.n_extra_learnable_dims", 16, "16 numbers that each image has"),
        ("snapshot.nerf.dataset.aabb_scale", 3, "aabb_scale is 3"),
        ("snapshot.nerf.dataset.aabb_scale", 256, "aabb_scale is 256"),
        ("snapshot.nerf.dataset.aabb_scale", 2, "bytes"),
        ("snapshot.nerf.dataset.scale", 0.0, "scale"),
        ("snapshot.nerf.dataset.scale", math.nan, "scale is nan"),
        ("snapshot.nerf.dataset.offset", [1, 2], "offset should be 3 numbers"),
        ("snapshot.background_color", [math.inf] * 4, "background_color"),
        ("encoding.otype", "Frequency", "encoded by frequency"),
        ("encoding.otype", "TiledGrid", "encoded by tiledgrid"),
        ("encoding.interpolation", "Smoothstep", "smoothstep"),
        ("encoding.n_levels", 4, "table has shape|whole number"),
        ("encoding.n_levels", 1 << 40, "n_levels"),
        ("encoding.n_levels", "3", "n_levels is missing or of the wrong kind"),
        ("encoding.n_features_per_level", 3, "features_per_level"),
        ("encoding.log2_hashmap_size", 30, "log2_table_size"),
        ("encoding.base_resolution", 10**9, "base_resolution"),
        ("encoding.base_resolution", 0, "base_resolution"),
        ("encoding.per_level_scale", 0.5, "per_level_scale is 0.5"),
        ("encoding.per_level_scale", 1e9, "per_level_scale"),
        ("network.n_neurons", 32, "neurons wide"),
        ("network.activation", "Sine", "activations are sine"),
        ("network.n_output_dims", 4, "4 outputs"),
        ("rgb_network.n_hidden_layers", 9, "color_layers"),
        ("rgb_network.n_hidden_layers", -3, "color_layers"),
        ("dir_encoding.nested", [], "dir_encoding"),
        ("dir_encoding.nested", [{"otype": "Frequency"}], "directions are encoded by frequency"),
        ("dir_encoding.nested", [{"otype": "SphericalHarmonics", "degree": 3}], "degree 3"),
        ("dir_encoding", {"otype": "Identity"}, "directions are encoded by identity"),
    ],
)
def test_lies(path, value, why, tmp_path):
    write(tmp_path / "base.ingp", changed(path, value))
    with pytest.raises(FormatError, match=why) as caught:
        load(tmp_path / "base.ingp")
    assert "\n" not in str(caught.value)


def test_numbers_that_are_none(tmp_path):
    content = tiny_snapshot()
    vector = np.frombuffer(content["snapshot"]["params_binary"], np.float16).copy()
    vector[5] = np.nan
    content["snapshot"]["params_binary"] = vector.tobytes()
    write(tmp_path / "base.ingp", content)
    with pytest.raises(FormatError, match="NaN or infinite"):
        load(tmp_path / "base.ingp")


def test_unknown_keys_are_ignored(tmp_path):
    content = tiny_snapshot()
    wanted = copy.deepcopy(content)
    content["distortion_map"] = {"resolution": [32, 32]}
    content["snapshot"]["surplus"] = [b"\x00" * 100, {"deep": [1, 2.5, None, True]}]
    write(tmp_path / "base.ingp", content)
    assert max(compare(load(tmp_path / "base.ingp"), reference(wanted))) < 1e-5


HEAD = b"\x82\xa8snapshot\x80\xa1x"
BOMBS = {
    "binary of 4 GB": HEAD + b"\xc6\xff\xff\xff\xff",
    "list of 4 billion": HEAD + b"\xdd\xff\xff\xff\xff",
    "map of 4 billion": HEAD + b"\xdf\xff\xff\xff\xff",
    "text of 4 GB": HEAD + b"\xdb\xff\xff\xff\xff",
    "nested lists": HEAD + b"\xdc\xff\xff" * 100_000,
    "an object": HEAD + b"\xc7\x04\x05abcd",
    "keys that are lists": HEAD[:-2] + b"\x81\x91\x01\x02",
    "left over": b"\x81\xa8snapshot\x80" + b"\x00" * 10,
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("suffix", [".ingp", ".msgpack"])
def test_lengths_that_lie_take_no_memory(name, suffix, tmp_path):
    path = tmp_path / f"bomb{suffix}"
    path.write_bytes(BOMBS[name] if suffix == ".msgpack" else zlib.compress(BOMBS[name]))
    refused_within(path, 100 << 20)


def test_a_zlib_bomb_is_refused(tmp_path):
    """1 MB that would inflate to 1 GB."""
    packer = zlib.compressobj(9)
    parts = [packer.compress(HEAD + b"\xc6" + (1 << 30).to_bytes(4, "big"))]
    parts += [packer.compress(bytes(1 << 24)) for _ in range(64)]
    path = tmp_path / "bomb.ingp"
    path.write_bytes(b"".join(parts) + packer.flush())
    assert path.stat().st_size < 2 << 20
    refused_within(path, 300 << 20)


def refused_within(path, limit: int) -> None:
    """Refused in words, although no more than `limit` bytes can be taken."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + limit, before[1]))
    try:
        with pytest.raises(FormatError, match=r"msgpack|inflate|snapshot"):
            load(path)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_cut_short(tmp_path):
    write(tmp_path / "base.ingp", tiny_snapshot())
    data = (tmp_path / "base.ingp").read_bytes()
    (tmp_path / "base.ingp").write_bytes(data[:-20])
    with pytest.raises(FormatError, match="cut short"):
        load(tmp_path / "base.ingp")
