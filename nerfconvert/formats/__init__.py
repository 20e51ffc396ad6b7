"""File formats, a module per program; content decides the format of a file, not its name.

The table imports no torch, so that a target is refused before anything is loaded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..adapters import ARCHITECTURES
from ..errors import FormatError, NerfConvertError, OutputExistsError, UnsupportedError
from ..files import written_whole
from ..registry import Registry
from .format import Format
from .run_folder import checkpoint_of
from .unknown_file import describe

if TYPE_CHECKING:
    from ..volume import Field, FieldInfo, RadianceField

COMPRESSED = (b"x\x01", b"x^", b"x\x9c", b"x\xda", b"\x1f\x8b")  # by zlib, by gzip
ORIGINAL = "original program"  # run beside ours, see scripts/oracles.md
EXACT = "exact maths"  # the program's, in float64, written anew by the tests
SEARCHED = 256 << 20  # bytes of a file that are searched for signs of its format


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
        verified=ORIGINAL,
    ),
    "krrish94": FormatFiles(
        "nerfconvert.formats.krrish94:Krrish94",
        (".ckpt",),
        (b"model_coarse_state_dict",),
        ("mlp",),
        (*RELU, "first_relu=false", "feature_relu=true", "skips=[]"),
        title="krrish94 nerf-pytorch (.ckpt)",
        verified=ORIGINAL,
    ),
    "nerf_pl": FormatFiles(
        "nerfconvert.formats.nerf_pl:NerfPl",
        (".ckpt",),
        (b"nerf_coarse.",),
        ("mlp",),
        (*RELU, "first_relu=true", "feature_relu=false", "depth=8", "skips=[4]"),
        title="kwea123 nerf_pl (.ckpt)",
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
        holds=("mlp", "hashgrid", "hashed", "vm", "cp"),
        verified=ORIGINAL + ", tiny-cuda-nn: " + EXACT,
    ),
    "kplanes": FormatFiles(
        "nerfconvert.formats.kplanes_checkpoint:Kplanes",
        (".pth",),
        (b"field.grids.0.0",),
        title="K-Planes (.pth, or its folder)",
        holds=("kplanes",),
        verified=ORIGINAL,
    ),
    "scene": FormatFiles(
        "nerfconvert.formats.scene_toml:SceneToml",
        (".toml",),
        (b"aabb",),
        ("analytic",),
        title="procedural scene (TOML)",
        verified="read back to the bit",
    ),
}
FORMATS = Registry("format", {name: files.format for name, files in FORMAT_FILES.items()})


def identify(path: Path | str) -> Format:
    """The format of a file, by its content; of the newest checkpoint in a folder of a run.

    Raises FormatError naming what was found for a missing, empty, damaged or unknown file.
    """
    path = checkpoint_of(path)
    for name in possible_formats(path):
        made = FORMATS[name]()
        if made.sniff(path):
            return made
    raise _unknown(path)


def possible_formats(path: Path) -> list[str]:
    """Names of the formats, at least one, of which the file has signs; imports none of them.

    Raises FormatError as `identify` does.
    """
    path = checkpoint_of(path)
    if not path.exists():
        raise FormatError(path, "no such file")
    if not path.is_file():
        raise FormatError(path, "a directory or device; expected a checkpoint file")
    try:
        with open(path, "rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            found = [
                name
                for name, files in FORMAT_FILES.items()
                if any(content.find(sign, 0, SEARCHED) >= 0 for sign in files.signs)
                or any(content[: len(start)] == start for start in files.starts)
            ]
    except (OSError, ValueError):  # unreadable; empty
        found = []
    if not found:
        raise _unknown(path)
    return found


def _unknown(path: Path) -> FormatError:
    known = ", ".join(f"{files.suffixes[0]} ({name})" for name, files in FORMAT_FILES.items())
    return FormatError(path, f"found {describe(path)}; expected one of: {known}")


def load(path: Path | str) -> RadianceField:
    """The field in a checkpoint of any known format. Raises FormatError or UnsupportedError."""
    path = checkpoint_of(path)
    return identify(path).read(path)


def save(
    field: RadianceField, path: Path | str, format: str | None = None, overwrite: bool = False
) -> None:
    """Writes a field atomically; `format` is a name of FORMATS, by default that of the suffix.

    Raises OutputExistsError, UnsupportedError (this format cannot hold this field) or
    NerfConvertError (the disk is full, the folder is missing).
    """
    path = Path(path)
    chosen = FORMATS[format or name_of_suffix(path, field.architecture)]()
    if not chosen.can_write:
        raise UnsupportedError(f"{chosen.title} files can be read but not written")
    if field.architecture not in chosen.architectures:
        held = ", ".join(sorted(chosen.architectures))
        raise UnsupportedError(
            f"a {chosen.title} file holds {held}, not {field.architecture}; convert the field first"
        )
    if path.is_dir() or (path.exists() and not overwrite):
        raise OutputExistsError(path)
    write_whole(chosen, field, path)


def check_config(path: Path, format: str | None, architecture: str, config: Any) -> None:
    """Raises UnsupportedError where no field of this `config` can be saved under `path`."""
    FORMATS[format or name_of_suffix(path, architecture)]().check(config)


def check_space(path: Path, format: str | None, architecture: str, info: FieldInfo) -> None:
    """Raises UnsupportedError where no new field of this `info` can be saved under `path`."""
    FORMATS[format or name_of_suffix(path, architecture)]().check_space(info)


def write_whole(chosen: Format, field: Field, path: Path) -> None:
    """Writes a field atomically. Raises NerfConvertError where writing fails."""
    try:
        with written_whole(path) as partial:
            chosen.write(field, partial)
    except (OSError, RuntimeError, ValueError) as problem:
        said = problem.strerror if isinstance(problem, OSError) else None
        reason = said or next(iter(str(problem).splitlines()), type(problem).__name__)
        raise NerfConvertError(f"{path}: cannot be written: {reason}") from problem


def name_of_suffix(path: Path, architecture: str | None) -> str:
    """The name of the format that a new file of this suffix has: where several share it, of the
    first that can hold `architecture`. Raises UnsupportedError, which lists those that can, by
    default any."""
    suffix = path.suffix.lower()
    sharing = {name: files for name, files in FORMAT_FILES.items() if suffix in files.suffixes}
    for name, files in sharing.items():
        if architecture in files.writes:
            return name
    if sharing:
        return next(iter(sharing))
    known = ", ".join(
        f"{files.suffixes[0]} ({name})"
        for name, files in FORMAT_FILES.items()
        if architecture in files.writes or (architecture is None and files.writes)
    )
    found = (
        f"no format has the suffix {suffix}" if suffix else "it has no suffix to tell its format"
    )
    raise UnsupportedError(f"{path}: {found}; known: {known}, or give --format")
