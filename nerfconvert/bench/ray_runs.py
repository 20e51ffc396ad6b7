"""Runs on a Ray cluster: as many at once as its nodes have room for, files sent there and back."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..runtime.outputs import state_path
from .carried import packed, unpack
from .executors import Executor
from .process import Outcome
from .ray_cluster import check_room, cluster
from .ray_task import STOPPED, Relay, Result, Task, run_there
from .runs import Run
from .steps import Asked

POLL_S = 0.5
RETRIES = 3  # of a run whose worker was lost, on what is left of the cluster


def threads_here() -> int:
    """Threads of a child process of this one."""
    import torch

    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return int(asked) if asked.isdecimal() else torch.get_num_threads()


class RayRuns(Executor):
    """Every run is a task with as many CPUs as it would have threads here, so that it ends in the
    same bytes; with one GPU each where `--device` allows and the cluster has some.

    No file system is shared: what a run reads is sent once, its files come back with its outcome.
    """

    at_once = math.inf
    here = False
    package = "ray"

    def __init__(
        self, asked: Asked, should_stop: Callable[[], bool], on_line: Callable[[Run, str], None]
    ):
        super().__init__(asked, should_stop, on_line)
        self.running: dict[Any, Task] = {}  # by the reference to its result
        self.begun: set[int] = set()
        self.refused: list[tuple[Run, Outcome]] = []
        self.sent: dict[tuple[Path, str], Any] = {}  # references to files in the cluster
        self.tasks: list[Task] = []

    def __enter__(self) -> RayRuns:
        self.stack = contextlib.ExitStack()
        with self.stack as stack:  # leaves the cluster where the rest fails
            self.ray = stack.enter_context(cluster())
            self.threads = threads_here()
            device = self.asked.where.device
            some = self.ray.cluster_resources().get("GPU", 0) >= 1
            gpus = int(device == "cuda" or (device == "auto" and some))
            check_room(self.ray, self.threads, gpus)
            self.remote = self.ray.remote(
                num_cpus=self.threads, num_gpus=gpus, max_retries=RETRIES
            )(run_there)
            self.relay = self._relay()
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        for ref in self.running:
            self.ray.cancel(ref, force=True)
        self.ray.kill(self.relay)
        self.stack.close()

    def _relay(self) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        node = self.ray.get_runtime_context().get_node_id()
        beside = NodeAffinitySchedulingStrategy(node, soft=True)
        options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1}
        return self.ray.remote(**options)(Relay).options(scheduling_strategy=beside).remote()

    def start(self, run: Run) -> None:
        paths = [Path(os.path.abspath(path)) for path in run.reads]
        state = state_path(run.target)
        home = os.path.abspath(self.asked.folder)
        root = Path(os.path.commonpath([home, *paths]))
        try:
            inputs = [self._send(path, root) for path in paths]
        except (OSError, UsageError) as error:
            self.refused.append((run, Outcome(UsageError.exit_code, str(error))))
            return
        if state.exists():
            inputs.append(self.ray.put(packed([state], root)))
        task = Task(
            number=len(self.tasks),
            run=run,
            home=self.asked.folder,
            place=os.path.relpath(home, root),
            threads=self.threads,
            settings=tuple((k, v) for k, v in os.environ.items() if k.startswith("NERFCONVERT_")),
        )
        self.tasks.append(task)
        self.running[self.remote.remote(task, self.relay, *inputs)] = task

    def _send(self, path: Path, root: Path) -> Any:
        key = path, str(root)
        if key not in self.sent:
            self.sent[key] = self.ray.put(packed([path], root))
        return self.sent[key]

    def ended(self) -> tuple[Run, Outcome]:
        while not self.refused:
            done, _ = self.ray.wait(list(self.running), timeout=POLL_S)
            self._hear()
            if done:
                task = self.running.pop(done[0])
                result = self._result(done[0])
                self._bring_home(task.run, result)
                return task.run, result.outcome
        return self.refused.pop()

    def _hear(self) -> None:
        """Passes on what runs say; asked to stop, tells them, and cancels those in the queue."""
        stop = self.should_stop()
        for number, line in self.ray.get(self.relay.heard.remote(stop)):
            self.begun.add(number)
            self.on_line(self.tasks[number].run, line)
        if stop:
            for ref in [r for r, task in self.running.items() if task.number not in self.begun]:
                self.ray.cancel(ref)

    def _result(self, ref: Any) -> Result:
        errors = self.ray.exceptions
        try:
            return self.ray.get(ref)
        except errors.TaskCancelledError:
            return Result(Outcome(STOPPED, None), {})
        except errors.RayTaskError as error:
            why = f"on its node: {type(error.cause).__name__}: {error.cause}"
        except errors.RayError as error:
            why = f"lost its worker {RETRIES + 1} times: {str(error).partition(chr(10))[0]}"
        return Result(Outcome(1, why), {})

    def _bring_home(self, run: Run, result: Result) -> None:
        unpack(result.files, self.asked.folder, last=run.account)
        for name in result.gone:
            (self.asked.folder / name).unlink(missing_ok=True)
