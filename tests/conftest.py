"""Fixtures of all tests: seeds, devices, backends, tiny scenes, and where real data may lie."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: several tests run at once

import cv2
import numpy as np
import pytest
import torch

from nerfconvert.kernels.dispatch import use_backend
from nerfconvert.kernels.library import load_library

from . import browser as chromium

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("NERFCONVERT_SHARED", ROOT.parent / "shared"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """`needs_cuda` skips without a GPU, unless FAIL_WITHOUT_CUDA says that there must be one."""
    if item.get_closest_marker("needs_cuda") and not torch.cuda.is_available():
        if os.environ.get("FAIL_WITHOUT_CUDA"):
            pytest.fail("FAIL_WITHOUT_CUDA is set and torch sees no CUDA device")
        pytest.skip("torch sees no CUDA device")


@pytest.fixture(autouse=True, scope="session")
def _listening():
    """Tests send SIGINT to themselves; a shell ignores it in what it puts in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _seeded():
    """Every test starts from the same random state, and leaves nothing behind."""
    torch.manual_seed(0)
    np.random.seed(0)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(params=["reference", "native"])
def backend(request):
    """Runs the test once for each backend that is there, or that the environment says must be."""
    if request.param == "native" and load_library("cpu") is None:
        if os.environ.get("NERFCONVERT_REQUIRE_NATIVE") == "1":
            pytest.fail("NERFCONVERT_REQUIRE_NATIVE is set and the kernels are not compiled here")
        pytest.skip("the kernels are not compiled here")
    with use_backend(request.param):
        yield request.param


@pytest.fixture
def shared() -> Path:
    """Real data and checkpoints, which are not part of the project."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is absent (real data are not part of the project)")
    return SHARED


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium, shared by the tests of a module."""
    with chromium.started() as running:
        yield running


@pytest.fixture
def open_page(browser):
    """Opens a file or an URL as `chromium.opened` does, until the end of the test: a Tab."""
    with contextlib.ExitStack() as tabs:
        yield lambda *place, **how: tabs.enter_context(chromium.opened(browser, *place, **how))


@pytest.fixture
def scenes() -> Path:
    return ROOT / "scenes"


def write_transforms(folder: Path, name: str, poses: torch.Tensor, images=None, **extra) -> Path:
    """A transforms file with `poses` [V, 4, 4] and, next to it, PNG files of `images` (uint8)."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = []
    for index, pose in enumerate(poses):
        path = f"{name}_{index:02d}.png"
        if images is not None:
            order = [2, 1, 0, 3][: images[index].shape[-1]]
            cv2.imwrite(str(folder / path), images[index][..., order])
        frames.append({"file_path": path, "transform_matrix": pose.tolist()})
    document = {"camera_angle_x": math.radians(40), **extra, "frames": frames}
    file = folder / f"{name}.json"
    file.write_text(json.dumps(document))
    return file
