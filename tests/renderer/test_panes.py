import numpy as np
import pytest
import torch

from nerfconvert.renderer.panes import GAP, STRIP, heat_map, pane, side_by_side, to_bytes


def test_bytes_are_rounded_and_clamped():
    image = torch.tensor([[[-0.5, 0.5, 2.0]]])
    assert to_bytes(image).tolist() == [[[0, 128, 255]]]


def test_equal_images_are_dark_and_errors_grow_brighter():
    reference = torch.zeros(8, 8, 3)
    levels = []
    for error in (0.0, 0.05, 0.2, 0.25, 0.9):
        levels.append(heat_map(reference + error, reference)[0, 0].astype(int).sum())
    assert levels[0] < 10
    assert levels == sorted(levels)
    assert levels[-1] == levels[-2]  # saturated at the limit


def test_the_legend_leaves_small_images_alone():
    assert (heat_map(torch.zeros(40, 90, 3), torch.zeros(40, 90, 3)) < 10).all()
    assert (heat_map(torch.zeros(64, 128, 3), torch.zeros(64, 128, 3)) > 200).any()


def test_a_pane_keeps_its_image_and_gains_a_strip():
    image = np.full((50, 60, 3), 7, np.uint8)
    framed = pane(image, "a title that is far too long for it", "31.25 dB")
    assert framed.shape == (50 + STRIP, 60, 3)
    assert (framed[STRIP:] == 7).all()
    assert (framed[:STRIP] > 150).any()


def test_a_title_may_be_the_name_of_any_file():
    image = np.zeros((50, 200, 3), np.uint8)
    assert np.array_equal(pane(image, "caf\udce9"), pane(image, "caf?"))


def test_panes_stand_in_a_row():
    row = side_by_side([np.full((5, 6, 3), 1, np.uint8), np.full((5, 8, 3), 2, np.uint8)])
    assert row.shape == (5, 6 + GAP + 8, 3)
    assert (row[:, :6] == 1).all()
    assert (row[:, -8:] == 2).all()


def test_panes_of_two_heights_are_refused():
    with pytest.raises(ValueError, match="height"):
        side_by_side([np.zeros((5, 6, 3), np.uint8), np.zeros((6, 6, 3), np.uint8)])
