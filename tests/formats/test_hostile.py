"""Files made to harm: read in a child, refused in words, in time, in little memory."""

from __future__ import annotations

import io
import pickle
import struct

import numpy as np
import pytest
import torch

from scripts.fuzzing.judge import Judge
from tests.formats.files import write_sample
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
