"""One small file of every format, and damaged relatives of files."""

from __future__ import annotations

import dataclasses
import io
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from nerfconvert.adapters.analytic import AnalyticConfig, AnalyticField
from nerfconvert.adapters.factorized.factorized_config import FactorizedConfig
from nerfconvert.adapters.factorized.vm import VmField
from nerfconvert.adapters.hashgrid import HashgridConfig, HashgridField
from nerfconvert.adapters.mlp import MlpConfig, MlpField
from nerfconvert.adapters.ppng import UNIT_CUBE, PpngField
from nerfconvert.formats import FORMATS, save
from nerfconvert.volume import Aabb, FieldInfo, RadianceField
from tests.adapters.test_contract import tiny
from tests.formats import kplanes_scenes, nerfstudio_runs
from tests.formats.pvd_states import checkpoint, vm_state

INFO = FieldInfo(
    aabb=Aabb((-1.0, -2.0, -0.5), (1.0, 1.5, 2.0)),
    frame="ndc",
    background="black",
    provenance={"by": "a test", "steps": 7},
)


WORLD = dataclasses.replace(INFO, frame="world")  # for programs that know no frustum


def tiny_mlp(**changes) -> MlpField:
    """An untrained mlp that any program of the nerf-pytorch family could hold once changed."""
    sizes = {"depth": 3, "width": 16, "skips": (), "position_octaves": 3, "direction_octaves": 2}
    return MlpField(MlpConfig(**{**sizes, "head_width": 8, **changes}), INFO)


def tiny_nerf_pytorch() -> MlpField:
    return tiny_mlp(depth=8, skips=(5,))


def tiny_krrish94() -> MlpField:
    return tiny_mlp(first_relu=False, feature_relu=True)


def in_the_world(field: RadianceField) -> RadianceField:
    """The field, no forward-facing one: for programs that know none, or others than ours."""
    field.info = dataclasses.replace(field.info, frame="world")
    return field


def tiny_nerf_pl() -> MlpField:
    return in_the_world(tiny_mlp(depth=6, skips=(4,)))


def tiny_scene() -> AnalyticField:
    """One blob; the format keeps neither frame nor provenance."""
    blob = {"kind": "blob", "center": (0, 0, 0), "size": (0.3, 0.4, 0.5), "density": 20.0}
    info = FieldInfo(aabb=INFO.aabb, background="black")
    return AnalyticField(AnalyticConfig(primitives=({**blob, "color": (1, 0.5, 0)},)), info)


def tiny_tensorf() -> VmField:
    """What TensoRF's own defaults make, but small, in a grid whose cells are no cubes."""
    config = FactorizedConfig(
        resolution=9,
        density_components=2,
        appearance_components=3,
        feature_width=5,
        hidden_width=16,
        density_shift=-1.0,
    )
    field = VmField(config, WORLD)
    field.factors.resample([9, 7, 6])
    return field


def tiny_hashgrid(half: bool = False, **changes) -> HashgridField:
    """A small hash grid with random numbers, which half precision holds where `half`; little of
    its box is occupied."""
    sizes = {"n_levels": 3, "log2_table_size": 9, "base_resolution": 4, "finest_resolution": 20}
    field = HashgridField(HashgridConfig(**{**sizes, "hidden_width": 16, **changes}), WORLD)
    with torch.no_grad():
        field.table.normal_()
        for parameter in field.parameters():
            parameter.copy_(parameter.half() if half else parameter)
    cells = torch.zeros(128, 128, 128, dtype=torch.bool)
    cells[40:50, 60:80, 50:60] = True
    field.occupancy.assign(cells)
    return field


def tiny_instant_ngp() -> HashgridField:
    return tiny_hashgrid(half=True, axes="yzx", density_shift=math.log(2))


def tiny_torch_ngp() -> HashgridField:
    return tiny_hashgrid(
        axes="yzx", density_in_color=False, density_shift=math.log(2), layout="torch-ngp"
    )


