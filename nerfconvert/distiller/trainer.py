"""Trainer: the optimisation loop that distilling and training from images share."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch

from ..errors import DivergedError, FormatError
from ..kernels.precision import bfloat16_allowed, training_precision
from ..volume import TrainableField
from . import parallel
from .checkpoint import LastGood, load_state, save_state
from .config import DistillConfig
from .optimizers.by_role import FieldOptimizer, OptimizerMaker, RoleOptimizer
from .progress import Clock, Distilled, Progress, StageRecord
from .stages import Stage, StepLoss

log = logging.getLogger(__name__)
REPORT_EVERY = 0.25  # seconds between progress reports
SAVE_EVERY = 30.0  # seconds between saved states
LOOK_EVERY = 10  # steps between looks at the loss: each waits for the device
NUMBERS = ("step", "rays", "samples", "stage_index", "error", "initialise_s", "psnr_initial")


class Stateful(Protocol):
    """What the stages of a run share, and what of it must be saved."""

    def state(self) -> dict: ...

    def restore(self, state: dict) -> None: ...


@dataclass(kw_only=True)
class Hooks:
    """Callbacks of the caller; the training clock stands still while `on_checkpoint` runs.

    It is called after the first step that ends at or after a checkpoint, with the progress by then.
    What it returns becomes the curve of the run, through interruptions too.
    """

    on_progress: Callable[[Progress], None] | None = None
    should_stop: Callable[[], bool] | None = None
    checkpoints: Sequence[float] = ()  # seconds from which on `on_checkpoint` is due
    on_checkpoint: Callable[[Progress], Any] | None = None


@dataclass(kw_only=True)
class Trainer:
    """A student in training; everything mutable about a run is here and is saved."""

    student: TrainableField
    config: DistillConfig
    clock: Clock
    stages: list[Stage]
    shared: Stateful | None  # what the stages share
    hooks: Hooks
    state_path: Path | None
    fingerprint: dict  # of the run; a state with another one is refused
    rate: float = 1.0  # factor on all learning rates
    new_optimizer: OptimizerMaker = RoleOptimizer
    sparse: bool = True  # the optimizer takes sparse gradients
    optimizer: FieldOptimizer = field(init=False)
    generator: torch.Generator = field(init=False)
    step: int = 0
    rays: int = 0
    samples: int = 0
    stage_index: int = 0
    error: float | None = None  # smoothed mean squared error of ray colors
    records: list[StageRecord] = field(default_factory=list)
    curve: list[Any] = field(default_factory=list)  # what `on_checkpoint` returned
    initialise_s: float = 0.0
    psnr_initial: float | None = None
    _stage_start: tuple[int, float] = (0, 0.0)
    _last_good: LastGood | None = None

    def __post_init__(self):
        self.generator = torch.Generator().manual_seed(parallel.own_seed(self.config))
        self._reported = self._saved = time.monotonic()
        self._pending = sorted(self.hooks.checkpoints)
        self.student.sparse_gradients = self.sparse and parallel.alone_on_cpu(self.student.device)

    @training_precision()
    def run(self) -> Distilled:
        """Trains through the stages until the budget is spent or the caller stops it."""
        interrupted = False
        parallel.same_everywhere(self.student)
        if self.step == 0:
            self.optimizer = self.new_optimizer(self.student)
        while (fraction := parallel.agree(self.clock.fraction(self.step))) < 1.0:
            if parallel.any_of(bool(self.hooks.should_stop and self.hooks.should_stop())):
                interrupted = True
                break
            self._one_step(fraction)
            self._measure()
            self._report()
            self._turn_to_next_stage()
        self.student.sparse_gradients = False
        self.clock.pause()
        self.save()  # at the end too: what the caller does with the student may be interrupted
        if not interrupted:
            self._close_stage()
        return Distilled(
            self.records, self.step, parallel.total(self.rays), parallel.total(self.samples),
            self.clock.seconds, self.initialise_s, self.psnr_initial, interrupted, self.curve,
        )  # fmt: skip

    def _one_step(self, fraction: float) -> None:
        self._last_good = self._last_good or LastGood(self.student, self.step)
        if self.stage.prepare(self.step, fraction):
            self.optimizer = self.new_optimizer(self.student)
        result = self.stage.loss(self.generator)
        result.loss.backward()
        parallel.average_gradients(self.student)
        self.optimizer.step(self.rate * self.optimizer.schedule(self.step, fraction))
        self.step += 1
        self.rays += result.rays
        self.samples += result.samples
        if self.step % LOOK_EVERY == 0:
            self._look(result)

    def _look(self, result: StepLoss) -> None:
        """Follows the error, sets a student back that fell, and gives up one that diverged."""
        error = self.error
        if result.error is not None:
            newest = float(result.error)
            error = newest if error is None else 0.9 * error + 0.1 * newest
            if parallel.any_of(self._last_good.fell(error)):
                self._set_back()
                return
        if parallel.any_of(not self._last_good.sound(self.step, result.loss)):
            self._give_up()
        self.error = error

    def _set_back(self) -> None:
        """Puts the last good student back, to be trained on; with what the optimizer knows of the
        steps before its fall it would fall again."""
        kept = self._last_good.restore()
        parallel.same_everywhere(self.student)
        self.optimizer, self.error = self.new_optimizer(self.student), None
        log.warning("the new field fell at step %d; it is trained on from step %d", self.step, kept)

    @property
    def stage(self) -> Stage:
        """The one that is under way."""
        return self.stages[self.stage_index]

    @property
    def psnr(self) -> float | None:
        """dB of the student's training rays, smoothed; None before the first ray stage."""
        return None if not self.error else -10 * math.log10(self.error)

    def _turn_to_next_stage(self) -> None:
        fraction = self.clock.fraction(self.step)
        last = self.stage_index == len(self.stages) - 1
        if not last and parallel.agree(self.stage.finished(self.step, fraction)):
            self._close_stage()
            self.stage_index += 1

    def _close_stage(self) -> None:
        """Writes the record of the current stage."""
        start_step, start_seconds = self._stage_start
        seconds = self.clock.seconds
        self.records.append(
            StageRecord(self.stage.name, self.step - start_step, seconds - start_seconds, self.psnr)
        )
        self._stage_start = (self.step, seconds)

    def _give_up(self) -> None:
        """Puts the last good student back, saves it, and raises DivergedError."""
        diverged, self.step = self.step, self._last_good.restore()
        self.optimizer = self.new_optimizer(self.student)  # its momenta diverged too
        self.save()
        kept = f"the new field of step {self.step} is kept"
        if self.state_path:
            kept += f" in {self.state_path}: repeat the command with --resume to go on from it"
        raise DivergedError(
            f"the new field diverged at step {diverged} (stage {self.stage.name}): its loss or "
            f"parameters are no longer finite; {kept}, or try another --seed"
        )

    def _measure(self) -> None:
        now = self.clock.seconds
        if self._pending and now >= self._pending[0]:
            self._pending = [due for due in self._pending if due > now]
            self.clock.pause()
            with bfloat16_allowed(False):  # it measures the student as it will be used
                self.curve.append(self.hooks.on_checkpoint(self._progress()))
            self.clock.resume()

    def _report(self) -> None:
        now = time.monotonic()
        if self.hooks.on_progress and now - self._reported > REPORT_EVERY:
            self._reported = now
            self.hooks.on_progress(self._progress())
        if self.state_path and now - self._saved > SAVE_EVERY:
            self.save()

    def _progress(self) -> Progress:
        fraction, seconds = self.clock.fraction(self.step), self.clock.seconds
        counts = self.rays, self.samples
        return Progress(self.stage.name, self.step, seconds, fraction, self.psnr, *counts)

    def save(self) -> None:
        """Writes everything a resumed run needs to `state_path`, atomically; logs where that fails,
        as on a full disk, and the run goes on."""
        if self.state_path is None or parallel.rank():
            return
        try:
            save_state(self.state_path, self._state())
        except (OSError, RuntimeError) as problem:
            why = next(iter(str(problem).splitlines()), type(problem).__name__)
            log.warning("%s: the state of this run cannot be saved: %s", self.state_path, why)
        self._saved = time.monotonic()

    def _state(self) -> dict[str, Any]:
        return {
            "fingerprint": self.fingerprint,
            "student": self.student.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "numbers": {name: getattr(self, name) for name in NUMBERS},
            "records": [vars(r) for r in self.records],
            "curve": self.curve,
            "stage_start": self._stage_start,
            "seconds": self.clock.seconds,
            "stages": [stage.state() for stage in self.stages],
            "shared": self.shared.state() if self.shared else {},
        }

    def resume(self) -> bool:
        """Goes on from what `save` wrote; False where there is nothing. Raises FormatError."""
        if self.state_path is None or not self.state_path.exists():
            return False
        state = load_state(self.state_path, self.fingerprint)
        try:
            self._restore(state)
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as problem:
            why = f"no resumable state ({type(problem).__name__} where it is taken over)"
            raise FormatError(self.state_path, why) from problem
        return True

    def _restore(self, state: dict[str, Any]) -> None:
        self.student.load_state_dict(state["student"])
        self.optimizer = self.new_optimizer(self.student)
        self.optimizer.load_state_dict(state["optimizer"])
        for name in NUMBERS:
            number = state["numbers"][name]
            if not isinstance(number, int | float | None):
                raise TypeError(name)
            setattr(self, name, number)
        if parallel.rank():
            self.generator.manual_seed(parallel.own_seed(self.config) + self.step)
        else:
            self.generator.set_state(state["generator"])
        self.records = [StageRecord(**r) for r in state["records"]]
        self.curve = state["curve"]
        self._stage_start = tuple(state["stage_start"])
        for stage, saved in zip(self.stages, state["stages"], strict=True):
            stage.restore(saved)
        if self.shared:
            self.shared.restore(state["shared"])
        self.clock.go_on_from(state["seconds"])
        self._pending = [due for due in self._pending if due > state["seconds"]]
