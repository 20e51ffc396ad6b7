"""The preview of an unfinished target is no reason to end its run."""

from __future__ import annotations

import resource

import torch

from nerfconvert.runtime.outputs import preview_path
from nerfconvert.runtime.preview import write_preview


def test_a_full_disk_is_a_warning(tmp_path, caplog):
    write = write_preview(tmp_path / "out.safetensors")
    write(torch.zeros(8, 8, 3))
    before = preview_path(tmp_path / "out.safetensors").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        write(torch.rand(64, 64, 3))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "out.safetensors.preview.png: cannot be written: File too large" in caplog.text
    (path,) = tmp_path.iterdir()
    assert path.read_bytes() == before
