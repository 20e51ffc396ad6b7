"""TorchFile: agrees with torch on honest files, and runs nothing of the others."""

from __future__ import annotations

import collections
import os
import pickle
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
import torch

from nerfconvert.errors import FormatError
from nerfconvert.formats import load
from nerfconvert.formats.parts.torch_file import LEGACY_START, TorchFile
from nerfconvert.formats.parts.unpickle import TensorRef

KEY = "network_fn_state_dict"


def write_zip(path, stream: bytes, members: dict[str, bytes] | None = None, compression=0) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in {"archive/data.pkl": stream, **(members or {})}.items():
            archive.writestr(name, data)


def write_legacy(path, stream: bytes, keys: tuple[str, ...] = (), rest: bytes = b"") -> None:
    system = {"protocol_version": 1001, "little_endian": True}
    magic = LEGACY_START + b"\x20\x6a\xa8\x50\x19."
    parts = [magic, pickle.dumps(1001, 2), pickle.dumps(system, 2), stream]
    path.write_bytes(b"".join([*parts, pickle.dumps(list(keys), 2), rest]))


def storage(kind: str, key: str, count: int) -> bytes:
    """Pickle instructions that push a storage."""
    number = b"\x8a\x08" + struct.pack("<q", count)
    name = b"X" + struct.pack("<I", len(key)) + key.encode()
    label = b"X\x07\x00\x00\x00storage"
    return (
        b"("
        + label
        + f"ctorch\n{kind}\n".encode()
        + name
        + b"X\x03\x00\x00\x00cpu"
        + number
        + b"tQ"
    )


def tensor(size: int, count: int, key: str = "0", stride: int = 1) -> bytes:
    """Pickle instructions that push a float tensor [size] of a storage of `count` numbers."""
    wide = [b"\x8a\x08" + struct.pack("<q", n) for n in (size, stride)]
    shape, strides = (w + b"\x85" for w in wide)
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n("
        + storage("FloatStorage", key, count)
        + b"K\x00"
        + shape
        + strides
        + b"\x89NtR"
    )


def document(value: bytes) -> bytes:
    """A pickle of {KEY: {"w": value}} from the instructions of the value."""
    outer = b"X" + struct.pack("<I", len(KEY)) + KEY.encode()
    return b"\x80\x02}" + outer + b"}X\x01\x00\x00\x00w" + value + b"ss."


@pytest.mark.parametrize("zipped", [True, False])
def test_agrees_with_torch(zipped, tmp_path):
    base = torch.randn(6, 8)
    state = collections.OrderedDict(
        plain=base,
        transposed=base.t(),
        part=base[1:4, 2:5],
        parameter=torch.nn.Parameter(torch.randn(3)),
        half=torch.randn(5).half(),
        integers=torch.arange(7),
        bits=torch.tensor([True, False]),
        scalar=torch.tensor(2.5),
        none=torch.zeros(0, 3),
    )
    model = torch.nn.Linear(4, 2)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 4)).sum().backward()
    optimizer.step()
    checkpoint = {"step": 3, "state": state, "adam": optimizer.state_dict(), "psnr": 1.5}
    checkpoint |= {"names": ["a", None, True], "model": model.state_dict()}
    path = tmp_path / "checkpoint"
    torch.save(checkpoint, path, _use_new_zipfile_serialization=zipped)
    file = TorchFile(path)
    assert (file.content["step"], file.content["psnr"]) == (3, 1.5)
    assert file.content["names"] == ["a", None, True]
    for name in ("state", "model"):
        found, expected = file.tensors(file.content[name], name), checkpoint[name]
        assert found.keys() == expected.keys()
        for key in found:
            assert found[key].dtype == expected[key].dtype
            assert torch.equal(found[key], expected[key])


def test_reads_only_what_is_asked_for(tmp_path):
    path = tmp_path / "checkpoint"
    torch.save({"small": {"w": torch.ones(3)}, "large": {"w": torch.ones(1 << 20)}}, path)
    tracemalloc.start()
    file = TorchFile(path)
    file.tensors(file.content["small"], "small")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(file.content["large"]["w"], TensorRef)
    assert peak < 1 << 20


