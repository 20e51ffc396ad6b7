"""LPIPS with random weights: closed forms, and what is said where there are none."""

import math

import pytest
import torch

from nerfconvert.errors import FormatError
from nerfconvert.formats import load
from nerfconvert.metrics.evaluation import Evaluator, held_out
from nerfconvert.metrics.lpips import HEAD, LAYERS, TRUNK, Lpips, missing
from nerfconvert.options.groups import Views
from nerfconvert.renderer.occupancy import build_occupancy
from nerfconvert.report.likeness import against_field


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty hub."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


@pytest.fixture
def weights(hub):
    """Random ones: (trunk, head)."""
    trunk, head = {}, {}
    for k, (place, shape, *_) in enumerate(LAYERS):
        trunk[f"features.{place}.weight"] = torch.randn(shape) / math.sqrt(math.prod(shape[1:]))
        trunk[f"features.{place}.bias"] = 0.1 * torch.randn(shape[0])
        head[f"lin{k}.model.1.weight"] = torch.rand(1, shape[0], 1, 1)
    torch.save(trunk, hub / TRUNK)
    torch.save(head, hub / HEAD)
    return trunk, head


def alexnet(trunk: dict) -> torch.nn.Sequential:
    """The layers of AlexNet's features, as modules."""
    nn = torch.nn
    layers = nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(),
    )  # fmt: skip
    layers.load_state_dict({key.removeprefix("features."): v for key, v in trunk.items()})
    return layers


@torch.no_grad()
def test_it_is_the_weighted_distance_of_unit_features(weights):
    trunk, head = weights
    levels = torch.randint(0, 256, (2, 40, 52, 3)) / 255
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    x, expected = ((2 * levels - 1 - shift) / scale).permute(0, 3, 1, 2), 0.0
    k = 0
    for layer in alexnet(trunk):
        x = layer(x)
        if isinstance(layer, torch.nn.ReLU):
            a, b = (torch.nn.functional.normalize(one, dim=0, eps=1e-10) for one in x)
            weight = head[f"lin{k}.model.1.weight"].flatten()
            expected += torch.einsum("chw,c->hw", (a - b) ** 2, weight).mean().item()
            k += 1
    assert k == 5
    assert Lpips()(levels[0], levels[1]) == pytest.approx(expected, rel=1e-4)
    assert Lpips()(levels[0], levels[0]) == 0
    assert math.isnan(Lpips()(levels[0, :30], levels[1, :30]))


def test_without_weights_the_figure_is_null_with_the_reason(hub, scenes):
    assert TRUNK in missing()
    assert HEAD in missing()
    field = load(scenes / "blobs.toml")
    build_occupancy(field, resolution=32)
    evaluation = held_out(field, Views(eval_views=1, resolution="32"), 0)
    pictures = Evaluator(evaluation).render(field)
    _, figures = against_field("vs_first", pictures, pictures, evaluation)
    assert figures["lpips_vs_first"] is None
    assert figures["lpips_vs_first_reason"] == missing()


def test_with_weights_it_is_among_the_figures(weights, scenes):
    assert missing() is None
    field = load(scenes / "blobs.toml")
    build_occupancy(field, resolution=32)
    evaluation = held_out(field, Views(eval_views=1, resolution="32"), 0)
    pictures = Evaluator(evaluation).render(field)
    _, figures = against_field("vs_first", pictures, pictures, evaluation)
    assert figures["lpips_vs_first"] == 0


def test_other_weights_are_refused(weights, hub):
    torch.save({"features.0.weight": torch.zeros(3)}, hub / TRUNK)
    with pytest.raises(FormatError, match=r"features\.0\.weight of shape \[64, 3, 11, 11\]"):
        Lpips()
    (hub / TRUNK).write_bytes(b"junk")
    with pytest.raises(FormatError, match="cannot be read as weights"):
        Lpips()
