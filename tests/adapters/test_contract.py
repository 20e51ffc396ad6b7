"""What every architecture must do, whatever it is: shapes, ranges, gradients, rebuilding."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import torch

from nerfconvert.adapters import ADAPTERS, ARCHITECTURES, CHOICES, SIZES, TRAINABLE
from nerfconvert.adapters.activations import DENSITY
from nerfconvert.adapters.choices import DensityActivation
from nerfconvert.formats import load, save
from nerfconvert.formats.parts.rebuild import WithoutMemory
from nerfconvert.volume import Aabb, Contraction, FieldInfo, RadianceField, Role, TrainableField
from tests.conftest import ROOT

INFO = FieldInfo(aabb=Aabb((-1.0, -0.5, 0.0), (1.0, 1.5, 3.0)), provenance={"by": "a test"})
BLOB = {"kind": "blob", "center": (0, 0.5, 1), "size": (0.4, 0.4, 0.4), "density": 9.0}
TINY = {
    "mlp": {"depth": 3, "width": 24, "skips": (2,), "position_octaves": 3, "head_width": 16},
    "hashgrid": {
        "n_levels": 3,
        "log2_table_size": 9,
        "base_resolution": 4,
        "finest_resolution": 20,
        "hidden_width": 16,
    },
    "analytic": {"primitives": ({**BLOB, "color": (1.0, 0.5, 0.1), "highlight": 0.2},)},
    "vm": {
        "resolution": 12,
        "density_components": 2,
        "appearance_components": 3,
        "feature_width": 5,
        "density_activation": "exp",
        "density_shift": -2.0,
        "hidden_width": 16,
    },
    "cp": {"resolution": 9, "density_components": 3, "appearance_components": 4},
    "tensorial": {"resolution": 8},
    "dense": {
        "size": (4, 5, 6),
        "channels": 5,
        "hidden_width": 16,
        "mask_size": (3, 3, 3),
        "mask_shift": (1.0, 1.0, 1.0),
    },
    "hashed": {
        "resolutions": (3, 5, 9),
        "log2_table_size": 6,
        "density_width": 16,
        "color_width": 24,
    },
    "kplanes": {"resolutions": ((4, 5, 6), (8, 10, 12)), "features": 16},
    "ppng": {"frequencies": (1.0, 2.0), "factor_dimensions": 1, "resolution": 6},
}


def tiny_config(name: str):
    """The config of a small field of this architecture."""
    assert name in TINY, f"TINY of {Path(__file__).name} needs a small config of '{name}'"
    return ADAPTERS[name].Config(**TINY[name])


def tiny(name: str) -> RadianceField:
    """A small field with random parameters."""
    field = ADAPTERS[name](tiny_config(name), INFO)
    state = {
        k: torch.randn_like(v) * 0.3 if v.is_floating_point() and v.ndim else v
        for k, v in field.state_dict().items()
    }
    field.load_state_dict(state)
    return field


def points(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    unit, raw = torch.rand(n, 3, generator=generator), torch.randn(n, 3, generator=generator)
    return INFO.aabb.from_unit(unit), torch.nn.functional.normalize(raw, dim=-1)


@pytest.fixture(params=list(ADAPTERS))
def field(request) -> RadianceField:
    return tiny(request.param)


def test_describes_itself(field):
    assert ADAPTERS[field.architecture] is type(field)
    assert isinstance(field.config, type(field).Config)
    assert field.aabb == INFO.aabb
    assert field.occupancy.fraction() == 1
    assert field.feature_dim >= 1
    assert isinstance(field, RadianceField)


@pytest.mark.parametrize("n", [0, 1, 7, 1025])
def test_shapes_and_ranges(field, n):
    positions, directions = points(n)
    features = field.encode(positions)
    density, rgb = field.density(features), field.color(features, directions)
    assert features.shape == (n, field.feature_dim)
    assert density.shape == (n,)
    assert rgb.shape == (n, 3)
    assert bool((density >= 0).all())
    assert bool(((rgb >= 0) & (rgb <= 1)).all())
    assert density.isfinite().all()


def test_points_do_not_depend_on_each_other(field):
    positions, directions = points(20_000)
    with torch.no_grad():
        features = field.encode(positions)
        rgb = field.color(features, directions)
    few = torch.tensor([0, 1, 8191, 8192, 19_999])
    alone = field.encode(positions[few])
    torch.testing.assert_close(alone, features[few], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(field.color(alone, directions[few]), rgb[few], rtol=0, atol=1e-4)


def test_strided_inputs(field):
    positions, directions = points(40)
    wide = torch.cat([positions, directions], 1)
    features = field.encode(wide[::2, :3])
    torch.testing.assert_close(features, field.encode(positions[::2].clone()))
    rgb = field.color(features, wide[::2, 3:])
    torch.testing.assert_close(rgb, field.color(features, directions[::2].clone()))


@pytest.mark.parametrize("name", TRAINABLE)
def test_a_contracted_field_lies_over_contracted_space(name):
    """It is the field over the same box in the world, seen through the contraction."""
    contraction = Contraction("2", (0.0, 0.5, 1.5), 0.7)
    box = Aabb(INFO.aabb.low, INFO.aabb.high, contraction)
    plain = tiny(name)
    field = ADAPTERS[name](plain.config, dataclasses.replace(INFO, aabb=box))
    field.take_sizes({key: tensor.shape for key, tensor in plain.state_dict().items()})
    field.load_state_dict(plain.state_dict())
    world = box.from_unit(torch.rand(50, 3, generator=torch.Generator().manual_seed(4)))
    inner = contraction.contract(world)
    assert float((world - inner).norm(dim=1).max()) > 1
    torch.testing.assert_close(field.encode(world), plain.encode(inner), rtol=1e-3, atol=1e-4)


def test_features_are_enough(field):
    """Density and color of stored features are those of fresh ones: decode holds no space."""
    positions, directions = points(30)
    features = field.encode(positions).detach().clone()
    field.encode(positions.flip(0))
    again = field.encode(positions)
    assert torch.equal(field.density(features), field.density(again))
    assert torch.equal(field.color(features, directions), field.color(again, directions))


def test_decode_is_density_and_color(field):
    positions, directions = points(300)
    features = field.encode(positions)
    density, rgb = field.decode(features, directions)
    torch.testing.assert_close(density, field.density(features))
    torch.testing.assert_close(rgb, field.color(features, directions))


def test_density_first(field):
    """The same density, and features of those asked for with the same colors, however many."""
    positions, directions = points(3000)
    features = field.encode(positions)
    density, features_at = field.density_first(positions)
    torch.testing.assert_close(density, field.density(features), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(field.density_at(positions), density)
    for chosen in (torch.tensor([2999, 4, 4]), torch.arange(0), torch.arange(1, 2900)):
        found = field.color(features_at(chosen), directions[chosen])
        wanted = field.color(features[chosen], directions[chosen])
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_groups_hold_each_trainable_parameter_once(field):
    listed = [id(p) for p in trained(field)]
    trainable = [id(p) for p in field.parameters() if p.requires_grad]
    assert sorted(listed) == sorted(trainable)
    assert field.parameter_count == sum(p.numel() for p in field.parameters())


def test_gradients_reach_every_parameter(field):
    if not trained(field):
        pytest.skip("nothing to train")
    positions, directions = points(4000)
    features = field.encode(positions)
    (field.density(features).sum() + field.color(features, directions).square().sum()).backward()
    for parameter in trained(field):
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
        assert bool(parameter.grad.any())


def test_density_does_not_train_the_color_head(field):
    decoder = field.parameters_of_part("decoder")
    if not decoder:
        pytest.skip("no decoder to train")
    positions, _ = points(500)
    field.density(field.encode(positions)).sum().backward()
    assert any(p.grad is None or not p.grad.any() for p in decoder)


def trained(field) -> list[torch.nn.Parameter]:
    """Those of its groups; none of a field that is only read."""
    return field.parameters_of(*Role) if isinstance(field, TrainableField) else []


@pytest.mark.parametrize("name", ADAPTERS)
def test_the_table_knows_what_can_be_trained(name):
    kind = ADAPTERS[name]
    assert (name in TRAINABLE) == issubclass(kind, TrainableField)
    assert (name in TRAINABLE) == bool(ARCHITECTURES[name].choices)
    if name in TRAINABLE:
        choices = CHOICES[name]
        assert choices.config is kind.Config
        assert set(SIZES) <= set(choices.presets)
        assert all(kind.Config(**preset) for preset in choices.presets.values())


def test_choices_are_known_without_torch():
    code = "import sys\nfrom nerfconvert.adapters import CHOICES\nassert all(CHOICES.values())\n"
    code += "assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_named_activations_are_there():
    assert set(get_args(DensityActivation)) == set(DENSITY)


def test_config_and_state_rebuild_the_field(field):
    values = json.loads(json.dumps(dataclasses.asdict(field.config)))
    again = type(field)(type(field).Config(**values), field.info)
    assert again.config == field.config
    again.load_state_dict(field.state_dict())
    positions, directions = points(50)
    features = field.encode(positions)
    assert torch.equal(again.encode(positions), features)
    assert torch.equal(again.color(features, directions), field.color(features, directions))


def test_config_is_frozen_and_keyword_only(field):
    with pytest.raises(dataclasses.FrozenInstanceError):
        field.config.surplus = 1
    with pytest.raises(TypeError):
        type(field).Config(1)
    with pytest.raises(TypeError):
        type(field).Config(surplus=1)


def test_can_be_laid_out_without_memory(field):
    """Formats compare a file's shapes with these before they build the field."""
    with WithoutMemory():
        blueprint = type(field)(field.config, field.info).state_dict()
    assert all(t.is_meta for t in blueprint.values())
    shapes = {name: t.shape for name, t in blueprint.items()}
    assert shapes == {name: t.shape for name, t in field.state_dict().items()}


def test_survives_a_file(field, tmp_path):
    save(field, tmp_path / "field.safetensors")
    again = load(tmp_path / "field.safetensors")
    positions, directions = points(50)
    features = field.encode(positions)
    assert torch.equal(again.encode(positions), features)
    assert torch.equal(again.color(features, directions), field.color(features, directions))


@pytest.mark.needs_cuda
def test_same_on_cuda(field):
    positions, directions = points(2000)
    features = field.encode(positions)
    density, rgb = field.density(features), field.color(features, directions)
    field.cuda()
    on_gpu = field.encode(positions.cuda())
    torch.testing.assert_close(field.density(on_gpu).cpu(), density, rtol=1e-3, atol=1e-3)
    colors = field.color(on_gpu, directions.cuda())
    torch.testing.assert_close(colors.cpu(), rgb, rtol=0, atol=2e-3)
