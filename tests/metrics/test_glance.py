"""Glance: a few pixels of a held-out view are those of the whole view."""

from __future__ import annotations

import pytest
import torch

from nerfconvert.distiller.progress import Progress
from nerfconvert.formats import load
from nerfconvert.metrics import glance as module
from nerfconvert.metrics.evaluation import Evaluation, Evaluator
from nerfconvert.metrics.glance import LiveFigure, glance, initial_psnr
from nerfconvert.metrics.image_metrics import psnr
from nerfconvert.renderer.camera_paths import orbit
from nerfconvert.renderer.occupancy import build_occupancy

STEP = Progress("fit", 3, 1.0, 0.1, None, rays=5, samples=7)


@pytest.fixture
def seen(scenes):
    """A field, two held-out views of it, and their pictures."""
    field = load(scenes / "blobs.toml")
    build_occupancy(field, resolution=32)
    evaluation = Evaluation(orbit(field, 2, size=(20, 12)), None, 1.0, "a test")
    return field, evaluation, Evaluator(evaluation).render(field).images


def test_every_pixel_is_that_of_the_picture(seen):
    field, evaluation, images = seen
    image, level = glance(field, evaluation, 1, images[1], side=50)
    torch.testing.assert_close(image, images[1], rtol=0, atol=1e-5)
    assert level > 90


def test_fewer_pixels_are_spread_evenly(seen):
    field, evaluation, images = seen
    image, _ = glance(field, evaluation, 0, images[0], side=4)
    rows, columns = [1, 4, 7, 10], [2, 7, 12, 17]
    torch.testing.assert_close(image, images[0][rows][:, columns], rtol=0, atol=1e-5)


def test_the_level_before_training_is_the_mean_over_views(seen):
    field, evaluation, images = seen
    for other in (torch.full_like(images, 0.5), (images + 0.02).clamp(max=1)):
        wanted = sum(psnr(*pair) for pair in zip(images, other)) / 2
        assert initial_psnr(field, evaluation, other) == pytest.approx(wanted, abs=1e-3)


def test_what_is_near_is_measured_at_every_pixel(seen, monkeypatch):
    field, evaluation, images = seen
    monkeypatch.setattr(module, "INITIAL_PIXELS", 8)  # two by two of each view
    marked = images.clone()
    marked[:, 0, 0] = 1 - marked[:, 0, 0]  # none of those
    wanted = sum(psnr(image, other) for image, other in zip(images, marked)) / 2
    assert initial_psnr(field, evaluation, marked) == pytest.approx(wanted, abs=1e-3)


def test_the_live_figure_looks_again_only_when_it_is_due(seen):
    field, evaluation, images = seen
    previews = []
    live = LiveFigure(field, evaluation, images[0], previews.append)
    assert live.added(Progress("start", 0, 0.0, 0.0, None, rays=0, samples=0)).psnr is None
    first, second = live.added(STEP), live.added(STEP)
    assert first.psnr == second.psnr > 60
    assert len(previews) == 1
    assert previews[0].shape == (12, 16, 3)
