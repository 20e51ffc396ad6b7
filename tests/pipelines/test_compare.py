"""The folder of a comparison holds one comparison, or none that looks finished."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from nerfconvert.errors import OutputExistsError, UsageError
from nerfconvert.options.showing import CompareOptions
from nerfconvert.pipelines.compare import compare
from nerfconvert.renderer.cameras import on_circle
from nerfconvert.runtime.alone import alone_in
from tests.conftest import ROOT, write_transforms

GLASS = ROOT / "scenes" / "glass.toml"
VIEWS = ["views/000.png", "views/001.png"]


@pytest.fixture
def options(tmp_path) -> CompareOptions:
    asked = CompareOptions(
        checkpoints=(GLASS, GLASS),
        output=tmp_path / "c",
        resolution="16x12",
        eval_views=2,
        frames=1,
        overwrite=True,
    )
    compare(asked)
    return asked


def held(options: CompareOptions) -> list[str]:
    paths = (p for p in options.output.rglob("*") if p.is_file())
    return sorted(str(p.relative_to(options.output)) for p in paths)


def test_what_an_earlier_comparison_left_goes(options):
    (options.output / "views" / "notes.txt").write_text("mine")
    compare(dataclasses.replace(options, eval_views=1, frames=0))
    measured = [f"pictures/{of}/00000.png" for of in ("covered_by_first", "field_0", "field_1")]
    written = ["compare.json", *measured, "report.html", "views/000.png", "views/notes.txt"]
    assert held(options) == written


def test_one_that_breaks_off_does_not_look_finished(options):
    def break_off(done: int, frames: int) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        compare(options, on_frame=break_off)
    kept = [path.name for path in (options.output / "compare.mp4.frames").iterdir()]
    assert sorted(kept) == ["00000.png", "request.json"]  # for --resume
    shown = [path for path in held(options) if not path.startswith("pictures/")]
    frames = [f"compare.mp4.frames/{name}" for name in sorted(kept)]
    assert shown == [".comparing", *frames, *VIEWS]
    compare(dataclasses.replace(options, overwrite=False))
    assert json.loads((options.output / "compare.json").read_text())["views"] == 2


def test_two_do_not_mix(options):
    before = held(options)
    with alone_in(options.output), pytest.raises(UsageError, match="writes there"):
        compare(options)
    assert held(options) == before


@pytest.mark.parametrize("name", ["frames/0001.png", "report.html", "pictures/holiday/1.png"])
def test_what_is_no_comparisons_stays(tmp_path, name):
    """Until it is asked to go: pictures of another command, or of a camera, have such names."""
    mine = tmp_path / name
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_bytes(b"mine")
    asked = CompareOptions(
        checkpoints=(GLASS, GLASS), output=tmp_path, resolution="16x12", eval_views=1, frames=0
    )
    with pytest.raises(OutputExistsError, match=mine.name):
        compare(asked)
    assert mine.read_bytes() == b"mine"
    compare(dataclasses.replace(asked, overwrite=True))
    assert not mine.exists() or mine.read_bytes() != b"mine"


def test_the_folder_of_the_photographs_is_none_for_a_comparison(tmp_path):
    poses = on_circle((0.0, 0.0, 0.0), 4.0, 2, size=(8, 8)).poses
    write_transforms(tmp_path, "transforms_test", poses, [np.zeros((8, 8, 4), np.uint8)] * 2)
    photographs = sorted(tmp_path.rglob("*"))
    asked = CompareOptions(
        checkpoints=(GLASS,), output=tmp_path, data=tmp_path, frames=0, overwrite=True
    )
    with pytest.raises(UsageError, match="is an input"):
        compare(asked)
    assert sorted(tmp_path.rglob("*")) == photographs
