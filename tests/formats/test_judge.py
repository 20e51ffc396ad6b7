"""Judge: says what is wrong with a file, also where reading it ends or blocks the child."""

from __future__ import annotations

import pytest

from scripts.fuzzing.judge import Judge
from tests.formats.files import write_sample

# ways in which reading a file can go wrong, each in a child whose `load` does so
WRONG = {
    "ends": ("import ctypes; ctypes.string_at(0)", "the process ended: SIGSEGV"),
    "hangs": ("while True: pass", "it takes more than 0.5 s"),
    "waits": ("import time; time.sleep(99)", "it waits for more than 1 s"),
    "takes memory": ("b'1' * (300 << 20); raise FormatError(path, 'no')", "memory"),
    "says memory": ("raise FormatError(path, 'out of memory')", "refused by out of memory"),
    "runs code": ("import os; os.system('true'); raise FormatError(path, 'no')", "ran os.system"),
    "raises": ("raise KeyError(path)", "KeyError while it is read"),
}


def test_a_whole_file_is_read_and_a_broken_one_refused(tmp_path):
    path = write_sample("scene", tmp_path)
    with Judge() as judge:
        assert judge(path).verdict == "read"
        path.write_text("broken")
        assert judge(path).verdict == "refused"


@pytest.mark.parametrize("how", WRONG)
def test_what_goes_wrong_is_a_finding(how, tmp_path):
    statement, expected = WRONG[how]
    program = tmp_path / "program.py"
    program.write_text(
        "from nerfconvert.errors import FormatError\n"
        "from scripts.fuzzing import trial\n"
        f"def load(path):\n    {statement}\n"
        "trial.load = load\ntrial.main()\n"
    )
    path = tmp_path / "file"
    path.write_bytes(b"content")
    limit = 0.5 if how == "hangs" else 60.0
    patience = 1.0 if how == "waits" else 60.0
    with Judge(limit=limit, program=(str(program),), patience=patience) as judge:
        answer = judge(path)
        assert (answer.verdict, expected in answer.what) == ("finding", True), answer
        assert judge(path).verdict == "finding"  # in a new child
