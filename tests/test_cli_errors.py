"""Bad requests: exit codes, messages that help, and nothing left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest
import torch

from nerfconvert.cli import main
from tests.conftest import ROOT
from tests.test_cli import QUICK, TINY, document


@pytest.fixture
def blobs(scenes) -> str:
    return str(scenes / "blobs.toml")


def convert(source: str, target, *extra: str) -> int:
    return main(["convert", source, str(target), "--to", "hashgrid", *TINY, *QUICK, *extra])


@pytest.mark.parametrize(
    ("argv", "code", "hint"),
    [
        (["convrt"], 2, "did you mean 'convert'"),
        (["info"], 2, "at least one file"),
        (["convert", "IN", "o.safetensors", "--to", "hashgird"], 2, "did you mean 'hashgrid'"),
        (["convert", "IN", "o.safetensors", "--to", "analytic"], 2, "cannot"),
        (["convert", "IN", "o.tar", "--to", "hashgrid"], 2, "cannot hold"),
        (["convert", "IN", "o.xyz", "--to", "hashgrid"], 2, "suffix"),
        (["convert", "IN", "o.safetensors", "--to", "mlp", "--size", "smal"], 2, "'small'"),
        (["convert", "IN", "o.safetensors", "--to", "mlp", "--set", "widht=8"], 2, "'width'"),
        (["convert", "IN", "o.safetensors", "--to", "mlp", "--set", "width=-8"], 2, "width"),
        (["convert", "IN", "o.safetensors", "--to", "mlp", "--set", "width"], 2, "KEY=VALUE"),
        (["convert", "IN", "o.safetensors", "--to", "mlp", "--steps", "0"], 2, "--steps"),
        (["convert", "IN", "o.safetensors", "--to", "mlp", "--max-drop", "1"], 2, "--data"),
        (["convert", "IN", "no/o.safetensors", "--to", "mlp"], 2, "does not exist"),
        (["convert", "nope.ckpt", "o.safetensors", "--to", "mlp"], 3, "no such file"),
        (["convert", "IN", "o.safetensors", "--to", "mlp", "--data", "nope"], 3, "no such file"),
        (["render", "IN", "-o", "out.gif"], 2, ".mp4"),
        (["render", "IN", "-o", "o.mp4", "--resolution", "0x5"], 2, "1 to 16384"),
        (["render", "IN", "-o", "o.mp4", "--resolution", "big"], 2, "400x300"),
        (["render", "IN", "-o", "o.mp4", "--cameras", "nope.json"], 3, "no such file"),
        (["compare", "IN", "-o", "out"], 2, "--data"),
        (["train", "nope", "o.safetensors", "--arch", "hashgrid"], 3, "no such file"),
    ],
)
def test_bad_requests(tmp_path, monkeypatch, blobs, capsys, argv, code, hint):
    monkeypatch.chdir(tmp_path)
    assert main([blobs if word == "IN" else word for word in argv]) == code
    captured = capsys.readouterr()
    assert hint in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""
    assert list(tmp_path.iterdir()) == []


def test_seconds_and_steps_exclude_each_other(tmp_path, blobs, capsys):
    assert convert(blobs, tmp_path / "o.safetensors", "--seconds", "3") == 2
    assert "not both" in capsys.readouterr().err


def test_options_are_suggested(blobs, capsys):
    assert main(["info", blobs, "--jsn"]) == 2
    assert "--json" in capsys.readouterr().err


def test_nothing_is_overwritten_unasked(tmp_path, blobs, capsys):
    target = tmp_path / "o.safetensors"
    target.write_bytes(b"precious")
    assert convert(blobs, target) == 4
    assert "--overwrite" in capsys.readouterr().err
    assert target.read_bytes() == b"precious"
    assert convert(blobs, target, "--overwrite") == 0
    assert target.read_bytes() != b"precious"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_that_is_not_there(tmp_path, blobs, capsys):
    assert convert(blobs, tmp_path / "o.safetensors", "--device", "cuda") == 6
    assert "--device cpu" in capsys.readouterr().err


def test_a_quality_gate_fails_after_writing(tmp_path, blobs, capsys):
    target = tmp_path / "o.safetensors"
    assert convert(blobs, target, "--min-psnr", "90", "--json") == 5
    assert target.is_file()
    receipt = document(capsys)
    assert receipt["quality"]["psnr_target_vs_source"] < 90


def test_verbose_shows_the_traceback(capsys):
    assert main(["info", "-v", "--json", "--nonsense"]) == 2
    assert main(["convert", "nope", "o.safetensors", "--to", "mlp", "-v"]) == 3
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_goes_on(tmp_path, blobs, signum, capsys):
    """Stopped in the middle: no output, a state, the right code; --resume then finishes it."""
    target = tmp_path / "o.safetensors"
    argv = ["convert", blobs, str(target), "--to", "hashgrid", *TINY, "--eval-views", "1"]
    argv += ["--resolution", "24x24", "--memory-mb", "64", "--steps", "400"]
    run = subprocess.Popen(
        [sys.executable, "-m", "nerfconvert", *argv], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    for line in run.stderr:  # the first progress line: the run is on its way
        if "steps/s" in line:
            break
    run.send_signal(signum)
    rest = run.stderr.read()
    run.stderr.close()
    code = run.wait(timeout=120)
    if code == 0:
        pytest.skip("the run was over before the signal arrived")
    assert code == 128 + signum
    assert "--resume" in rest
    assert not target.exists()
    assert (tmp_path / "o.safetensors.state").is_file()
    assert main([*argv, "--resume", "--json"]) == 0
    assert document(capsys)["time"]["steps"] == 400
    assert not (tmp_path / "o.safetensors.state").exists()


def test_a_signal_before_the_work_starts_ends_the_program(tmp_path, blobs):
    argv = ["render", blobs, "-o", str(tmp_path / "o.mp4"), "--resolution", "2000x2000"]
    run = subprocess.Popen(
        [sys.executable, "-m", "nerfconvert", *argv], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    time.sleep(8)
    run.send_signal(signal.SIGTERM)
    _, text = run.communicate(timeout=120)
    assert run.returncode == 143, text
    assert list(tmp_path.iterdir()) == []


def test_receipts_hold_what_is_promised(tmp_path, blobs):
    target = tmp_path / "o.safetensors"
    assert convert(blobs, target, "-q") == 0
    receipt = json.loads((tmp_path / "o.safetensors.receipt.json").read_text())
    for block, keys in RECEIPT.items():
        assert keys <= set(receipt[block]), block
    for key in ("psnr_source_vs_truth", "psnr_target_vs_truth", "delta_vs_truth"):
        assert receipt["quality"][key] is None
        assert receipt["quality"][f"{key}_reason"]
    assert receipt["schema"] == "nerfconvert.receipt/1"
    assert {"name", "steps", "seconds", "psnr_end"} <= set(receipt["stages"][0])
    assert sum(stage["steps"] for stage in receipt["stages"]) == receipt["time"]["steps"]


FILE = {"path", "sha256", "format", "architecture", "parameters", "bytes"}
RECEIPT = {
    "source": FILE,
    "target": FILE,
    "quality": {"views", "resolution", "psnr_target_vs_source", "psnr_initial", "per_view"}
    | {"ssim_target_vs_source", "psnr_source_vs_truth", "psnr_target_vs_truth", "delta_vs_truth"},
    "time": {"total_s", "load_s", "initialise_s", "distill_s", "evaluate_s"}
    | {"steps", "rays", "samples"},
    "render": {"source_s_per_frame", "target_s_per_frame"},
    "protocol": {"background", "color_space", "rounding", "mean", "cameras"},
    "machine": {"device", "cpu", "threads", "torch", "backend"},
}
