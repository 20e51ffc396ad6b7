"""Pictures of a page: exact where there is room, never more than their bytes."""

import base64

import cv2
import numpy as np
import pytest
import torch

from nerfconvert.report.compared import Compared, ranked, spread
from nerfconvert.report.pictures import LOSSLESS, encode_rows, webp


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def decoded(uri: str) -> np.ndarray:
    data = np.frombuffer(base64.b64decode(uri.removeprefix("data:image/webp;base64,")), np.uint8)
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def test_where_there_is_room_pictures_are_exact():
    rows = [[noise(20, 30, 1), noise(20, 30, 2)], [noise(20, 30, 3), noise(20, 30, 4)]]
    encoded = encode_rows(rows)
    assert "exact" in encoded.how
    for row, uris in zip(rows, encoded.rows, strict=True):
        for picture, uri in zip(row, uris, strict=True):
            assert (decoded(uri) == picture).all()


@pytest.mark.parametrize("budget", [400_000, 100_000, 45_000])
def test_pictures_take_no_more_than_they_may(budget):
    rows = [[noise(160, 240, view)] for view in range(6)]
    encoded = encode_rows(rows, budget)
    taken = sum(len(base64.b64decode(uri.partition(",")[2])) for (uri,) in encoded.rows)
    assert taken <= budget
    assert ("exact" in encoded.how) == (taken == sum(len(webp(p, None, LOSSLESS)) for (p,) in rows))


def test_where_later_views_are_harder_all_are_made_smaller():
    rows = [[np.zeros((160, 160, 3), np.uint8)], *([noise(160, 160, i)] for i in range(4))]
    encoded = encode_rows(rows, 100_000)
    assert sum(len(uri) for (uri,) in encoded.rows) * 3 / 4 <= 100_000


def test_sides_shrink_in_proportion():
    small = webp(noise(100, 200), 50, 80)
    shape = cv2.imdecode(np.frombuffer(small, np.uint8), cv2.IMREAD_COLOR).shape
    assert shape == (25, 50, 3)


def test_the_worst_views_have_pictures_and_some_of_the_others():
    assert spread([3, 1, 2], 3) == [3, 1, 2]
    ranks = list(range(100))
    chosen = spread(ranks, 12)
    assert chosen[:8] == ranks[:8]
    assert len(chosen) == len(set(chosen)) == 12
    assert chosen == sorted(chosen)
    assert chosen[-1] == 99
    assert max(np.diff(chosen[7:])) <= 24


def test_views_rank_by_their_worst_subject():
    figures = [{"psnr_views": [30.0, 20.0, 25.0]}, {"psnr_views": [10.0, 40.0, 26.0]}]
    assert ranked(figures) == [0, 1, 2]


def test_many_large_views_stay_within_the_page():
    generator = torch.Generator().manual_seed(0)
    views = torch.rand(30, 160, 160, 3, generator=generator)
    many = Compared(["a", "b"], [views, views.flip(0)], None)
    rows, words = many.shown(many.figures())
    assert len(rows) == 24
    assert "24 of 30 views" in words
    assert sum(len(uri) for row in rows for uri in row["uris"].values()) < 4_600_000
