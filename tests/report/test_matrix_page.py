"""The page of a benchmark: every cell where it belongs, what it links, and how it works."""

import copy
import re

import pytest

from nerfconvert.report.matrix_page import SHADES, matrix_page

from ..browser import DESK, PHONE
from .pages import MACHINE, PROTOCOL, receipt

EVIL = "<script>alert(1)</script>"


def cell(teacher: str, student: str, psnr: float | None, **more) -> dict:
    entry = {"teacher": teacher, "student": student, "recipe": "fast", "seconds": 61.2}
    entry |= {"speedup_to_scratch_psnr": None, "speedup_is_lower_bound": None, "scratch": None}
    if psnr is None:
        return {**entry, "receipt": None, "receipt_reason": "it broke"}
    made = copy.deepcopy(receipt(f"{teacher}.ckpt", f"cells/{teacher} to {student}.safetensors"))
    made["quality"] |= {
        **{"psnr_target_vs_source": psnr, "psnr_target_vs_truth": psnr - 6},
        **{"delta_vs_truth": -0.25, "ssim_target_vs_source": 0.9, "resolution": [20, 10]},
        **{"views": 8, "worst_view": {"view": 3, "psnr": psnr - 2}},
    }
    made["report"] = f"cells/{teacher} to {student}.safetensors.report.html"
    made["target"]["bytes"] = 10_000_000 if student == "x" else 1_000_000
    return {**entry, "receipt": {**made, **more}}


def document(*cells: dict) -> dict:
    about = {"machine": MACHINE, "argv": ["bench", "m.toml"], "version": "9"}
    return {"cells": list(cells), "speedup_reason": "no photographs", **about}


FULL = document(
    cell("a", "x", 30.0), cell("a", "y", 35.0), cell("b", "x", 40.0), cell("b", "y", None)
)


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "bench.html"
    path.write_text(matrix_page(FULL), encoding="utf-8")
    return path


def test_links_are_relative_and_quoted():
    text = matrix_page(FULL)
    assert 'href="cells/a%20to%20x.safetensors.report.html"' in text
    assert 'href="cells/a%20to%20x.safetensors.receipt.json"' in text
    older = document(cell("a", "x", 30.0, report=None))
    assert "report.html" not in matrix_page(older)
    assert "bench --overwrite makes its pictures" in matrix_page(older)
    sly = document(cell("a", "x", 30.0, report="javascript:alert(1)"))
    assert "javascript:" not in matrix_page(sly)


def test_what_is_missing_is_said():
    text = matrix_page(FULL)
    assert "Without a result: it broke." in text
    assert "No speed-up over training from scratch: no photographs." in text
    nothing = matrix_page(document(cell("a", "x", None)))
    assert "no conversion has ended yet" in nothing


def test_names_are_text():
    text = matrix_page(document(cell(EVIL, EVIL, 30.0), cell(EVIL, "$\\frac$", 31.0)))
    assert text.count("<script") == 1
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


@pytest.mark.parametrize("key", SHADES)
def test_the_best_cell_has_the_strongest_color(key):
    shade = SHADES[key]
    good, bad = (1.0, 9.0) if shade.less_is_better else (9.0, 1.0)
    columns = ("psnr_vs_source", "psnr_vs_truth", "speedup", "bytes", "frame", "seconds")
    rows = [dict.fromkeys(columns, value) for value in (bad, good, None)]
    rows.append(dict.fromkeys(columns, 3.0))
    worst, best, none, middle = shade.levels(rows)
    assert (worst, best, none) == (0, 100, None)
    assert 0 < middle < 100
    assert middle == pytest.approx(50) if shade.logarithmic else middle != pytest.approx(50)


def test_cells_open_and_change_color(open_page, page):
    tab = open_page(page)
    shown = tab.page.locator("#details article.now")
    cells = tab.page.locator("#matrix [data-cell]")
    assert cells.all_inner_texts() == ["30.00", "35.00", "40.00", "none"]
    assert "a → x" in shown.inner_text()
    cells.nth(2).click()
    assert "b → x" in shown.inner_text()
    assert "40.00" in shown.inner_text()
    cells.nth(3).click()
    assert "it broke" in shown.inner_text()
    tab.page.locator("input[value=bytes]").check()
    assert cells.all_inner_texts() == ["10.00 MB", "1.00 MB", "10.00 MB", "none"]
    levels = [cells.nth(i).evaluate("e => e.style.getPropertyValue('--level')") for i in range(2)]
    assert levels == ["0.0", "100.0"]
    cells.nth(0).focus()
    tab.page.keyboard.press("ArrowRight")
    tab.page.keyboard.press("Enter")
    assert "a → y" in shown.inner_text()


@pytest.mark.parametrize("window", [DESK, PHONE, (360, 740)])
def test_the_page_fits_and_asks_for_nothing(open_page, page, window):
    tab = open_page(page, window)
    assert not tab.overflows()
    assert tab.requests == [page.as_uri()]


def test_the_plot_has_a_mark_a_conversion():
    (plot,) = re.findall(r"<svg.*?</svg>", matrix_page(FULL), re.DOTALL)
    assert plot.count('id="PathCollection') == 2  # one of each target
    assert PROTOCOL["cameras"] in matrix_page(FULL)


def test_equal_quality_has_a_section_with_both_curves(open_page, tmp_path):
    level = {"below_source": 1.0, "psnr_vs_truth": 29.0, "speedup": 2.0, "speedup_bound": "exact"}
    times = {"conversion": [30.0], "training": [60.0]}
    level |= {k: [{"seed": 0, "seconds": v[0], "bound": "exact"}] for k, v in times.items()}
    runs = [{"budget": b, "seed": 0, "psnr_vs_truth": 20.0 + b / 9} for b in (30, 60)]
    entry = {"teacher": "a", "student": "x", "recipe": "fast", "psnr_source_vs_truth": 30.0}
    entry |= {"levels": [level], "conversions": runs, "trainings": runs}
    text = matrix_page({**FULL, "equal_quality": [entry]})
    assert "No speed-up" not in text
    assert len(re.findall(r"<svg", text)) == 2
    page = tmp_path / "bench.html"
    page.write_text(text, encoding="utf-8")
    tab = open_page(page, PHONE)
    assert not tab.overflows()
    assert "29.00 dB" in tab.page.locator("section", has_text="Seconds to equal").inner_text()
    more = matrix_page({**FULL, "equal_quality": [entry, {**entry, "psnr_source_vs_truth": 9.0}]})
    assert len(re.findall(r"<svg", more)) == 1  # of two sources, tables alone
