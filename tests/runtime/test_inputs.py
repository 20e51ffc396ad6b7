"""Inputs: what a reader of a file will find is known before it is there."""

from __future__ import annotations

import torch

from nerfconvert.runtime.inputs import as_read
from tests.formats.files import tiny_nerf_pytorch


def field_in_a_corner():
    """An mlp with density everywhere that its occupancy hides but in an eighth of the box."""
    field = tiny_nerf_pytorch()
    with torch.no_grad():
        field.density_layer.bias.fill_(30.0)
    corner = torch.zeros((16,) * 3, dtype=torch.bool)
    corner[:8, :8, :8] = True
    field.occupancy.assign(corner)
    return field


def test_a_file_without_occupancy_shows_what_it_hid(tmp_path):
    field = field_in_a_corner()
    again = as_read(field, tmp_path / "out.tar", None)
    assert again.occupancy.fraction() > 0.9
    assert field.occupancy.fraction() == 1 / 8
    assert again.config == field.config
    assert not list(tmp_path.iterdir())


def test_our_own_file_hides_it_still(tmp_path):
    field = field_in_a_corner()
    again = as_read(field, tmp_path / "out.safetensors", None)
    assert again.occupancy.fraction() == 1 / 8
    assert all(map(torch.equal, again.parameters(), field.parameters()))


def test_what_cannot_be_read_back_is_measured_as_it_is(tmp_path, caplog):
    """A field without density has no occupied cell for a reader to find."""
    field = tiny_nerf_pytorch()
    with torch.no_grad():
        field.density_layer.bias.fill_(-1e4)
    assert as_read(field, tmp_path / "out.tar", None) is field
    assert "cannot be read back" in caplog.text
    assert not list(tmp_path.iterdir())
