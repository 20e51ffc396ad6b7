"""The folder of a comparison holds one comparison, or none that looks finished."""

from __future__ import annotations

import dataclasses
import json

import pytest

from nerfconvert.errors import UsageError
from nerfconvert.options.showing import CompareOptions
from nerfconvert.pipelines.compare import compare
from nerfconvert.runtime.alone import alone_in
from tests.conftest import ROOT

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
    assert shown == [*(f"compare.mp4.frames/{name}" for name in sorted(kept)), *VIEWS]
    compare(dataclasses.replace(options, overwrite=False))
    assert json.loads((options.output / "compare.json").read_text())["views"] == 2


def test_two_do_not_mix(options):
    before = held(options)
    with alone_in(options.output), pytest.raises(UsageError, match="writes there"):
        compare(options)
    assert held(options) == before
