"""Who gets which picture, and what is given up: a painter of events, not of seconds."""

from __future__ import annotations

import threading

import pytest

from nerfconvert.formats import load
from nerfconvert.renderer.camera_paths import orbit
from nerfconvert.viewer.looks import Look, Scenery
from nerfconvert.viewer.painter import Painter
from nerfconvert.viewer.render_loop import RenderLoop
from tests.conftest import ROOT


class Watched(Painter):
    """A painter that begins at a quarter, and lets the test act before each picture."""

    def __init__(self):
        super().__init__([load(ROOT / "scenes" / "blobs.toml")], 1.0)
        self.before = lambda look, division: None

    def quick_division(self, look: Look) -> int:
        return 4

    def paint(self, look, scenery, division, unwanted):
        self.before(look, division)
        return super().paint(look, scenery, division, unwanted)


@pytest.fixture
def painter() -> Watched:
    return Watched()


@pytest.fixture
def looks(painter) -> list[Look]:
    return [Look(pose, 0.7, 16, 12) for pose in orbit(painter.fields[0], 3).poses]


class Browser:
    """Keeps what it was shown; the loop stops after the picture that it `waits_for`."""

    def __init__(self, loop: RenderLoop, waits_for: int = 1):
        self.shown, self.loop, self.left = [], loop, waits_for

    def __call__(self, painted) -> None:
        self.shown.append(painted.division)
        if painted.division == 1:
            self.left -= 1
            if not self.left:
                self.loop.stop()


def test_pictures_become_finer_until_the_finest(painter, looks):
    loop = RenderLoop(painter, Scenery())
    browser = Browser(loop)
    loop.ask("a", looks[0], browser)
    loop.run()
    assert browser.shown == [4, 2, 1]


def test_a_finer_picture_is_given_up_for_the_newest_camera(painter, looks):
    loop, painted = RenderLoop(painter, Scenery()), []
    browser = Browser(loop)

    def move(look, division):
        painted.append((looks.index(look), division))
        if painted == [(0, 4), (0, 2)]:
            loop.ask("a", looks[1], browser)
            loop.ask("a", looks[2], browser)

    painter.before = move
    loop.ask("a", looks[0], browser)
    loop.run()
    assert painted == [(0, 4), (0, 2), (2, 4), (2, 2), (2, 1)]
    assert browser.shown == [4, 4, 2, 1]


def test_while_a_camera_moves_each_first_picture_is_shown(painter, looks):
    """Every one is out of date when it is done; given up, nothing would ever be seen."""
    loop, moves = RenderLoop(painter, Scenery()), 5
    browser = Browser(loop)

    def move(look, division):
        nonlocal moves
        if moves:
            moves -= 1
            loop.ask("a", looks[moves % 3], browser)

    painter.before = move
    loop.ask("a", looks[0], browser)
    loop.run()
    assert browser.shown == [4] * 6 + [2, 1]


def test_a_browser_that_goes_away_is_forgotten_at_once(painter, looks):
    loop = RenderLoop(painter, Scenery())
    gone, stays = Browser(loop), Browser(loop)

    def leave(look, division):
        if look is looks[0] and division == 2:
            loop.forget("gone")

    painter.before = leave
    loop.ask("gone", looks[0], gone)
    loop.ask("stays", looks[1], stays)
    loop.run()
    assert gone.shown == [4]
    assert stays.shown == [4, 2, 1]
    loop.forget("nobody")


def test_what_is_coarsest_comes_first(painter, looks):
    """A second browser does not wait for the finest picture of the first."""
    loop, order = RenderLoop(painter, Scenery()), []
    first, second = Browser(loop), Browser(loop)

    def note(look, division):
        order.append((looks.index(look), division))
        if len(order) == 2:
            loop.ask("b", looks[1], second)

    painter.before = note
    loop.ask("a", looks[0], first)
    first.left = 2  # it does not stop the loop
    loop.run()
    assert order.index((1, 4)) < order.index((0, 1))
    assert second.shown == [4, 2, 1]


def test_a_change_of_scenery_is_shown_to_all(painter, looks):
    loop, changed = RenderLoop(painter, Scenery()), []
    browser = Browser(loop, waits_for=2)

    def change(look, division):
        if division == 1 and not changed:
            changed.append(1)
            loop.change(Scenery(edge=0.1))

    painter.before = change
    loop.ask("a", looks[0], browser)
    browser.left = 1
    loop.run()
    assert browser.shown == [4, 2, 4, 2, 1]


def test_a_loop_that_waits_can_be_stopped(painter):
    loop = RenderLoop(painter, Scenery())
    threading.Timer(0.05, loop.stop).start()
    loop.run()


def test_an_error_of_the_painter_ends_the_loop(painter, looks):
    loop = RenderLoop(painter, Scenery())

    def fail(look, division):
        raise RuntimeError("broken field")

    painter.before = fail
    loop.ask("a", looks[0], Browser(loop))
    with pytest.raises(RuntimeError, match="broken field"):
        loop.run()
