"""A real browser for the tests of pages: a headless Chromium, driven by playwright.

`conftest.py` makes fixtures of it. Chromium is that of the system (Debian: apt-get install
chromium); playwright's own is never downloaded.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",  # which root cannot have
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",  # /dev/shm is small in containers
    "--enable-unsafe-swiftshader",  # WebGL without a GPU
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PHONE, DESK = (390, 844), (1280, 800)  # pixels of a window


@dataclass
class Tab:
    """An open page, what it asked of any network, and what its console complained about."""

    page: Page
    requests: list[str] = field(default_factory=list)  # URLs, without those of data: and blob:
    complaints: list[str] = field(default_factory=list)  # errors, warnings, failed requests

    def listen(self) -> None:
        """Hears of all that happens from now on."""
        self.page.on("request", lambda request: self._asked(request.url))
        self.page.on("requestfailed", lambda request: self._failed(request.url, request.failure))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda message: self._said(message.type, message.text))

    def overflows(self) -> bool:
        """Whether the page has to be scrolled sideways."""
        root = "document.documentElement"
        return self.page.evaluate(f"{root}.scrollWidth > {root}.clientWidth")

    def _asked(self, url: str) -> None:
        if not url.startswith(("data:", "blob:")):
            self.requests.append(url)

    def _failed(self, url: str, why: str | None) -> None:
        if why != "net::ERR_ABORTED":  # that is the page's own doing
            self.complaints.append(f"{url}: {why}")

    def _said(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)


@contextlib.contextmanager
def started() -> Iterator[Browser]:
    """A browser, with a profile of its own; skips where there is none, unless one is required."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        missing("Chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@contextlib.contextmanager
def opened(
    browser: Browser, place: Path | str, window: tuple[int, int] = DESK, *, dark: bool = False
) -> Iterator[Tab]:
    """A tab that shows a file or an URL; at the end nothing may have been complained about."""
    context = browser.new_context(
        viewport={"width": window[0], "height": window[1]},
        color_scheme="dark" if dark else "light",
    )
    tab = Tab(context.new_page())
    tab.listen()
    tab.page.goto(place.absolute().as_uri() if isinstance(place, Path) else place)
    yield tab
    context.close()
    assert not tab.complaints, tab.complaints


def missing(what: str) -> None:
    """Skips the test, or fails it where NERFCONVERT_REQUIRE_CHROMIUM says that it must run."""
    if os.environ.get("NERFCONVERT_REQUIRE_CHROMIUM") == "1":
        pytest.fail(f"NERFCONVERT_REQUIRE_CHROMIUM is set and there is no {what} here")
    pytest.skip(f"{what} is absent: scripts/test.sh says how it is installed")
