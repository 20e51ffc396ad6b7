import math

import pytest

from nerfconvert.report.figures import figure, markdown_table
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
