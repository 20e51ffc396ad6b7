"""ngp_network: instant-ngp's network config as the config of a hash grid, and back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...adapters.hashgrid import HashgridConfig
from ...adapters.joint import FEATURES
from .document import Document

FINEST = 2048  # cells per edge of the unit cube where the file does not state the growth
FUSED_WIDTHS = (16, 32, 64, 128)
ENCODINGS = ("hashgrid", "grid")
TRAINING = {  # of the program's base.json; it trains on with these
    "loss": {"otype": "Huber"},
    "optimizer": {
        "otype": "Ema",
        "decay": 0.95,
        "nested": {
            "otype": "ExponentialDecay",
            "decay_start": 20000,
            "decay_interval": 10000,
            "decay_base": 0.33,
            "nested": {
                "otype": "Adam",
                "learning_rate": 1e-2,
                "beta1": 0.9,
                "beta2": 0.99,
                "epsilon": 1e-15,
                "l2_reg": 1e-6,
            },
        },
    },
}


def config_of(document: Document, aabb_scale: int, axes: str) -> HashgridConfig:
    """The config that a snapshot describes. Raises ValueError for what a hash grid cannot be."""
    encoding, density, color = (document.part(k) for k in ("encoding", "network", "rgb_network"))
    check_encoding(encoding)
    check_directions(document.part("dir_encoding"))
    widths = {network_width(network) for network in (density, color)}
    if len(widths) > 1:
        raise ValueError(f"its networks are {sorted(widths)} neurons wide; expected one width")
    outputs = density.count("n_output_dims", FEATURES)
    if outputs != FEATURES:
        raise ValueError(f"its density network has {outputs} outputs; expected 16")
    sizes = {
        "features_per_level": encoding.count("n_features_per_level", 2),
        "log2_table_size": encoding.count("log2_hashmap_size", 19),
        "base_resolution": encoding.count("base_resolution"),
    }
    n_levels = levels_of(encoding, sizes["features_per_level"])
    return HashgridConfig(
        n_levels=n_levels,
        **sizes,
        finest_resolution=finest_of(encoding, n_levels, sizes["base_resolution"], aabb_scale),
        hidden_width=widths.pop(),
        density_layers=density.count("n_hidden_layers"),
        color_layers=color.count("n_hidden_layers"),
        density_shift=math.log(aabb_scale),
        axes=axes,
    )


def check_encoding(encoding: Document) -> None:
    """Raises ValueError unless positions are looked up in a hash grid, linearly."""
    found = [encoding.word("otype", "HashGrid"), encoding.word("type", "Hash")]
    found += [encoding.word("interpolation", "Linear"), encoding.word("hash", "CoherentPrime")]
    if found[0] not in ENCODINGS or found[1:] != ["hash", "linear", "coherentprime"]:
        raise ValueError(
            f"its positions are encoded by {' '.join(found)}; expected a HashGrid, "
            "linear, with coherent primes"
        )


def check_directions(encoding: Document) -> None:
    """Raises ValueError unless directions are encoded by spherical harmonics of degree 4."""
    if encoding.word("otype") == "composite":
        nested = encoding.get("nested", list)
        encoding = Document(nested[0] if nested else None, "dir_encoding's first part")
    found, degree = encoding.word("otype"), encoding.count("degree", 4)
    if found != "sphericalharmonics" or degree != 4:
        raise ValueError(
            f"its directions are encoded by {found}, degree {degree}; expected "
            "SphericalHarmonics, degree 4"
        )


def network_width(network: Document) -> int:
    """Neurons of the hidden layers. Raises ValueError unless a plain ReLU network."""
    between, last = network.word("activation", "ReLU"), network.word("output_activation", "None")
    if (between, last) != ("relu", "none"):
        raise ValueError(f"a network's activations are {between}, {last}; expected ReLU, None")
    return network.count("n_neurons")


def levels_of(encoding: Document, features_per_level: int) -> int:
    features = encoding.count("n_features", 0)
    if features > 0 and features_per_level > 0:
        return features // features_per_level
    return encoding.count("n_levels", 16)


def finest_of(encoding: Document, n_levels: int, base: int, aabb_scale: int) -> float:
    """The finest resolution, whole if possible. The growth per level is found in float32, rounded
    after every step as the program does. Raises ValueError for a growth that is none."""
    if not (0 < base <= 1024 and 1 < n_levels <= 32):
        return base
    growth = np.float32(encoding.number("per_level_scale", 0.0))
    if growth <= 0:
        ratio = np.float32(FINEST * aabb_scale) / np.float32(base)
        growth = np.float32(math.log(ratio)) / np.float32(n_levels - 1)
        growth = np.float32(math.exp(growth))
    if not 1 <= growth < 1e4:
        raise ValueError(f"per_level_scale is {growth}; expected 1 or a little more")
    finest = base * float(growth) ** (n_levels - 1)
    whole = round(finest)
    return whole if growth_per_level(whole, base, n_levels) == growth else finest


def growth_per_level(finest: float, base: int, n_levels: int) -> np.float32:
    """As HashgridField computes it."""
    return np.float32(math.exp(math.log(finest / base) / max(n_levels - 1, 1)))


def document_of(config: HashgridConfig) -> dict[str, Any]:
    """The network config of a snapshot."""
    growth = growth_per_level(config.finest_resolution, config.base_resolution, config.n_levels)
    return {
        **TRAINING,
        "encoding": {
            "otype": "HashGrid",
            "n_levels": config.n_levels,
            "n_features_per_level": config.features_per_level,
            "log2_hashmap_size": config.log2_table_size,
            "base_resolution": config.base_resolution,
            "per_level_scale": float(growth),
        },
        "dir_encoding": {"otype": "SphericalHarmonics", "degree": 4},
        "network": network_document(config.hidden_width, config.density_layers),
        "rgb_network": network_document(config.hidden_width, config.color_layers),
    }


def network_document(width: int, hidden_layers: int) -> dict[str, Any]:
    fused = width in FUSED_WIDTHS and hidden_layers > 0
    return {
        "otype": "FullyFusedMLP" if fused else "CutlassMLP",
        "activation": "ReLU",
        "output_activation": "None",
        "n_neurons": width,
        "n_hidden_layers": hidden_layers,
    }
