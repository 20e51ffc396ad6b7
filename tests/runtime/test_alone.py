"""A folder is one process's at a time, and free when that has ended, however."""

from __future__ import annotations

import subprocess
import sys

import pytest

from nerfconvert.errors import UsageError
from nerfconvert.runtime.alone import alone_in
from tests.conftest import ROOT

HOLD = """
import sys, time
from pathlib import Path
from nerfconvert.runtime.alone import alone_in
with alone_in(Path(sys.argv[1])):
    print("holds", flush=True)
    time.sleep(100)
"""


def test_the_second_is_refused_until_the_first_is_killed(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    first = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert first.stdout.readline() == b"holds\n"
    with pytest.raises(UsageError, match="another nerfconvert writes there"), alone_in(tmp_path):
        pass
    first.kill()
    first.communicate()
    with alone_in(tmp_path):
        pass
    with alone_in(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []
