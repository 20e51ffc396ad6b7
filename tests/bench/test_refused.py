"""Benchmarks that are refused before any work: exit codes, and messages that help."""

from __future__ import annotations

import pytest

from nerfconvert.cli import main

GOOD = """
[[teachers]]
name = "a"
path = "a.ckpt"
[[targets]]
arch = "hashgrid"
"""


@pytest.mark.parametrize(
    ("text", "code", "hint"),
    [
        (None, 3, "no such file"),
        ("views = ", 3, "not a TOML file"),
        ("", 2, "needs the key 'teachers'"),
        ("veiws = 3" + GOOD, 2, "did you mean 'views'"),
        (GOOD + 'achr = "mlp"', 2, "key of [[targets]] 'achr'; did you mean 'arch'"),
        (GOOD.replace("hashgrid", "hashgird"), 2, "did you mean 'hashgrid'"),
        (GOOD + "set = { widht = 3 }", 2, "setting of hashgrid 'widht'"),
        (GOOD + GOOD, 2, "different names"),
        ('views = "three"' + GOOD, 2, "views of the benchmark must be int"),
        ("scratch = 3" + GOOD, 2, "scratch of the benchmark must be bool"),
        ("seconds = -3" + GOOD, 2, "positive"),
        ("seconds = { mlp = 600 }\nsteps = 5" + GOOD, 2, "not two"),
        ("steps = { mlp = 6 }" + GOOD, 2, "neither a budget of hashgrid"),
        ("budgets = [3]\nseconds = 5" + GOOD, 2, "not two"),
        ("budgets = [3, 0]" + GOOD, 2, "positive seconds"),
        ("budgets = [3, 3]" + GOOD, 2, "must be different"),
        ('budgets = ["3"]' + GOOD, 2, "budgets must be numbers"),
        ("seeds = [1, 2]" + GOOD, 2, "give budgets as well"),
        ("budgets = [3]\nseeds = [1.5]" + GOOD, 2, "seeds must be numbers"),
        ('pairs = [["a", "hashgird"]]' + GOOD, 2, "did you mean 'hashgrid'"),
        ("pairs = [3]" + GOOD, 2, "[teacher, target]"),
        ("pairs = []" + GOOD, 2, "pairs is empty"),
        ('recipes = ["fats"]' + GOOD, 2, "did you mean 'fast'"),
        ('resolution = "big"' + GOOD, 2, "400x300"),
        (GOOD.replace('"a"', '"a/b"'), 2, "name of a teacher"),
    ],
)
def test_bad_benchmarks(tmp_path, monkeypatch, capsys, text, code, hint):
    """Refused before any work, with the file's name."""
    monkeypatch.chdir(tmp_path)
    if text is not None:
        (tmp_path / "bench.toml").write_text(text)
    assert main(["bench", "bench.toml", "-o", "out"]) == code
    error = capsys.readouterr().err
    assert hint in error
    assert "bench.toml" in error
    assert not (tmp_path / "out").exists()


def test_a_folder_without_a_benchmark_needs_a_config(tmp_path, capsys):
    assert main(["bench", "-o", str(tmp_path / "out")]) == 2
    assert "bench CONFIG.toml" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[]", b"{}", b'{"data": 3, "config": 4}'])
def test_a_folder_with_something_else_by_that_name(tmp_path, capsys, content):
    (tmp_path / "matrix.json").write_bytes(content)
    assert main(["bench", "-o", str(tmp_path)]) == 3
    assert "not a benchmark's" in capsys.readouterr().err
