"""The matrix as text: a row a teacher, a column a student, every figure where it belongs."""

from nerfconvert.report.matrix import matrix_markdown, matrix_rows

MACHINE = {"device": "cpu", "cpu": "abacus", "threads": 2, "peak_memory_mb": 512.4}


def cell(teacher: str, student: str, psnr: float | None, speedup=None, bound=None) -> dict:
    entry = {"teacher": teacher, "student": student, "recipe": "fast", "seconds": 61.2}
    entry |= {"speedup_to_scratch_psnr": speedup, "speedup_is_lower_bound": bound}
    if psnr is None:
        return {**entry, "receipt": None, "receipt_reason": "it broke", "scratch": None}
    quality = {"psnr_target_vs_source": psnr, "psnr_initial": 9.5, "views": 8}
    quality |= {"psnr_target_vs_truth": psnr - 6, "delta_vs_truth": -0.25, "resolution": [20, 10]}
    receipt = {
        "quality": quality,
        "machine": MACHINE,
        "protocol": {"background": "white"},
        "target": {"architecture": f"arch-{student}", "parameters": 1234, "bytes": 5_000_000},
    }
    scratch = {"psnr_vs_truth": 21.5, "seconds": 180.0} if speedup else None
    return {**entry, "receipt": receipt, "scratch": scratch}


def document(*cells: dict, reason: str | None = None) -> dict:
    return {"cells": list(cells), "speedup_reason": reason, "machine": MACHINE, "version": "9"}


FULL = document(
    cell("a", "x", 31.111, 2.5, False),
    cell("a", "y", 32.222, 12.34, True),
    cell("b", "x", 33.333, 0.5, False),
    cell("b", "y", None),
)


def tables(text: str) -> dict[str, list[list[str]]]:
    """The Markdown tables of a text by the bold line above each."""
    found, title = {}, ""
    for line in text.splitlines():
        if line.startswith("**"):
            title = line.strip("*")
        elif line.startswith("|"):
            row = [word.strip() for word in line.strip("|").split("|")]
            found.setdefault(title, []).append(row)
    return found


def test_every_figure_is_in_its_row_and_column():
    found = tables(matrix_markdown(FULL))
    assert found["PSNR against the source, dB"] == [
        ["from \\ to", "x", "y"],
        ["---", "---", "---"],
        ["a", "31.11", "32.22"],
        ["b", "33.33", "–"],
    ]
    truth = found["PSNR against the photographs, dB (difference to the source's)"]
    assert truth[2] == ["a", "25.11 (-0.25)", "26.22 (-0.25)"]
    speedup = found["Speed-up over training from scratch to the same PSNR"]
    assert speedup[2:] == [["a", "2.5×", "> 12.3×"], ["b", "0.5×", "–"]]
    students = found["The students"]
    assert students[2] == ["x", "arch-x", "1,234", "5.00 MB", "21.50 dB after 180 s"]


def test_a_cell_without_a_result_says_why():
    assert "- b y: it broke" in matrix_markdown(FULL)
    assert "Without a result" not in matrix_markdown(document(cell("a", "x", 30.0)))


def test_without_speed_ups_the_reason_stands_in_their_place():
    text = matrix_markdown(document(cell("a", "x", 30.0), reason="no data"))
    assert "No speed-up over training from scratch: no data." in text
    assert "Speed-up over training from scratch to" not in text


def test_recipes_have_rows_of_their_own():
    other = {**cell("a", "x", 20.0), "recipe": "pvd"}
    found = tables(matrix_markdown(document(cell("a", "x", 30.0), other)))
    assert found["PSNR against the source, dB"][2:] == [["a", "30.00"], ["a, pvd", "20.00"]]


def test_rows_for_a_spreadsheet_hold_the_same_figures():
    rows = matrix_rows(FULL)
    assert [row["psnr_vs_source"] for row in rows] == [31.111, 32.222, 33.333, None]
    assert [row["speedup_is_lower_bound"] for row in rows] == [False, True, False, None]
    assert rows[3]["problem"] == "it broke"
    assert rows[0]["problem"] is None
    assert len({tuple(row) for row in rows}) == 1


def test_the_machine_is_the_one_that_converted():
    """A table may be made again elsewhere."""
    made = document(cell("a", "x", 31.0))
    made["machine"] = {**MACHINE, "cpu": "slate", "threads": 4}
    text = matrix_markdown(made)
    assert "8 held-out views at 20×10 on white; cpu, abacus, 2 threads; nerfconvert 9." in text
    made["cells"][0]["receipt"]["machine"] = {**MACHINE, "threads": 1}
    assert "abacus, 1 thread;" in matrix_markdown(made)
    assert "cpu, slate, 4 threads." in matrix_markdown({**made, "cells": [cell("a", "x", None)]})


def test_a_source_that_equals_the_photographs_has_no_difference():
    entry = cell("a", "x", 31.111)
    entry["receipt"]["quality"]["delta_vs_truth"] = None
    assert "| a | 25.11 |" in matrix_markdown(document(entry))
