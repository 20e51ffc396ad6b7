"""Pace: a limit that shrinks, none at all, and who is told."""

from __future__ import annotations

import math

from nerfconvert.volume import Pace


def test_without_seconds_there_is_no_limit():
    pace = Pace()
    assert not pace.limited
    assert pace.left == math.inf


def test_what_is_left_shrinks_to_nothing_and_not_below():
    pace = Pace(1e-9)
    assert pace.limited
    while pace.spent <= 1e-9:
        pass
    assert pace.left == 0


def test_the_listener_hears_each_report():
    heard = []
    Pace(on_progress=lambda what, part: heard.append((what, part))).report("fitting", 0.5)
    assert heard == [("fitting", 0.5)]
