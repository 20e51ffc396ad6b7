"""A file of another program is told by the names in it, whatever container they are in."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from nerfconvert.formats.unknown_file import describe

TENSORF = {"density_line.0": torch.zeros(2), "basis_mat.weight": torch.zeros(2)}


@pytest.mark.parametrize("legacy", [False, True])
def test_a_checkpoint_with_arrays_of_numpy(tmp_path, legacy):
    """Its globals are refused by the reader; its strings are read all the same."""
    content = {"kwargs": {"aabb": np.zeros(3)}, "state_dict": TENSORF}
    torch.save(content, tmp_path / "a.th", _use_new_zipfile_serialization=not legacy)
    found = describe(tmp_path / "a.th")
    assert found.startswith("a torch checkpoint of an unknown program, which looks like TensoRF (")
    assert "density_line.0, basis_mat.weight" in found


def test_nothing_is_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (print, ("run",))

    torch.save({"sigma_net.0.weight": torch.zeros(1), "t": Trap()}, tmp_path / "a.pth")
    assert "(in it: sigma_net.0.weight" in describe(tmp_path / "a.pth")


def test_other_containers(tmp_path, capsys):
    save_file({"_model.field.x": torch.zeros(1)}, tmp_path / "a.safetensors")
    assert "looks like nerfstudio (in it: _model.field.x)" in describe(tmp_path / "a.safetensors")
    np.savez(tmp_path / "a.npz", density_data=np.zeros(1), sh_data=np.zeros(1))
    assert "arrays (.npz), which looks like Plenoxels (svox2)" in describe(tmp_path / "a.npz")
    header = b"ply\nformat ascii 1.0\nproperty float f_dc_0\nproperty float opacity\nend_header\n"
    (tmp_path / "a.ply").write_bytes(header)
    assert "looks like Gaussian splats (in it: f_dc_0, opacity)" in describe(tmp_path / "a.ply")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "an empty file"),
        (b"junk", "unknown bytes"),
        (b"PK\x03\x04junk", "a damaged zip archive"),
        (b"\x80\x02\x8a\x0ajunk", "a torch checkpoint of an unknown program"),
        (b"\x02\0\0\0\0\0\0\0{]x", "a safetensors file of another program"),
        (b"ply\n", "a PLY mesh or point cloud"),
    ],
)
def test_damage_is_no_trouble(tmp_path, content, kind):
    (tmp_path / "a").write_bytes(content)
    assert describe(tmp_path / "a") == kind
