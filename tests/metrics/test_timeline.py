"""Timeline: one bar over a whole command, which never promises less than what is ahead."""

from __future__ import annotations

import pytest

from nerfconvert.distiller.progress import Progress
from nerfconvert.metrics import timeline as module
from nerfconvert.metrics.timeline import FINISH, Timeline


def training(step: int, seconds: float, fraction: float) -> Progress:
    return Progress("fit", step, seconds, fraction, None, rays=0, samples=0)


@pytest.fixture
def heard(monkeypatch):
    monkeypatch.setattr(module, "REPORT_EVERY", 0.0)
    return []


def test_a_view_tells_what_all_views_will_take(heard):
    timeline = Timeline(heard.append, 100.0)
    on_view = timeline.measures("measuring the source", 4, 4)
    on_view(0, 2.0)
    assert timeline.left == pytest.approx(100 + 2.0 * 7 + FINISH)
    assert heard[-1].stage == "measuring the source"
    assert heard[-1].left == pytest.approx(timeline.left)


def test_training_uses_up_its_seconds(heard):
    timeline = Timeline(heard.append, 100.0)
    timeline.training(training(5, 30.0, 0.3))
    assert timeline.left == pytest.approx(70 + FINISH)
    timeline.training(training(9, 101.0, 1.0))
    assert timeline.left == pytest.approx(FINISH)


def test_steps_are_taken_to_go_on_at_their_rate(heard):
    timeline = Timeline(heard.append, None)
    timeline.training(training(20, 10.0, 0.25))
    assert timeline.left == pytest.approx(30 + FINISH)


def test_measuring_that_makes_it_late_is_said_once(heard, caplog):
    timeline = Timeline(heard.append, 100.0)
    timeline.expects(23.0)
    assert not caplog.records  # 100 + 23 + FINISH is allowed
    timeline.expects(26.0)
    timeline.expects(40.0)
    assert [record.args[:2] for record in caplog.records] == [(pytest.approx(127, abs=1), 100.0)]


def test_what_is_late_anyway_is_not_said(heard, caplog):
    timeline = Timeline(heard.append, 100.0)
    timeline.training(training(9, 100.0, 1.0))
    timeline.expects(500.0)
    Timeline(heard.append, None).expects(500.0)  # steps promise no time
    assert not caplog.records


def test_the_fraction_is_that_of_the_whole_command(heard):
    timeline = Timeline(heard.append, 100.0)
    timeline.phase("opening the source")
    timeline.training(training(5, 50.0, 0.5))
    assert [report.fraction < 0.1 for report in heard] == [True, True]  # no time has passed
    assert heard[0].stage == "opening the source"


def test_without_a_listener_nothing_is_reported():
    Timeline(None, 1.0).training(training(1, 0.5, 0.5))
