"""Conversions from Python: progress, curves, interruption and going on."""

import os
import signal

import pytest
import torch

from nerfconvert.formats import load
from nerfconvert.pipelines.convert import convert
from nerfconvert.pipelines.interrupt import InterruptedRunError
from nerfconvert.pipelines.options import Budget, ConvertOptions, Job, Views

SETTINGS = ("log2_table_size=10", "finest_resolution=32", "n_levels=4", "hidden_width=16")


def options(scenes, target, steps: int = 30, **job) -> ConvertOptions:
    return ConvertOptions(
        source=scenes / "glass.toml",
        target=target,
        to="hashgrid",
        size="small",
        settings=SETTINGS,
        budget=Budget(steps=steps, memory_mb=64, eval_at="0.05"),
        views=Views(eval_views=1, resolution="16"),
        job=Job(**job),
    )


def test_the_student_comes_closer(scenes, tmp_path):
    receipt = convert(options(scenes, tmp_path / "o.safetensors", steps=60))
    quality = receipt["quality"]
    assert quality["psnr_target_vs_source"] > quality["psnr_initial"] + 3
    assert receipt["curve"][0]["seconds"] == 0.05
    assert "psnr_target_vs_source" in receipt["curve"][0]
    field = load(tmp_path / "o.safetensors")
    assert field.info.background == "black"
    assert field.architecture == "hashgrid"


def test_an_interrupted_conversion_ends_as_an_unbroken_one(scenes, tmp_path):
    whole, broken = tmp_path / "whole.safetensors", tmp_path / "broken.safetensors"
    convert(options(scenes, whole, steps=80))

    def interrupt(progress):
        if progress.step < 80:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(InterruptedRunError, match="--resume") as caught:
        convert(options(scenes, broken, steps=80), on_progress=interrupt)
    assert caught.value.exit_code == 130
    assert not broken.exists()
    receipt = convert(options(scenes, broken, steps=80, resume=True))
    assert receipt["time"]["steps"] == 80
    states = [load(path).state_dict() for path in (whole, broken)]
    for name, tensor in states[0].items():
        torch.testing.assert_close(states[1][name], tensor, rtol=0, atol=0)
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".json", ".json", *[".safetensors"] * 2]
