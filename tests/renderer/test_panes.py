import numpy as np
import pytest
import torch

from nerfconvert.renderer.panes import (
    GAP,
    SECOND,
    STRIP,
    depth_map,
    grid,
    heat_map,
    pane,
    side_by_side,
    to_bytes,
)


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


def test_a_subtitle_has_a_line_of_its_own():
    image = np.full((50, 200, 3), 7, np.uint8)
    framed = pane(image, "title", "31.25 dB", "a subtitle that is far too long " * 4)
    assert framed.shape == (50 + STRIP + SECOND, 200, 3)
    assert np.array_equal(framed[:STRIP], pane(image, "title", "31.25 dB")[:STRIP])
    second = framed[STRIP : STRIP + SECOND]
    assert (second > 120).any()
    assert (second[:, -8:] < 40).all()  # cut before the edge
    assert (second[-2:] < 40).all()


def test_letters_do_not_reach_into_the_picture_or_the_edge():
    framed = pane(np.zeros((4, 300, 3), np.uint8), "gjpqy_|", "gjpqy", "gjpqy_|,")
    strip = framed[: STRIP + SECOND]
    for edge in (strip[:2], strip[-2:], strip[:, :2], strip[:, -2:]):
        assert (edge < 40).all()


def block(level: int, height: int = 5, width: int = 6) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def test_a_grid_fills_short_rows_on_the_left():
    made = grid([[block(100), block(101)], [block(102, 7)]])
    assert made.shape == (5 + GAP + 7, 6 + GAP + 6, 3)
    assert (made[:5, :6] == 100).all()
    assert (made[-7:, -6:] == 102).all()
    assert (made[-7:, :6] < 30).all()


def test_more_columns_than_fit_go_on_below():
    rows = [[block(100 + k) for k in range(5)], [block(200 + k) for k in range(5)]]
    made = grid(rows, widest=2 * 6 + GAP)
    assert made.shape == (6 * 5 + 5 * GAP, 2 * 6 + GAP, 3)
    tops = [k * (5 + GAP) for k in range(6)]
    assert [int(made[top, 0, 0]) for top in tops] == [100, 200, 102, 202, 104, 204]
    assert (made[tops[4] : tops[4] + 5, -6:] < 30).all()


def test_depth_goes_from_blue_to_red_on_the_background():
    depth = np.array([[1.0, 2.0, 1.5]])
    colors = depth_map(depth, np.array([[1.0, 1.0, 0.4]]), (1.0, 2.0), 1.0)[0].astype(int)
    assert colors[0, 2] > colors[0, 0]
    assert colors[1, 0] > colors[1, 2]
    assert (colors[2] == 255).all()
