"""The browser of the tests sees what is wrong with a page."""

import http.server
import threading

import pytest

from .browser import PHONE, opened

PAGE = (
    "<!doctype html><html lang='en'><meta charset='utf-8'><title>page</title>"
    "<link rel='icon' href='data:,'>"  # or a server is asked for one
)


@pytest.fixture
def page(tmp_path):
    def write(body: str):
        path = tmp_path / "page.html"
        path.write_text(PAGE + body)
        return path

    return write


def test_a_page_runs_its_script(open_page, page):
    tab = open_page(
        page("<p>before</p><script>document.querySelector('p').innerText='after'</script>")
    )
    assert tab.page.inner_text("p") == "after"
    assert tab.requests == [page("").as_uri()]
    assert not tab.overflows()


def test_colors_and_window_are_those_that_were_asked_for(open_page, page):
    style = "<style>@media (prefers-color-scheme: dark) { p { color: red } }</style><p>text</p>"
    color = "getComputedStyle(document.querySelector('p')).color"
    assert open_page(page(style)).page.evaluate(color) == "rgb(0, 0, 0)"
    dark = open_page(page(style), PHONE, dark=True)
    assert dark.page.evaluate(color) == "rgb(255, 0, 0)"
    assert dark.page.evaluate("innerWidth") == PHONE[0]


def test_what_is_too_wide_for_a_phone_is_seen(open_page, page):
    assert open_page(page("<div style='width: 500px'>wide</div>"), PHONE).overflows()


@pytest.mark.parametrize(
    "body", ["<script>nothing.at.all()</script>", "<script>console.error('broken')</script>"]
)
def test_what_the_console_says_is_an_error(browser, page, body):
    with pytest.raises(AssertionError), opened(browser, page(body)):
        pass


def test_requests_that_leave_the_page_are_seen(browser, page):
    body = "<img src='http://127.0.0.1:9/picture.png' alt=''>"
    with pytest.raises(AssertionError), opened(browser, page(body)) as tab:
        assert tab.requests[1:] == ["http://127.0.0.1:9/picture.png"]


def test_a_page_of_a_server_is_opened_by_its_url(open_page, page):
    folder = page("<p>served</p>").parent

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        tab = open_page(f"http://127.0.0.1:{server.server_port}/page.html")
        assert tab.page.inner_text("p") == "served"
        server.shutdown()


def test_pictures_can_be_drawn_with_webgl(open_page, page):
    tab = open_page(page("<canvas></canvas>"))
    found = "document.querySelector('canvas').getContext('webgl2')"
    assert tab.page.evaluate(f"{found} !== null")
