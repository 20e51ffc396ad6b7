"""Standard streams that are closed, full or read by nobody: said in words."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

import pytest

from tests.conftest import ROOT

CLOSED = "nerfconvert: this command prints to standard output, which is closed\n"
FULL = "nerfconvert: standard output cannot be written: No space left on device\n"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")


def run(words: str, how: str, **environment: str) -> tuple[int, str, str]:
    """Exit code and what was printed of a command, its streams changed by the shell as in `how`."""
    program = f"{shlex.quote(sys.executable)} -m nerfconvert"
    done = subprocess.run(
        ["bash", "-c", f"{program} {words} {how}"],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("words", ["formats --json", "--version", "--help"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_standard_output_is_named(words, unbuffered):
    assert run(words, "> /dev/full", PYTHONUNBUFFERED=unbuffered) == (1, "", FULL)


@pytest.mark.parametrize("words", ["formats --json", "--version", "--help"])
def test_what_only_prints_needs_a_standard_output(words):
    assert run(words, ">&-") == (2, "", CLOSED)


@pytest.mark.parametrize("how", ["2> /dev/full", "2>&-", "< /dev/null >&- 2>&-"])
def test_messages_that_nobody_takes_end_nothing(how):
    assert run("formats", how) == (0, "", "")
    assert run("nonsense", how) == (2, "", "")


def test_a_pipe_that_is_closed_is_no_error():
    assert run("formats --json", "| head -c 1", PYTHONUNBUFFERED="1")[1:] == ("{", "")
    assert run("formats", "2>&1 | head -c 6; exit ${PIPESTATUS[0]}")[:2] == (0, "format")


def test_no_file_gets_the_number_of_a_closed_stream(tmp_path):
    """What libraries print into stream 1 or 2 would be in it."""
    source = ROOT / "scenes" / "blobs.toml"
    target = tmp_path / "out.toml"
    assert run(f"export {source} {target} -q", "<&- >&- 2>&-")[0] == 0
    code = (
        "import os; from nerfconvert.cli.standard_streams import open_streams; open_streams();"
        f"number = os.open({str(target)!r}, os.O_RDWR); assert number > 2, number"
    )
    command = f"{shlex.quote(sys.executable)} -c {shlex.quote(code)} <&- >&- 2>&-"
    subprocess.run(["bash", "-c", command], cwd=ROOT, check=True)
