"""Files that earlier versions wrote open, answer as they did, and are written again."""

from __future__ import annotations

import json

import pytest
import torch

from nerfconvert.formats import load, save
from scripts.keep_release import RELEASES, answers

KEPT = sorted(RELEASES.glob("*/*.safetensors"))


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_files_of_every_version_open(path, tmp_path):
    wanted = json.loads((path.parent / "answers.json").read_text())[path.stem]
    field = load(path)
    assert field.architecture == path.stem
    save(field, tmp_path / "new.safetensors")
    for found in (answers(field), answers(load(tmp_path / "new.safetensors"))):
        for what, numbers in wanted.items():
            torch.testing.assert_close(
                torch.tensor(found[what]), torch.tensor(numbers), atol=2e-6, rtol=1e-4
            )


def test_every_answer_has_its_file():
    for known in RELEASES.glob("*/answers.json"):
        names = {path.stem for path in known.parent.glob("*.safetensors")}
        assert names == json.loads(known.read_text()).keys()
    assert KEPT
