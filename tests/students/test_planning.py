"""Students before they take memory: their sizes, the largest that fits a file, and refusals."""

from __future__ import annotations

import os

import pytest
import torch

from nerfconvert.adapters import ADAPTERS, ARCHITECTURES, CHOICES, SIZES, TRAINABLE
from nerfconvert.cli import main
from nerfconvert.errors import UsageError
from nerfconvert.formats import load, save
from nerfconvert.options.per_command import ConvertOptions, TrainOptions
from nerfconvert.runtime.inputs import open_field
from nerfconvert.runtime.memory import _of_the_container, available_bytes
from nerfconvert.students.planning import blueprint, check_student, file_bytes, plan_student
from nerfconvert.students.presets import field_config
from nerfconvert.students.sizes import check_max_size, parameters_help, parse_bytes, rounded
from nerfconvert.students.student_box import student_info
from nerfconvert.volume import Aabb, FieldInfo
from tests.test_cli import QUICK

CPU = torch.device("cpu")
CUBE = FieldInfo(aabb=Aabb((-1, -1, -1), (1, 1, 1)))


def planned(**changes):
    """The config of a hash grid in a cube."""
    asked = {"size": "base", "max_size": None, "settings": (), "memory_mb": 64, **changes}
    return plan_student("hashgrid", CUBE, CPU, **asked)


@pytest.mark.parametrize("architecture", TRAINABLE)
def test_the_help_names_the_true_parameter_counts(architecture):
    """A new architecture, or another preset, belongs in `adapters.ARCHITECTURES`."""
    counted = {
        size: blueprint(architecture, field_config(architecture, size, ()), CUBE).trained_size()[0]
        for size in SIZES
    }
    assert ARCHITECTURES[architecture].sizes == counted
    more = ARCHITECTURES[architecture].more_sizes
    assert sorted(CHOICES[architecture].presets) == sorted((*SIZES, *more))
    assert architecture in parameters_help()
    assert counted["small"] < counted["base"] < counted["large"]


def test_counts_are_rounded_for_people():
    assert [rounded(n) for n in (7, 84_548, 1_594_267, 24_041_836)] == ["7", "85k", "1.6M", "24M"]


@pytest.mark.parametrize("architecture", [a for a in TRAINABLE if a != "tensorial"])
def test_a_file_is_as_large_as_planned(architecture, tmp_path):
    config = field_config(architecture, "small", ())
    save(ADAPTERS[architecture](config, CUBE), tmp_path / "f.safetensors")
    planned = file_bytes(blueprint(architecture, config, CUBE))
    assert planned - 8192 < (tmp_path / "f.safetensors").stat().st_size <= planned


def test_a_sparse_student_is_planned_for_what_its_source_fills(scenes):
    source = open_field(scenes / "glass.toml", CPU)
    info = student_info(source)
    student = blueprint("tensorial", field_config("tensorial", "small", ()), info, source)
    full = blueprint("tensorial", field_config("tensorial", "small", ()), info)
    full.occupancy.words.fill_(-1)
    part = student.trained_size()[0] / full.trained_size()[0]
    assert student.occupancy.fraction() < part < 1
    assert full.trained_size()[0] == 129**3 * 28


@pytest.mark.parametrize(
    ("limit", "size"), [("4MB", "small"), ("24MB", "base"), ("50MB", "base"), ("1GB", "large")]
)
def test_takes_the_largest_size_that_fits(limit, size):
    config = planned(max_size=limit)
    assert config == field_config("hashgrid", size, ())


@pytest.mark.parametrize(
    ("limit", "size"), [("90MB", "small"), ("300MB", "medium"), ("530MB", "base"), ("1GB", "large")]
)
def test_voxels_have_a_size_between_that_fits(limit, size):
    """The smallest and the next have seven times their file between them, else."""
    asked = {"size": "base", "max_size": limit, "settings": (), "memory_mb": 64}
    config = plan_student("tensorial", CUBE, CPU, **asked)
    assert config == field_config("tensorial", size, ())


def test_settings_count_in_the_size():
    chosen = ("log2_table_size=12", "finest_resolution=64")
    config = planned(max_size="900kB", settings=chosen)
    assert (config.log2_table_size, config.finest_resolution) == (12, 64)


def test_a_limit_that_nothing_fits_names_the_smallest():
    with pytest.raises(UsageError, match=r"no size of hashgrid fits.*small, takes 3.8\d MB"):
        planned(max_size="1MB")


