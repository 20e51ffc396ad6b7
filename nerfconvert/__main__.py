"""`python -m nerfconvert`, and the program `nerfconvert`."""

import os
import signal

INTERRUPTED = 128 + signal.SIGINT


def main() -> int:
    """The exit code of the command in sys.argv; no Ctrl-C, ever, ends in a traceback."""
    ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN  # as in the background of a shell
    if not ignored:
        signal.signal(signal.SIGINT, _stop)
    from .cli import main as run

    code = run()
    if not ignored:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # what was asked is done
    return code


def _stop(signum: int, frame: object) -> None:
    os.write(2, b"nerfconvert: stopped by SIGINT\n")
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    raise SystemExit(main())
