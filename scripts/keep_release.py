#!/usr/bin/env python3
"""Keeps files that this version writes, so that a test opens them with every later one.

    python scripts/keep_release.py [NAME]    before a release; by default NAME is the version

Writes tests/formats/releases/NAME/: a tiny field of each architecture, and answers.json, what they
answer at a few places. Never run it again for a version that is out: its files are what it wrote.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from nerfconvert import __version__
from nerfconvert.adapters import ADAPTERS
from nerfconvert.formats import save
from nerfconvert.volume import OccupancyGrid, RadianceField
from tests.adapters.test_contract import tiny

OCCUPANCY = 8  # cells along an edge: its words are most of a small file
RELEASES = Path(__file__).resolve().parents[1] / "tests" / "formats" / "releases"
UNIT = ((0.1, 0.2, 0.3), (0.5, 0.5, 0.5), (0.9, 0.7, 0.2))  # places in the unit cube of the box
DIRECTIONS = ((1.0, 2.0, 3.0), (-1.0, 0.0, 1.0), (0.0, 1.0, 0.0))


def answers(field: RadianceField) -> dict[str, list]:
    """What `field` answers at `UNIT` along `DIRECTIONS`: densities [3], colors [3, 3]."""
    along = torch.nn.functional.normalize(torch.tensor(DIRECTIONS), dim=-1)
    with torch.no_grad():
        features = field.encode(field.aabb.from_unit(torch.tensor(UNIT)))
        density, color = field.density(features), field.color(features, along)
    return {"density": density.tolist(), "color": color.tolist()}


def main() -> None:
    folder = RELEASES / (sys.argv[1] if len(sys.argv) > 1 else __version__)
    folder.mkdir(parents=True)
    found = {}
    for name in ADAPTERS:
        torch.manual_seed(0)
        field = tiny(name)
        field.occupancy = OccupancyGrid(OCCUPANCY)
        save(field, folder / f"{name}.safetensors")
        found[name] = answers(field)
    (folder / "answers.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
