"""Writes scenes/checkpoints/: small fields of the scenes beside it, made by nerfconvert.

Run from the repository root: python scripts/make_fixtures.py [--seconds 420]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from nerfconvert.options.groups import Budget, Job
from nerfconvert.options.per_command import ConvertOptions
from nerfconvert.pipelines.convert import convert
from nerfconvert.runtime.outputs import receipt_path

SCENES = Path(__file__).resolve().parents[1] / "scenes"
FIXTURES = {
    "blobs-mlp": ("blobs", "mlp", ("depth=4", "width=96", "head_width=48")),
    "still-life": ("still_life", "hashgrid", ("n_levels=12", "finest_resolution=256")),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=420, help="budget of each field, s")
    seconds = parser.parse_args().seconds
    folder = SCENES / "checkpoints"
    folder.mkdir(exist_ok=True)
    for name, (scene, architecture, settings) in FIXTURES.items():
        target = folder / f"{name}.safetensors"
        receipt = convert(
            ConvertOptions(
                source=SCENES / f"{scene}.toml",
                target=target,
                to=architecture,
                size="small",
                settings=settings,
                budget=Budget(seconds=seconds),
                job=Job(overwrite=True),
            )
        )
        receipt_path(target).unlink()
        psnr = receipt["quality"]["psnr_target_vs_source"]
        print(f"{target.name}: {target.stat().st_size / 1e3:.0f} kB, {psnr:.2f} dB")


if __name__ == "__main__":
    main()
