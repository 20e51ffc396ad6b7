"""Ctrl-C in every phase: acknowledged, the right exit code, no traceback, nothing half done."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nerfconvert.runtime.signals import InterruptedRunError, stop_on_signals
from tests.conftest import ROOT

SCENE = str(ROOT / "scenes" / "blobs.toml")
TINY = ["--size", "small", "--set", "log2_table_size=12", "--eval-views", "1"]


@pytest.fixture
def start():
    """Starts a command, which ends with the test at the latest."""
    started = []
    yield lambda *words: started.append(_start(*words)) or started[-1]
    for process in started:
        process.kill()
        process.communicate()


def _start(*words: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "nerfconvert", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def mapped(process: subprocess.Popen, library: str) -> bool:
    """Whether the process has loaded a library of that name, as Linux tells."""
    return library in Path(f"/proc/{process.pid}/maps").read_text()


def wait_for(what) -> None:
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end
        time.sleep(0.005)


def ended(process: subprocess.Popen, code: int) -> str:
    """What the process said; it must end with `code`."""
    _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    assert "Traceback" not in said
    return said


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_while_torch_is_imported(start, tmp_path, signum):
    process = start("convert", SCENE, str(tmp_path / "o.safetensors"), "--to", "hashgrid", *TINY)
    wait_for(lambda: mapped(process, "libtorch"))
    process.send_signal(signum)
    said = ended(process, 128 + signum)
    assert said == f"nerfconvert: stopped by {signal.Signals(signum).name}\n"
    assert list(tmp_path.iterdir()) == []


def test_while_a_source_is_measured(start, tmp_path):
    """A run that has not begun leaves nothing, and does not promise to go on."""
    target = tmp_path / "o.safetensors"
    process = start(
        "convert", SCENE, str(target), "--to", "hashgrid", "--resolution", "2000", *TINY
    )
    wait_for(lambda: mapped(process, "nerfconvert_cpu"))
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    said = ended(process, 130)
    assert "stopping; once more to stop at once" in said
    assert said.endswith("nerfconvert: stopped by SIGINT\n")
    assert list(tmp_path.iterdir()) == []


def test_a_run_acknowledges_and_can_go_on(start, tmp_path):
    target = tmp_path / "o.safetensors"
    words = ["convert", SCENE, str(target), "--to", "hashgrid", *TINY, "-q"]
    process = start(*words, "--resolution", "16", "--seconds", "600", "--preview", "--memory-mb=64")
    wait_for((tmp_path / "o.safetensors.preview.png").exists)
    process.send_signal(signal.SIGINT)
    assert "stopping after this step; once more to stop at once" in process.stderr.readline()
    said = ended(process, 130)
    assert "--resume" in said
    assert target.with_name("o.safetensors.state").is_file()


def test_a_trained_target_waits_to_be_measured(start, tmp_path):
    """Stopped while the target is measured: its training is on disk, and is not repeated."""
    target = tmp_path / "o.safetensors"
    words = ["convert", SCENE, str(target), "--to", "hashgrid", *TINY[:4], "--memory-mb=64"]
    words += ["--resolution", "40", "--eval-views", "6", "--steps", "1"]
    process = start(*words)
    wait_for(target.with_name("o.safetensors.state").is_file)
    process.send_signal(signal.SIGINT)
    said = ended(process, 130)
    assert "--resume to go on" in said
    assert not target.exists()
    again = start(*words, "--resume", "-q")
    ended(again, 0)
    receipt = json.loads(target.with_name("o.safetensors.receipt.json").read_text())
    assert receipt["time"]["steps"] == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        target.name,
        f"{target.name}.receipt.json",
    ]


def test_a_signal_that_was_ignored_stays_so():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stop_on_signals() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            assert not stop()
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_second_time_ends_at_once():
    """Even where the first was swallowed."""
    code = (
        "import os, signal, time\n"
        "from nerfconvert.cli.stopping import Stopped, stopping\n"
        "with stopping():\n"
        "    for _ in range(2):\n"
        "        try:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "        except Stopped:\n"
        "            pass\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 130
    assert done.stderr.splitlines() == [
        "nerfconvert: stopping; once more to stop at once",
        "nerfconvert: stopped by SIGINT",
    ]


def test_only_a_saved_state_is_promised(tmp_path):
    state = tmp_path / "o.state"
    assert "nothing to go on from" in InterruptedRunError(signal.SIGINT, state).message
    state.write_text("state")
    assert "--resume" in InterruptedRunError(signal.SIGINT, state).message
