"""What pixels say of the opacity before them, and draws of those that show something."""

import pytest
import torch

from nerfconvert.distiller.pixels import ShowingPixels, draw_pixels, least_opacity


def test_the_least_opacity_on_white_black_and_with_alpha():
    pixels = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.5, 1.0], [0.0, 0.0, 0.0]])
    assert least_opacity(pixels, 1.0).tolist() == [0.0, 0.5, 1.0]
    assert least_opacity(pixels, 0.0).tolist() == [1.0, 1.0, 0.0]
    assert least_opacity(torch.tensor([[0.1, 0.2, 0.2, 0.3]]), 1.0).tolist() == pytest.approx([0.3])


def test_half_of_the_drawn_pixels_become_ones_that_show_something():
    images = torch.ones(3, 5, 7, 3)
    images[1, 2, 3] = images[2, 4, 6] = 0.0
    generator = torch.Generator().manual_seed(0)
    drawn = draw_pixels(images, 64, generator)
    ShowingPixels(images, 1.0).put_into(drawn, generator)
    assert (images[drawn][:32] == 0).all()
    assert {tuple(x) for x in torch.stack(drawn, 1)[:32].tolist()} == {(1, 2, 3), (2, 4, 6)}
    assert (images[drawn][32:] == 1).float().mean() > 0.8
