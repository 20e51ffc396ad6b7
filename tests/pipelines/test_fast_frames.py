"""`render --fast`: frames near the exact ones, and said to be what they are."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from nerfconvert.kernels.precision import bfloat16_allowed, in_bfloat16
from nerfconvert.options.showing import RenderOptions
from nerfconvert.pipelines.render import render
from tests.conftest import ROOT

FIELD = ROOT / "scenes" / "checkpoints" / "blobs-mlp.safetensors"


def film(output, fast, **more):
    options = RenderOptions(
        checkpoint=FIELD, output=output, frames=2, resolution="64", fast=fast, **more
    )
    document = render(options)
    return document, [cv2.imread(str(path)).astype(float) for path in sorted(output.iterdir())]


@pytest.fixture
def _rounds():
    with bfloat16_allowed():
        if not in_bfloat16(torch.zeros(1)):
            pytest.skip("this processor has no AVX512-BF16, or the kernels are not compiled")


@pytest.mark.usefixtures("_rounds")
def test_fast_frames_are_within_60_db_of_the_exact_ones(tmp_path):
    exact, wanted = film(tmp_path / "exact", False)
    fast, found = film(tmp_path / "fast", True)
    assert exact["machine"]["networks"] == "float32"
    assert fast["machine"]["networks"] == "bfloat16"
    difference = np.stack(found) - np.stack(wanted)
    assert np.abs(difference).max() > 0  # it did something else
    assert 10 * np.log10(255**2 / np.square(difference).mean()) > 55  # steps of 8 bits alone: 59
    assert (np.abs(difference) > 1).mean() < 0.02


def test_exact_frames_are_not_taken_for_fast_ones(tmp_path):
    """Frames that an interrupted film kept belong to that film alone."""
    made = []

    def stop(done, total):
        raise KeyboardInterrupt

    options = {"checkpoint": FIELD, "output": tmp_path / "film", "frames": 2, "resolution": "8"}
    with pytest.raises(KeyboardInterrupt):
        render(RenderOptions(**options), on_frame=stop)
    again = RenderOptions(**options, fast=True, resume=True)
    render(again, on_frame=lambda done, total: made.append(done))
    assert made == [1, 2]
