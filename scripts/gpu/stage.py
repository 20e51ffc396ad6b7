"""What gpu_check gives to each of its stages."""

from __future__ import annotations

import argparse
from pathlib import Path


def stage_options() -> argparse.Namespace:
    """`dev` ("cuda" or "shim"), the file `json` for figures, and the folder `work`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--dev", required=True)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--work", type=Path)
    return parser.parse_args()
