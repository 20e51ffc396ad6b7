"""Runs of nerfstudio as the program leaves them, small and untrained, and its mathematics."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

TRANSFORMS = {"transform": [[0, 1, 0, 0.5], [0, 0, 1, 0], [1, 0, 0, -1]], "scale": 0.25}


def config_text(method: str = "vanilla-nerf", loader: str = "Blender", **model) -> str:
    """A config.yml with the tags, anchors and paths that the program writes."""
    lines = "".join(f"    {name}: {json.dumps(value)}\n" for name, value in model.items())
    return (
        "!!python/object:nerfstudio.engine.trainer.TrainerConfig\n"
        "_target: !!python/name:nerfstudio.engine.trainer.Trainer ''\n"
        "data: &id003 !!python/object/apply:pathlib.PosixPath\n- /\n- data\n"
        f"method_name: {method}\n"
        "pipeline: !!python/object:nerfstudio.pipelines.base_pipeline.VanillaPipelineConfig\n"
        "  datamanager: !!python/object:nerfstudio.data.AConfig\n"
        "    data: *id003\n"
        "    dataparser: !!python/object:nerfstudio.data.BConfig\n"
        f"      _target: !!python/name:nerfstudio.data.dataparsers.x.{loader} ''\n"
        "      scene_scale: 2.0\n"
        "  model: !!python/object:nerfstudio.models.CConfig\n"
        "    samples: !!python/tuple\n    - 256\n    - 96\n" + lines
    )


def checkpoint(state: dict[str, torch.Tensor], step: int = 29) -> dict:
    """A checkpoint with this state of the model, and what lies about it in the real ones."""
    noise = {"_model.device_indicator_param": torch.zeros(0)}
    return {
        "step": step,
        "pipeline": {**noise, **{f"_model.{name}": tensor for name, tensor in state.items()}},
        "optimizers": {"fields": {"state": {}, "param_groups": [{"lr": np.float64(0.01)}]}},
        "schedulers": {"fields": {"last_epoch": 1, "lr_lambdas": [None]}},
        "scalers": {"scale": 65536.0},
    }


def write_run(folder: Path, content: dict, text: str | None = None, step: int = 29) -> Path:
    """The folder of a run, with a checkpoint and, with `text`, a config.yml and transforms."""
    inner = folder / "nerfstudio_models"
    inner.mkdir(parents=True, exist_ok=True)
    torch.save(content, inner / f"step-{step:09d}.ckpt")
    if text is not None:
        (folder / "config.yml").write_text(text)
        (folder / "dataparser_transforms.json").write_text(json.dumps(TRANSFORMS))
    return folder


def vanilla_state(width: int = 24, head: int = 16, seed: int = 0) -> dict[str, torch.Tensor]:
    """Both networks of vanilla-nerf, unlike each other."""
    draw = torch.Generator().manual_seed(seed)
    sizes = {f"mlp_base.layers.{i}": (width, width) for i in range(8)}
    sizes |= {"mlp_base.layers.0": (width, 63), "mlp_base.layers.4": (width, 63 + width)}
    sizes |= {"field_output_density.net": (1, width), "field_heads.0.net": (3, head)}
    sizes |= {"mlp_head.layers.0": (head, 27 + width), "mlp_head.layers.1": (head, head)}
    state = {}
    for field in ("field_coarse", "field_fine"):
        for name, (rows, columns) in sizes.items():
            weight = torch.randn(rows, columns, generator=draw) * (2 / columns) ** 0.5
            state[f"{field}.{name}.weight"] = weight
            state[f"{field}.{name}.bias"] = torch.randn(rows, generator=draw) * 0.3
    return state


def waves(values: np.ndarray, highest: float, count: int) -> np.ndarray:
    """Sines, axis by axis, then cosines, of [D] times 2 pi 2^(0 .. highest)."""
    frequencies = 2.0 ** np.linspace(0, highest, count)
    phases = (2 * np.pi * values[:, None] * frequencies).reshape(-1)
    return np.concatenate([np.sin(phases), np.cos(phases)])


def affine(state: dict, name: str, x: np.ndarray) -> np.ndarray:
    weight, bias = (state[f"{name}.{kind}"].double().numpy() for kind in ("weight", "bias"))
    return weight @ x + bias


def vanilla(state: dict, position: np.ndarray, direction: np.ndarray, field: str = "field_fine"):
    """(density, rgb) of vanilla-nerf at a place, in float64."""
    encoded = np.concatenate([waves(position, 8, 10), position])
    h = encoded
    for i in range(8):
        h = np.concatenate([encoded, h]) if i == 4 else h
        h = np.maximum(affine(state, f"{field}.mlp_base.layers.{i}", h), 0)
    density = np.logaddexp(0, affine(state, f"{field}.field_output_density.net", h)[0])
    h = np.concatenate([waves(direction, 4, 4), direction, h])
    for i in range(2):
        h = np.maximum(affine(state, f"{field}.mlp_head.layers.{i}", h), 0)
    return density, 1 / (1 + np.exp(-affine(state, f"{field}.field_heads.0.net", h)))


def tensorf_state(planes: bool = True, side: int = 6) -> dict[str, torch.Tensor]:
    """tensorf with 3 and 4 components, 5 features and 16 neurons."""
    draw = torch.Generator().manual_seed(0)
    state = {"aabb": torch.tensor([[-1.0, -0.5, -1], [1, 1, 1.5]])}
    for kind, count in (("density_encoding", 3), ("color_encoding", 4)):
        state[f"{kind}.line_coef"] = torch.randn(3, count, side, 1, generator=draw)
        if planes:
            state[f"{kind}.plane_coef"] = torch.randn(3, count, side, side, generator=draw)
    state["B.weight"] = torch.randn(5, 12 if planes else 4, generator=draw) * 0.2
    sizes = {"mlp_head.layers.0": (16, 40), "mlp_head.layers.1": (16, 16)}
    for name, (rows, columns) in {**sizes, "field_output_rgb.net": (3, 16)}.items():
        state[f"{name}.weight"] = torch.randn(rows, columns, generator=draw) * 0.3
        state[f"{name}.bias"] = torch.randn(rows, generator=draw)
    return {f"field.{name}": tensor for name, tensor in state.items()}


def sampled(grid: np.ndarray, place: list[float]) -> np.ndarray:
    """[C] of a grid [C, ..., B, A] at [a, b, ...] in [0, 1], ends on the outermost nodes."""
    for at in place:
        position = at * (grid.shape[-1] - 1)
        cell = min(int(position), grid.shape[-1] - 2)
        part = position - cell
        grid = grid[..., cell] * (1 - part) + grid[..., cell + 1] * part
    return grid


def tensorf(state: dict, position: np.ndarray, direction: np.ndarray):
    """(density, rgb) of tensorf at a place, in float64."""
    state = {name.removeprefix("field."): tensor.double() for name, tensor in state.items()}
    low, high = state["aabb"].numpy()
    x, y, z = (position - low) / (high - low)
    found = []
    for kind in ("density_encoding", "color_encoding"):
        lines, planes = (state.get(f"{kind}.{part}_coef") for part in ("line", "plane"))
        along = [sampled(lines[mode, ..., 0].numpy(), [at]) for mode, at in enumerate((z, y, x))]
        if planes is None:
            found.append(np.prod(along, axis=0))
            continue
        places = ([x, y], [x, z], [y, z])
        flat = [sampled(planes[mode].numpy(), at) for mode, at in enumerate(places)]
        found.append(np.concatenate([a * b for a, b in zip(along, flat)]))
    features = state["B.weight"].numpy() @ found[1]
    h = np.concatenate([features, direction, waves(features, 2, 2), waves(direction, 2, 2)])
    for i in range(2):
        h = np.maximum(affine(state, f"mlp_head.layers.{i}", h), 0)
    rgb = 1 / (1 + np.exp(-affine(state, "field_output_rgb.net", h)))
    return max(found[0].sum(), 0.0), rgb
