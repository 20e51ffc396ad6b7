"""Runs on a Ray cluster of two nodes: the same files as from runs here, whatever is lost."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from nerfconvert.bench.bench import BenchInterruptedError, bench
from nerfconvert.bench.ray_cluster import check_room, cluster
from nerfconvert.errors import BackendError
from nerfconvert.options.per_command import BenchOptions
from tests.conftest import ROOT

pytest.importorskip("ray", reason="ray is not installed (the extra ray)")
AGAIN = "starts again: its worker was lost"
STORE = 80 << 20  # bytes of shared memory of a node
TOP = 'views = 1\nresolution = "16x12"\nmemory_mb = 64\n'
BLOBS = f'path = "{ROOT / "scenes" / "checkpoints" / "blobs-mlp.safetensors"}"\n'
TINY_MLP = 'size = "small"\nset = { width = 16, depth = 2, head_width = 8 }\n'
MADE = f'[[teachers]]\nname = "made"\nto = "mlp"\n{BLOBS}{TINY_MLP}'
FILE = f'[[teachers]]\nname = "file"\n{BLOBS}'
MLP = f'[[targets]]\narch = "mlp"\n{TINY_MLP}'
HASHGRID = """
[[targets]]
arch = "hashgrid"
size = "small"
set = { log2_table_size = 10, finest_resolution = 32, n_levels = 4, hidden_width = 16 }
"""


@pytest.fixture(scope="module")
def raylets():
    """Processes of two nodes with a CPU each, on this machine."""
    with contextlib.ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("OMP_NUM_THREADS", "1")
        from ray.cluster_utils import Cluster

        how = {"num_cpus": 1, "object_store_memory": STORE}
        cluster = Cluster(initialize_head=True, head_node_args={**how, "include_dashboard": False})
        stack.callback(cluster.shutdown)
        patch.setenv("RAY_ADDRESS", cluster.address)
        nodes = [cluster.head_node, cluster.add_node(**how)]
        yield [node.all_processes["raylet"][0].process.pid for node in nodes]


def children(process: int) -> list[int]:
    """The processes that `process` has started."""
    with contextlib.suppress(OSError):
        tasks = Path(f"/proc/{process}/task").glob("*/children")
        return [int(child) for task in tasks for child in task.read_text().split()]
    return []


def busy_worker(raylets: list[int]) -> int:
    """A worker of the cluster that has started a run."""
    while True:
        for worker in [worker for raylet in raylets for worker in children(raylet)]:
            name = Path(f"/proc/{worker}/cmdline").read_bytes()
            if name.startswith(b"ray::run_there") and children(worker):
                return worker
        time.sleep(0.02)


def checkpoints(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.safetensors")}


@pytest.mark.timeout(600)  # eleven runs, most of them on two busy nodes
def test_a_killed_worker_changes_nothing(raylets, tmp_path):
    """Two teachers, one of them made first, to two students."""
    (tmp_path / "bench.toml").write_text(TOP + "steps = 6\n" + MADE + FILE + HASHGRID + MLP)
    here, there = (
        BenchOptions(config=tmp_path / "bench.toml", output=tmp_path / name, executor=name)
        for name in ("local", "ray")
    )
    said = []

    def kill_one(fraction: float, note: str) -> None:
        if not said:
            os.kill(busy_worker(raylets), signal.SIGKILL)
        said.append(note)

    document = bench(there, on_progress=kill_one)
    assert document["executor"] == "ray"
    assert [cell["exit_code"] for cell in document["cells"]] == [0] * 4
    assert [note.partition(": ")[2] for note in said].count(AGAIN) == 1
    alone = bench(here)
    assert len(checkpoints(tmp_path / "local")) == 5
    assert checkpoints(tmp_path / "ray") == checkpoints(tmp_path / "local")
    for one, other in zip(document["cells"], alone["cells"], strict=True):
        assert one["receipt"]["quality"] == other["receipt"]["quality"]
        sources = [cell["receipt"]["source"] | {"nan": None} for cell in (one, other)]
        assert sources[0] == sources[1]  # how often it was asked depends on how fast frames are
    names = [{p.relative_to(o.output) for p in o.output.rglob("*")} for o in (here, there)]
    assert names[0] == names[1]
    assert bench(there, on_progress=lambda *note: said.append(note))["cells"] == document["cells"]


def test_an_interrupted_benchmark_brings_its_state_home(raylets, tmp_path):
    (tmp_path / "bench.toml").write_text(TOP + "seconds = 8\n" + FILE + HASHGRID)
    output = tmp_path / "other" / ".." / "out"
    options = BenchOptions(config=tmp_path / "bench.toml", output=output, executor="ray")
    before, sent = signal.getsignal(signal.SIGTERM), []

    def interrupt(fraction: float, note: str) -> None:
        if "%" in note and not sent:
            sent.append(note)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(BenchInterruptedError, match="goes on"):
        bench(options, on_progress=interrupt)
    assert [p.suffix for p in (tmp_path / "out" / "cells").iterdir()] == [".state"]
    (cell,) = bench(options)["cells"]
    assert cell["receipt"], cell
    assert "--resume" in cell["receipt"]["argv"]
    assert signal.getsignal(signal.SIGTERM) is before
    assert not list((tmp_path / "out").rglob("*.state"))


def test_an_address_without_a_cluster_is_refused(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(BackendError, match=r"RAY_ADDRESS=127.0.0.1:1 .*ray start"), cluster():
        pass


def test_a_run_that_fits_no_node_is_refused(raylets):
    with cluster() as ray:
        check_room(ray, cpus=1, gpus=0)
        for needs in ({"cpus": 2, "gpus": 0}, {"cpus": 1, "gpus": 1}):
            with pytest.raises(BackendError, match="OMP_NUM_THREADS"):
                check_room(ray, **needs)
