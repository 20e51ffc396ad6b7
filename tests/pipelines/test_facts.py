"""What `info` says of a field that its file does not tell all about."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from nerfconvert.formats import save
from nerfconvert.pipelines.facts import HALF, facts, problems
from tests.formats.files import tiny_mlp, write_sample


@pytest.mark.parametrize(("name", "said"), [("bmild", "the box"), ("pvd", "limits of its density")])
def test_what_was_assumed_is_said_with_a_remedy(tmp_path, name, said):
    path = write_sample(name, tmp_path)
    found = [text for text in facts(path)["problems"] if text.startswith("not in the file")]
    assert any(said in text and "assumed" in text for text in found)
    assert all(text.endswith(".") and "\n" not in text for text in found)


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
