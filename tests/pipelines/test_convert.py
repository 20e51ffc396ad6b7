"""Conversions from Python: progress, curves, interruption and going on."""

import os
import signal
from dataclasses import replace

import pytest
import torch

from nerfconvert.adapters.mlp import MlpField
from nerfconvert.adapters.mlp_config import MlpConfig
from nerfconvert.distiller.samplers import SAMPLERS
from nerfconvert.errors import OutputExistsError, UsageError
from nerfconvert.formats import load, save
from nerfconvert.options.groups import Budget, Job, Views
from nerfconvert.options.per_command import ConvertOptions
from nerfconvert.options.showing import CompareOptions
from nerfconvert.pipelines.compare import compare
from nerfconvert.pipelines.convert import convert
from nerfconvert.runtime.crop_file import write_crop
from nerfconvert.runtime.signals import InterruptedRunError
from nerfconvert.volume import Aabb, FieldInfo

SETTINGS = ("log2_table_size=10", "finest_resolution=32", "n_levels=4", "hidden_width=16")


BUDGET = Budget(steps=80, memory_mb=64)


def options(scenes, target, budget: Budget, **job) -> ConvertOptions:
    return ConvertOptions(
        source=str(scenes / "glass.toml"),  # Python callers may pass strings
        target=str(target),
        to="hashgrid",
        size="small",
        settings=SETTINGS,
        budget=budget,
        views=Views(eval_views=1, resolution="16"),
        job=Job(**job),
    )


def test_the_student_comes_closer(scenes, tmp_path):
    receipt = convert(options(scenes, tmp_path / "o.safetensors", Budget(steps=150, memory_mb=64)))
    quality = receipt["quality"]
    assert quality["psnr_target_vs_source"] > quality["psnr_initial"] + 3
    field = load(tmp_path / "o.safetensors")
    assert field.info.background == "black"
    assert field.architecture == "hashgrid"


@pytest.mark.parametrize("to", ["tensorial", "hashgrid"])
def test_thin_media_keep_what_shows(scenes, tmp_path, to):
    """Cells that a solid would not miss hold most of a pale shell: its end is not below its start,
    and what a hash grid learns in a few steps is not dropped either."""
    sizes = {
        "tensorial": ("resolution=32",),
        "hashgrid": ("log2_table_size=12", "finest_resolution=32", "n_levels=4"),
    }
    few = Budget(steps=200 if to == "hashgrid" else 1, memory_mb=64)
    asked = replace(options(scenes, tmp_path / "o.safetensors", few), to=to, settings=sizes[to])
    quality = convert(asked)["quality"]
    assert quality["psnr_target_vs_source"] > {"tensorial": 40, "hashgrid": 33}[to]


def test_what_is_measured_is_the_field_as_its_file_is_read(scenes, tmp_path):
    """An instant-ngp file has other cells than ours, and numbers in half precision."""
    out = tmp_path / "o.ingp"
    asked = options(scenes, out, Budget(steps=3, memory_mb=64))
    receipt = convert(asked)
    files, views = (scenes / "glass.toml", out), {"eval_views": 1, "resolution": "16"}
    again = compare(CompareOptions(checkpoints=files, output=tmp_path / "c", frames=0, **views))
    found = again["fields"][1]["psnr_vs_first"]
    assert found == pytest.approx(receipt["quality"]["psnr_target_vs_source"], abs=1e-4)


def test_the_curve_is_measured_with_the_clock_stopped(scenes, tmp_path):
    budget = Budget(seconds=5, memory_mb=64, eval_at="3,4")
    receipt = convert(options(scenes, tmp_path / "o.safetensors", budget))
    assert receipt["curve"][-1]["seconds"] >= 4  # of the step that ended then
    assert all(point["psnr_target_vs_source"] > 0 for point in receipt["curve"])
    spent = receipt["time"]
    assert spent["distill_s"] + spent["evaluate_s"] <= spent["total_s"]


def test_the_report_is_the_receipt_with_pictures(scenes, tmp_path):
    plain = convert(options(scenes, tmp_path / "p.safetensors", Budget(steps=6, memory_mb=64)))
    assert plain["report"] is None
    assert not (tmp_path / "p.safetensors.report.html").exists()
    asked = options(scenes, tmp_path / "o.safetensors", Budget(steps=6, memory_mb=64))
    receipt = convert(replace(asked, report=True), argv=["convert", "in", "out", "--report"])
    page = (tmp_path / "o.safetensors.report.html").read_text()
    assert receipt["report"] == str(tmp_path / "o.safetensors.report.html")
    assert receipt["target"]["sha256"] in page
    assert f"{receipt['quality']['psnr_target_vs_source']:.2f}<small>dB" in page
    assert "nerfconvert convert in out --report" in page
    assert page.count("data:image/webp") == 3  # of one view: source, target, error


def test_a_report_that_is_in_the_way_is_named_beforehand(scenes, tmp_path):
    (tmp_path / "o.safetensors.report.html").mkdir()
    asked = options(scenes, tmp_path / "o.safetensors", BUDGET)
    with pytest.raises(UsageError, match=r"report\.html is in the way"):
        convert(replace(asked, report=True))


def test_a_crop_is_converted_alone(scenes, tmp_path):
    whole = load(scenes / "glass.toml").aabb
    middle, end = 3 * (0.5,), 3 * (1.0,)
    box = whole.part(torch.tensor(middle), torch.tensor(end))
    write_crop(tmp_path / "box.json", box.low, box.high)
    asked = options(scenes, tmp_path / "o.safetensors", Budget(steps=4, memory_mb=64))
    receipt = convert(replace(asked, crop=tmp_path / "box.json"))
    assert receipt["crop"] == [list(box.low), list(box.high)]
    made = load(tmp_path / "o.safetensors").occupied_box()
    slack = 2 * whole.size[0] / 128  # cells of the source
    assert all(a > b - slack for a, b in zip(made.low, box.low, strict=True))