def tiny_ppng() -> PpngField:
    """Of the program's only box, with factors that half precision holds, little of it occupied."""
    info = FieldInfo(aabb=UNIT_CUBE, background="black", provenance={"by": "a test"})
    field = PpngField(tiny("ppng").config, info)
    state = {k: v.half().to(v.dtype) for k, v in tiny("ppng").state_dict().items() if v.ndim > 1}
    field.load_state_dict(state, strict=False)
    cells = torch.zeros(128, 128, 128, dtype=torch.bool)
    cells[40:50, 60:80, 50:60] = True
    field.occupancy.assign(cells)
    return field


TINY: dict[str, Callable[[], RadianceField]] = {
    "scene": tiny_scene,
    "nerfconvert": tiny_mlp,
    "nerf-pytorch": tiny_nerf_pytorch,
    "krrish94": tiny_krrish94,
    "nerf_pl": tiny_nerf_pl,
    "tensorf": tiny_tensorf,
    "instant-ngp": tiny_instant_ngp,
    "torch-ngp": tiny_torch_ngp,
    "ppng": tiny_ppng,
}


def tiny_field(name: str) -> RadianceField:
    """A small field for the format; one not listed gets any architecture that it holds."""
    return TINY[name]() if name in TINY else tiny(min(FORMATS[name].architectures))


TEXT = {"scene"}  # a text cut at the end of a line may be a whole, shorter text


# Content of a small valid file, for each format that is only read.
SAMPLES: dict[str, Callable[[], bytes]] = {
    "ngp_pl": lambda: saved(ngp_pl_state()),
    "pvd": lambda: saved(checkpoint(vm_state())),
    "dvgo": lambda: saved(dvgo_content()),
    "bmild": lambda: saved_list(keras_weights()),
    "kplanes": lambda: saved(kplanes_scenes.scene_content()),
    "nerfstudio": lambda: saved(nerfstudio_runs.checkpoint(nerfstudio_runs.vanilla_state())),
}


def write_sample(name: str, folder: Path) -> Path:
    """A small valid file of the format, with a suffix that tells nothing."""
    path = folder / "sample.bin"
    if FORMATS[name].can_write:
        save(tiny_field(name), path, format=name)
    else:
        assert name in SAMPLES, f"a format that is only read needs an entry in SAMPLES: {name}"
        path.write_bytes(SAMPLES[name]())
    return path