@pytest.mark.parametrize("architecture", TRAINABLE)
def test_a_limit_that_nothing_fits_is_known_without_a_scene(architecture):
    with pytest.raises(UsageError, match=r"no size of .* fits; the smallest, small"):
        check_max_size(architecture, "2kB", ())
    check_max_size(architecture, "2kB", ["any=1"])
    check_max_size(architecture, "14MB", ())
    check_max_size(architecture, None, ())


@pytest.mark.parametrize(
    ("text", "count"),
    [("5MB", 5_000_000), ("1.5 GB", 1_500_000_000), ("300kB", 300_000), ("4MiB", 4 << 20),
     ("12", 12), ("7b", 7), ("2k", 2000)],
)  # fmt: skip
def test_bytes(text, count):
    assert parse_bytes(text) == count


@pytest.mark.parametrize("text", ["", "MB", "-5MB", "5TB", "five", "1e6", "5 M B"])
def test_no_bytes(text):
    with pytest.raises(UsageError, match="max_size must look like 5MB"):
        ConvertOptions(source="a", target="b", to="hashgrid", max_size=text)


@pytest.mark.parametrize("kind", [ConvertOptions, TrainOptions])
def test_one_way_to_say_the_size(kind):
    names = {"source": "a", "to": "mlp"} if kind is ConvertOptions else {"data": "a", "arch": "mlp"}
    with pytest.raises(UsageError, match="give size or max_size"):
        kind(target="b", size="small", max_size="5MB", **names)


def test_the_file_of_a_conversion_stays_within_its_limit(scenes, tmp_path, capsys):
    target = tmp_path / "out.safetensors"
    argv = ["convert", str(scenes / "glass.toml"), str(target), "--to", "hashgrid", *QUICK, "-q"]
    assert main([*argv, "--max-size", "4MB"]) == 0
    assert target.stat().st_size <= 4_000_000
    assert load(target).config == field_config("hashgrid", "small", ())
    assert main([*argv, "-w", "--max-size", "300kB"]) == 2
    assert "the smallest, small, takes at least 3.57 MB" in capsys.readouterr().err


def test_what_no_scene_can_change_is_refused_without_one():
    asked = {"size": "base", "max_size": None, "settings": (), "memory_mb": 64}
    check_student("mlp", CPU, **asked)
    with pytest.raises(UsageError, match="of memory is available"):
        check_student("mlp", CPU, **{**asked, "memory_mb": 10**9})
    check_student("vm", CPU, **{**asked, "memory_mb": 10**9})  # its box may be flat
    with pytest.raises(UsageError, match="no size of hashgrid fits"):
        check_student("hashgrid", CPU, **{**asked, "max_size": "1MB"})


def test_a_student_beyond_the_memory_is_refused_with_the_figure(scenes, tmp_path, capsys):
    """32 levels of 2^24 x 8 floats would take 17 GB as such, and 85 GB to train."""
    huge = ["--set", "log2_table_size=24", "--set", "n_levels=32", "--set", "features_per_level=8"]
    argv = ["convert", str(scenes / "glass.toml"), str(tmp_path / "out.safetensors"), "-q"]
    budget = ["--steps", "5", "--memory-mb", "1000000000"]
    assert (
        main([*argv, "--to", "hashgrid", *huge, "--set", "finest_resolution=65536", *budget]) == 2
    )
    error = capsys.readouterr().err
    assert "parameters) needs" in error
    assert " GB while it trains" in error
    assert "of memory is available" in error
    assert list(tmp_path.iterdir()) == []


def test_available_memory_is_part_of_what_is_built_in():
    available = available_bytes(CPU)
    assert 1_000_000 < available <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    ("line", "root", "limit", "used"),
    [
        ("0::/job/task", "", "memory.max", "anon"),
        ("4:memory:/job/task", "memory", "memory.limit_in_bytes", "total_rss"),
    ],
)
def test_the_limits_of_control_groups_count(line, root, limit, used, tmp_path):
    """Of both versions: the least that is left in the process's group and those above it."""
    told, (job, task) = tmp_path / "told", (tmp_path / root / "job", tmp_path / root / "job/task")
    told.write_text(f"3:cpuset:/elsewhere\n{line}\n")
    task.mkdir(parents=True)
    for group, most, taken in ((job, 5000, 1500), (task, 9000, 1000), (tmp_path / root, "max", 0)):
        (group / limit).write_text(f"{most}\n")
        (group / "memory.stat").write_text(f"{used} {taken}\nfile 3000\n")
    assert _of_the_container(str(tmp_path), str(told)) == 3500
    (job / limit).write_text("max\n")
    assert _of_the_container(str(tmp_path), str(told)) == 8000
    assert _of_the_container(str(tmp_path / "nowhere"), str(told)) is None
    assert _of_the_container(str(tmp_path), str(tmp_path / "nothing")) is None
