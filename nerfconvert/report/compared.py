"""What a page compares: the held-out views of fields, and the figures of each view."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ..metrics.image_metrics import mean, psnr, ssim
from ..renderer.panes import error_colors, to_bytes
from .pictures import encode_rows

MOST_VIEWS, MOST_PICTURES = 24, 240  # with pictures, and pictures of all of them
WORST = 2 / 3  # of the views with pictures are the worst ones, the others lie between


@dataclass(frozen=True)
class Compared:
    """Views [V, H, W, 3] of fields by their names, the first of which the others are measured
    against; of a single field against `truth`, the photographs."""

    names: list[str]
    images: list[Tensor]
    truth: Tensor | None

    @property
    def subjects(self) -> range:
        """Numbers of the fields that are measured."""
        return range(0 if len(self.names) == 1 else 1, len(self.names))

    @property
    def reference(self) -> Tensor:
        return self.truth if len(self.names) == 1 else self.images[0]

    @property
    def reference_name(self) -> str:
        return "the photographs" if len(self.names) == 1 else self.names[0]

    def figures(self) -> list[dict]:
        """Of each subject: name, PSNR and SSIM of every view and their means, and the same against
        the photographs where there are some; of equal images PSNR is infinite."""
        return [self._figures(subject) for subject in self.subjects]

    def _figures(self, subject: int) -> dict:
        images = self.images[subject]
        pairs = list(zip(images, self.reference, strict=True))
        found = {"name": self.names[subject], "psnr_views": [psnr(*pair) for pair in pairs]}
        found["ssim_views"] = [ssim(*pair) for pair in pairs]
        found |= {"psnr": mean(found["psnr_views"]), "ssim": mean(found["ssim_views"])}
        if self.truth is not None and len(self.names) > 1:
            for name, shot in (("truth", images), ("source_truth", self.images[0])):
                views = [psnr(a, b) for a, b in zip(shot, self.truth, strict=True)]
                found |= {f"{name}_views": views, name: mean(views)}
        return found

    def layers(self) -> list[tuple[str, str]]:
        """(key, label) of what each view can be looked at as."""
        truth = [("truth", "photograph")] if self.truth is not None else []
        fields = [(f"field{i}", name) for i, name in enumerate(self.names)]
        errors = [
            (f"error{i}", f"error of {self.names[i]} to {self.reference_name}")
            for i in self.subjects
        ]
        return [*truth, *fields, *errors]

    def pictures(self, view: int) -> list[np.ndarray]:
        """[H, W, 3] uint8 of every layer of a view."""
        truth = [to_bytes(self.truth[view])] if self.truth is not None else []
        fields = [to_bytes(images[view]) for images in self.images]
        reference = self.reference[view]
        return [
            *truth,
            *fields,
            *(error_colors(self.images[i][view], reference) for i in self.subjects),
        ]

    def shown(self, figures: list[dict]) -> tuple[list[dict], str]:
        """The views with pictures, worst first, each with a data URI a layer, and words on them."""
        ranks = ranked(figures)
        most = max(1, min(MOST_VIEWS, MOST_PICTURES // len(self.layers())))
        chosen = spread(ranks, most)
        encoded = encode_rows([self.pictures(view) for view in chosen])
        keys = [key for key, _ in self.layers()]
        rows = [
            {"view": view, "uris": dict(zip(keys, uris, strict=True))}
            for view, uris in zip(chosen, encoded.rows, strict=True)
        ]
        if len(chosen) == len(ranks):
            return rows, f"{encoded.how}."
        return rows, f"{encoded.how}. {most} of {len(ranks)} views have one: most are the worst."


def ranked(figures: list[dict]) -> list[int]:
    """Numbers of the views, worst first: by the lowest PSNR of any subject."""
    worst = [min(levels) for levels in zip(*(f["psnr_views"] for f in figures), strict=True)]
    return sorted(range(len(worst)), key=lambda view: worst[view])


def spread(ranks: list[int], most: int) -> list[int]:
    """At most `most` of `ranks`, in their order: the first ones, then some from all of the rest."""
    if len(ranks) <= most:
        return ranks
    head = math.ceil(WORST * most)
    rest, count = ranks[head:], most - head
    return ranks[:head] + [rest[(i + 1) * len(rest) // count - 1] for i in range(count)]
