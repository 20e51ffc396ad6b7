"""What is known of each format without importing it: suffixes, signs, what its files hold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ..adapters import ARCHITECTURES

COMPRESSED = (b"x\x01", b"x^", b"x\x9c", b"x\xda", b"\x1f\x8b")  # by zlib, by gzip
ORIGINAL = "original program"  # run beside ours, see scripts/oracles.md
EXACT = "exact maths"  # the program's, in float64, written anew by the tests

# Where readers of a file show density that the occupancy of the field hides: beside its cells,
# where the file has coarser ones, or anywhere, where it has none.
Shown = Literal["nowhere", "near", "everywhere"]


@dataclass(frozen=True)
class FormatFiles:
    """Where to import a format's class, and what its files hold, known without importing it."""

    format: str  # "module:Class"
    suffixes: tuple[str, ...]  # the usual one first
    signs: tuple[bytes, ...]  # each of its files has one of them somewhere; verified by a test
    writes: tuple[str, ...] = ()  # architectures that it can write; verified by a test
    student: tuple[str, ...] = ()  # settings (KEY=VALUE) without which a new field is not written
    starts: tuple[bytes, ...] = ()  # or begins with one of these
    title: str = ""  # that of the class; verified by a test, as `holds` is
    holds: tuple[str, ...] = ()  # architectures that it reads, where these are not what it writes
    shows: Shown = "nowhere"  # verified by a test
    beside: tuple[str, ...] = ()  # settings in its folder, or in that of the run, that are read
    verified: str = EXACT  # by what it is known that fields are read as their program means them

    @property
    def architectures(self) -> tuple[str, ...]:
        """What its files hold."""
        return self.holds or self.writes


# The density scale is that of the presets nerf and krrish94.
RELU = ("density_activation=relu", "density_scale=200", "normalize=false", "joint=false")
SOFTPLUS = ("density_activation=softplus", "density_shift=-10", "density_scale=75")
FORMAT_FILES = {
    "nerfconvert": FormatFiles(
        "nerfconvert.formats.native:Native",
        (".safetensors",),
        (b"nerfconvert.field/",),
        tuple(ARCHITECTURES),
        title="nerfconvert (.safetensors)",
        verified="read back to the bit",
    ),
    "nerf-pytorch": FormatFiles(
        "nerfconvert.formats.nerf_pytorch:NerfPytorch",
        (".tar",),
        (b"network_fn_state_dict",),
        ("mlp",),
        (*RELU, "first_relu=true", "feature_relu=false"),
        title="yenchenlin nerf-pytorch (.tar)",
        shows="everywhere",
        beside=("args.txt", "config.txt"),
        verified=ORIGINAL,
    ),
    "krrish94": FormatFiles(
        "nerfconvert.formats.krrish94:Krrish94",
        (".ckpt",),
        (b"model_coarse_state_dict",),
        ("mlp",),
        (*RELU, "first_relu=false", "feature_relu=true", "skips=[]"),
        title="krrish94 nerf-pytorch (.ckpt)",
        shows="everywhere",
        beside=("config.yml",),
        verified=ORIGINAL,
    ),
    "nerf_pl": FormatFiles(
        "nerfconvert.formats.nerf_pl:NerfPl",
        (".ckpt",),
        (b"nerf_coarse.",),
        ("mlp",),
        (*RELU, "first_relu=true", "feature_relu=false", "depth=8", "skips=[4]"),
        title="kwea123 nerf_pl (.ckpt)",
        shows="everywhere",
        verified=ORIGINAL,
    ),
    "bmild": FormatFiles(
        "nerfconvert.formats.bmild:Bmild",
        (".npy",),
        (),
        starts=(b"\x93NUMPY",),
        title="bmild nerf (.npy)",
        holds=("mlp",),
    ),
    "tensorf": FormatFiles(
        "nerfconvert.formats.tensorf:Tensorf",
        (".th",),
        (b"alphaMask_thres",),
        ("vm", "cp"),
        ("shading=network_frequencies", "biases=true", "clamp_features=false", *SOFTPLUS),
        title="TensoRF (.th)",
        verified=ORIGINAL,
    ),
    "svox2": FormatFiles(
        "nerfconvert.formats.svox2:Svox2",
        (".npz",),
        (b"links.npy",),
        ("tensorial",),
        ("density_activation=relu", "color_activation=clamp"),
        title="Plenoxels, svox2 (.npz)",
        verified=ORIGINAL,
    ),
    "instant-ngp": FormatFiles(
        "nerfconvert.formats.instant_ngp:InstantNgp",
        (".ingp", ".msgpack"),
        (b"params_binary",),
        ("hashgrid",),
        ("layout=tiny-cuda-nn", "density_activation=exp", "density_in_color=true"),
        starts=COMPRESSED,
        title="instant-ngp (.ingp, .msgpack)",
        shows="near",
    ),
    "torch-ngp": FormatFiles(
        "nerfconvert.formats.torch_ngp:TorchNgp",
        (".pth",),
        (b"sigma_net.",),
        ("hashgrid",),
        (
            "layout=torch-ngp",
            "axes=yzx",
            "density_activation=exp",
            "density_in_color=false",
            f"density_shift={math.log(2)}",
        ),
        title="torch-ngp (.pth)",
        shows="near",
    ),
    "dvgo": FormatFiles(
        "nerfconvert.formats.dvgo:Dvgo",
        (".tar",),
        (b"model_kwargs",),
        title="DirectVoxGO (.tar)",
        verified=ORIGINAL,
        holds=("dense",),
    ),
    "pvd": FormatFiles(
        "nerfconvert.formats.pvd_checkpoint:Pvd",
        (".pth",),
        (b"aabb_train",),
        title="PVD, PVD-AL (.pth)",
        beside=("args.txt",),
        holds=("mlp", "hashgrid", "vm", "tensorial"),
    ),
    "ngp_pl": FormatFiles(
        "nerfconvert.formats.ngp_pl:NgpPl",
        (".ckpt",),
        (b"xyz_encoder.params",),
        title="ngp_pl (.ckpt)",
        holds=("hashgrid",),
    ),
    "ppng": FormatFiles(
        "nerfconvert.formats.ppng:Ppng",
        (".ppng",),
        (b"qff_type",),
        title="Plenoptic PNG (.ppng)",
        writes=("ppng",),
        verified=EXACT + ", real files",
    ),
    "nerfstudio": FormatFiles(
        "nerfconvert.formats.nerfstudio:Nerfstudio",
        (".ckpt",),
        (b"_model.",),
        title="nerfstudio (.ckpt, or a run's folder)",
        beside=("config.yml", "dataparser_transforms.json"),
        holds=("mlp", "hashgrid", "hashed", "vm", "cp"),
        verified=ORIGINAL + ", tiny-cuda-nn: " + EXACT,
    ),
    "kplanes": FormatFiles(
        "nerfconvert.formats.kplanes_checkpoint:Kplanes",
        (".pth",),
        (b"field.grids.0.0",),
        title="K-Planes (.pth, or its folder)",
        beside=("config.py",),
        holds=("kplanes",),
        verified=ORIGINAL,
    ),
    "scene": FormatFiles(
        "nerfconvert.formats.scene_toml:SceneToml",
        (".toml",),
        (b"aabb",),
        ("analytic",),
        title="procedural scene (TOML)",
        shows="everywhere",
        verified="read back to the bit",
    ),
}
