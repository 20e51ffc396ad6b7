"""Training on photographs of a closed-form scene."""

import pytest
import torch

from nerfconvert.cli import main
from nerfconvert.formats import load
from nerfconvert.options.groups import Budget
from nerfconvert.options.per_command import TrainOptions
from nerfconvert.pipelines.train import train
from nerfconvert.renderer.cameras import around
from nerfconvert.renderer.image import render_image
from nerfconvert.renderer.panes import to_bytes
from tests.conftest import write_transforms


@pytest.fixture
def photographs(scenes, tmp_path):
    """18 views of blobs.toml at 24x24, with a file that has no splits."""
    field = load(scenes / "blobs.toml")
    generator = torch.Generator().manual_seed(5)
    cameras = around((0.0, 0.0, 0.0), (3.5, 4.0), 18, generator, size=(24, 24))
    images = [to_bytes(render_image(field, cameras, v, step=0.02)) for v in range(18)]
    write_transforms(tmp_path / "data", "transforms", cameras.poses, images)
    return tmp_path / "data"


def test_a_field_learns_from_photographs(photographs, tmp_path):
    document = train(
        TrainOptions(
            data=photographs,
            target=tmp_path / "o.safetensors",
            arch="hashgrid",
            size="small",
            settings=("log2_table_size=12", "finest_resolution=64"),
            bounds="1",
            budget=Budget(steps=120, eval_at="0.2"),
            eval_views=2,
        )
    )
    assert document["schema"] == "nerfconvert.train/1"
    assert document["psnr_vs_truth"] > document["curve"][0]["psnr_vs_truth"]
    assert document["psnr_vs_truth"] > 17
    assert document["views"] == 2
    assert load(document["path"]).aabb.high == (1.0, 1.0, 1.0)
    assert document["psnr_of_empty"] < document["psnr_vs_truth"] - 1
    assert document["placement"]["background_from"] == "opaque images with white corners"


def test_box_and_background_are_said_before_training(photographs, tmp_path, capsys):
    argv = ["train", str(photographs), str(tmp_path / "o.safetensors"), "--arch", "hashgrid"]
    argv += ["--size", "small", "--set", "log2_table_size=12", "--steps", "1", "--eval-views", "1"]
    assert main(argv) == 0
    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith("box (")
    assert (
        "0 of 15 cameras in it; background white (from opaque images with white corners); " in first
    )
    assert first.endswith("--bounds and --background correct it")


def test_a_field_that_shows_nothing_is_said(photographs, tmp_path, caplog):
    document = train(
        TrainOptions(
            data=photographs,
            target=tmp_path / "o.safetensors",
            arch="hashgrid",
            size="small",
            settings=("log2_table_size=12", "finest_resolution=64"),
            bounds="9,9,9,10,10,10",
            budget=Budget(steps=1),
            eval_views=2,
        )
    )
    assert document["psnr_vs_truth"] == pytest.approx(document["psnr_of_empty"], abs=0.1)
    assert "the field shows nothing" in caplog.text