def keras_weights(width: int = 24, seed: int = 0) -> list[np.ndarray]:
    """[in, out] and bias of each layer, in the program's order, with 5 and 4 octaves."""
    draw = np.random.default_rng(seed)
    trunk = [(33, width), *[(width, width)] * 4, (width + 33, width), *[(width, width)] * 2]
    heads = [(width, width), (width + 27, width // 2), (width // 2, 3), (width, 1)]
    arrays = []
    for rows, columns in [*trunk, *heads]:
        arrays += [draw.normal(size=(rows, columns)) * (2 / rows) ** 0.5, draw.normal(size=columns)]
    return [array.astype(np.float32) for array in arrays]


def dvgo_content(network: bool = True, direct: bool = True, mask: bool = True) -> dict:
    """A checkpoint of DirectVoxGO with random numbers, grids of 4 x 5 x 6 nodes."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    low, high = torch.tensor([-1.0, -0.5, 0.0]), torch.tensor([1.0, 1.0, 2.0])
    channels = 12 if network else 3
    state = {
        "xyz_min": low,
        "xyz_max": high,
        "act_shift": torch.tensor([-0.5]),
        "density.grid": draw(1, 1, 4, 5, 6),
        "k0.grid": draw(1, channels, 4, 5, 6),
    }
    if network:
        inputs = channels - (0 if direct else 3) + 3 + 6 * 4
        state["viewfreq"] = 2.0 ** torch.arange(4)
        for name, rows, columns in (
            ("rgbnet.0", 16, inputs),
            ("rgbnet.2.0", 16, 16),
            ("rgbnet.3", 3, 16),
        ):
            state[f"{name}.weight"] = draw(rows, columns) / columns**0.5
            state[f"{name}.bias"] = draw(rows)
    if mask:
        sizes = torch.tensor([5.0, 4.0, 6.0])
        state["mask_cache.mask"] = draw(5, 4, 6) > 0
        state["mask_cache.xyz2ijk_scale"] = (sizes - 1) / (high - low)
        state["mask_cache.xyz2ijk_shift"] = -low * (sizes - 1) / (high - low)
    kwargs = {
        "xyz_min": low.numpy(),
        "xyz_max": high.numpy(),
        "num_voxels_base": 120,
        "voxel_size_ratio": torch.tensor(1.0),
        "rgbnet_direct": direct,
    }
    return {"global_step": 1, "model_kwargs": kwargs, "model_state_dict": state}


def saved_list(arrays) -> bytes:
    """Numpy's file of a list of arrays."""
    content = np.empty(len(arrays), dtype=object)
    for i, array in enumerate(arrays):
        content[i] = array
    stream = io.BytesIO()
    np.save(stream, content, allow_pickle=True)
    return stream.getvalue()


def saved(content) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def ngp_pl_state(scale: float = 1 / 128, rows: int = 16 * 16**3, cascades: int = 1) -> dict:
    """A slim ngp_pl checkpoint of random numbers; at the smallest scale all levels are 16^3."""
    draw = torch.Generator().manual_seed(0)
    networks = 32 * 64 + 64 * 16, 32 * 64 + 64 * 64 + 64 * 16
    return {
        "model.center": torch.zeros(1, 3),
        "model.xyz_min": -torch.ones(1, 3) * scale,
        "model.xyz_max": torch.ones(1, 3) * scale,
        "model.half_size": torch.ones(1, 3) * scale,
        "model.density_bitfield": torch.full((cascades * 128**3 // 8,), 255, dtype=torch.uint8),
        "model.xyz_encoder.params": torch.randn(networks[0] + 2 * rows, generator=draw) * 0.3,
        "model.dir_encoder.params": torch.zeros(0),
        "model.rgb_net.params": torch.randn(networks[1], generator=draw) * 0.3,
    }


def ppng_document(kind: int = 2, resolution: int = 8, rank: int = 2) -> dict:
    """The content of a tiny Plenoptic PNG with random numbers and a checkered occupancy."""
    random = np.random.default_rng(0)
    shape = (3, 4, *(resolution,) * kind, rank, 4)

    def floats(count: int) -> bytes:
        return random.normal(size=count).astype(np.float32).tobytes()

    return {
        "freqs": [1.0, 2.0],
        "n_density_layers": [16],
        "n_color_layers": [16, 4],
        "qff_type": kind,
        "n_freqs": 2,
        "n_feats": 4,
        "n_quants": resolution,
        "rank": rank,
        "grid_res": 8,
        "grid_mip": 1,
        "grid_thres": 1,
        "grid_rles": [[3, 5, 100, 4, 400]],
        "poses": [[[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 1.0, 0]]],
        "render_step": 0.0017,
        "up": [0.0, 1.0, 0.0],
        "qff_buffer": random.normal(size=shape).astype(np.float16).tobytes(),
        "qff_density_layer_0": floats(16 * 16),
        "qff_color_layer_0": floats(16 * 32),
        "qff_color_layer_1": floats(4 * 16),
    }


def flipped(data: bytes, bit: int) -> bytes:
    """`data` with one bit inverted."""
    damaged = bytearray(data)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def probe_points(n: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """Positions in [-1, 1]^3 and unit directions, both [n, 3]."""
    draw = torch.rand(2, n, 3, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return draw[0], torch.nn.functional.normalize(draw[1], dim=-1)
