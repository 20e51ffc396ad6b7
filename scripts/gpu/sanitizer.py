"""Runs every kernel under compute-sanitizer (memcheck, racecheck), or, with --dev shim, the .cu
files under the address and undefined-behavior sanitizers of the compiler."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from stage import stage_options

from nerfconvert.kernels import KERNELS
from tests.cuda_ext.compiled import compile_library
from tests.cuda_ext.test_sanitizers import SANITIZE, exercise, sanitizer_runtime

HERE = Path(__file__).resolve().parent
TOOL_LIMIT = 90  # seconds for each tool
FOUND = 97  # exit code of a tool that found something


def on_gpu() -> dict[str, str]:
    """Each tool's verdict."""
    program = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
    if not Path(program).is_file():
        return {"memcheck": "not installed", "racecheck": "not installed"}
    # Exact allocations: torch's cache would hide what lies beyond them.
    environment = {**os.environ, "PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}
    verdicts = {}
    for tool in ("memcheck", "racecheck"):
        command = [program, "--tool", tool, f"--error-exitcode={FOUND}"]
        command += [sys.executable, str(HERE / "exercise.py")]
        print(" ".join(command), flush=True)
        try:
            code = subprocess.run(command, env=environment, timeout=TOOL_LIMIT, check=False)
            code = code.returncode
            verdicts[tool] = {0: "clean", FOUND: "errors"}.get(code, f"failed: exit code {code}")
        except subprocess.TimeoutExpired:
            verdicts[tool] = f"not finished in {TOOL_LIMIT} s"
        print(f"{tool}: {verdicts[tool]}", flush=True)
    return verdicts


def on_shim(work: Path) -> dict[str, str]:
    """The same for the compiler's sanitizers."""
    runtime = sanitizer_runtime()
    if runtime is None:
        return {"address, undefined": "not installed"}
    folder = work / "sanitized"
    folder.mkdir()
    library = compile_library("shim", folder, *SANITIZE)
    done = exercise("shim", library, runtime, *KERNELS)
    print(done.stdout, done.stderr[-4000:], flush=True)
    return {"address, undefined": "clean" if done.returncode == 0 else "errors"}


def main() -> int:
    options = stage_options()
    verdicts = on_gpu() if options.dev == "cuda" else on_shim(options.work)
    options.json.write_text(json.dumps(verdicts))
    bad = [v for v in verdicts.values() if v not in ("clean", "not installed")]
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
