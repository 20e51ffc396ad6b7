"""Bad requests: exit codes, messages that help, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest
import torch

from nerfconvert.cli import main
from nerfconvert.files import sha256
from nerfconvert.options.groups import Budget, Views
from nerfconvert.options.per_command import ConvertOptions
from nerfconvert.pipelines.convert import convert as run_convert
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
        (["convert", "IN", "o.safetensors", "--to", "analytic"], 2, "not trained"),
        (["convert", "IN", "o.tar", "--to", "hashgrid"], 2, "cannot hold"),
        (["convert", "IN", "o.th"], 2, "tensorf files hold vm or cp; choose one with --to"),
        (["convert", "IN", "o.safetensors"], 2, "or ppng; choose one with --to"),
        (["convert", "IN", "o.toml"], 2, "nothing can be converted to scene files"),
        (["convert", "IN", "o"], 2, "it has no suffix"),
        (
            [
                "convert",
                "IN",
                "o.th",
                "--to",
                "vm",
                "--set",
                "density_shift=1",
                "--set",
                "density_activation=exp",
            ],
            2,
            "cannot hold a field with density_activation = exp",
        ),
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
        (["convert", "IN", "o.safetensors", "--to", "mlp", "--active", "rays"], 2, "'ray'"),
        (["convert", "IN", "o.safetensors", "--to", "mlp", "--active", ""], 2, "--active"),
        (["convert", "IN", "o.safetensors", "--to", "mlp", "--active", "none,ray"], 2, "alone"),
        (
            ["convert", "IN", "o.safetensors", "--to", "mlp", "--active=ray", "--recipe=pvd"],
            2,
            "--recipe fast",
        ),
        (["convert", "IN", "IN", "--to", "mlp", "-w"], 2, "is an input of this command"),
        (["convert", "IN", "o.npz", "--recipe=pvd", "--max-size", "2kB"], 2, "no size of"),
        (
            [
                "convert",
                "IN",
                "o.html",
                "--to",
                "mlp",
                "--format",
                "nerfconvert",
                "--report",
                "o.html",
            ],
            2,
            "is OUT itself",
        ),
        (["convert", "IN", "o", "--to", "mlp"], 2, "it has no suffix"),
        (["convert", "IN", "o", "--to", "mlp", "--format", "ply"], 2, "unknown format 'ply'"),
        (["convert", "IN", "o.safetensors", "--to", "mlp", "--max-size", "2kB"], 2, "no size of"),
        (["convert", "IN", "o.safetensors", "--to", "mlp", "--seconds", "inf"], 2, "--seconds"),
        (["convert", "IN", "o.safetensors", "--to", "mlp", "--min-psnr", "nan"], 2, "--min-psnr"),
        (["convert", "IN", "o.safetensors", "--to", "mlp", "--seed", "9" * 30], 2, "--seed"),
        (["convert", "IN", "o.safetensors", "--to", "mlp", "--eval-at", "x"], 2, "--eval-at"),
        (["train", ".", "o.safetensors", "--arch", "mlp", "--bounds", "1,2"], 2, "--bounds"),
        (
            ["train", ".", "o.safetensors", "--arch", "mlp", "--train-resolution", "big"],
            2,
            "--train-resolution",
        ),
        (["compare", "IN", "IN", "-o", "IN"], 2, "must be a folder"),
        (["render", "IN", "-o", "out.avi"], 2, ".mp4"),
        (["render", "IN", "-o", "o.mp4", "--resolution", "0x5"], 2, "1 to 16384"),
        (["render", "IN", "-o", "o.mp4", "--resolution", "big"], 2, "400x300"),
        (["render", "IN", "-o", "o.mp4", "--cameras", "nope.json"], 3, "no such file"),
        (["compare", "IN", "-o", "out"], 2, "--data"),
        (["compare", "IN", "IN", "-o", "out", "--max-drop", "1"], 2, "give --data as well"),
        (["compare", "IN", "IN", "-o", "out", "--max-size", "big"], 2, "--max-size"),
        (["compare", "IN", "IN", "-o", "out", "--max-seconds-per-frame=-1"], 2, "at least 0"),
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
    (gate,) = receipt["gates"]
    assert (gate["gate"], gate["limit"], gate["passed"]) == ("min_psnr", 90, False)


def test_compare_checks_what_another_program_made(tmp_path, blobs, scenes, capsys):
    """Every failed gate is named, and the figures are there all the same."""
    other = str(scenes / "glass.toml")
    argv = ["compare", blobs, other, "-o", str(tmp_path / "out"), "--frames", "0", "--json"]
    argv += ["--eval-views", "1", "--resolution", "16", "-w"]
    assert main([*argv, "--min-psnr", "1", "--max-size", "5MB"]) == 0
    assert [g["passed"] for g in document(capsys)["gates"]] == [True, True]
    assert main([*argv, "--min-psnr", "90", "--max-size", "1kB", "--max-seconds-per-frame=0"]) == 5
    captured = capsys.readouterr()
    for option in ("--min-psnr asks 90.00 dB", "--max-seconds-per-frame allows 0 s"):
        assert option in captured.err
    shown = json.loads(captured.out)
    assert [g["gate"] for g in shown["gates"] if not g["passed"]] == [
        *("min_psnr", "max_seconds_per_frame")
    ]
    assert {g["path"] for g in shown["gates"]} == {other}
    assert json.loads((tmp_path / "out" / "compare.json").read_text()) == shown
    assert (tmp_path / "out" / "report.html").is_file()


def test_verbose_shows_the_traceback(capsys):
    assert main(["info", "-v", "--json", "--nonsense"]) == 2
    assert main(["convert", "nope", "o.safetensors", "--to", "mlp", "-v"]) == 3
    assert "Traceback" in capsys.readouterr().err


def terminate_a_run() -> None:
    """Sends SIGTERM to this process once a run listens for it, and has taken some steps."""
    while "stop_on_signals" not in getattr(signal.getsignal(signal.SIGTERM), "__qualname__", ""):
        time.sleep(0.05)
    time.sleep(2.0)
    os.kill(os.getpid(), signal.SIGTERM)


def test_an_interrupted_run_says_how_to_go_on(tmp_path, blobs, capsys):
    """Stopped by SIGTERM in the middle: no output, a state, the right code and the way on."""
    target = tmp_path / "o.safetensors"
    argv = ["convert", blobs, str(target), "--to", "hashgrid", *TINY, "--eval-views", "1"]
    argv += ["--resolution", "24x24", "--memory-mb", "64", "--seconds", "600"]
    threading.Thread(target=terminate_a_run, daemon=True).start()
    assert main(argv) == 128 + signal.SIGTERM
    assert "--resume" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["o.safetensors.state"]
    kept = target.with_name("o.safetensors.state").read_bytes()
    assert main(argv) == 4
    assert "--resume goes on with it, --overwrite starts anew" in capsys.readouterr().err
    assert target.with_name("o.safetensors.state").read_bytes() == kept


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_outside_of_a_run_ends_the_program(tmp_path, blobs, signum, capsys):
    argv = ["render", blobs, "-o", str(tmp_path / "o.mp4"), "--resolution", "2000x2000"]
    # A shell starts what it puts in the background with SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(1.0, os.kill, (os.getpid(), signum)).start()
    try:
        assert main(argv) == 128 + signum
    finally:
        signal.signal(signal.SIGINT, before)
    assert "Traceback" not in capsys.readouterr().err
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
    | {"ssim_target_vs_source", "psnr_source_vs_truth", "psnr_target_vs_truth", "delta_vs_truth"}
    | {"psnr_covered_target_vs_source", "depth_error_target_vs_source", "worst_view"},
    "time": {"total_s", "load_s", "initialise_s", "distill_s", "evaluate_s"}
    | {"steps", "rays", "samples"},
    "render": {"source_s_per_frame", "target_s_per_frame"},
    "protocol": {"background", "color_space", "rounding", "mean", "cameras"},
    "machine": {"device", "cpu", "processes", "threads", "torch", "backend"},
}


def test_a_run_without_a_state_says_that_it_starts_anew(tmp_path, blobs, capsys, caplog):
    assert convert(blobs, tmp_path / "o.safetensors", "--resume") == 0
    assert "there is no" in caplog.text
    assert "starts from the beginning" in caplog.text


def test_the_receipt_has_the_source_that_was_read(tmp_path, blobs):
    """Its file is replaced while the conversion runs."""
    source, target = tmp_path / "in.toml", tmp_path / "o.safetensors"
    source.write_bytes(Path(blobs).read_bytes())
    expected = sha256(source)

    def replace(progress):
        if progress.step:
            source.write_text("gone")

    asked = ConvertOptions(
        source=source,
        target=target,
        to="hashgrid",
        size="small",
        settings=("log2_table_size=12",),
        budget=Budget(steps=3, memory_mb=64),
        views=Views(eval_views=1, resolution="16"),
    )
    receipt = run_convert(asked, on_progress=replace)
    assert source.read_text() == "gone"
    assert receipt["source"]["sha256"] == expected
