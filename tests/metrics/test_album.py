"""Figures are those of the pictures that lie beside them, measured by a program of its own."""

from __future__ import annotations

import json

import numpy as np
import pytest

from nerfconvert.options.showing import CompareOptions
from nerfconvert.pipelines.compare import compare
from nerfconvert.renderer.cameras import on_circle
from scripts.check_figures import agrees, differences, main
from tests.conftest import write_transforms


@pytest.fixture
def compared(scenes, tmp_path):
    """Three fields, the last one the first again, beside photographs with alpha."""
    images = np.random.randint(0, 256, (3, 24, 32, 4), np.uint8)
    poses = on_circle((0, 0, 0), 3.5, 3).poses
    write_transforms(tmp_path / "data", "transforms_test", poses, images)
    paths = [scenes / name for name in ("blobs.toml", "glass.toml", "blobs.toml")]
    options = CompareOptions(
        checkpoints=tuple(paths), output=tmp_path / "out", data=tmp_path / "data", frames=0,
        eval_views=2,
    )  # fmt: skip
    compare(options)
    return tmp_path / "out"


def test_the_pictures_give_the_figures(compared, monkeypatch, capsys):
    rows = differences(compared)
    assert len(rows) == 3 * 3 + 2 * 3  # against photographs, and the first field
    for path, key, said, measured in rows:
        assert agrees(said, measured), (path, key, said, measured)
    monkeypatch.setattr("sys.argv", ["check_figures.py", str(compared)])
    assert main() == 0
    assert "DIFFERS" not in capsys.readouterr().out


def test_a_wrong_figure_is_found(compared, monkeypatch, capsys):
    file = compared / "compare.json"
    document = json.loads(file.read_text())
    document["fields"][1]["ssim_vs_first"] += 1e-5
    file.write_text(json.dumps(document))
    monkeypatch.setattr("sys.argv", ["check_figures.py", str(compared)])
    assert main() == 1
    (line,) = (x for x in capsys.readouterr().out.splitlines() if "DIFFERS" in x)
    assert "ssim_vs_first" in line
