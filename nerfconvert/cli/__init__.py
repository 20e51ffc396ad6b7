"""The command line: parse, call, print. The only part of nerfconvert that prints or exits."""

from __future__ import annotations

import logging
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, TextIO

from ..errors import NerfConvertError, UnknownNameError, UsageError
from .standard_streams import printing, refuse_closed
from .stopping import INTERRUPTED, Stopped, stopping

HELP = {"-h", "--help"}


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code (README, "Exit codes") of the command in `argv`, by default sys.argv[1:]."""
    argv = list(sys.argv[1:] if argv is None else argv)
    verbose = "-v" in argv or "--verbose" in argv
    _set_up(verbose)
    with stopping() as stop:
        try:
            _check_folder()
            return _run(argv)
        except NerfConvertError as error:
            return _failed(error.message, error.exit_code, verbose)
        except Stopped as stopped:
            return _failed(str(stopped), INTERRUPTED + stopped.signum, False)
        except BrokenPipeError:
            return INTERRUPTED + signal.SIGPIPE
        except Exception as error:
            if stop.signum is not None:  # a library made something else of Stopped
                return _failed(str(Stopped(stop.signum)), INTERRUPTED + stop.signum, False)
            what = f"internal error: {type(error).__name__}: {error}"
            hint = "" if verbose else " (run again with -v for the traceback)"
            return _failed(what + hint, 1, verbose)


def _run(argv: list[str]) -> int:
    from .. import __version__
    from .command_arguments import check_arguments, with_left_out
    from .commands import COMMANDS
    from .terminal import Terminal

    if argv[:1] == ["--version"]:
        with printing():
            print(__version__)
        return 0
    asks_help = not argv or not HELP.isdisjoint(argv)
    if argv and argv[0] not in COMMANDS and argv[0] not in HELP:
        raise UnknownNameError("command", argv[0], COMMANDS)
    words = argv
    if not asks_help:
        words = [argv[0], *with_left_out(COMMANDS[argv[0]], argv[1:])]
        check_arguments(words[0], COMMANDS[words[0]], words[1:])
    with printing() if asks_help else nullcontext():
        command = _parsed(words, asks_help)
    if command is None:
        return 0
    output = command.output
    if output.json:
        refuse_closed()
    # Of the processes that torchrun starts only the first prints.
    first = "TORCHELASTIC_RUN_ID" not in os.environ or os.environ["RANK"] == "0"
    terminal = Terminal(json=output.json and first, quiet=output.quiet or not first)
    return command.run(terminal, argv)


def _check_folder() -> None:
    """Raises UsageError where the folder that the command is run in was removed."""
    try:
        os.getcwd()
    except FileNotFoundError:
        raise UsageError("the current folder was removed; go to one that exists") from None


def _parsed(argv: list[str], asks_help: bool) -> Any:
    """The command of `argv`, ready to run; None where help was asked for, and is printed."""
    import tyro

    from .commands import COMMANDS, command_type

    try:
        return tyro.cli(
            command_type(brief=not argv or argv[0] not in COMMANDS),
            prog="nerfconvert",
            description=(
                "Any neural radiance field becomes any other.\n\nexamples:\n"
                "  nerfconvert info model.ppng\n"
                "  nerfconvert convert model.ppng model.safetensors --to hashgrid\n"
                "  nerfconvert compare model.ppng model.safetensors -o comparison"
            ),
            args=argv or ["--help"],
            config=(tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes),
            console_outputs=asks_help,
        )
    except SystemExit as stop:
        if stop.code:
            how = f"`nerfconvert {argv[0]} --help`"
            raise UsageError(f"these arguments make no sense together; see {how}") from None
        return None


class _Messages(logging.StreamHandler):
    """Log messages go to what stderr is then: a progress bar puts its own there, to print above."""

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, stream: TextIO) -> None: ...


def _set_up(verbose: bool) -> None:
    level = logging.INFO if verbose else logging.WARNING
    logging.raiseExceptions = False  # a warning from a signal handler may interrupt another one
    logging.basicConfig(level=level, format="%(levelname)s: %(message)s", handlers=[_Messages()])


def _failed(message: str, code: int, verbose: bool) -> int:
    if verbose:
        traceback.print_exc()
    print(f"nerfconvert: {message}", file=sys.stderr)
    return code
