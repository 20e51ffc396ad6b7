"""Every command end to end, on closed-form scenes at tiny sizes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nerfconvert.cli import main
from nerfconvert.cli.commands import COMMANDS
from nerfconvert.options.groups import parse_resolution
from tests.conftest import ROOT

TINY = ["--size", "small", "--set", "log2_table_size=12", "--set", "finest_resolution=64"]
QUICK = ["--steps", "5", "--eval-views", "1", "--resolution", "24x24", "--memory-mb", "64"]


@pytest.fixture
def blobs(scenes) -> str:
    return str(scenes / "blobs.toml")


@pytest.fixture(scope="module")
def converted(tmp_path_factory) -> Path:
    """blobs.toml as a tiny hash grid, with its receipt."""
    target = tmp_path_factory.mktemp("converted") / "blobs.safetensors"
    source = str(ROOT / "scenes" / "blobs.toml")
    assert main(["convert", source, str(target), "--to", "hashgrid", *TINY, *QUICK, "-q"]) == 0
    return target


def document(capsys) -> dict:
    """The one JSON document on stdout; NaN and infinity are refused."""

    def refuse(name: str):
        raise AssertionError(f"{name} is not strict JSON")

    return json.loads(capsys.readouterr().out, parse_constant=refuse)


def test_convert_writes_the_receipt_that_it_prints(tmp_path, blobs, capsys):
    target = tmp_path / "out.safetensors"
    argv = ["convert", blobs, str(target), "--to", "hashgrid", *TINY, *QUICK, "--json"]
    assert main(argv) == 0
    printed = document(capsys)
    written = json.loads((tmp_path / "out.safetensors.receipt.json").read_text())
    assert printed == written
    assert printed["argv"] == argv
    assert printed["time"]["steps"] == 5
    assert printed["target"]["bytes"] == target.stat().st_size
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "out.safetensors",
        "out.safetensors.receipt.json",
    ]


def test_info_knows_what_convert_wrote(converted, blobs, capsys):
    assert main(["info", str(converted), blobs, "--json"]) == 0
    files = document(capsys)["files"]
    assert [f["architecture"] for f in files] == ["hashgrid", "analytic"]
    assert files[0]["problems"] == []
    assert 0 < files[0]["occupancy"] < 1
    assert files[1]["occupancy"] is None
    assert files[1]["occupancy_reason"]


def test_info_tells_about_bad_files_and_goes_on(tmp_path, blobs, capsys):
    (tmp_path / "bad.ckpt").write_bytes(b"junk")
    assert main(["info", str(tmp_path / "bad.ckpt"), blobs, "--json"]) == 3
    files = document(capsys)["files"]
    assert "bad.ckpt" in files[0]["problems"][0]
    assert files[1]["architecture"] == "analytic"


def test_render_writes_a_video_and_frames(tmp_path, blobs, capsys):
    tail = ["--frames", "2", "--resolution", "24x16", "--json"]
    assert main(["render", blobs, "-o", str(tmp_path / "out.mp4"), *tail]) == 0
    shown = document(capsys)
    assert (shown["frames"], shown["resolution"]) == (2, [24, 16])
    assert (tmp_path / "out.mp4").stat().st_size > 0
    assert main(["render", blobs, "-o", str(tmp_path / "frames"), *tail]) == 0
    assert len(list((tmp_path / "frames").iterdir())) == 2


def test_compare_measures_every_field(tmp_path, blobs, converted, capsys):
    out = tmp_path / "out"
    tail = ["--frames", "2", "--eval-views", "2", "--resolution", "32", "--json"]
    assert main(["compare", blobs, str(converted), "-o", str(out), *tail]) == 0
    shown = document(capsys)
    assert shown["schema"] == "nerfconvert.compare/1"
    first, second = shown["fields"]
    assert first["psnr_vs_first"] is None
    assert second["psnr_vs_first"] > 0
    assert second["psnr_vs_truth"] is None
    assert second["psnr_vs_truth_reason"]
    assert len(second["per_view"]) == 2
    names = sorted(p.name for p in out.iterdir())
    assert names == ["compare.json", "compare.mp4", "pictures", "report.html", "views"]


def test_formats_and_doctor_speak_json(capsys):
    assert main(["formats", "--json"]) == 0
    names = [f["name"] for f in document(capsys)["formats"]]
    assert "nerfconvert" in names
    assert main(["doctor", "--json"]) == 0
    found = document(capsys)
    assert found["packages"]["torch"]
    assert (found["cuda"] is None) == bool(found.get("cuda_reason"))


def test_without_json_stdout_stays_empty(blobs, capsys):
    assert main(["info", blobs]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "analytic" in captured.err


def test_the_first_help_names_each_command_once_on_one_screen(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(len(re.findall(f"• {name} ", shown)) == 1 for name in COMMANDS)
    assert len(shown.splitlines()) < 35


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_three_commands_to_copy(name, capsys):
    assert main([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.count(f"nerfconvert {name}") >= 4  # the usage line and three examples
    assert "examples:" in text


@pytest.mark.parametrize("name", COMMANDS)
def test_help_offers_no_choice_of_python(name, capsys):
    """A choice that may be left out is told as its default, not as a value None."""
    main([name, "--help"])
    assert "{None" not in capsys.readouterr().out


def test_help_starts_quickly_and_without_torch():
    code = "import sys; from nerfconvert.cli import main; main(['convert', '--help']); "
    check = code + "assert 'torch' not in sys.modules"
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", check], check=True, cwd=ROOT, capture_output=True)
    # 0.2 s on a quiet machine; importing torch alone takes several times the bound of 0.4 s.
    assert time.perf_counter() - start < 10


def test_the_module_runs_as_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "nerfconvert", "--version"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert done.stdout.strip() == "0.1.0"


def test_resolutions():
    assert parse_resolution("400x300") == (400, 300)
    assert parse_resolution("64") == (64, 64)
    assert parse_resolution(None) is None
