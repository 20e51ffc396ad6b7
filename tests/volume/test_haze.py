"""part_that_shows: the largest part of a threshold that leaves out little enough."""

from __future__ import annotations

import pytest

from nerfconvert.volume.haze import PARTS, part_that_shows


@pytest.mark.parametrize(
    ("most", "part"), [(1.0, 1.0), (0.9, 1 / 8), (0.125, 1 / 8), (0.1, 1 / 64), (0.0, 1 / 64)]
)
def test_what_is_left_out_decides(most, part):
    """Where as much lies below a part as it is large."""
    assert part_that_shows(lambda tried: tried, most) == part


def test_parts_are_tried_from_the_largest_and_no_further_than_needed():
    asked = []
    part_that_shows(lambda tried: asked.append(tried) or 0.0, 0.0)
    part_that_shows(lambda tried: asked.append(tried) or 1.0, 0.5)
    assert asked == [PARTS[0], *PARTS]
