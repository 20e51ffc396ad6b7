"""A benchmark on two Ray nodes of one CPU each, of which one loses a worker, beside the same here.

    python scripts/ray_two_nodes.py scripts/small.toml OUT

Prints the wall-clock of both and whether they wrote the same fields. Both nodes are on this
machine; every run has one thread. For the same fields the benchmark must count steps, not seconds.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}

from ray.cluster_utils import Cluster

from nerfconvert.bench.bench import bench
from nerfconvert.options.per_command import BenchOptions

NODE = {"num_cpus": 1, "object_store_memory": 200 << 20}  # bytes


def children(process: int) -> list[int]:
    """The processes that `process` has started."""
    try:
        tasks = list(Path(f"/proc/{process}/task").glob("*/children"))
        return [int(child) for task in tasks for child in task.read_text().split()]
    except OSError:
        return []


def kill_a_worker(raylets: list[int]) -> bool:
    """Kills one of the processes that make a run; False where there is none at this moment."""
    for worker in [worker for raylet in raylets for worker in children(raylet)]:
        if children(worker):
            os.kill(worker, signal.SIGKILL)
            return True
    return False


def timed(
    config: Path, folder: Path, executor: str, kill: Callable[[], bool] | None = None
) -> None:
    """Prints the seconds of a whole benchmark; `kill` is called on each line from half of it on,
    until it returns True."""
    killed = []

    def on_progress(fraction: float, note: str) -> None:
        print(f"{executor} {fraction:.0%} {note}", file=sys.stderr)
        if kill and fraction >= 0.5 and not killed and kill():
            killed.append(note)
            print(f"one {executor} worker killed", file=sys.stderr)

    start = time.monotonic()
    options = BenchOptions(config=config, output=folder, executor=executor)
    document = bench(options, on_progress=on_progress)
    seconds = time.monotonic() - start
    done = sum(cell["exit_code"] == 0 for cell in document["cells"])
    print(f"{executor}: {done} of {len(document['cells'])} cells in {seconds:.0f} s")


def fields(folder: Path) -> dict[str, bytes]:
    """The contents of all fields that a benchmark has left in `folder`."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.safetensors")}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("folder", type=Path)
    asked = parser.parse_args()
    timed(asked.config, asked.folder / "local", "local")
    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    nodes = [cluster.head_node, cluster.add_node(**NODE)]
    raylets = [node.all_processes["raylet"][0].process.pid for node in nodes]
    os.environ["RAY_ADDRESS"] = cluster.address
    try:
        timed(asked.config, asked.folder / "ray", "ray", lambda: kill_a_worker(raylets))
    finally:
        cluster.shutdown()
    same = fields(asked.folder / "local") == fields(asked.folder / "ray")
    print("the same fields" if same else "other fields")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
