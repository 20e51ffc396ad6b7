"""RenderLoop: pictures for every browser, from coarse to fine; the newest camera wins."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from .looks import Look, Scenery
from .painter import Painted, Painter


@dataclass
class _Viewer:
    """A browser: what it asked for last, and the size of its next picture."""

    look: Look
    show: Callable[[Painted], None]
    version: int = 0
    division: int | None = None  # None: the last picture was the finest
    fresh: bool = True  # nothing of this version has been shown
    gone: bool = False


class RenderLoop:
    """`run` paints in the thread that calls it; all else may be called from any thread.

    A picture that is coarse enough to be quick comes first, then finer ones, each with sides twice
    as long. A finer one is given up as soon as its browser asks for something else or goes away;
    the first is not, so that there is something to see while a camera moves.
    """

    def __init__(self, painter: Painter, scenery: Scenery):
        self.painter, self._scenery = painter, scenery
        self._viewers: dict[Hashable, _Viewer] = {}
        self._changed = threading.Condition()
        self._stopped = False

    def ask(self, viewer: Hashable, look: Look, show: Callable[[Painted], None]) -> None:
        """From now on `viewer` wants `look`; `show` gets its pictures, one after the other."""
        with self._changed:
            known = self._viewers.setdefault(viewer, _Viewer(look, show))
            known.look, known.show = look, show
            self._renew(known)

    def forget(self, viewer: Hashable) -> None:
        """`viewer` is gone."""
        with self._changed:
            if known := self._viewers.pop(viewer, None):
                known.gone = True

    def change(self, scenery: Scenery) -> None:
        """From now on everybody sees `scenery`."""
        with self._changed:
            self._scenery = scenery
            for viewer in self._viewers.values():
                self._renew(viewer)

    def stop(self) -> None:
        """`run` returns soon."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def run(self) -> None:
        """Paints whatever is asked for, until `stop`."""
        while (viewer := self._next()) is not None:
            self._paint(viewer)

    def _renew(self, viewer: _Viewer) -> None:
        viewer.version += 1
        viewer.division, viewer.fresh = self.painter.quick_division(viewer.look), True
        self._changed.notify_all()

    def _next(self) -> _Viewer | None:
        """Whoever waits for the coarsest picture; None once the loop is stopped."""
        with self._changed:
            while not self._stopped:
                waiting = [v for v in self._viewers.values() if v.division]
                if waiting:
                    return max(waiting, key=lambda v: (v.fresh, v.division))
                self._changed.wait()
        return None

    def _paint(self, viewer: _Viewer) -> None:
        with self._changed:
            look, division, version = viewer.look, viewer.division, viewer.version
            fresh, scenery = viewer.fresh, self._scenery

        def unwanted() -> bool:
            return viewer.gone or self._stopped or (viewer.version != version and not fresh)

        painted = self.painter.paint(look, scenery, division, unwanted)
        if painted is None:
            return
        with self._changed:
            if viewer.version == version:
                viewer.division = division // 2 if division > 1 else None
                viewer.fresh = False
        if not viewer.gone:
            viewer.show(painted)
