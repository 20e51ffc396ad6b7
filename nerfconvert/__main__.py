"""`python -m nerfconvert`, and the program `nerfconvert`."""

import os

STOPPED = b"nerfconvert: stopped by SIGINT\n"
INTERRUPTED = 130

try:
    import signal
except KeyboardInterrupt:  # it takes a while, and nothing listens yet
    os.write(2, STOPPED)
    os._exit(INTERRUPTED)


def main() -> int:
    """The exit code of the command in sys.argv; from here on no Ctrl-C ends in a traceback."""
    ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN  # as in the background of a shell
    if not ignored:
        signal.signal(signal.SIGINT, _stop)
    from .cli.standard_streams import open_streams

    open_streams()
    from .cli import main as run

    code = run()
    if not ignored:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # what was asked is done
    return code


def _stop(signum: int, frame: object) -> None:
    os.write(2, STOPPED)
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    raise SystemExit(main())
