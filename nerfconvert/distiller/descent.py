"""Descent: the optimisation loop that distilling and training from images share."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..errors import DivergedError
from ..volume import RadianceField
from . import parallel
from .clock import Clock
from .config import DistillConfig
from .last_good import LastGood
from .optimizers import Optimizers
from .progress import Distilled, Progress, StageRecord
from .state import load_state, save_state

REPORT_EVERY = 0.25  # seconds between progress reports
SAVE_EVERY = 30.0  # seconds between saved states
LOOK_EVERY = 10  # steps between looks at the loss: each waits for the device


@dataclass(frozen=True)
class StepLoss:
    """What one step is to descend on, and its account."""

    loss: Tensor
    samples: int
    rays: int = 0
    error: float | Tensor | None = None  # mean squared error of ray colors, for the PSNR shown


class Stage(Protocol):
    """One part of the curriculum."""

    name: str

    def prepare(self, step: int, fraction: float) -> None:
        """Whatever must happen before this step: fresh rays, refined occupancy."""

    def loss(self, generator: torch.Generator) -> StepLoss:
        """The loss of one fresh batch."""

    def finished(self, step: int, fraction: float) -> bool:
        """The stage has converged; the next one begins. The last stage never says so."""

    def state(self) -> dict:
        """Tensors and numbers to save; `restore` takes them back."""

    def restore(self, state: dict) -> None: ...


class Stepper(Protocol):
    """The optimizers of a field."""

    sparse: bool  # whether `step` takes sparse gradients

    def schedule(self, step: int, fraction: float) -> float:
        """Factor on the peak learning rates."""

    def step(self, scale: float) -> None:
        """One step with learning rates scaled by the schedule's factor; clears gradients."""

    def state_dict(self) -> Any: ...

    def load_state_dict(self, state: Any) -> None: ...


@dataclass(kw_only=True)
class Hooks:
    """Callbacks of the caller; the training clock stands still while `on_checkpoint` runs.

    It is called after the first step that ends at or after a checkpoint, with the seconds on the
    clock by then. What it returns becomes the curve of the run, through interruptions too.
    """

    on_progress: Callable[[Progress], None] | None = None
    should_stop: Callable[[], bool] | None = None
    checkpoints: Sequence[float] = ()  # seconds from which on `on_checkpoint` is due
    on_checkpoint: Callable[[float], Any] | None = None


