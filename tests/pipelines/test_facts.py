"""What `info` says of a field that its file does not tell all about."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from nerfconvert.formats import FORMATS, load, save
from nerfconvert.formats.format_files import FORMAT_FILES
from nerfconvert.pipelines.facts import HALF, facts, problems
from nerfconvert.pipelines.info import info
from nerfconvert.report.tables import info_tables
from tests.formats.files import tiny_mlp, write_sample


@pytest.mark.parametrize(("name", "said"), [("bmild", "the box"), ("pvd", "limits of its density")])
def test_what_was_assumed_is_said_with_a_remedy(tmp_path, name, said):
    path = write_sample(name, tmp_path)
    found = [text for text in facts(path)["problems"] if text.startswith("not in the file")]
    assert any(said in text and "assumed" in text for text in found)
    assert all(text.endswith(".") and "\n" not in text for text in found)


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_said_of_a_file_is_so(tmp_path, name):
    """Of each format, in the document and in the table that is printed."""
    path = write_sample(name, tmp_path)
    document, field = info([path]), load(path)
    (entry,) = document["files"]
    assert (entry["format"], entry["architecture"]) == (name, field.architecture)
    assert field.architecture in FORMAT_FILES[name].architectures
    assert entry["bytes"] == path.stat().st_size
    assert entry["parameters"] == sum(p.numel() for p in field.parameters())
    assert (entry["frame"], entry["background"]) == (field.info.frame, field.info.background)
    assert entry["aabb"] == [list(field.aabb.low), list(field.aabb.high)]
    assert (entry["contraction"] is None) == (field.aabb.contraction is None)
    left_out = int((~field.occupancy.dense()).sum())
    assert (entry["occupancy"] is None) == (left_out == 0) == ("occupancy_reason" in entry)
    if left_out:
        assert entry["occupancy"] == pytest.approx(1 - left_out / field.occupancy.resolution**3)
    (table,) = info_tables(document)
    assert {name, field.architecture} <= {cell for row in table[-1] for cell in row}


def test_what_the_file_says_is_no_problem():
    field = tiny_mlp()
    field.info = dataclasses.replace(field.info, provenance={"frame_from": "near_far"})
    field.occupancy.assign(torch.ones(128, 128, 128, dtype=torch.bool))
    assert not any("not in the file" in text for text in problems(field))


def test_half_precision_is_seen(tmp_path):
    field = tiny_mlp()
    assert HALF not in problems(field)
    with torch.no_grad():
        for parameter in field.parameters():
            parameter.copy_(parameter.half())
    save(field, tmp_path / "half.safetensors")
    assert HALF in facts(tmp_path / "half.safetensors")["problems"]


def test_a_name_too_long_for_any_file():
    (entry,) = info([Path("a" * 300)])["files"]
    assert entry["exit_code"] == 3
    assert "no such file" in entry["problems"][0]
