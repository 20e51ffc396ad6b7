"""A report works where people open it: from a file, on a phone, by keyboard, in print."""

import pytest

from nerfconvert.options.showing import CompareOptions
from nerfconvert.pipelines.compare import compare
from nerfconvert.report.page import comparison_page, conversion_page

from ..browser import DESK, PHONE
from .pages import compared, comparison, receipt

SMALLEST = (360, 740)  # pixels
EVIL = "<img src=x onerror=alert(1)><script>alert(1)</script>"


@pytest.fixture
def report(tmp_path):
    path = tmp_path / "report.html"
    pair = compared("mlp", "vm", truth=True)
    path.write_text(conversion_page(receipt("a.ckpt", "b.ckpt"), pair), encoding="utf-8")
    return path


def column(tab, number: int) -> list[str]:
    return tab.page.locator(f"#views tbody td:nth-child({number})").all_inner_texts()


def view(tab) -> str:
    return tab.page.locator("#stack figure.now").get_attribute("data-view")


def cut(tab) -> float:
    return float(tab.page.evaluate("document.getElementById('cut').value"))


def test_the_slider_moves_by_mouse_and_by_keyboard(open_page, report):
    tab = open_page(report)
    box = tab.page.locator("#stack").bounding_box()
    tab.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tab.page.mouse.down()
    tab.page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 20, steps=4)
    tab.page.mouse.up()
    assert cut(tab) == pytest.approx(20, abs=1)
    line = tab.page.locator(".handle").bounding_box()
    assert line["x"] == pytest.approx(box["x"] + 0.2 * box["width"], abs=0.015 * box["width"])
    clip = "getComputedStyle(document.querySelector('figure.now .right')).clipPath"
    assert f"{cut(tab):g}%" in tab.page.evaluate(clip)
    before = cut(tab)
    tab.page.locator("#cut").press("ArrowRight")
    assert cut(tab) == before + 1
    tab.page.locator("h1").click()
    tab.page.keyboard.press("ArrowLeft")
    assert cut(tab) < before + 1


def test_views_change_by_key_button_table_and_heat_map(open_page, report):
    tab = open_page(report)
    assert view(tab) == "1"
    tab.page.keyboard.press("j")
    assert view(tab) == "2"
    tab.page.keyboard.press("k")
    tab.page.keyboard.press("k")
    assert view(tab) == "0"
    tab.page.locator("#after").click()
    assert view(tab) == "1"
    tab.page.locator("#views .pick", has_text="view 2").click()
    assert view(tab) == "2"
    tab.page.locator("#strip button").nth(2).click()
    assert view(tab) == "0"
    assert "View 0" in tab.page.inner_text("#now")
    tab.page.locator(".ruler .mark").nth(1).dispatch_event("click")
    assert view(tab) == "1"


def test_what_is_compared_can_be_chosen(open_page, report):
    tab = open_page(report)
    tab.page.locator("#right").select_option("error1")
    shown = tab.page.locator("figure.now .layer.right")
    assert shown.get_attribute("data-layer") == "error1"
    assert "error of vm" in tab.page.inner_text("#tag-right")


def test_every_column_sorts_both_ways(open_page, report):
    tab = open_page(report)
    count = tab.page.locator("#views thead th").count()
    assert count == 5
    for number in range(1, count + 1):
        header = tab.page.locator(f"#views thead th:nth-child({number})")
        for direction in ("ascending", "descending"):
            while header.get_attribute("aria-sort") != direction:
                header.locator("button").click()
            levels = [float(text.removeprefix("view ")) for text in column(tab, number)]
            assert levels == sorted(levels, reverse=direction == "descending")
            assert len(set(levels)) == 3


@pytest.mark.parametrize("window", [DESK, PHONE, SMALLEST])
@pytest.mark.parametrize("names", [("mlp",), ("mlp", "vm"), ("mlp", "vm", "a_very_long_name" * 4)])
def test_a_page_fits_its_window_and_asks_for_nothing(open_page, tmp_path, names, window):
    paths = [f"/some/folder/{name}/{'checkpoint' * 6}.safetensors" for name in names]
    page = comparison_page(comparison(*paths), compared(*names, truth=True), ["compare", *paths])
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    tab = open_page(tmp_path / "page.html", window)
    assert not tab.overflows()
    assert tab.requests == [(tmp_path / "page.html").as_uri()]
    broken = "[...document.images].filter(image => !image.naturalWidth).length"
    assert tab.page.evaluate(broken) == 0


def test_light_and_dark(open_page, report):
    color = "getComputedStyle(document.body).backgroundColor"
    light, dark = (open_page(report, dark=d).page.evaluate(color) for d in (False, True))
    assert sum(map(int, light[4:-1].split(","))) > 600 > 150 > sum(map(int, dark[4:-1].split(",")))


def test_names_run_nothing(open_page, tmp_path):
    page = comparison_page(comparison(EVIL, EVIL), compared(EVIL, EVIL), ["compare", EVIL])
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    tab = open_page(tmp_path / "page.html")
    tab.page.locator("#right").select_option("error1")
    assert EVIL in tab.page.inner_text("#tag-right")
    assert tab.page.locator("script").count() == 1


def test_the_policy_of_the_page_lets_nothing_in(browser, report):
    """Were markup to come through after all, it could neither run nor load."""
    evil = "<script>document.title = 'run'</script><img src='http://127.0.0.1:9/x.png'></body>"
    report.write_text(report.read_text().replace("</body>", evil))
    page = browser.new_page()
    refused = []
    page.on("requestfailed", lambda request: refused.append((request.url, request.failure)))
    page.goto(report.as_uri())
    assert page.title() != "run"
    assert refused == [("http://127.0.0.1:9/x.png", "csp")]
    page.close()


def test_real_fields_and_photographs_make_a_page_that_can_be_sent(open_page, shared, tmp_path):
    lego = shared / "checkpoints" / "ppng" / "lego"
    asked = CompareOptions(
        checkpoints=(lego / "ppng_1.ppng", lego / "ppng_2.ppng"),
        output=tmp_path,
        data=shared / "data" / "nerf_synthetic" / "lego",
        eval_views=2,
        resolution="100",
        frames=0,
    )
    document = compare(asked, argv=["compare", "..."])
    page = tmp_path / "report.html"
    assert document["report"] == str(page)
    assert page.stat().st_size < 5_000_000
    tab = open_page(page, PHONE)
    assert tab.requests == [page.as_uri()]
    assert f"{document['fields'][1]['psnr_vs_first']:.2f}" in tab.page.inner_text(".first dd")


def test_all_views_are_on_paper(open_page, report):
    tab = open_page(report)
    tab.page.emulate_media(media="print")
    shown = tab.page.locator("#stack .layer img")
    assert shown.count() == 3 * 4
    assert all(image.is_visible() for image in shown.all())
    assert not tab.page.locator("#cut").is_visible()


def test_every_control_has_a_name(open_page, report):
    tab = open_page(report)
    unnamed = """[...document.querySelectorAll('button, select, input')].filter(one =>
        !(one.getAttribute('aria-label') || one.labels?.length || one.innerText.trim())).length"""
    assert tab.page.evaluate(unnamed) == 0
    assert tab.page.evaluate("[...document.images].every(image => image.hasAttribute('alt'))")
