import numpy as np
import pytest

from nerfconvert.film.layouts import BLINK, LAYOUTS, WIPE, Shot
from nerfconvert.options.showing import LAYOUTS as NAMES
from nerfconvert.renderer.panes import INK, SECOND, STRIP

TOP = STRIP + SECOND


def shot(level: int) -> Shot:
    return Shot(np.full((20, 60, 3), level, np.uint8), f"field {level}", "vm", "")


def pictures(layout: str, frame: int, others: int = 2) -> list[np.ndarray]:
    panes = LAYOUTS[layout](shot(10), [shot(100 + k) for k in range(others)], frame)
    return [pane[TOP:] for pane in panes]


def test_what_can_be_asked_for_is_there():
    assert tuple(LAYOUTS) == NAMES


def test_side_by_side_shows_all():
    assert [p[0, 0, 0] for p in pictures("side-by-side", 7)] == [10, 100, 101]


@pytest.mark.parametrize(("frame", "edge"), [(0, 30), (WIPE // 4, 60), (3 * WIPE // 4, 0)])
def test_a_wipe_goes_from_edge_to_edge(frame, edge):
    shown = pictures("wipe", frame)
    assert len(shown) == 2
    for level, picture in enumerate(shown, 100):
        columns = picture[0, :, 0]
        line = columns == INK[0]
        assert (columns[:edge][~line[:edge]] == 10).all()
        assert (columns[edge:][~line[edge:]] == level).all()
        assert line.sum() <= 2


def test_a_blink_takes_turns():
    seen = [[p[0, 0, 0] for p in pictures("blink", frame)] for frame in range(2 * BLINK)]
    assert seen == [[10, 10]] * BLINK + [[100, 101]] * BLINK
