"""The commands themselves on a second device, pretended or real: files in, files out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nerfconvert.distiller import ray_buffer as buffer
from nerfconvert.distiller import train_images as images
from nerfconvert.distiller import visibility_pruning as seen
from nerfconvert.kernels import library
from nerfconvert.options.groups import Budget, Views, Where
from nerfconvert.options.per_command import ConvertOptions, TrainOptions
from nerfconvert.options.showing import CompareOptions, RenderOptions
from nerfconvert.pipelines import compare, convert, render, train
from nerfconvert.renderer import visibility as visibility
from nerfconvert.renderer.cameras import on_circle
from nerfconvert.runtime import device as runtime_device

from ..conftest import write_transforms
from ..pretend_cuda import pretend_cuda

pytestmark = pytest.mark.filterwarnings("ignore:for .*copying from a non-meta parameter")
TINY = ("n_levels=3", "log2_table_size=9", "hidden_width=16")
FAST = Budget(steps=4, memory_mb=16)
REAL = pytest.param("cuda", marks=pytest.mark.needs_cuda)


@pytest.fixture(params=["pretended", REAL])
def device(request, monkeypatch):
    load = library.load_library
    small = {(buffer, "CHUNK_RAYS"): 512, (seen, "CHUNKS"): 1, (seen, "RAYS"): 512}
    small |= {(visibility, "MOST_POINTS"): 1 << 12, (images, "RESOLUTION"): 16}
    for (module, name), value in small.items():
        monkeypatch.setattr(module, name, value)
    if request.param == "cuda":
        yield torch.device("cuda", 0)
        return
    if load("cpu") is None:
        pytest.skip("the kernels are not compiled here")
    monkeypatch.setattr(
        library, "load_library", lambda kind: load("cpu" if kind == "meta" else kind)
    )
    with pretend_cuda() as pretended:
        for command in (runtime_device, compare, convert, render, train):
            monkeypatch.setattr(command, "pick_device", lambda name: pretended)
        yield pretended


def test_convert_render_compare(device, scenes, tmp_path, monkeypatch):
    teacher, student = scenes / "checkpoints" / "blobs-mlp.safetensors", tmp_path / "s.safetensors"
    receipt = convert.convert(
        ConvertOptions(
            source=teacher, target=student, to="hashgrid", size="small", settings=TINY,
            budget=FAST, views=Views(eval_views=1, resolution="8"), where=Where(device="auto"),
        )
    )  # fmt: skip
    assert receipt["quality"]["psnr_target_vs_source"] > 0
    assert not receipt["machine"]["backend"].startswith("half")
    if device.type == "meta":  # half tables have a kernel on CUDA alone
        monkeypatch.delenv("NERFCONVERT_REQUIRE_NATIVE", raising=False)
    in_half = Where(backend="half")
    frames = RenderOptions(
        checkpoint=student, output=tmp_path / "f", frames=1, resolution="8", where=in_half
    )
    document = render.render(frames)
    assert document["frames"] == 1
    assert document["machine"]["backend"].startswith("half, ")
    both = CompareOptions(
        checkpoints=(teacher, student), output=tmp_path / "c", frames=1, resolution="16",
        eval_views=1, where=in_half,
    )  # fmt: skip
    document = compare.compare(both)
    assert document["views"] == 1
    assert document["machine"]["backend"].startswith("half, ")
    assert "<dt>backend</dt><dd>half, " in (tmp_path / "c" / "report.html").read_text()


def test_train(device, tmp_path):
    poses = on_circle((0.0, 0.0, 0.0), 4.0, 3, size=(8, 8)).poses
    pictures = [np.full((8, 8, 4), 200, np.uint8)] * 3
    for split in ("train", "test"):
        write_transforms(tmp_path / "data", f"transforms_{split}", poses, pictures)
    options = TrainOptions(
        data=tmp_path / "data", target=tmp_path / "t.safetensors", arch="hashgrid", size="small",
        settings=TINY, budget=FAST, eval_views=1,
    )  # fmt: skip
    assert train.train(options)["steps"] == 4
