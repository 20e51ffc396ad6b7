"""The conversion matrix at tiny sizes: figures, idempotence, bad cells, interruption."""

from __future__ import annotations

import csv
import json
import os
import signal
from pathlib import Path

import pytest
import torch

from nerfconvert.bench.bench import BenchInterruptedError, bench
from nerfconvert.bench.benchmark import BenchConfig, Target, Teacher
from nerfconvert.bench.cells import Cell
from nerfconvert.bench.matrix_plan import MatrixPlan
from nerfconvert.bench.process import Outcome
from nerfconvert.bench.runs import Run, cell_run, scratch_run
from nerfconvert.bench.steps import Asked
from nerfconvert.errors import UsageError
from nerfconvert.options.groups import Where
from nerfconvert.options.per_command import BenchOptions
from nerfconvert.renderer.cameras import on_circle
from nerfconvert.runtime.alone import alone_in
from tests.conftest import ROOT, write_transforms

SCENES = ROOT / "scenes"
HASHGRID = """
[[targets]]
arch = "hashgrid"
size = "small"
set = { log2_table_size = 10, finest_resolution = 32, n_levels = 4, hidden_width = 16 }
"""
MLP = """
[[targets]]
name = "tiny-mlp"
arch = "mlp"
size = "small"
set = { width = 16, depth = 2, head_width = 8 }
"""
TOP = 'views = 1\nresolution = "16x12"\nmemory_mb = 64\nsteps = { default = 6, mlp = 4 }\n'


def teacher(name: str, path: Path | str) -> str:
    return f'[[teachers]]\nname = "{name}"\npath = "{path}"\n'


GLASS = teacher("glass", SCENES / "glass.toml")
BLOBS = teacher("blobs", SCENES / "checkpoints" / "blobs-mlp.safetensors")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A benchmark of two good teachers and one bad one, to two students, run once."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "bad.ckpt").write_bytes(b"junk")
    text = TOP + GLASS + BLOBS + teacher("bad", "bad.ckpt") + HASHGRID + MLP
    (folder / "bench.toml").write_text(text)
    bench(BenchOptions(config=folder / "bench.toml", output=folder / "out"))
    return folder


def cells(folder: Path) -> dict[tuple[str, str], dict]:
    document = json.loads((folder / "out" / "matrix.json").read_text())
    assert document["schema"] == "nerfconvert.bench/1"
    return {(cell["teacher"], cell["student"]): cell for cell in document["cells"]}


def test_every_cell_has_the_receipt_of_its_conversion(folder):
    found = cells(folder)
    assert list(found) == [
        (t, s) for t in ("glass", "blobs", "bad") for s in ("hashgrid", "tiny-mlp")
    ]
    for (name, student), cell in found.items():
        if name == "bad":
            continue
        written = folder / "out" / cell["receipt"]["target"]["path"]
        assert written.name.startswith(f"{name}-to-{student}-fast-")
        assert cell["receipt"] == json.loads(Path(f"{written}.receipt.json").read_text())
        assert cell["receipt"]["time"]["steps"] == (4 if student == "tiny-mlp" else 6)
        assert cell["receipt"]["quality"]["resolution"] == [16, 12]
        assert cell["receipt"]["machine"]["peak_memory_mb"] > 100
        assert cell["exit_code"] == 0
        assert cell["speedup_to_scratch_psnr"] is cell["scratch"] is None
        assert "no data" in cell["scratch_reason"]


def test_a_broken_teacher_is_one_bad_row(folder):
    for student in ("hashgrid", "tiny-mlp"):
        cell = cells(folder)["bad", student]
        assert cell["receipt"] is None
        assert cell["exit_code"] == 3
        assert "bad.ckpt" in cell["receipt_reason"]


