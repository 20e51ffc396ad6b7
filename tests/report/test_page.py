"""What a report says; `test_page_in_browser.py` opens it."""

import re

import pytest

from nerfconvert.report import plots
from nerfconvert.report.page import comparison_page, conversion_page

from .pages import GATES, compared, comparison, receipt

EVIL = "<script>alert(1)</script>\"'&.ckpt"


def text_of(page: str) -> str:
    """The page without tags, styles and scripts, spaces and line breaks as one space."""
    page = re.sub(r"<(style|script)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def test_figures_are_those_of_the_views():
    pair = compared("mlp", "vm", truth=True)
    (found,) = pair.figures()
    text = text_of(comparison_page(comparison("a.ckpt", "b.ckpt"), pair, ["compare", "a.ckpt"]))
    assert f"PSNR of target to source {found['psnr']:.2f} dB" in text
    drop = found["truth"] - found["source_truth"]
    assert f"{'+' if drop >= 0 else '−'}{abs(drop):.2f} dB" in text
    assert "2.0× smaller 4.00 MB → 2.00 MB" in text
    assert "2.0× slower 0.50 s → 1.00 s" in text
    assert "Of covered pixels 21.50 dB surfaces off by 1.25%" in text
    assert "nerfconvert compare a.ckpt" in text
    assert "abacus" in text
    assert "three of a test" in text
    assert "1" * 64 in text


def test_the_worst_view_comes_first():
    page = comparison_page(comparison("a", "b"), compared("mlp", "vm"), [])
    assert re.findall(r'<figure data-view="(\d)"', page) == ["1", "2", "0"]
    assert re.findall(r'<tr data-view="(\d)"', page) == ["1", "2", "0"]


def test_what_the_run_did_not_have_is_said_in_words(monkeypatch):
    text = text_of(comparison_page(comparison("a", "b"), compared("mlp", "vm"), []))
    assert "To photographs – there were none (--data)" in text
    assert "LPIPS: not measured" in text
    assert "LPIPS not measured: no weights" in text
    assert "Called from Python" in text
    bare = receipt("a", "b", curve=False)
    assert "only start and end were measured" in text_of(conversion_page(bare, compared("a", "b")))
    monkeypatch.setattr(plots.importlib.util, "find_spec", lambda name: None)
    page = conversion_page(receipt("a", "b"), compared("a", "b"))
    assert "pip install matplotlib" in text_of(page)
    assert "<svg" not in page


def test_a_conversion_shows_its_curve_and_stages():
    page = conversion_page(receipt("a", "b"), compared("mlp", "vm", truth=True))
    assert page.count("<svg") == 1
    for words in ("25.00 to", "24.00 to", "the photographs", "points", "rays"):
        assert words in text_of(page)
    assert "LPIPS: 0.0432" in text_of(page)
    assert "not measured" not in text_of(page)
    assert "10.0 s of distillation (1,200 steps, 34,567 rays, 890,123 samples)" in text_of(page)


def test_only_a_conversion_has_psnr_over_time():
    page = comparison_page(comparison("a", "b"), compared("mlp", "vm"), [])
    assert "over time" not in text_of(page)
    assert "The curve" not in text_of(page)
    bare = receipt("a", "b", curve=False)
    assert "PSNR over time" in text_of(conversion_page(bare, compared("mlp", "vm")))


def test_gates_tell_what_became_of_them():
    assert "Gates" not in text_of(conversion_page(receipt("a", "b"), compared("mlp", "vm")))
    made = receipt("a", "b") | {"gates": GATES}
    text = text_of(conversion_page(made, compared("mlp", "vm")))
    assert "--min-psnr 24.00 dB passed: PSNR is 25.00 dB" in text
    assert "--max-size 1.00 MB failed: the file has 2.00 MB" in text
    both = comparison("a.ckpt", "b.ckpt") | {"gates": [{"path": "b.ckpt", **GATES[1]}]}
    text = text_of(comparison_page(both, compared("mlp", "vm"), []))
    assert "b.ckpt --max-size 1.00 MB failed: the file has 2.00 MB" in text


def test_equal_pictures_have_no_psnr():
    same = compared("mlp", "vm")
    same.images[1] = same.images[0]
    text = text_of(comparison_page(comparison("a", "b"), same, []))
    assert "PSNR of target to source ∞ dB" in text
    assert text.count(" equal ") == 6  # in the table, and below the heat maps
    assert not {"inf", "nan"} & set(text.split())
    unknown = receipt("a", "b", curve=False)
    unknown["quality"] |= {"psnr_initial": None, "psnr_target_vs_source": None}
    assert "<svg" not in conversion_page(unknown, same)


def test_what_hardly_differs_is_called_the_same():
    document = comparison("a", "b")
    document["fields"][1] |= {"bytes": 4_010_000, "seconds_per_frame": 0.1}
    text = text_of(comparison_page(document, compared("mlp", "vm"), []))
    assert "Size same" in text
    assert "5.0× faster" in text


def test_views_too_small_for_ssim_are_shown():
    text = text_of(comparison_page(comparison("a", "b"), compared("mlp", "vm", size=8), []))
    assert "SSIM – LPIPS" in text


@pytest.mark.parametrize("paths", [(EVIL,), (EVIL, EVIL), (EVIL, EVIL, EVIL)])
def test_names_are_text_wherever_they_stand(paths):
    document = comparison(*paths)
    document["protocol"] = {EVIL: EVIL}
    document["machine"] = {"cpu": EVIL}
    for field in document["fields"]:
        field |= {"architecture": EVIL, "format": EVIL}
    page = comparison_page(document, compared(*paths, truth=True), ["compare", EVIL])
    assert "<script>alert" not in page
    assert page.count("<script") == 1
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "\"'&.ckpt" not in page


def test_the_page_names_no_place_of_a_network():
    page = conversion_page(receipt("a", "b"), compared("mlp", "vm", truth=True))
    assert not re.findall(r"""(?:https?:)?//[a-z]""", re.sub(r"data:image/webp[^\"]*", "", page))