@dataclass
class Descent:
    """A student on its way down; everything mutable about a run is here and is saved."""

    student: RadianceField
    config: DistillConfig
    hooks: Hooks
    state_path: Path | None
    fingerprint: dict  # of the task; a state with another one is refused
    clock: Clock
    rate: float = 1.0  # factor on all learning rates
    new_optimizers: Callable[[dict[str, list[nn.Parameter]]], Stepper] = Optimizers
    optimizers: Stepper = field(init=False)
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
        self.fingerprint = {
            "steps": self.config.steps,
            "seed": self.config.seed,
            "student": self.student.architecture,
            "parameters": self.student.parameter_count,
            **self.fingerprint,
        }
        self.optimizers = self.new_optimizers(self.student.parameter_groups())
        self.generator = torch.Generator().manual_seed(parallel.own_seed(self.config))
        self._reported = self._saved = time.monotonic()
        self._pending = sorted(self.hooks.checkpoints)

    def run(self, stages: list[Stage]) -> Distilled:
        """Descends through `stages` until the budget is spent or the caller stops it."""
        interrupted = False
        parallel.same_everywhere(self.student)
        while (fraction := parallel.agree(self.clock.fraction(self.step))) < 1.0:
            if parallel.any_of(bool(self.hooks.should_stop and self.hooks.should_stop())):
                interrupted = True
                break
            self._one_step(stages, fraction)
            self._checkpoints()
            self._report(stages)
            last = self.stage_index == len(stages) - 1
            fraction = self.clock.fraction(self.step)
            if not last and parallel.agree(stages[self.stage_index].finished(self.step, fraction)):
                self._close(stages)
                self.stage_index += 1
        if interrupted:
            self.save(stages)
        else:
            self._close(stages)
        return Distilled(
            self.records, self.step, parallel.total(self.rays), parallel.total(self.samples),
            self.clock.seconds, self.initialise_s, self.psnr_initial, interrupted, self.curve,
        )  # fmt: skip

    def _one_step(self, stages: list[Stage], fraction: float) -> None:
        stage = stages[self.stage_index]
        self._last_good = self._last_good or LastGood(self.student, self.step)
        if self.student.refine(fraction):
            self.optimizers = self.new_optimizers(self.student.parameter_groups())
        stage.prepare(self.step, fraction)
        self.student.sparse_gradients = self.optimizers.sparse and self._alone_on_cpu()
        result = stage.loss(self.generator)
        self.student.sparse_gradients = False
        result.loss.backward()
        parallel.average_gradients(self.student)
        self.optimizers.step(self.rate * self.optimizers.schedule(self.step, fraction))
        self.step += 1
        self.rays += result.rays
        self.samples += result.samples
        if self.step % LOOK_EVERY == 0:
            if not self._last_good.sound(self.step, result.loss):
                self._give_up(stages)
            if result.error is not None:
                error = float(result.error)
                self.error = error if self.error is None else 0.9 * self.error + 0.1 * error

    def _alone_on_cpu(self) -> bool:
        """Where sparse gradients pay: a GPU would wait for their sizes, which processes do not
        share."""
        return self.student.device.type == "cpu" and parallel.count() == 1

    def _give_up(self, stages: list[Stage]) -> None:
        """Puts the last good student back, saves it, and raises DivergedError."""
        diverged, self.step = self.step, self._last_good.restore()
        self.optimizers = self.new_optimizers(
            self.student.parameter_groups()
        )  # their momenta diverged too
        self.save(stages)
        kept = f"the student of step {self.step} is kept"
        if self.state_path:
            kept += f" in {self.state_path}: repeat the command with --resume to go on from it"
        raise DivergedError(
            f"the student diverged at step {diverged} (stage {stages[self.stage_index].name}): its "
            f"loss or parameters are no longer finite; {kept}, or try another --seed"
        )

    @property
    def psnr(self) -> float | None:
        """dB of the student's training rays, smoothed; None before the first ray stage."""
        return None if not self.error else -10 * math.log10(self.error)

    def _checkpoints(self) -> None:
        now = self.clock.seconds
        if self._pending and now >= self._pending[0]:
            self._pending = [due for due in self._pending if due > now]
            self.clock.pause()
            self.curve.append(self.hooks.on_checkpoint(self.clock.seconds))
            self.clock.resume()

    def _report(self, stages: list[Stage]) -> None:
        now = time.monotonic()
        if self.hooks.on_progress and now - self._reported > REPORT_EVERY:
            self._reported = now
            name, fraction = stages[self.stage_index].name, self.clock.fraction(self.step)
            seconds = self.clock.seconds
            self.hooks.on_progress(
                Progress(name, self.step, seconds, fraction, self.psnr, self.rays, self.samples)
            )
        if self.state_path and now - self._saved > SAVE_EVERY:
            self.save(stages)

    def _close(self, stages: list[Stage]) -> None:
        """Writes the record of the current stage."""
        start_step, start_seconds = self._stage_start
        seconds = self.clock.seconds
        name = stages[self.stage_index].name
        self.records.append(
            StageRecord(name, self.step - start_step, seconds - start_seconds, self.psnr)
        )
        self._stage_start = (self.step, seconds)

    def save(self, stages: list[Stage]) -> None:
        """Writes everything a resumed run needs to `state_path`, atomically."""
        if self.state_path is None or parallel.rank():
            return
        numbers = ("step", "rays", "samples", "stage_index", "error", "initialise_s")
        save_state(
            self.state_path,
            {
                "fingerprint": self.fingerprint,
                "student": self.student.state_dict(),
                "optimizers": self.optimizers.state_dict(),
                "generator": self.generator.get_state(),
                "numbers": {n: getattr(self, n) for n in (*numbers, "psnr_initial")},
                "records": [vars(r) for r in self.records],
                "curve": self.curve,
                "stage_start": self._stage_start,
                "seconds": self.clock.seconds,
                "stages": [stage.state() for stage in stages],
            },
        )
        self._saved = time.monotonic()

    def resume(self, stages: list[Stage]) -> bool:
        """Goes on from what `save` wrote; False where there is nothing. Raises FormatError."""
        if self.state_path is None or not self.state_path.exists():
            return False
        state = load_state(self.state_path, self.fingerprint)
        self.student.load_state_dict(state["student"])
        self.optimizers = self.new_optimizers(self.student.parameter_groups())
        self.optimizers.load_state_dict(state["optimizers"])
        if parallel.rank():
            self.generator.manual_seed(parallel.own_seed(self.config) + state["numbers"]["step"])
        else:
            self.generator.set_state(state["generator"])
        for name, value in state["numbers"].items():
            setattr(self, name, value)
        self.records = [StageRecord(**r) for r in state["records"]]
        self.curve = state["curve"]
        self._stage_start = tuple(state["stage_start"])
        for stage, saved in zip(stages, state["stages"]):
            stage.restore(saved)
        self.clock.go_on_from(state["seconds"])
        self._pending = [c for c in self._pending if c > state["seconds"]]
        return True
