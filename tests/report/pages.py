"""Documents and views for the tests of pages: small, and none of them rendered."""

from __future__ import annotations

import torch

from nerfconvert.report.compared import Compared

MACHINE = {"device": "cpu", "cpu": "abacus", "threads": 1, "peak_memory_mb": 512.4}
PROTOCOL = {"background": "white", "color_space": "sRGB", "cameras": "three of a test"}
GATES = [
    {"gate": "min_psnr", "limit": 24.0, "found": 25.0, "passed": True},
    {"gate": "max_size", "limit": 1_000_000, "found": 2_000_000, "passed": False},
]
NOISE = (0.02, 0.2, 0.06)  # of each view: view 1 is the worst, view 0 the best


def compared(*names: str, truth: bool = False, size: int = 32) -> Compared:
    """Three views [3, size, size, 3] of each field; the further from the first, the noisier."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(3, size, size, 3, generator=generator)
    scale = torch.tensor(NOISE).view(3, 1, 1, 1)
    views = [(0.5 + noise * (scale * i + 0.03)).clamp(0, 1) for i in range(len(names))]
    return Compared(list(names), views, torch.full_like(noise, 0.45) if truth else None)


def fields(*paths: str) -> list[dict]:
    return [
        {
            "path": path,
            "sha256": f"{i}" * 64,
            "format": "nerfconvert",
            "architecture": "mlp",
            "parameters": 1000 * (i + 1),
            "bytes": 4_000_000 // (i + 1),
            "seconds_per_frame": 0.5 * (i + 1),
            "psnr_covered_vs_first": 21.5 if i else None,
            "psnr_covered_vs_truth": 20.5,
            "depth_error_vs_first": 0.0125 if i else None,
            "lpips_vs_first": None,
            "lpips_vs_first_reason": "no weights" if i else "this is the first",
            "lpips_vs_truth": None,
            "lpips_vs_truth_reason": "no weights",
        }
        for i, path in enumerate(paths)
    ]


def comparison(*paths: str) -> dict:
    """What a page reads of a `compare` document."""
    about = {"video": None, "gates": [], "protocol": PROTOCOL, "machine": MACHINE}
    return {"fields": fields(*paths), **about}


def receipt(*paths: str, curve: bool = True) -> dict:
    """What a page reads of a receipt of `convert`."""
    source, target = fields(*paths)
    points = [{"seconds": 4.0, "psnr_target_vs_source": 20.0, "psnr_target_vs_truth": 19.0}]
    return {
        "source": source,
        "target": target,
        "argv": ["convert", *paths, "--to", "mlp"],
        "recipe": "fast",
        "active": "none",
        "seed": 3,
        "render": {"source_s_per_frame": 0.5, "target_s_per_frame": 1.0},
        "time": {
            **{"distill_s": 10.0, "total_s": 14.0, "initialise_s": 1.0, "load_s": 0.5},
            **{"steps": 1200, "rays": 34567, "samples": 890123},
        },
        "quality": {
            "psnr_initial": 9.0,
            "psnr_target_vs_source": 25.0,
            "psnr_covered_target_vs_source": 21.5,
            "depth_error_target_vs_source": 0.0125,
            "lpips_target_vs_source": 0.0432,
            "psnr_target_vs_truth": 24.0 if curve else None,
        },
        "gates": [],
        "curve": points if curve else [],
        "stages": [
            {"name": "points", "steps": 200, "seconds": 4.0, "psnr_end": None},
            {"name": "rays", "steps": 1000, "seconds": 6.0, "psnr_end": 24.5},
        ],
        "protocol": PROTOCOL,
        "machine": MACHINE,
    }
