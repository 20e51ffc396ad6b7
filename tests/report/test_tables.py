import math

import pytest

from nerfconvert.report.figures import figure, markdown_table
from nerfconvert.report.page import report_page
from nerfconvert.students.sizes import bytes_figure


def test_figures():
    assert figure(31.2468, "dB") == "31.25 dB"
    assert figure(None) == figure(math.inf) == "–"
    assert [bytes_figure(n) for n in (12, 1500, 2_500_000)] == ["12 B", "1.50 kB", "2.50 MB"]


def test_markdown_escapes_its_own_marks():
    text = markdown_table(["a", "b"], [["x|y", "2"]])
    assert text.splitlines() == ["| a | b |", "| --- | --- |", r"| x\|y | 2 |"]


def test_ragged_rows_are_refused():
    with pytest.raises(ValueError, match="2 cells"):
        markdown_table(["a", "b"], [["only one"]])


def test_the_page_escapes_names_and_needs_no_network():
    document = {
        "views": 2,
        "resolution": [8, 6],
        "protocol": {"background": "white"},
        "machine": {"cpu": "<fast>"},
        "video": "out/compare.mp4",
        "fields": [
            {
                "path": "<b>.ckpt",
                "architecture": "mlp",
                "parameters": 3,
                "bytes": 12,
                "seconds_per_frame": 0.5,
                "psnr_vs_first": None,
                "psnr_vs_truth": 30.0,
                "psnr_covered_vs_truth": None,
                "psnr_covered_vs_first": 28.0,
                "depth_error_vs_first": 0.0125,
                "worst_view": {"view": 1, "psnr": 21.5},
            }
        ],
    }
    page = report_page(document, ["views/000.png"])
    assert "&lt;b&gt;.ckpt" in page
    assert "&lt;fast&gt;" in page
    assert "<video src='compare.mp4'" in page
    assert "21.50 dB, view 1" in page
    assert "1.25%" in page
    assert "http" not in page
