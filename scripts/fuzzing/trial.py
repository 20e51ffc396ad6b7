"""trial: opens files and renders their fields, each under limits; a process of its own.

    python -m scripts.fuzzing.trial

says that it is ready, reads a path a line, and answers each with a line of JSON: `verdict` is
"read", "refused" or "finding"; `what` says more, the same for findings of one kind.
"""

from __future__ import annotations

import faulthandler
import json
import os
import re
import resource
import signal
import sys
import time
import traceback
from pathlib import Path

import torch

from nerfconvert.errors import FormatError, UnsupportedError
from nerfconvert.formats import load
from nerfconvert.renderer.cameras import on_circle
from nerfconvert.renderer.image import render_image
from nerfconvert.runtime.inputs import with_frustum

SIZE = (16, 16)  # pixels
STEPS = 64  # of a ray through the box
FREE = 200 << 20  # bytes of memory beside twice the file
HARD = 3 << 30  # bytes of address space after which the system refuses more
CODE = ("pickle.find_class", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork")
CODE += ("subprocess.Popen", "socket.connect", "shutil.rmtree")
ran: list[str] = []


def open_and_render(path: Path) -> tuple[str, str]:
    """Verdict and what, apart from memory, time and code that was run."""
    try:
        field = load(path)
    except (FormatError, UnsupportedError) as error:
        said = str(error).removeprefix(f"{path}: ")
        if "\n" in said or len(said) > 2000:
            return "finding", "a message of more than a line"
        ended = re.search("out of memory|allocate memory|MemoryError|recursion depth", said)
        return ("finding", f"refused by {ended[0]}") if ended else ("refused", said)
    except BaseException as error:
        return "finding", f"{type(error).__name__} while it is read, {_place(error)}"
    try:
        if field.info.frame == "ndc" and field.info.frustum is None:
            field.info = with_frustum(field.info, None)
        camera = on_circle(field.aabb.center, 1.5 * field.aabb.diagonal, 1, size=SIZE)
        image = render_image(field, camera, 0, step=field.aabb.diagonal / STEPS)
    except BaseException as error:
        return "finding", f"{type(error).__name__} while it is rendered, {_place(error)}"
    invalid = int((~image.isfinite()).sum())
    return ("finding", "NaN in the picture") if invalid else ("read", "")


def _place(error: BaseException) -> str:
    """The innermost line of the package that an error came through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "nerfconvert" in frame.filename]
    frame = (ours or frames)[-1]
    return f"{Path(frame.filename).name}: {frame.name}: {frame.line}"


def watched(path: Path) -> dict[str, str | float]:
    """The answer for one file."""
    ran.clear()
    size = path.stat().st_size
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from now on
    before, start = _memory("VmRSS"), time.monotonic()
    verdict, what = open_and_render(path)
    seconds, taken = time.monotonic() - start, _memory("VmHWM") - before
    if taken > 2 * size + FREE:
        verdict, what = "finding", "memory"
    if ran:
        verdict, what = "finding", f"it ran {ran[0]}"
    return {"verdict": verdict, "what": what, "mb": taken / 1e6, "seconds": seconds}


def _memory(name: str) -> int:
    """Bytes of a line of this process's status."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise KeyError(name)


def main() -> None:
    torch.set_num_threads(1)
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    print("ready", file=answers, flush=True)
    sys.addaudithook(lambda event, _: ran.append(event) if event in CODE else None)
    for line in sys.stdin:
        limit = _memory("VmSize") + HARD
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        print(json.dumps(watched(Path(line.rstrip("\n")))), file=answers, flush=True)


if __name__ == "__main__":
    main()
