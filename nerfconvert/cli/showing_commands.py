"""The commands that show fields: their help with examples, and what each prints."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from tyro.conf import arg

from ..options.showing import CompareOptions, RenderOptions, ViewOptions
from ..pipelines.checks import check_compare, check_render, check_view
from .output import Output
from .terminal import Terminal


@dataclass(frozen=True, kw_only=True)
class Render:
    """A video, or PNG frames, of one field.

    examples:
      nerfconvert render model.safetensors -o orbit.mp4
      nerfconvert render model.ppng -o frames --resolution 800x800 --frames 120
      nerfconvert render nerf.ckpt -o test.mp4 --cameras lego/transforms_test.json
    """

    options: Annotated[RenderOptions, arg(name="")]
    output: Annotated[Output, arg(name="")] = field(default_factory=Output)

    def run(self, terminal: Terminal, argv: list[str]) -> int:
        check_render(self.options)
        from ..pipelines.render import render

        with terminal.frames("render", "opening the field") as report:
            document = render(self.options, on_frame=report)
        terminal.document(document)
        each = document["seconds_per_frame"]
        took = f", {each:.2f} s each" if each is not None else ""
        terminal.say(f"wrote {document['frames']} frames to {document['output']}{took}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Compare:
    """Metrics, side-by-side video, heat maps and a report of several fields.

    One field alone is compared with the truth of --data.

    examples:
      nerfconvert compare source.ppng target.safetensors -o comparison
      nerfconvert compare a.safetensors b.safetensors -o out --data lego --eval-views 16
      nerfconvert compare a.ckpt b.ckpt -o out --frames 0 --min-psnr 30 --max-size 5MB --json
    """

    options: Annotated[CompareOptions, arg(name="")]
    output: Annotated[Output, arg(name="")] = field(default_factory=Output)

    def run(self, terminal: Terminal, argv: list[str]) -> int:
        check_compare(self.options)
        from ..pipelines.compare import compare
        from ..report.gates import QualityError
        from ..report.measured_tables import compare_tables

        try:
            with terminal.frames("compare", "opening and measuring the fields") as report:
                document = compare(self.options, argv=argv, on_frame=report)
        except QualityError as error:
            terminal.document(error.document, compare_tables)
            raise
        terminal.document(document, compare_tables)
        terminal.say(f"wrote {document['report']}")
        return 0


@dataclass(frozen=True, kw_only=True)
class View:
    """A page with a camera to fly through fields, and a wipe between two. Ctrl-C ends it.

    Needs the package viser. Through SSH: `ssh -L 8080:127.0.0.1:8080 HOST`, there with --port 8080.

    examples:
      nerfconvert view model.safetensors --open
      nerfconvert view source.ppng target.safetensors --port 8080
      nerfconvert view nerf.ckpt --data lego --crop box.json
    """

    options: Annotated[ViewOptions, arg(name="")]
    output: Annotated[Output, arg(name="")] = field(default_factory=Output)

    def run(self, terminal: Terminal, argv: list[str]) -> int:
        check_view(self.options)
        from ..pipelines.view import view

        def ready(document: dict[str, Any]) -> None:
            terminal.document(document)
            terminal.say(f"{document['address']} shows the fields; Ctrl-C ends it")
            if self.options.open:
                import webbrowser

                webbrowser.open(document["address"])

        view(self.options, on_ready=ready)
        return 0
