"""What the terminal says about time."""

from __future__ import annotations

from nerfconvert.cli import terminal
from nerfconvert.cli.terminal import Terminal


def test_frames_are_foretold_without_the_time_before_the_first(monkeypatch, capsys):
    """Opening and warming up take 70 s here, a frame 1 s."""
    now = 0.0
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now)
    with Terminal().frames("render", "opening") as report:
        for done in range(1, 49):
            now = 70.0 + done
            report(done, 48)
    said = capsys.readouterr().err
    assert "46 more frames will take about 46 s\n" in said
    assert "1:" not in said


def test_few_frames_are_not_worth_a_word(monkeypatch, capsys):
    now = 0.0
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now)
    with Terminal().frames("render", "opening") as report:
        for done in (1, 2, 3):
            now += 1.0
            report(done, 3)
    assert "more frames" not in capsys.readouterr().err


def test_a_film_that_goes_on_is_foretold_from_its_own_frames(monkeypatch, capsys):
    now = 0.0
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now)
    with Terminal().frames("render", "opening") as report:
        for done in range(11, 49):
            now = 70.0 + done
            report(done, 48)
    assert "36 more frames will take about 36 s\n" in capsys.readouterr().err