def test_photographs_cannot_be_cropped(scenes, tmp_path):
    with pytest.raises(UsageError, match="photographs show all of it"):
        replace(
            options(scenes, tmp_path / "o.safetensors", BUDGET),
            crop=tmp_path / "box.json",
            views=Views(data=tmp_path),
        )


def test_a_report_has_the_name_that_was_asked_for(scenes, tmp_path):
    page, target = tmp_path / "page.html", tmp_path / "o.safetensors"
    page.write_text("mine")
    asked = options(scenes, target, Budget(steps=6, memory_mb=64))
    with pytest.raises(OutputExistsError):
        convert(replace(asked, report=str(page)))  # Python callers may pass strings
    assert page.read_text() == "mine"
    assert not target.exists()
    receipt = convert(replace(asked, report=page, job=Job(overwrite=True)))
    assert receipt["report"] == str(page)
    assert receipt["target"]["sha256"] in page.read_text()
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "o.safetensors",
        "o.safetensors.receipt.json",
        "page.html",
    ]


def test_levels_of_active_learning_are_in_the_receipt(scenes, tmp_path):
    asked = replace(options(scenes, tmp_path / "o.safetensors", BUDGET), active="ray, camera")
    assert convert(asked)["active"] == "camera,ray"
    again = options(scenes, tmp_path / "p.safetensors", BUDGET)
    assert convert(again)["active"] == "none"
    mlp = ("depth=2", "width=16", "skips=[]", "head_width=8")
    wide = {"to": "mlp", "size": "base", "settings": mlp}
    measured = replace(again, target=tmp_path / "q.safetensors", **wide)
    assert convert(measured)["active"] == "camera,ray,point"


def test_only_a_recipe_with_active_learning_takes_what_was_measured():
    asked = {"source": "a", "target": "b", "to": "mlp"}
    assert ConvertOptions(**asked).samplers() == tuple(SAMPLERS)
    assert ConvertOptions(**asked, active="none").samplers() == ()
    assert ConvertOptions(**asked, recipe="pvd").samplers() == ()
    assert ConvertOptions(**asked | {"size": "small"}).samplers() == ()
    assert ConvertOptions(**asked | {"to": "vm"}).samplers() == ()
    assert ConvertOptions(**asked | {"to": "vm"}).samplers(slow=True) == ()


def test_a_published_recipe_takes_the_largest_size_that_fits(scenes, tmp_path):
    """Its own size is not asked for beside that."""
    asked = {"source": scenes / "glass.toml", "target": tmp_path / "o.safetensors"}
    how = {"to": "hashgrid", "recipe": "pvd", "max_size": "4MB", "budget": Budget(steps=1)}
    receipt = convert(ConvertOptions(**asked, **how, views=Views(eval_views=1, resolution="16")))
    assert (receipt["recipe"], receipt["active"]) == ("pvd", "none")
    assert receipt["target"]["bytes"] < 4_000_000


def test_a_hash_grid_learns_actively_from_a_large_network(tmp_path):
    large = tmp_path / "large.safetensors"
    config = MlpConfig(depth=2, width=512, skips=(), head_width=8)
    teacher = MlpField(config, FieldInfo(aabb=Aabb((-1, -1, -1), (1, 1, 1))))
    occupied = torch.zeros(128, 128, 128, dtype=torch.bool)
    occupied[60:68, 60:68, 60:68] = True
    teacher.occupancy.assign(occupied)
    with torch.no_grad():
        teacher.density_layer.bias.fill_(30.0)
    save(teacher, large)
    once = Budget(steps=1, memory_mb=64)
    learns = replace(options(tmp_path, tmp_path / "o.safetensors", once), source=large)
    assert convert(learns)["active"] == "camera,ray,point"
    plainly = replace(learns, target=tmp_path / "p.safetensors", active="none")
    assert convert(plainly)["active"] == "none"


@pytest.mark.parametrize("student", [{}, {"to": "tensorial", "settings": ("resolution=32",)}])
def test_an_interrupted_conversion_ends_as_an_unbroken_one(scenes, tmp_path, student):
    whole, broken = tmp_path / "whole.safetensors", tmp_path / "broken.safetensors"
    convert(replace(options(scenes, whole, BUDGET), **student))

    def interrupt(progress):
        if 0 < progress.step < 80:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(InterruptedRunError, match="resume=True") as caught:
        convert(replace(options(scenes, broken, BUDGET), **student), on_progress=interrupt)
    assert caught.value.exit_code == 130
    assert not broken.exists()
    receipt = convert(replace(options(scenes, broken, BUDGET, resume=True), **student))
    assert receipt["time"]["steps"] == 80
    states = [load(path).state_dict() for path in (whole, broken)]
    for name, tensor in states[0].items():
        torch.testing.assert_close(states[1][name], tensor, rtol=0, atol=0)
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".json", ".json", *[".safetensors"] * 2]


def test_half_precision_is_measured(scenes, tmp_path):
    few = Budget(steps=20, memory_mb=64)
    asked = replace(options(scenes, tmp_path / "o.safetensors", few), precision="half")
    receipt = convert(asked)
    assert receipt["precision"] == "half"
    assert receipt["psnr_half_vs_full"] is None or receipt["psnr_half_vs_full"] > 35
    field = load(tmp_path / "o.safetensors")
    for name, parameter in field.named_parameters():
        assert torch.equal(parameter.half().float(), parameter), name
