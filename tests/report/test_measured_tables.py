"""The tables of a conversion and of a comparison: gates, and LPIPS or why there is none."""

from nerfconvert.report.measured_tables import compare_tables, receipt_tables

from .pages import GATES, comparison, receipt

MEASURED = {
    "ssim_target_vs_source": 0.9,
    "worst_view": {"view": 1, "psnr": 21.0},
    "psnr_source_vs_truth": 24.5,
    "delta_vs_truth": -0.5,
}


def converted(**quality) -> dict[str, str]:
    made = receipt("a", "b") | {"gates": GATES}
    made["quality"] |= MEASURED | quality
    ((_, rows),) = receipt_tables(made)
    return dict(rows)


def test_a_receipt_ends_in_its_gates():
    rows = converted()
    assert list(rows.items())[-2:] == [
        ("--min-psnr 24.00 dB", "passed: PSNR is 25.00 dB"),
        ("--max-size 1.00 MB", "failed: the file has 2.00 MB"),
    ]
    assert rows["LPIPS target vs source"] == "0.0432"


def test_a_receipt_says_why_it_has_no_lpips():
    without = {"lpips_target_vs_source": None, "lpips_target_vs_source_reason": "no weights"}
    assert converted(**without)["LPIPS target vs source"] == "none: no weights"


def compared(*paths: str, **more) -> list:
    document = comparison(*paths) | more
    for field in document["fields"]:
        field |= {"psnr_vs_first": None, "psnr_vs_truth": 25.0, "worst_view": None}
    return compare_tables(document)


def test_a_comparison_has_a_row_a_gate():
    gates = [{"path": "b.ckpt", **gate} for gate in GATES]
    _, _, (header, rows) = compared("a.ckpt", "b.ckpt", gates=gates)
    assert header == ["field", "gate", ""]
    assert rows[1] == ["b.ckpt", "--max-size 1.00 MB", "failed: the file has 2.00 MB"]


def test_a_comparison_says_once_why_it_has_no_lpips():
    for paths in (("a",), ("a", "b"), ("a", "b", "c")):
        (header, _), (_, told) = compared(*paths)
        assert "LPIPS" not in header
        assert told == [["no LPIPS", "no weights"]]


def test_a_comparison_shows_its_lpips():
    document = comparison("a", "b")
    document["fields"][1] |= {"lpips_vs_first": 0.125}
    del document["fields"][1]["lpips_vs_first_reason"]
    ((header, rows),) = compared("a", "b", fields=document["fields"])
    assert [row[header.index("LPIPS")] for row in rows] == ["–", "0.1250"]
