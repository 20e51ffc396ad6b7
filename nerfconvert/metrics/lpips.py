"""LPIPS, version 0.1 with AlexNet (Zhang et al. 2018), where its weights are on disk.

Nothing is downloaded: the folder `checkpoints` of torch's hub (TORCH_HOME) must hold `TRUNK`, the
weights of torchvision's AlexNet, and `HEAD`, those of the package lpips (`weights/v0.1/alex.pth`).
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, max_pool2d, relu

from ..errors import FormatError
from .image_metrics import rounded

TRUNK, HEAD = "alexnet-owt-7be5be79.pth", "alex.pth"
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of images in [-1, 1]
# Of each convolution: its place in AlexNet's features, shape, stride, padding, pooled before.
LAYERS = (
    (0, (64, 3, 11, 11), 4, 2, False),
    (3, (192, 64, 5, 5), 1, 2, True),
    (6, (384, 192, 3, 3), 1, 1, True),
    (8, (256, 384, 3, 3), 1, 1, False),
    (10, (256, 256, 3, 3), 1, 1, False),
)
LEAST_SIDE = 31  # pixels that both poolings need


def missing() -> str | None:
    """Why there is no LPIPS here; None where its weights are."""
    lacking = [name for name in (TRUNK, HEAD) if not (_folder() / name).is_file()]
    if not lacking:
        return None
    return f"{' and '.join(lacking)} not in the folder checkpoints of torch's hub (TORCH_HOME)"


class Lpips(nn.Module):
    """The distance, with the weights in torch's hub. Raises FormatError for files of others."""

    def __init__(self) -> None:
        super().__init__()
        trunk, head = _read(_folder() / TRUNK), _read(_folder() / HEAD)
        for k, (place, shape, *_) in enumerate(LAYERS):
            wanted = {
                "weight": (trunk, TRUNK, f"features.{place}.weight", shape),
                "bias": (trunk, TRUNK, f"features.{place}.bias", shape[:1]),
                "head": (head, HEAD, f"lin{k}.model.1.weight", (1, shape[0], 1, 1)),
            }
            for name, (state, file, key, size) in wanted.items():
                tensor = state.get(key)
                if not isinstance(tensor, Tensor) or tensor.shape != size:
                    raise FormatError(_folder() / file, f"must hold {key} of shape {list(size)}")
                self.register_buffer(f"{name}{k}", tensor.float())

    @torch.no_grad()
    def forward(self, image: Tensor, reference: Tensor) -> float:
        """LPIPS of one image [H, W, 3] in [0, 1], on 8 bits; 0 where the images are equal, NaN
        where a side is smaller than `LEAST_SIDE`."""
        if min(image.shape[:2]) < LEAST_SIDE:
            return float("nan")
        pair = torch.stack([rounded(image), rounded(reference)]).permute(0, 3, 1, 2).float()
        shift, scale = (pair.new_tensor(v)[:, None, None] for v in (SHIFT, SCALE))
        x, total = (2 * pair - 1 - shift) / scale, 0.0
        for k, (_, _, stride, padding, pooled) in enumerate(LAYERS):
            x = max_pool2d(x, 3, 2) if pooled else x
            weight, bias, head = (
                getattr(self, f"{name}{k}") for name in ("weight", "bias", "head")
            )
            x = relu(conv2d(x, weight, bias, stride, padding))
            unit = x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)
            apart = (unit[:1] - unit[1:]).square()
            total += float(conv2d(apart, head).mean())
        return total


def _folder() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"


def _read(path: Path) -> dict[str, Tensor]:
    """The state dict in `path`; nothing in it is run."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of pickle, zip or torch: whatever a damaged file brings about
        raise FormatError(path, f"cannot be read as weights: {error}") from error
    if not isinstance(state, dict):
        raise FormatError(path, f"must hold tensors by name, got {type(state).__name__}")
    return state
