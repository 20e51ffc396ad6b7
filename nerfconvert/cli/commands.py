"""The commands: their help with examples, and what each prints. No torch until one runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg, subcommand

from ..errors import UsageError
from ..options.per_command import BenchOptions, ConvertOptions, ExportOptions, TrainOptions
from ..pipelines.checks import (
    check_convert,
    check_export,
    check_train,
)
from .output import Output
from .showing_commands import Compare, Render, View
from .terminal import Terminal

CORRECTED = "--bounds and --background correct it"


@dataclass(frozen=True, kw_only=True)
class Info:
    """What a checkpoint is: format, architecture, box, frame, size, problems.

    examples:
      nerfconvert info model.safetensors
      nerfconvert info checkpoint00200000.ckpt scene.ppng
      nerfconvert info model.ppng --json
    """

    paths: Positional[Annotated[tuple[Path, ...], arg(metavar="CKPT", help="Files to look at.")]]
    output: Annotated[Output, arg(name="")] = field(default_factory=Output)

    def run(self, terminal: Terminal, argv: list[str]) -> int:
        if not self.paths:
            raise UsageError("info needs at least one file: nerfconvert info CKPT...")
        from ..pipelines.info import info
        from ..report.tables import info_tables

        document = info(self.paths)
        terminal.document(document, info_tables)
        return max(entry.get("exit_code", 0) for entry in document["files"])


@dataclass(frozen=True, kw_only=True)
class Convert:
    """Any architecture to any other, by distillation. Needs nothing but the checkpoint.

    examples:
      nerfconvert convert model.ppng model.safetensors --to hashgrid
      nerfconvert convert nerf.ckpt out.safetensors --to hashgrid --size small --seconds 60
      nerfconvert convert in.safetensors out.safetensors --to mlp --data lego --max-drop 0.5
    """

    options: Annotated[ConvertOptions, arg(name="")]
    output: Annotated[Output, arg(name="")] = field(default_factory=Output)

    def run(self, terminal: Terminal, argv: list[str]) -> int:
        check_convert(self.options)
        from ..pipelines.convert import convert
        from ..report.gates import QualityError
        from ..report.measured_tables import receipt_tables
        from ..report.remarks import cut_away, size_and_speed

        try:
            with terminal.progress("convert") as report:
                receipt = convert(self.options, argv=argv, on_progress=report)
        except QualityError as error:
            terminal.document(error.document, receipt_tables)
            raise
        terminal.document(receipt, receipt_tables)
        terminal.say(f"wrote {self.options.target} and {self.options.target}.receipt.json")
        if receipt and receipt["report"]:
            terminal.say(f"wrote {receipt['report']}")
        # Processes that do not measure have no receipt; they print nothing either.
        asked = self.options.size, self.options.max_size
        if receipt and not terminal.quiet:
            for remark in filter(None, (size_and_speed(receipt, *asked), cut_away(receipt))):
                terminal.say(remark)
        return 0


@dataclass(frozen=True, kw_only=True)
class Train:
    """A field from photographs: a teacher, or the from-scratch baseline.

    examples:
      nerfconvert train lego lego.safetensors --arch hashgrid
      nerfconvert train lego out.safetensors --arch mlp --seconds 600 --eval-at 60,120,300,600
      nerfconvert train fox fox.safetensors --arch hashgrid
    """

    options: Annotated[TrainOptions, arg(name="")]
    output: Annotated[Output, arg(name="")] = field(default_factory=Output)

    def run(self, terminal: Terminal, argv: list[str]) -> int:
        check_train(self.options)
        from ..pipelines.train import train
        from ..report.tables import train_tables

        with terminal.progress("train") as report:
            document = train(
                self.options,
                argv=argv,
                on_progress=report,
                on_placement=lambda found: terminal.say(f"{found}; {CORRECTED}"),
            )
        terminal.document(document, train_tables)
        terminal.say(f"wrote {self.options.target}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The conversion matrix: PSNR, seconds and speed-up of every teacher to every student.

    What is in the folder already is not made again; an interrupted benchmark goes on.

    examples:
      nerfconvert bench scripts/matrix.toml -o matrix --data lego
      nerfconvert bench matrix.toml -o matrix --json
      nerfconvert bench matrix.toml -o matrix --overwrite
    """

    options: Annotated[BenchOptions, arg(name="")]
    output: Annotated[Output, arg(name="")] = field(default_factory=Output)

    def run(self, terminal: Terminal, argv: list[str]) -> int:
        from ..bench.asked import asked_benchmark

        asked_benchmark(self.options)
        from ..bench.bench import bench
        from ..report.tables import bench_tables, cell_line

        with terminal.runs("bench") as report:
            document = bench(
                self.options,
                argv=argv,
                on_progress=report,
                on_cell=lambda cell: terminal.say(cell_line(cell)),
            )
        terminal.document(document, bench_tables)
        terminal.say(f"wrote bench.html, matrix.json, .csv and .md to {self.options.output}")
        return max(cell["exit_code"] for cell in document["cells"])


@dataclass(frozen=True, kw_only=True)
class Export:
    """The same field in another program's file, without distillation.

    What was written is read back and compared.

    examples:
      nerfconvert export vm.safetensors vm.th
      nerfconvert export voxels.safetensors ckpt.npz --json
      nerfconvert export nerf.ckpt 200000.tar --format nerf-pytorch
    """

    options: Annotated[ExportOptions, arg(name="")]
    output: Annotated[Output, arg(name="")] = field(default_factory=Output)

    def run(self, terminal: Terminal, argv: list[str]) -> int:
        check_export(self.options)
        from ..pipelines.export import export
        from ..report.tables import export_tables

        document = export(self.options)
        terminal.document(document, export_tables)
        terminal.say(f"wrote {self.options.target}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Formats:
    """What can be read and written, and which architectures there are.

    examples:
      nerfconvert formats
      nerfconvert formats --json
      nerfconvert formats -q
    """

    output: Annotated[Output, arg(name="")] = field(default_factory=Output)

    def run(self, terminal: Terminal, argv: list[str]) -> int:
        from ..pipelines.info import tables
        from ..report.tables import formats_tables

        terminal.document(tables(), formats_tables)
        return 0


@dataclass(frozen=True, kw_only=True)
class Doctor:
    """What this machine can do, and what is missing.

    examples:
      nerfconvert doctor
      nerfconvert doctor --json
      nerfconvert doctor -v
    """

    output: Annotated[Output, arg(name="")] = field(default_factory=Output)

    def run(self, terminal: Terminal, argv: list[str]) -> int:
        from ..pipelines.doctor import doctor
        from ..report.tables import doctor_tables

        terminal.document(doctor(), doctor_tables)
        return 0


COMMANDS: dict[str, type] = {
    "info": Info,
    "convert": Convert,
    "train": Train,
    "render": Render,
    "compare": Compare,
    "view": View,
    "bench": Bench,
    "export": Export,
    "formats": Formats,
    "doctor": Doctor,
}


def command_type(*, brief: bool = False) -> Any:
    """The union of all commands, as tyro reads it; `brief` keeps one line of each."""
    union: Any = None
    for name, command in COMMANDS.items():
        text = (command.__doc__ or "").partition("\n")[0] if brief else None
        entry = Annotated[command, subcommand(name, description=text)]
        union = entry if union is None else union | entry
    return union
