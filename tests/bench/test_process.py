"""run_child: a child does not outlive a parent that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARENT = """
import sys
from pathlib import Path
from nerfconvert.bench.process import run_child
argv = ["render", sys.argv[1], "-o", "long.mp4", "--frames", "9999", "-q"]
run_child(argv, Path(sys.argv[2]), None, should_stop=lambda: False)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell a child")
def test_a_child_ends_with_a_killed_parent(scenes, tmp_path):
    source = next((scenes / "checkpoints").resolve().glob("blobs*.safetensors"))
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(source), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    listing = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    while not (children := listing.read_text().split()):
        time.sleep(0.05)
    child = Path("/proc", children[0])
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 60
    while child.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not child.exists()
