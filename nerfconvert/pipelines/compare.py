"""compare: fields -> renderer -> metrics, side-by-side video, heat maps, report."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import told_of
from ..files import write_json, write_text
from ..film.film import compose
from ..film.labels import Label, labels
from ..metrics.album import write_album
from ..metrics.evaluation import Evaluation, Evaluator, Pictures, held_out
from ..options.groups import Views
from ..options.showing import CompareOptions
from ..renderer.video import write_image
from ..report.compared import Compared
from ..report.gates import gates, pass_gates
from ..report.likeness import IMAGE_FIGURES, against_field, against_truth, unknown, worst
from ..report.page import comparison_page
from ..report.receipt import describe_file, strict
from ..runtime.alone import alone_in
from ..runtime.device import machine, pick_device, with_backend
from ..runtime.inputs import open_field
from ..runtime.outputs import compared_files, comparing_path
from .checks import check_compare
from .filming import film_comparison

FIRST_FIGURES = (*IMAGE_FIGURES, "depth_error")


@with_backend
def compare(
    options: CompareOptions,
    *,
    argv: Sequence[str] = (),
    on_frame: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """The `compare` document; writes compare.mp4, views/, pictures/, report.html and compare.json,
    and what `also` names: compare.gif, compare.webp, frames/.

    The first field is the reference of the others; with `data` all are measured against the
    truth as well. The report shows `argv`. `on_frame` hears (video frames done, all). Raises
    UsageError, FormatError, OutputExistsError, BackendError, and QualityError after writing all.
    """
    check_compare(options)
    folder = options.output
    device = pick_device(options.where.device)
    views = options.data or options.cameras
    fields = [open_field(path, device, views) for path in options.checkpoints]
    files = [describe_file(path, field) for path, field in zip(options.checkpoints, fields)]
    evaluator = Evaluator(held_out(fields[0], _views(options), options.seed))
    pictures = [evaluator.render(field) for field in fields]
    names = labels(files)
    background = evaluator.evaluation.background
    with _cleared(folder):
        _write_views(folder, names, pictures, evaluator.evaluation)
        album = write_album(folder / "pictures", pictures, evaluator.evaluation)
        films = film_comparison(
            options, fields, files, names, background, _views(options), on_frame
        )
        rows = [
            _row(file, shot, pictures[0] if number else None, evaluator.evaluation)
            | {"pictures": f"pictures/{album[number]}"}
            for number, (file, shot) in enumerate(zip(files, pictures, strict=True))
        ]
        where = {"machine": machine(device), **_films(films)}
        document = strict(_document(options, evaluator.evaluation, rows) | where)
        titles, images = [name.title for name in names], [shot.images for shot in pictures]
        compared = Compared(titles, images, evaluator.evaluation.truth)
        write_text(folder / "report.html", comparison_page(document, compared, argv))
        write_json(folder / "compare.json", document)
    pass_gates(document)
    return document


def _document(
    options: CompareOptions, evaluation: Evaluation, rows: list[dict[str, Any]]
) -> dict[str, Any]:
    """The document, but for the machine and the films; `rows` are its fields."""
    return {
        "schema": "nerfconvert.compare/1",
        "protocol": evaluation.protocol,
        "views": len(evaluation.cameras),
        "resolution": evaluation.resolution,
        "fields": rows,
        "gates": _judged(options, rows),
        "report": str(options.output / "report.html"),
    }


def _films(films: list[Path]) -> dict[str, Any]:
    return {
        "video": str(films[0]) if films else None,
        "also": [str(path) for path in films[1:]],
    }


@contextlib.contextmanager
def _cleared(folder: Path) -> Iterator[None]:
    """While open, `folder` is this process's alone, without the comparison that it held, and says
    that what it holds is not finished. Raises UsageError, NerfConvertError."""
    with told_of(folder):
        (folder / "views").mkdir(parents=True, exist_ok=True)
    with alone_in(folder):
        with told_of(folder):
            comparing_path(folder).touch()
            for path in compared_files(folder):
                path.unlink()
        yield
        comparing_path(folder).unlink()


def _views(options: CompareOptions) -> Views:
    return Views(
        data=options.data,
        cameras=options.cameras,
        frame=options.frame,
        resolution=options.resolution,
        background=options.background,
        eval_views=options.eval_views,
    )


def _row(
    file: dict[str, Any], shot: Pictures, first: Pictures | None, evaluation: Evaluation
) -> dict[str, Any]:
    """One entry of `fields`; `first` is None for the first field itself."""
    views, like_truth = against_truth("vs_truth", shot, evaluation)
    if first is None:
        like_first = unknown([f"{key}_vs_first" for key in FIRST_FIGURES], "this is the first")
    else:
        beside_first, like_first = against_field("vs_first", shot, first, evaluation)
        views = views or beside_first
    speed = {"seconds_per_frame": shot.seconds_per_frame}
    shown = {"worst_view": worst(views), "per_view": views}
    return {**file, **speed, **like_truth, **like_first, **shown}


def _judged(options: CompareOptions, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The `gates` of the document: of every field but the first, of one alone of that."""
    judged = []
    for row in rows[1:] or rows:
        found = {
            "min_psnr": row["psnr_vs_first"] if rows[1:] else row["psnr_vs_truth"],
            "max_size": row["bytes"],
            "max_seconds_per_frame": row["seconds_per_frame"],
        }
        if options.gates.max_drop is not None:
            found["max_drop"] = rows[0]["psnr_vs_truth"] - row["psnr_vs_truth"]
        entries = gates(options.gates, options.max_size, found)
        judged += [{"path": row["path"], **entry} for entry in entries]
    return judged


def _write_views(
    folder: Path, names: list[Label], pictures: list[Pictures], evaluation: Evaluation
) -> None:
    """One PNG a held-out view: truth, every field, and heat maps."""
    truth = evaluation.truth
    for view in range(len(evaluation.cameras)):
        images = [shot.images[view] for shot in pictures]
        frame = compose(names, images, None if truth is None else truth[view])
        write_image(folder / "views" / f"{view:03d}.png", frame)
