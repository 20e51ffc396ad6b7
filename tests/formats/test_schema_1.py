"""Files of the first release, written by it: they open, and hold what they held."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save as save_tensors

from nerfconvert.errors import FormatError
from nerfconvert.formats import load, save
from nerfconvert.formats.native import checksum, read_file

FOLDER = Path(__file__).with_name("schema_1")
UNIT = torch.tensor([[0.1, 0.2, 0.3], [0.5, 0.5, 0.5], [0.9, 0.7, 0.2]])
DIRECTIONS = torch.tensor([[1.0, 2, 3], [-1, 0, 1], [0, 1, 0]])
FOUND = {  # densities and reds there, as the first release computed them
    "vm": ([0.001089, 0.001157, 0.001217], [0.427129, 0.453726, 0.433382]),
    "cp": ([0.001131, 0.001134, 0.001135], [0.553239, 0.545416, 0.557212]),
    "tensorial": ([0.012931, 0.101554, 0.04848], [0.501895, 0.4952, 0.504554]),
    "hashgrid": ([0.347432, 0.333684, 0.34978], [0.499342, 0.506816, 0.514456]),
    "mlp": ([0.221122, 0.120962, 0.206656], [0.390075, 0.387824, 0.380641]),
}


def answers(path: Path) -> tuple[torch.Tensor, torch.Tensor]:
    field = load(path)
    features = field.encode(field.aabb.from_unit(UNIT))
    along = torch.nn.functional.normalize(DIRECTIONS, dim=-1)
    return field.density(features).detach(), field.color(features, along)[:, 0].detach()


@pytest.mark.parametrize("name", FOUND)
def test_files_of_the_first_release_open(name, tmp_path):
    old, new = FOLDER / f"{name}.safetensors", tmp_path / "new.safetensors"
    for got, wanted in zip(answers(old), FOUND[name], strict=True):
        torch.testing.assert_close(got, torch.tensor(wanted), atol=2e-6, rtol=1e-4)
    save(load(old), new)
    assert read_file(new)[0]["schema"] == "nerfconvert.field/2"
    for got, wanted in zip(answers(new), answers(old), strict=True):
        assert torch.equal(got, wanted)


@pytest.mark.parametrize("unit", [None, True, "one", 0.0, 1e9])
def test_a_unit_that_is_none_is_refused(unit, tmp_path):
    path = Path(shutil.copy(FOLDER / "tensorial.safetensors", tmp_path))
    description, tensors = read_file(path)
    description["config"]["unit"] = unit
    description["sha256"] = checksum(description, tensors)
    path.write_bytes(save_tensors(tensors, {"nerfconvert": json.dumps(description)}))
    with pytest.raises(FormatError, match="unit must be a number"):
        load(path)