class Attack:
    """Pickles as a call of any function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("place", ["value", "key beside", "inside"])
def test_runs_no_code(zipped, place, tmp_path):
    trace = tmp_path / "trace"
    attacks = [Attack(os.system, f"touch {trace}"), Attack(exec, f"open({str(trace)!r}, 'w')")]
    attacks += [Attack(eval, "1 + 1"), Attack(getattr, "text", "upper"), Attack(print, "here")]
    attacks += [Attack(torch.load, str(trace)), Attack(np.load, str(trace))]
    for attack in attacks:
        content = {
            "value": {KEY: attack},
            "key beside": {KEY: {}, "extra": attack},
            "inside": {KEY: {"pts_linears.0.weight": attack}},
        }[place]
        path = tmp_path / "checkpoint.tar"
        (write_zip if zipped else write_legacy)(path, pickle.dumps(content, 2))
        with pytest.raises(FormatError, match="wants to use"):
            load(path)
        assert not trace.exists()


@pytest.mark.parametrize(
    "stream",
    [
        b"\x80\x02\x82\x01.",  # EXT1
        b"\x80\x02(i" + b"os\nsystem\n.",  # INST
        b"\x80\x02\x96" + struct.pack("<Q", 1 << 50) + b".",  # BYTEARRAY8 of a petabyte
        b"\x80\x02X" + struct.pack("<I", 0xFFFFFFF0) + b"abc.",  # a long string
        b"\x80\x02K\x01r" + struct.pack("<I", 0xFFFFFFF0) + b"0.",  # a far memo slot
        b"\x80\x02)R.",  # a call of nothing
        b"\x80\x02ctorch\nFloatStorage\n)R.",  # a call of a type
        b"\x80\x02ccollections\nOrderedDict\n]\x85R.",  # items by another way
        b"\x80\x02" + b"]" * 10 + b"a" * 30 + b".",  # more pops than pushes
        b"\x80\x02" + b"(" * 5000,  # never ends
        b"\x80\x02K\x07Q.",  # a storage that is a number
        b"\x80\x02}N" + b"\x85" * 300_000 + b"Ns.",  # a key too deep to hash
        b"\x80\x02](K\x01K\x02u.",  # items of a list
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n.",
        b"\x80\x02cbuiltins\ngetattr\n.",
        b"\x80\x02ctorch.storage\n_load_from_bytes\n.",
        b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.",
    ],
)
def test_hostile_instructions(stream, tmp_path):
    for write in (write_zip, write_legacy):
        path = tmp_path / "checkpoint.tar"
        write(path, stream)
        with pytest.raises(FormatError, match="expected a whole, plain torch checkpoint"):
            TorchFile(path)


@pytest.mark.parametrize(
    ("size", "count", "stride"),
    [(1 << 40, 1 << 40, 1), (1 << 40, 4, 0), (8, 4, 1), (4, 4, 2), (1 << 40, 4, 1)],
)
def test_claims_are_checked_before_memory_is_taken(size, count, stride, tmp_path):
    stream = document(tensor(size, count, stride=stride))
    numbers = np.arange(4, dtype=np.float32).tobytes()
    zipped, legacy = tmp_path / "zipped", tmp_path / "legacy"
    write_zip(zipped, stream, {"archive/data/0": numbers})
    write_legacy(legacy, stream, ("0",), struct.pack("<q", count) + numbers)
    for path in (zipped, legacy):
        with pytest.raises(FormatError):
            TorchFile(path)


def test_handmade_files_are_otherwise_valid(tmp_path):
    """The files of the tests above fail for the reason they should."""
    stream = document(tensor(4, 4))
    numbers = np.arange(4, dtype=np.float32).tobytes()
    write_zip(tmp_path / "zipped", stream, {"archive/data/0": numbers})
    write_legacy(tmp_path / "legacy", stream, ("0",), struct.pack("<q", 4) + numbers)
    for name in ("zipped", "legacy"):
        file = TorchFile(tmp_path / name)
        assert file.tensors(file.content[KEY], KEY)["w"].tolist() == [0, 1, 2, 3]


def test_zip_tricks(tmp_path):
    stream, path = document(tensor(4, 4)), tmp_path / "checkpoint"
    numbers = {"archive/data/0": np.zeros(4, np.float32).tobytes()}
    write_zip(path, stream, numbers, zipfile.ZIP_DEFLATED)
    with pytest.raises(FormatError, match="compressed"):
        TorchFile(path)
    write_zip(path, stream, {**numbers, "other/data.pkl": stream})
    with pytest.raises(FormatError, match=r"data\.pkl"):
        TorchFile(path)
    write_zip(path, stream, {**numbers, "archive/byteorder": b"big"})
    with pytest.raises(FormatError, match="big-endian"):
        TorchFile(path)
    write_zip(path, stream)
    with pytest.raises(FormatError):
        TorchFile(path)


def test_damaged_numbers_are_noticed_in_a_zip(tmp_path):
    path = tmp_path / "checkpoint"
    torch.save({"state": {"w": torch.full((64,), 1.25)}}, path)
    data = path.read_bytes()
    position = data.index(struct.pack("<f", 1.25))
    path.write_bytes(data[:position] + b"\x01" + data[position + 1 :])
    file = TorchFile(path)
    with pytest.raises(FormatError, match="checksum"):
        file.tensors(file.content["state"], "state")


def test_state_dict_must_be_tensors(tmp_path):
    path = tmp_path / "checkpoint"
    torch.save({"state": {"w": 3}, "other": [torch.ones(1)]}, path)
    file = TorchFile(path)
    for key in ("state", "other"):
        with pytest.raises(FormatError, match="tensor"):
            file.tensors(file.content[key], key)


def test_members_may_not_overlap(tmp_path):
    """A zip bomb: many storages, one place."""
    path = tmp_path / "checkpoint"
    keys = [str(i) for i in range(8)]
    content = b"".join(
        b"X\x01\x00\x00\x00" + key.encode() + tensor(256, 256, key) + b"s" for key in keys
    )
    stream = b"\x80\x02}" + content + b"."
    numbers = np.zeros(256, np.float32).tobytes()
    write_zip(path, stream, {f"archive/data/{key}": numbers for key in keys})
    assert len(TorchFile(path).content) == 8
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", stream)
        archive.writestr("archive/data/0", numbers)
        first = archive.getinfo("archive/data/0")
        for key in keys[1:]:
            again = zipfile.ZipInfo(f"archive/data/{key}")
            again.header_offset, again.CRC = first.header_offset, first.CRC
            again.file_size = again.compress_size = first.file_size
            archive.filelist.append(again)
    with pytest.raises(FormatError, match="overlap"):
        TorchFile(path)
