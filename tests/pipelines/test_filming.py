"""Films of render and compare: paths, layouts, other files, and runs that are interrupted."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from nerfconvert.cli import main
from nerfconvert.options.showing import CompareOptions, RenderOptions
from nerfconvert.pipelines.compare import compare
from nerfconvert.pipelines.render import render
from nerfconvert.renderer.cameras import on_circle
from nerfconvert.runtime.crop_file import write_crop

from ..conftest import write_transforms


def test_compare_films_the_photographs_too(tmp_path, scenes, capsys):
    """On the test cameras of data: four frames, each in the video, the animations and a PNG."""
    blobs = str(scenes / "blobs.toml")
    poses = on_circle((0.0, 0.0, 0.0), 4.0, 5, size=(24, 24)).poses
    pictures = [np.full((24, 24, 4), 200, np.uint8)] * 5
    for split in ("train", "test"):
        write_transforms(tmp_path / "data", f"transforms_{split}", poses, pictures)
    out = tmp_path / "out"
    tail = ["--data", str(tmp_path / "data"), "--path", "test", "--also", "png, gif,webp", "--json"]
    shape = ["--frames", "4", "--eval-views", "1", "--resolution", "24", "--layout", "wipe"]
    assert main(["compare", blobs, "-o", str(out), *tail, *shape, "--depth"]) == 0
    shown = json.loads(capsys.readouterr().out)
    also = ["compare.gif", "compare.webp", "frames"]
    assert shown["also"] == [str(out / name) for name in also]
    names = sorted(p.name for p in out.iterdir())
    written = ("compare.json", "compare.mp4", "pictures", "report.html", "views")
    assert names == sorted([*also, *written])
    assert len(list((out / "frames").iterdir())) == 4


@pytest.mark.parametrize("layout", ["side-by-side", "wipe", "blink"])
@pytest.mark.parametrize("path", [None, "spiral"])
def test_one_field_and_photographs(tmp_path, scenes, layout, path):
    """By default beside the photographs; on a path that has none, alone."""
    poses = on_circle((0.0, 0.0, 0.0), 4.0, 3, size=(24, 24)).poses
    for split in ("train", "test"):
        pictures = [np.full((24, 24, 4), 200, np.uint8)] * 3
        write_transforms(tmp_path / "data", f"transforms_{split}", poses, pictures)
    asked = CompareOptions(
        checkpoints=(scenes / "blobs.toml",), output=tmp_path / "out", data=tmp_path / "data",
        resolution="24", frames=2, eval_views=1, also="png", layout=layout, path=path,
    )  # fmt: skip
    compare(asked)
    first = cv2.imread(str(tmp_path / "out" / "frames" / "00000.png"))
    panes = {"side-by-side": 3, "wipe": 2, "blink": 2}[layout] if path is None else 1
    assert first.shape[1] // 24 >= panes


@pytest.mark.parametrize("command", ["render", "compare"])
def test_an_interrupted_film_goes_on(tmp_path, scenes, command, caplog):
    """To the same frames as in one go; only those that were not there are rendered."""
    blobs, told = scenes / "blobs.toml", []

    def film(output: Path, on_frame=None, resume: bool = False) -> None:
        shape = {"output": output, "frames": 4, "resolution": "16", "resume": resume}
        if command == "render":
            render(RenderOptions(checkpoint=blobs, path="spiral", **shape), on_frame=on_frame)
        else:
            both = {"checkpoints": (blobs, blobs), "eval_views": 1, "also": "png"}
            compare(CompareOptions(**both, **shape), on_frame=on_frame)

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    whole, broken = tmp_path / "whole", tmp_path / "broken"
    film(whole)
    with pytest.raises(KeyboardInterrupt):
        film(broken, stop)
    assert "2 of 4 frames are kept" in caplog.text
    film(broken, lambda done, total: told.append(done), resume=True)
    assert told == [3, 4]
    frames = "." if command == "render" else "frames"
    for index in range(4):
        name = f"{index:05d}.png"
        assert (broken / frames / name).read_bytes() == (whole / frames / name).read_bytes()
    assert not list(tmp_path.rglob("*.frames"))


def test_render_shows_what_is_in_a_crop(tmp_path, scenes):
    write_crop(tmp_path / "crop.json", (5, 5, 5), (6, 6, 6))  # beside the scene
    start = ["render", str(scenes / "blobs.toml"), "--frames", "1", "--resolution", "16", "-q"]
    assert main([*start, "-o", str(tmp_path / "all")]) == 0
    crop = ["--crop", str(tmp_path / "crop.json")]
    assert main([*start, "-o", str(tmp_path / "none"), *crop]) == 0
    frames = [cv2.imread(str(tmp_path / name / "00000.png")) for name in ("all", "none")]
    assert frames[0].min() < 200
    assert frames[1].min() == 255