def test_the_tables_hold_the_receipts_figures(folder):
    with (folder / "out" / "matrix.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    markdown = (folder / "out" / "matrix.md").read_text()
    for row, cell in zip(rows, cells(folder).values(), strict=True):
        assert (row["teacher"], row["student"]) == (cell["teacher"], cell["student"])
        if cell["receipt"]:
            figure = cell["receipt"]["quality"]["psnr_target_vs_source"]
            assert float(row["psnr_vs_source"]) == figure
            assert f"| {figure:.2f} |" in markdown
            assert int(row["bytes"]) == cell["receipt"]["target"]["bytes"]
    assert "No speed-up over training from scratch: no data" in markdown


def test_the_page_links_a_report_of_every_conversion(folder):
    page = (folder / "out" / "bench.html").read_text()
    for cell in cells(folder).values():
        if cell["receipt"]:
            assert f'href="{cell["receipt"]["report"]}"' in page
            assert "data:image/webp" in (folder / "out" / cell["receipt"]["report"]).read_text()


def test_a_second_run_runs_nothing_but_what_failed(folder):
    """Without a config: the folder knows its own."""
    before = {p: p.stat().st_mtime_ns for p in (folder / "out").rglob("*.safetensors*")}
    runs = set()
    document = bench(
        BenchOptions(output=folder / "out"),
        on_progress=lambda fraction, note: runs.add(note.split(":")[0]),
    )
    assert runs == {"bad -> hashgrid", "bad -> tiny-mlp"}
    assert {p: p.stat().st_mtime_ns for p in (folder / "out").rglob("*.safetensors*")} == before
    assert len(document["cells"]) == 6


def test_two_benchmarks_in_a_folder_do_not_mix(folder):
    with alone_in(folder / "out"), pytest.raises(UsageError, match="writes there"):
        bench(BenchOptions(output=folder / "out"))


def photographs(folder: Path) -> None:
    """Four dark views of nothing in particular as train and test split."""
    poses = on_circle((0.0, 0.0, 0.0), 3.0, 4).poses
    images = torch.randint(0, 60, (4, 12, 16, 3)).to(torch.uint8).numpy()
    for split in ("train", "test"):
        write_transforms(folder, f"transforms_{split}", poses, images)


def test_training_from_scratch_gives_the_speed_up(tmp_path):
    photographs(tmp_path / "photos")
    top = TOP.replace("default = 6", "default = 150")  # after 6 steps nothing is dense yet
    text = top + 'data = "photos"\nscratch = true\nbounds = "1"\n' + GLASS + HASHGRID
    (tmp_path / "bench.toml").write_text(text)
    options = BenchOptions(config=tmp_path / "bench.toml", output=tmp_path / "out")
    (cell,) = bench(options)["cells"]
    scratch, quality = cell["scratch"], cell["receipt"]["quality"]
    assert scratch["steps"] == 150
    assert scratch["psnr_vs_teacher"] > 0
    assert cell["seconds"] > 0
    assert cell["speedup_is_lower_bound"] == (
        quality["psnr_target_vs_truth"] > scratch["psnr_vs_truth"]
    )
    assert cell["speedup_to_scratch_psnr"] == pytest.approx(scratch["seconds"] / cell["seconds"])
    runs = []
    assert bench(options, on_progress=lambda *note: runs.append(note))["cells"] == [cell]
    assert runs == []


def test_equal_quality_has_a_run_for_every_budget(tmp_path):
    photographs(tmp_path / "photos")
    top = TOP.replace("steps = { default = 6, mlp = 4 }", "budgets = [0.2, 0.4]\nseeds = [0]")
    text = top + 'data = "photos"\nbounds = "1"\n' + GLASS + HASHGRID
    (tmp_path / "bench.toml").write_text(text)
    options = BenchOptions(config=tmp_path / "bench.toml", output=tmp_path / "out")
    document = bench(options)
    (entry,) = document["equal_quality"]
    for kind in ("conversions", "trainings"):
        assert [(p["budget"], p["seed"]) for p in entry[kind]] == [(0.2, 0), (0.4, 0)]
        assert all(p["problem"] is None and p["seconds"] > 0 for p in entry[kind])
    # The cell is the longest of the runs, made once.
    quality = document["cells"][0]["receipt"]["quality"]
    assert entry["conversions"][1]["psnr_vs_truth"] == quality["psnr_target_vs_truth"]
    for kind in ("cells", "scratch"):
        assert len(list((tmp_path / "out" / kind).glob("*.safetensors"))) == 2
    source = quality["psnr_source_vs_truth"]
    levels = {level["below_source"]: level for level in entry["levels"]}
    assert list(levels) == [3, 2, 1, 0.5]
    assert levels[2]["psnr_vs_truth"] == pytest.approx(source - 2)
    assert [one["seed"] for one in levels[2]["training"]] == [0]
    assert "Seconds to equal quality" in (tmp_path / "out" / "matrix.md").read_text()
    runs = []
    again = bench(options, on_progress=lambda *note: runs.append(note))
    assert again["equal_quality"] == document["equal_quality"]
    assert runs == []


def test_budgets_and_seeds_make_runs_of_their_own():
    """Every pair has another file; what is not asked of training is not measured on its way."""
    target, glass = Target(arch="hashgrid"), Teacher(name="glass", path=SCENES / "glass.toml")
    config = BenchConfig(
        teachers=(glass,), targets=(target,), data=SCENES, budgets=(8, 64), seeds=(1, 2)
    )
    plan = MatrixPlan(Asked(config, ROOT, Where(device="cpu")))
    (cell,), (equal,) = plan.cells, plan.equal
    asked = []
    for step in reversed(plan.steps):  # in whatever order they come to an end
        cell.receipt = {"quality": {"psnr_source_vs_truth": 30.0}}
        run = step.made()
        step.take(run, Outcome(7, "not run here"))
        asked.insert(0, run)
    cell.receipt = None
    points = equal.conversions + equal.trainings
    assert [(p["budget"], p["seed"]) for p in points] == 2 * [(8, 1), (8, 2), (64, 1), (64, 2)]
    assert {p["problem"] for p in points} == {"not run here"}
    for point, run in zip(points, asked[1:], strict=True):
        words = dict(zip(run.argv, run.argv[1:]))
        assert (words["--seconds"], words["--seed"]) == (f"{point['budget']}", f"{point['seed']}")
        assert "--eval-at" not in words
    assert len({run.target for run in asked[1:]}) == 8


def test_curves_are_measured_at_parts_of_the_seconds():
    target = Target(arch="hashgrid")
    teacher = Teacher(name="glass", path=SCENES / "glass.toml")
    cases = ((True, 64, "fast"), (False, 64, "fast"), (True, None, "fast"), (True, 64, "pvd"))
    for curves, seconds, recipe in cases:
        budget = {"default": 64.0}
        budget = {"seconds": budget} if seconds else {"steps": budget}
        config = BenchConfig(teachers=(teacher,), targets=(target,), curves=curves, **budget)
        cell = Cell(teacher, target, recipe)
        argv = cell_run(config, cell, teacher.path, ROOT, Where(device="cpu")).argv
        if curves and seconds:
            assert argv[argv.index("--eval-at") + 1] == "1,2,4,8,12,16,21.3333,32,48"
        else:
            assert "--eval-at" not in argv


def test_a_teacher_may_be_the_folder_of_a_run(tmp_path):
    (tmp_path / "nerfstudio_models").mkdir()
    checkpoint = tmp_path / "nerfstudio_models" / "step-000000009.ckpt"
    checkpoint.write_bytes(b"weights")
    teacher, target = Teacher(name="run", path=tmp_path), Target(arch="hashgrid")
    config = BenchConfig(teachers=(teacher,), targets=(target,), seconds={"default": 8.0})
    run = cell_run(config, Cell(teacher, target, "fast"), tmp_path, ROOT, Where(device="cpu"))
    assert checkpoint in run.reads
    checkpoint.write_bytes(b"others")
    other = cell_run(config, Cell(teacher, target, "fast"), tmp_path, ROOT, Where(device="cpu"))
    assert other.target != run.target


def test_scratch_is_not_pictured_while_its_whole_box_may_be_fog():
    config = BenchConfig(
        teachers=(Teacher(name="glass", path=SCENES / "glass.toml"),),
        targets=(Target(arch="mlp"),),
        data=SCENES,
        scratch=True,
        scratch_seconds={"default": 64.0},
    )
    argv = scratch_run(config, config.targets[0], ROOT, Where(device="cpu")).argv
    assert argv[argv.index("--eval-at") + 1] == "8,12,16,21.3333,32,48"


def test_recipes_are_compared_for_the_pairs_that_are_asked(tmp_path):
    asked = 'recipes = ["fast", "pvd"]\npairs = [["glass", "hashgrid"]]\n'
    (tmp_path / "bench.toml").write_text(TOP + asked + GLASS + HASHGRID + MLP)
    options = BenchOptions(config=tmp_path / "bench.toml", output=tmp_path / "out")
    ours, theirs = bench(options)["cells"]
    assert [cell["student"] for cell in (ours, theirs)] == ["hashgrid", "hashgrid"]
    assert (ours["recipe"], theirs["recipe"]) == ("fast", "pvd")
    assert "fast_seconds_to_psnr" not in ours
    reached = theirs["fast_seconds_to_psnr"]
    better = ours["receipt"]["quality"]["psnr_target_vs_source"]
    if better > theirs["receipt"]["quality"]["psnr_target_vs_source"]:
        assert 0 < reached <= ours["receipt"]["time"]["distill_s"]
    assert "glass, pvd" in (tmp_path / "out" / "matrix.md").read_text()


def test_an_interrupted_benchmark_goes_on(tmp_path):
    text = TOP.replace("steps = { default = 6, mlp = 4 }", "seconds = 20") + GLASS + HASHGRID
    (tmp_path / "bench.toml").write_text(text)
    options = BenchOptions(config=tmp_path / "bench.toml", output=tmp_path / "out")

    sent = []

    def interrupt(fraction: float, note: str) -> None:
        if "steps/s" in note and not sent:  # there is a state; a second signal would leave none
            sent.append(note)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(BenchInterruptedError, match="goes on") as caught:
        bench(options, on_progress=interrupt)
    assert caught.value.exit_code == 130
    assert [p.suffix for p in (tmp_path / "out" / "cells").iterdir()] == [".state"]
    (cell,) = bench(options)["cells"]
    assert "--resume" in cell["receipt"]["argv"]
    assert cell["receipt"]["time"]["distill_s"] >= 20


def test_a_run_with_a_saved_state_goes_on(tmp_path):
    """A conversion that was killed between its receipt and its page has to write that, too."""
    run = Run("", ("convert",), tmp_path / "o.safetensors", tmp_path / "o.safetensors.receipt.json")
    assert not run.finished()
    for path in (run.target, run.account):
        path.write_text("{}")
    assert run.finished()
    (tmp_path / "o.safetensors.state").write_text("")
    assert not run.finished()
    assert run.flags() == ["--json", "--report", "--resume", "--overwrite"]
