"""Checkpoints of PVD: all four models by the program's mathematics."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nerfconvert.errors import FormatError, UnsupportedError
from nerfconvert.formats import identify, load
from tests.formats.hash_grids import compare
from tests.formats.pvd_models import MODELS, voxels_model
from tests.formats.pvd_states import BOX, SCALE, checkpoint, voxels_state


def written(folder, kind: str, **more):
    torch.manual_seed(0)
    state = MODELS[kind][1]()
    torch.save(checkpoint(state, **more), folder / "ngp_ep0096.pth")
    return folder / "ngp_ep0096.pth", {n: t.double().numpy() for n, t in state.items()}


@pytest.mark.parametrize("kind", MODELS)
def test_reads_the_programs_mathematics(kind, tmp_path):
    architecture, _, model = MODELS[kind]
    path, state = written(tmp_path, kind)
    assert identify(path).name == "pvd"
    field = load(path)
    assert field.architecture == architecture
    world = 1 / SCALE
    assert field.aabb.low == pytest.approx((-world,) * 3)

    def reference(position, direction):
        place = SCALE * np.roll(position, -1)  # the world's y, z, x
        density, rgb = model(state, place, np.roll(direction, -1))
        return SCALE * density, rgb

    density, color = compare(field, reference)
    assert density < 2e-4
    assert color < 2e-4


def test_voxels_that_fill_no_lattice_of_ours(tmp_path):
    """5 x 6 x 7 of them; the box goes on with cells that are not occupied."""
    torch.manual_seed(0)
    state = voxels_state((5, 6, 7))
    torch.save(checkpoint(state), tmp_path / "a.pth")
    field = load(tmp_path / "a.pth")
    volume = {name: tensor.double().numpy() for name, tensor in state.items()}
    positions = (torch.rand(50, 3) * 2 - 1) / SCALE
    directions = torch.nn.functional.normalize(torch.randn(50, 3), dim=1)
    features = field.encode(positions)
    density, rgb = field.density(features).detach(), field.color(features, directions)
    for i, position in enumerate(positions.double().numpy()):
        turned = np.roll(directions[i].double().numpy(), -1)
        wanted, color = voxels_model(volume, SCALE * np.roll(position, -1), turned)
        assert float(density[i]) == pytest.approx(SCALE * wanted, rel=1e-4)
        np.testing.assert_allclose(rgb[i].detach(), color, atol=1e-5)
    inside = (field.aabb.from_unit(cell_centers(field)) <= 1 / SCALE + 1e-6).all(-1)
    assert torch.equal(field.occupancy.dense(), inside)


def cell_centers(field) -> torch.Tensor:
    count = field.occupancy.resolution
    line = (torch.arange(count) + 0.5) / count
    return torch.stack(torch.meshgrid(line, line, line, indexing="ij"), -1)


def test_scale_is_read_beside_the_checkpoint(tmp_path):
    path, _ = written(tmp_path, "mlp")
    (tmp_path / "args.txt").write_text("('path', 'lego')\n('scale', 0.5)\n__import__('os')\n")
    assert load(path).aabb.high == (2.0,) * 3


def test_occupancy_is_turned_to_the_world(tmp_path):
    """Bit 0 of the bitfield is the cell at the program's lowest x; a whole slab of its z."""
    cells = torch.zeros(128, 128, 128, dtype=torch.bool)
    cells[:, :, :16] = True  # the program's x, y, z
    order = torch.zeros(128**3, dtype=torch.bool)
    steps = torch.arange(128)
    spread = sum(((steps >> bit) & 1) << 3 * bit for bit in range(7))
    x, y, z = torch.meshgrid(spread, spread, spread, indexing="ij")
    order[x | y << 1 | z << 2] = cells
    packed = torch.from_numpy(np.packbits(order.numpy(), bitorder="little"))
    torch.manual_seed(0)
    state = {**MODELS["hash"][1](), "density_bitfield": packed}
    torch.save(checkpoint(state), tmp_path / "a.pth")
    found = load(tmp_path / "a.pth").occupancy.dense()
    assert found[:16].all()  # the program's z is the world's x
    assert not found[16:].any()


@pytest.mark.parametrize("kind", MODELS)
def test_damage_is_named(kind, tmp_path):
    torch.manual_seed(0)
    for name in MODELS[kind][1]():
        for change in (torch.full_like, lambda tensor, _: tensor.flatten()[:3]):
            state = MODELS[kind][1]()
            if not state[name].is_floating_point():
                continue
            state[name] = change(state[name], float("nan"))
            torch.save(checkpoint(state), tmp_path / "a.pth")
            with pytest.raises((FormatError, UnsupportedError)):
                load(tmp_path / "a.pth")


def test_a_perceptron_with_another_bound_is_refused(tmp_path):
    torch.manual_seed(0)
    state = {**MODELS["mlp"][1](), "aabb_train": 2 * BOX}
    torch.save(checkpoint(state), tmp_path / "a.pth")
    with pytest.raises(UnsupportedError, match="bound 2"):
        load(tmp_path / "a.pth")
