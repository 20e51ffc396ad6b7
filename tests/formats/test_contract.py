"""What every format must do: know its own files, keep fields whole, and refuse damage in words."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pickle
import resource
import subprocess
import sys

import numpy as np
import pytest
import torch

from nerfconvert.adapters import SIZES, TRAINABLE
from nerfconvert.errors import (
    FormatError,
    NerfConvertError,
    OutputExistsError,
    UnknownNameError,
    UnsupportedError,
)
from nerfconvert.formats import (
    FORMATS,
    check_config,
    identify,
    load,
    possible_formats,
    save,
    write_whole,
)
from nerfconvert.formats.format import Format
from nerfconvert.formats.format_files import FORMAT_FILES
from nerfconvert.formats.native import Native
from nerfconvert.students.presets import field_config
from tests.formats.files import TEXT, flipped, probe_points, tiny_field, tiny_mlp, write_sample

WRITABLE = [name for name, files in FORMAT_FILES.items() if files.writes]
NETWORKS = [name for name in WRITABLE if "mlp" in FORMATS[name].architectures]


@pytest.fixture(params=list(FORMATS))
def sample(request, tmp_path):
    """(format name, path) of a small valid file."""
    return request.param, write_sample(request.param, tmp_path)


def refusal(path) -> str:
    """The message with which `load` refuses a file: one line."""
    with pytest.raises(FormatError) as caught:
        load(path)
    assert caught.value.exit_code == 3
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", list(FORMATS))
def test_describes_itself(name):
    made = FORMATS[name]()
    assert isinstance(made, Format)
    assert made.name == name
    assert made.architectures
    assert all(s.startswith(".") for s in made.suffixes)
    files = FORMAT_FILES[name]
    assert made.suffixes == files.suffixes
    assert (set(made.architectures) if made.can_write else set()) == set(files.writes)
    assert made.title == files.title
    assert set(made.architectures) == set(files.architectures)


def test_exactly_one_claims_a_file(sample):
    name, path = sample
    assert [n for n, made in FORMATS.items() if made().sniff(path)] == [name]
    assert identify(path).name == name
    assert name in possible_formats(path)


def test_reads_without_changing_the_file(sample):
    _, path = sample
    before = path.read_bytes()
    field = load(str(path))
    features = field.encode(torch.zeros(3, 3))
    assert field.density(features).isfinite().all()
    assert path.read_bytes() == before


def test_reads_without_torchs_compiler(tmp_path):
    """Its import takes longer than reading any of these files; svox2 packs words that are none."""
    for name in FORMATS.keys() - {"svox2"}:
        (tmp_path / name).mkdir()
        write_sample(name, tmp_path / name)
    program = (
        "import pathlib, sys\nfrom nerfconvert.formats import load\n"
        f"for path in pathlib.Path({str(tmp_path)!r}).glob('*/*'):\n    load(path)\n"
        "    assert 'torch._dynamo' not in sys.modules, path"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("name", WRITABLE)
def test_round_trip(name, tmp_path):
    field = tiny_field(name)
    save(field, tmp_path / "field", format=name)
    again = load(tmp_path / "field")
    assert (again.config, again.info) == (field.config, field.info)
    positions, directions = probe_points()
    features, read = field.encode(positions), again.encode(positions)
    assert torch.equal(field.density(features), again.density(read))
    assert torch.equal(field.color(features, directions), again.color(read, directions))
    assert list(tmp_path.iterdir()) == [tmp_path / "field"]


@pytest.mark.parametrize("name", [*NETWORKS, "instant-ngp", "torch-ngp", "scene"])
def test_the_table_tells_who_keeps_occupancy(name, tmp_path):
    """One corner is occupied: a file that keeps that reads back with most of the box empty.

    Of formats that hold other architectures than an mlp, these keep it as cells of any field."""
    field = tiny_field(name)
    corner = torch.zeros((16,) * 3, dtype=torch.bool)
    corner[:4, :4, :4] = True
    field.occupancy.assign(corner)
    save(field, tmp_path / "field", format=name)
    read = load(tmp_path / "field").occupancy
    assert (read.fraction() < 0.5) == (FORMAT_FILES[name].shows != "everywhere")


@pytest.mark.parametrize("name", WRITABLE)
def test_new_fields_can_be_written(name):
    """With what the table says that a student needs, in our own sizes; it is checked again."""
    files = FORMAT_FILES[name]
    for architecture in set(files.writes) & set(TRAINABLE):
        configs = [field_config(architecture, size, files.student) for size in SIZES]
        for config in configs:
            check_config(f"field{files.suffixes[0]}", name, architecture, config)
        assert len(set(configs)) >= len(SIZES)


@pytest.mark.parametrize("name", WRITABLE)
def test_suffix_picks_the_format(name, tmp_path):
    """Of those that share a suffix, the first that can hold the field, unless one is named."""
    suffix, field = FORMATS[name].suffixes[0], tiny_field(name)
    sharing = (n for n in WRITABLE if suffix in FORMATS[n].suffixes)
    first = next(n for n in sharing if field.architecture in FORMATS[n].architectures)
    path = tmp_path / f"field{suffix}"
    save(field, path, format=None if first == name else name)
    assert identify(path).name == name
    assert name in possible_formats(path)


def test_truncated(sample, tmp_path):
    name, path = sample
    data = path.read_bytes()
    cuts = {*range(0, 40), *np.linspace(0, len(data) - 1, 60).astype(int).tolist()}
    cuts |= {len(data) - n for n in range(1, 24)}
    for cut in sorted(cuts):
        path.write_bytes(data[:cut])
        if name not in TEXT:
            refusal(path)
            continue
        with contextlib.suppress(FormatError):
            load(path)


def test_one_flipped_bit(sample):
    """Refused, or read as a field with finite numbers: never another error."""
    name, path = sample
    data = path.read_bytes()
    generator = np.random.default_rng(0)
    bits = [*range(0, 1600, 7), *generator.integers(0, 8 * len(data), 150).tolist()]
    for bit in bits:
        path.write_bytes(flipped(data, bit))
        try:
            field = load(path)
        except (FormatError, UnsupportedError):
            continue
        assert name != "nerfconvert", f"a flipped bit {bit} went unnoticed"
        assert all(p.isfinite().all() for p in field.parameters())


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_none(name, value, tmp_path):
    field = tiny_field(name)
    with torch.no_grad():
        field.trunk[1].weight[3, 4] = value
    save(field, tmp_path / "field", format=name)
    assert "NaN or infinite" in refusal(tmp_path / "field")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "empty"),
        (b"\x00" * 100, "unknown"),
        (b"{}", "JSON"),
        (b"ply\nformat binary", "PLY"),
        (b"PK\x03\x04 and no more", "zip"),
        (pickle.dumps({"weights": [1, 2]}, protocol=2), "pickle"),
        (os.urandom(5000), ""),
    ],
)
def test_foreign_content(content, found, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    assert found in refusal(path)
    assert not any(made().sniff(path) for made in FORMATS.values())


def test_no_file(tmp_path):
    assert "no such file" in refusal(tmp_path / "absent.tar")
    assert "directory" in refusal(tmp_path)
    for made in FORMATS.values():
        assert not made().sniff(tmp_path)
        assert not made().sniff(tmp_path / "absent.tar")
        with pytest.raises(FormatError):
            made().read(tmp_path / "absent.tar")


def test_torch_checkpoint_of_another_program(tmp_path):
    torch.save({"model": torch.zeros(3)}, tmp_path / "other.pth")
    message = refusal(tmp_path / "other.pth")
    assert "torch checkpoint of an unknown program" in message


def test_refuses_to_overwrite(tmp_path):
    path = tmp_path / "field.safetensors"
    path.write_text("precious")
    with pytest.raises(OutputExistsError):
        save(tiny_mlp(), path)
    with pytest.raises(OutputExistsError):
        save(tiny_mlp(), tmp_path, format="nerfconvert", overwrite=True)
    assert path.read_text() == "precious"
    save(tiny_mlp(), path, overwrite=True)
    assert load(path).architecture == "mlp"


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(NerfConvertError, match="cannot be written"):
        save(tiny_mlp(), tmp_path / "absent" / "field.tar", format="nerfconvert")
    with pytest.raises(UnsupportedError, match="no format has the suffix"):
        save(tiny_mlp(), tmp_path / "field.xyz")
    with pytest.raises(UnsupportedError, match="not written"):
        save(tiny_mlp(), tmp_path / "field.npy", format="bmild")
    with pytest.raises(UnknownNameError):
        save(tiny_mlp(), tmp_path / "field.tar", format="nerfpytorch")
    with pytest.raises(UnsupportedError, match="first_relu"):
        save(tiny_mlp(), tmp_path / "field.ckpt")
    assert not list(tmp_path.iterdir())


class Silent(Native):
    """A format whose library fails without a word, as torch does at times."""

    def write(self, field, path):
        raise RuntimeError


def test_a_failure_without_words_is_still_named(tmp_path):
    with pytest.raises(NerfConvertError, match="cannot be written: RuntimeError"):
        write_whole(Silent(), tiny_mlp(), tmp_path / "field.safetensors")


@pytest.mark.parametrize("name", NETWORKS)
def test_full_disk_leaves_nothing(name, tmp_path):
    path = tmp_path / "field"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(NerfConvertError, match="cannot be written"):
            save(tiny_field(name), path, format=name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


def test_a_number_that_json_does_not_know_is_no_internal_error(tmp_path):
    field = tiny_mlp()
    field.info = dataclasses.replace(field.info, provenance={"loss": float("nan")})
    with pytest.raises(NerfConvertError, match="cannot be written: Out of range float"):
        save(field, tmp_path / "field.safetensors")
    assert not list(tmp_path.iterdir())
