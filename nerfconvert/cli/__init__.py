"""The command line: parse, call, print. The only part of nerfconvert that prints or exits."""

from __future__ import annotations

import logging
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from ..errors import NerfConvertError, UnknownNameError

USAGE = 2
INTERRUPTED = 128


class Terminated(BaseException):
    """SIGTERM arrived outside of a run that could have saved its state."""


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code (README, "Exit codes") of the command in `argv`, by default sys.argv[1:]."""
    argv = list(sys.argv[1:] if argv is None else argv)
    verbose = "-v" in argv or "--verbose" in argv
    _set_up(verbose)
    previous = _on_sigterm(_terminate)
    try:
        return _run(argv)
    except NerfConvertError as error:
        return _failed(str(error), error.exit_code, verbose)
    except KeyboardInterrupt:
        return _failed("interrupted", INTERRUPTED + signal.SIGINT, False)
    except Terminated:
        return _failed("terminated", INTERRUPTED + signal.SIGTERM, False)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INTERRUPTED + signal.SIGPIPE
    except Exception as error:
        what = f"internal error: {type(error).__name__}: {error}"
        hint = "" if verbose else " (run again with -v for the traceback)"
        return _failed(what + hint, 1, verbose)
    finally:
        _on_sigterm(previous)


def _run(argv: list[str]) -> int:
    import tyro

    from .. import __version__
    from .commands import COMMANDS, command_type
    from .terminal import Terminal

    if argv[:1] == ["--version"]:
        print(__version__)
        return 0
    if argv and not argv[0].startswith("-") and argv[0] not in COMMANDS:
        raise UnknownNameError("command", argv[0], COMMANDS)
    try:
        command = tyro.cli(
            command_type(),
            prog="nerfconvert",
            description=(
                "Any neural radiance field becomes any other.\n\nexamples:\n"
                "  nerfconvert info model.ppng\n"
                "  nerfconvert convert model.ppng model.safetensors --to hashgrid\n"
                "  nerfconvert compare model.ppng model.safetensors -o comparison"
            ),
            args=argv or ["--help"],
            config=(tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes),
        )
    except SystemExit as stop:  # tyro has printed help or what is wrong
        return USAGE if stop.code else 0
    output = command.output
    # Of the processes that torchrun starts only the first prints.
    first = "TORCHELASTIC_RUN_ID" not in os.environ or os.environ["RANK"] == "0"
    terminal = Terminal(json=output.json and first, quiet=output.quiet or not first)
    return command.run(terminal, argv)


def _set_up(verbose: bool) -> None:
    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)s: %(message)s", stream=sys.stderr)


def _terminate(signum: int, frame: object) -> None:
    raise Terminated


def _on_sigterm(handler: Any) -> Any:
    """Installs a handler of SIGTERM and returns the one before; only the main thread can."""
    try:
        return signal.signal(signal.SIGTERM, handler)
    except ValueError:
        return handler


def _failed(message: str, code: int, verbose: bool) -> int:
    if verbose:
        traceback.print_exc()
    print(f"nerfconvert: {message}", file=sys.stderr)
    return code
