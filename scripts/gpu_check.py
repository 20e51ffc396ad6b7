"""Checks nerfconvert on a CUDA machine, in one command of less than 8 minutes.

    python scripts/gpu_check.py [--dev cuda|shim] [--out result.json] [--only build,parity]

Builds the kernels, compares them with the CPU library and the torch references, runs the GPU
tests and compute-sanitizer, times the kernels, and makes one conversion. Each stage is a process
of its own with a time limit; a stage that fails does not stop the next. `--dev shim` goes the
same way without a GPU: the .cu files run on the CPU through tests/cuda_ext.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "scripts"
TEACHER = "scenes/checkpoints/blobs-mlp.safetensors"
SCHEMA = "nerfconvert.gpu_check/1"


@dataclass(frozen=True)
class Stage:
    """One command; what it wrote as JSON to `figures` becomes part of the result."""

    name: str
    limit: float  # seconds
    command: list[str]
    figures: Path | None = None
    environment: dict[str, str] | None = None
    keep: tuple[str, ...] = ()  # of the figures; none named: all


def stages(dev: str, work: Path) -> list[Stage]:
    """The stages in their order; `work` is a folder for what they write."""
    python, gpu = sys.executable, SCRIPTS / "gpu"
    file = {
        name: work / f"{name}.json"
        for name in ("machine", "build", "parity", "others", "sanitizer")
    }
    own = {
        name: [python, str(gpu / f"{name}.py"), "--dev", dev, "--json", str(path)]
        for name, path in file.items()
    }
    times = work / "benchmark.json"
    bench = [python, str(SCRIPTS / "bench_kernels.py"), "--json", str(times)]
    student = work / "student.safetensors"
    convert = [python, "-m", "nerfconvert", "convert", TEACHER, str(student), "--quiet"]
    convert += ["--to", "hashgrid"]
    if dev == "cuda":
        bench += ["--device", "cuda", "--budget", "0.3"]
        convert += ["--device", "cuda", "--seconds", "20"]
    else:
        bench += ["--device", "cpu", "--scale", "0.01", "--budget", "0", "--no-reference"]
        convert += ["--device", "cpu", "--steps", "20", "--size", "small", "--memory-mb", "16"]
        convert += ["--eval-views", "1", "--resolution", "32"]
    receipt = work / f"{student.name}.receipt.json"
    tests = [python, "-m", "pytest", "-m", "needs_cuda", "-p", "no:cacheprovider", "tests"]
    must = {"FAIL_WITHOUT_CUDA": "1", "NERFCONVERT_REQUIRE_NATIVE": "1"} if dev == "cuda" else {}
    return [
        Stage("machine", 40, own["machine"], file["machine"]),
        Stage("build", 120, [*own["build"], "--work", str(work)], file["build"]),
        Stage("parity", 60, [*own["parity"], "--work", str(work)], file["parity"]),
        Stage("tests", 120, tests, None, must),
        Stage("benchmark", 60, bench, times),
        Stage("others", 40, own["others"], file["others"]),
        Stage("conversion", 60, convert, receipt, keep=("quality", "time", "machine")),
        Stage("sanitizer", 185, [*own["sanitizer"], "--work", str(work)], file["sanitizer"]),
    ]


def run(stage: Stage, deadline: float) -> dict[str, Any]:
    """The account of a stage; its output goes to ours as it comes."""
    seconds = max(1.0, min(stage.limit, deadline - time.monotonic()))
    print(f"== {stage.name} (at most {seconds:.0f} s): {' '.join(stage.command)}", flush=True)
    known = os.environ.get("PYTHONPATH")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *([known] if known else [])]),
        "OMP_WAIT_POLICY": "PASSIVE",
        **(stage.environment or {}),
    }
    start = time.monotonic()
    process = subprocess.Popen(stage.command, cwd=ROOT, env=environment, start_new_session=True)
    try:
        code, reason = process.wait(timeout=seconds), None
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        code, reason = None, f"stopped after {seconds:.0f} s"
    account = {"ok": code == 0, "seconds": round(time.monotonic() - start, 1)}
    if code:
        reason = f"exit code {code}"
    if reason:
        account["reason"] = reason
    if stage.figures and stage.figures.is_file():
        figures = json.loads(stage.figures.read_text())
        account["figures"] = {k: v for k, v in figures.items() if k in (stage.keep or figures)}
    verdict = "ok" if account["ok"] else f"FAILED: {reason}"
    print(f"== {stage.name}: {verdict} in {account['seconds']} s", flush=True)
    return account


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dev", choices=("cuda", "shim"), default="cuda")
    parser.add_argument("--out", type=Path, help="file for the result (JSON)")
    parser.add_argument("--only", default="", help="stages to run, with commas; default: all")
    parser.add_argument("--budget", type=float, default=470.0, help="seconds for all of it")
    options = parser.parse_args()
    deadline = time.monotonic() + options.budget
    wanted = [name for name in options.only.split(",") if name]
    with tempfile.TemporaryDirectory() as work:
        planned = stages(options.dev, Path(work))
        unknown = set(wanted) - {stage.name for stage in planned}
        if unknown:
            parser.error(f"no such stage: {', '.join(sorted(unknown))}")
        chosen = [stage for stage in planned if not wanted or stage.name in wanted]
        accounts = {stage.name: run(stage, deadline) for stage in chosen}
    result = {
        "schema": SCHEMA,
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "dev": options.dev,
        "system": platform.platform(),
        "ok": all(account["ok"] for account in accounts.values()),
        "seconds": round(sum(account["seconds"] for account in accounts.values()), 1),
        "stages": accounts,
    }
    text = json.dumps(result, indent=1)
    if options.out:
        options.out.write_text(text + "\n")
    print(text, flush=True)
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
