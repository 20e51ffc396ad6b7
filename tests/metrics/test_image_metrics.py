import math

import pytest
import torch

from nerfconvert.metrics.image_metrics import known_mean, mean_psnr, per_view, psnr, ssim
from tests.oracles import psnr_loop, ssim_loop


@pytest.fixture
def pair(generator):
    image = torch.rand(14, 17, 3, generator=generator)
    noise = 0.1 * torch.randn(14, 17, 3, generator=generator)
    return image, image + noise


def test_psnr_is_the_loop(pair):
    assert psnr(*pair) == pytest.approx(psnr_loop(*(x.numpy() for x in pair)), abs=1e-4)


def test_ssim_is_the_loop(pair):
    clamped = [(x.clamp(0, 1) * 255).round() / 255 for x in pair]
    assert ssim(*pair) == pytest.approx(ssim_loop(*(x.numpy() for x in clamped)), abs=1e-4)


def test_psnr_of_some_pixels_is_the_loop_over_them(pair):
    image, reference = (x.numpy() for x in pair)
    where = torch.arange(14 * 17).view(14, 17) % 3 == 0
    chosen = (x[where.numpy()][None] for x in (image, reference))
    assert psnr(*pair, where) == pytest.approx(psnr_loop(*chosen), abs=1e-6)
    assert math.isnan(psnr(*pair, torch.zeros(14, 17, dtype=torch.bool)))


def test_covered_is_an_opacity_over_a_half():
    reference = torch.zeros(1, 4, 4, 3)
    image, opacity = torch.full_like(reference, 102 / 255), torch.full((1, 4, 4), 0.5)
    image[0, 0], opacity[0, 0] = 51 / 255, 0.51
    (row,) = per_view(image, reference, opacity)
    assert row["psnr_covered"] == pytest.approx(-20 * math.log10(0.2))
    assert row["psnr"] < row["psnr_covered"]
    assert "psnr_covered" not in per_view(image, reference)[0]


def test_views_without_a_figure_do_not_count_in_a_mean():
    assert known_mean([1.0, math.nan, 3.0]) == 2.0
    assert math.isnan(known_mean([math.nan]))


def test_known_psnr():
    assert psnr(torch.zeros(4, 4, 3), torch.full((4, 4, 3), 51 / 255)) == pytest.approx(
        -20 * math.log10(0.2)
    )


def test_both_images_are_rounded():
    image = torch.full((4, 4, 3), 100.4 / 255)
    assert psnr(image, torch.full((4, 4, 3), 99.6 / 255)) == math.inf


def test_the_mean_is_over_images_not_over_errors():
    reference = torch.zeros(2, 4, 4, 3)
    images = torch.stack([torch.full((4, 4, 3), 51 / 255), torch.full((4, 4, 3), 102 / 255)])
    expected = (-20 * math.log10(0.2) - 20 * math.log10(0.4)) / 2
    assert mean_psnr(images, reference) == pytest.approx(expected)
    assert [v["view"] for v in per_view(images, reference)] == [0, 1]


def test_ssim_of_equal_images_is_one_and_of_tiny_ones_undefined(pair):
    assert ssim(pair[0], pair[0]) == pytest.approx(1)
    assert math.isnan(ssim(torch.zeros(8, 20, 3), torch.zeros(8, 20, 3)))


def test_refuses_shapes_and_nan():
    with pytest.raises(ValueError, match=r"\[H, W, 3\]"):
        psnr(torch.zeros(4, 4, 3), torch.zeros(4, 5, 3))
    with pytest.raises(ValueError, match="NaN"):
        psnr(torch.full((4, 4, 3), math.nan), torch.zeros(4, 4, 3))
