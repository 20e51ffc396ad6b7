"""Every mistake in the words of a command is one line that names the word."""

import re

import pytest

from nerfconvert.cli import HELP, main
from nerfconvert.cli.command_arguments import arguments_of, with_left_out
from nerfconvert.cli.commands import COMMANDS

CONVERT = ["convert", "a.ppng", "b.safetensors"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--jsn"], "unknown command '--jsn'"),
        ([*CONVERT, "--tu", "mlp"], "convert has no option --tu; did you mean '--to'?"),
        ([*CONVERT, "--to", "mlp", "--xyz"], "--xyz; `nerfconvert convert --help` lists"),
        ([*CONVERT, "--to"], "--to needs a value: --to ARCH"),
        ([*CONVERT, "--to", "--steps", "3"], "--to needs a value: --to ARCH"),
        (["train", "lego", "a.safetensors"], "train needs --arch ARCH"),
        (["convert", "a.ppng", "--to", "mlp"], "convert needs OUT"),
        ([*CONVERT, "c", "--to", "mlp"], "convert takes IN OUT: 'c' is one too many"),
        ([*CONVERT, "--to", "mlp", "--steps", "5.5"], "--steps must be a whole number, got '5.5'"),
        ([*CONVERT, "--to", "mlp", "--seconds=soon"], "--seconds must be a number, got 'soon'"),
        (
            [*CONVERT, "--to", "mlp", "--recipe", "fats"],
            "got 'fats'; did you mean 'fast'?",
        ),
        ([*CONVERT, "--to", "mlp", "--resume=yes"], "--resume takes no value, got 'yes'"),
        ([*CONVERT, "--report=page.pdf"], "--report must end in .html, got 'page.pdf'"),
        (["formats", "all"], "formats takes options only: 'all' is one too many"),
    ],
)
def test_a_wrong_word_is_one_line(argv, message, capsys):
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_what_the_help_shows_is_what_is_taken(name, capsys):
    """The parser and the check read the same dataclasses; neither knows a flag the other lacks."""
    assert main([name, "--help"]) == 0
    shown = capsys.readouterr().out
    listed = {
        flag
        for line in shown.splitlines()
        if (row := re.match(r"\W{1,2}(?P<flags>-.*)", line))
        for flag in re.findall(r"(?<!\S)--?[a-z][a-z-]*", row["flags"].split("  ")[0])
    }
    assert {flag for a in arguments_of(COMMANDS[name]) for flag in a.flags} == listed - HELP


def test_both_ways_to_give_a_value_are_read(tmp_path, capsys):
    """Values that look like numbers below zero are values, and `_` is as good as `-`."""
    argv = ["convert", "gone.ppng", "b.safetensors", "--to=mlp", "--min_psnr", "-5", "--seed=-1"]
    assert main(argv) == 3
    assert "gone.ppng: no such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "whole"),
    [
        (["--report"], ["--report", "True"]),
        (["--report", "page.html", "--to", "mlp"], ["--report", "page.html", "--to", "mlp"]),
        (["--report", "a.ppng", "b.th"], ["--report", "True", "a.ppng", "b.th"]),
        (["--report=page.html"], ["--report=page.html"]),
        (["--resume", "a.html"], ["--resume", "a.html"]),
    ],
)
def test_a_value_that_may_be_left_out_is_told_by_its_ending(words, whole):
    assert with_left_out(COMMANDS["convert"], words) == whole
