"""Snapshots of instant-ngp that lie, are cut short or inflate, and keys that nobody knows."""

from __future__ import annotations

import copy
import math
import resource
import zlib
from pathlib import Path

import numpy as np
import pytest

from nerfconvert.errors import FormatError
from nerfconvert.formats import load
from tests.formats.hash_grids import compare
from tests.formats.ngp_snapshots import reference, tiny_snapshot, write


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
    "empty lists": b"\x81\xa8snapshot\xdc\x00\x40" + (b"\xdc\xff\xff" + b"\x90" * 65535) * 64,
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
