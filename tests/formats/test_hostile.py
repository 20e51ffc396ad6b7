"""Files made to harm: read in a child, refused in words, in time, in little memory."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile

import cbor2
import numpy as np
import pytest
import torch

from scripts.fuzzing.judge import Judge
from tests.formats.files import ppng_document, write_sample
from tests.formats.test_torch_file import LEGACY_START, document, storage, tensor, write_zip

DEEP = b"K\x01" + b"\x85" * 200_000  # tuples in tuples
SHARED = b"K\x01\x85q\x01" + b"0h\x01h\x01\x86q\x01" * 60  # 2^60 leaves
HOSTILE = pytest.mark.parametrize("value", [DEEP, SHARED], ids=["deep", "shared"])


@pytest.fixture(scope="module")
def judge():
    with Judge() as judge:
        yield judge


def text(word: bytes) -> bytes:
    """Pickle instructions that push a text."""
    return b"X" + struct.pack("<I", len(word)) + word


def array(shape: bytes = b"K\x03\x85", code: bytes = text(b"f4"), order: bytes = text(b"<")):
    """Pickle instructions that push a numpy array, from those of its parts."""
    start = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R(K\x01"
    kind = b"cnumpy\ndtype\n" + code + b"\x89\x88\x87R(K\x03" + order
    return start + shape + kind + b"NNNK\x00K\x00K\x00tb\x89C\x0c" + bytes(12) + b"tb"


def refused(judge, path) -> str:
    answer = judge(path)
    assert answer.verdict == "refused", answer
    return answer.what


@HOSTILE
@pytest.mark.parametrize("part", ["storage", "count", "shape"])
def test_parts_of_a_tensor_that_are_no_numbers(part, value, judge, tmp_path):
    plain = storage("FloatStorage", "0", 3)
    ends = {"storage": (text(b"0"), value), "count": (b"\x8a\x08" + struct.pack("<q", 3), value)}
    stored = plain.replace(*ends[part]) if part in ends else plain
    shape = value if part == "shape" else b"K\x03"
    made = (
        b"ctorch._utils\n_rebuild_tensor_v2\n("
        + stored
        + b"K\x00"
        + shape
        + b"\x85K\x01\x85\x89NtR"
    )
    write_zip(tmp_path / "zip", document(made))
    assert "it has a storage named" in refused(judge, tmp_path / "zip") or part == "shape"


@HOSTILE
def test_a_list_of_storages_that_are_no_names(value, judge, tmp_path):
    system = {"protocol_version": 1001, "little_endian": True}
    start = [
        LEGACY_START + b"\x20\x6a\xa8\x50\x19.",
        pickle.dumps(1001, 2),
        pickle.dumps(system, 2),
    ]
    keys = b"\x80\x02]" + value + b"a."
    (tmp_path / "old").write_bytes(b"".join([*start, document(tensor(3, 3)), keys]))
    assert "something else than names" in refused(judge, tmp_path / "old")


@HOSTILE
@pytest.mark.parametrize("part", ["shape", "code", "order"])
def test_parts_of_a_numpy_array_that_are_none(part, value, judge, tmp_path):
    stream = io.BytesIO()
    np.save(stream, np.empty(1, dtype=object), allow_pickle=True)
    header = stream.getvalue().partition(b"\n")[0] + b"\n"
    (tmp_path / "list").write_bytes(header + b"\x80\x03]" + array(**{part: value}) + b"a.")
    assert "of a numpy array is" in refused(judge, tmp_path / "list")


@pytest.mark.parametrize("name", ["shadingMode", "gridSize", "fea2denseAct", "app_dim"])
def test_settings_that_are_no_settings(name, judge, tmp_path):
    content = torch.load(write_sample("tensorf", tmp_path))
    value = ("a leaf",)
    for _ in range(60):
        value = (value, value)
    content["kwargs"][name] = value
    torch.save(content, tmp_path / "shared")
    assert f"{name} is a tuple" in refused(judge, tmp_path / "shared")


def network(value: bytes) -> bytes:
    """A pickle whose state dict of the coarse network is `value`."""
    return b"\x80\x02}" + text(b"network_fn_state_dict") + value + b"s."


@pytest.mark.parametrize("many", [b"}", b"]", b"K\x01\x85"], ids=["dicts", "lists", "tuples"])
def test_a_pickle_of_nothing_but_containers(many, judge, tmp_path):
    write_zip(tmp_path / "zip", network(b"](" + many * (4 << 20) + b"e"))
    assert "more than 524288 instructions" in refused(judge, tmp_path / "zip")


def test_numbers_of_one_hash_are_no_keys(judge, tmp_path):
    prime = (1 << 61) - 1  # Python's hash of an int is its remainder
    numbers = (prime * n for n in range(40_000))
    items = b"".join(b"\x8a\x0c" + n.to_bytes(12, "little") + b"K\x01" for n in numbers)
    write_zip(tmp_path / "zip", network(b"}(" + items + b"u"))
    assert "neither text nor small numbers" in refused(judge, tmp_path / "zip")


def test_layers_that_share_their_numbers(judge, tmp_path):
    """64 layers of 4 MB in a file of 4 MB."""
    layer = torch.zeros(1024, 1024)
    names = [f"pts_linears.{i}.weight" for i in range(64)]
    torch.save({"network_fn_state_dict": dict.fromkeys(names, layer)}, tmp_path / "shared")
    assert "claims 268435456 bytes" in refused(judge, tmp_path / "shared")


@pytest.mark.parametrize("key", ["a" + ".a" * 20_000, '"="' + '."="' * 9_000], ids=["a", "quoted"])
@pytest.mark.parametrize("line", ["{} = 1", "[{}]", "x = {{{} = 1}}"])
def test_a_key_of_many_parts(key, line, judge, tmp_path):
    path = tmp_path / "scene.toml"
    path.write_text("aabb = [[-1, -1, -1], [1, 1, 1]]\n" + line.format(key) + "\n")
    refused(judge, path)


def test_dots_elsewhere_are_no_keys(judge, tmp_path):
    dots = "." * 200
    body = f'kind = "box" # {dots}\ncolor = [1.0, 1.0, 1.0]\ncenter = [0.1, 0.2, 0.3]'
    rest = "size = [0.5, 0.5, 0.5]\ndensity = 20.0"
    box = f"# {dots}\naabb = [[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]]"
    (tmp_path / "scene.toml").write_text(f"{box}\n[[primitives]]\n{body}\n{rest}\n")
    assert judge(tmp_path / "scene.toml").verdict == "read"


@pytest.mark.parametrize(
    ("kind", "resolution", "rank", "frequencies"),
    [(1, 100, 2, 16), (1, 256, 1, 1), (1, 80, 64, 4), (2, 80, 32, 4)],
)
def test_factors_of_large_volumes(kind, resolution, rank, frequencies, judge, tmp_path):
    sizes = (3, 2 * frequencies, *(resolution,) * kind, rank, 4)
    changed = {
        "qff_type": kind,
        "n_quants": resolution,
        "rank": rank,
        "n_freqs": frequencies,
        "freqs": [1.0] * frequencies,
        "qff_buffer": bytes(2 * int(np.prod(sizes))),
        "qff_density_layer_0": bytes(4 * 16 * 8 * frequencies),
    }
    (tmp_path / "large").write_bytes(cbor2.dumps(ppng_document() | changed))
    assert "volumes would" in refused(judge, tmp_path / "large")


def test_a_large_occupancy(judge, tmp_path):
    changed = {"grid_res": 512, "grid_rles": [[512**3]]}
    (tmp_path / "large").write_bytes(cbor2.dumps(ppng_document() | changed))
    assert "levels of 512^3 cells; at most" in refused(judge, tmp_path / "large")


def test_many_bodies_take_little_memory(judge, tmp_path):
    body = 'kind = "blob"\ncenter = [0, 0, 0]\nsize = [1, 1, 1]\ndensity = 1\ncolor = [1, 1, 1]\n'
    scene = "aabb = [[-1, -1, -1], [1, 1, 1]]\n" + f"[[primitives]]\n{body}" * 2000
    (tmp_path / "scene.toml").write_text(scene)
    assert judge(tmp_path / "scene.toml").verdict == "read"


@pytest.mark.parametrize("name", ["torch-ngp", "pvd"])
def test_a_state_dict_with_numbers_for_names(name, judge, tmp_path):
    content = torch.load(write_sample(name, tmp_path), weights_only=True)
    content["model"][7] = torch.zeros(3)
    torch.save(content, tmp_path / "numbered")
    assert judge(tmp_path / "numbered").verdict == "read"


def test_a_stride_that_no_integer_holds(judge, tmp_path):
    """Of a size of 1, so that it leads nowhere."""
    wide = b"\x8a\x09" + (1 << 63).to_bytes(9, "little")
    made = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage("FloatStorage", "0", 3) + b"K\x00"
    write_zip(tmp_path / "zip", document(made + b"K\x01\x85" + wide + b"\x85\x89NtR"))
    assert "something else than sizes" in refused(judge, tmp_path / "zip")


def test_a_damaged_stream_in_an_unknown_archive(judge, tmp_path):
    write_zip(tmp_path / "zip", pickle.dumps(list(range(999))), compression=zipfile.ZIP_DEFLATED)
    damaged = bytearray((tmp_path / "zip").read_bytes())
    damaged[60:80] = bytes(20)
    (tmp_path / "zip").write_bytes(damaged)
    assert "damaged zip archive" in refused(judge, tmp_path / "zip")
