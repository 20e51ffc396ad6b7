"""Levels: those that a run asked for, together."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from ...renderer.cameras import Cameras
from ...volume import Aabb
from ..bank import RayBank
from .cameras import CameraLevel
from .points import PointLevel
from .rays import RayLevel


@dataclass(frozen=True)
class Levels:
    """None stands for a level that is off."""

    camera: CameraLevel | None = None
    ray: RayLevel | None = None
    point: PointLevel | None = None

    @staticmethod
    def of(names: Collection[str], cameras: Cameras, aabb: Aabb) -> Levels:
        """The levels with these `names` of `config.LEVELS`, for a teacher in `aabb`."""
        return Levels(
            camera=CameraLevel(cameras, aabb) if "camera" in names else None,
            ray=RayLevel() if "ray" in names else None,
            point=PointLevel(aabb) if "point" in names else None,
        )

    def state(self, bank: RayBank) -> dict:
        """Tensors and numbers to save, beside those of `bank`."""
        oldest = bank.made - len(bank.lessons)
        return {
            "camera": self.camera.state(oldest) if self.camera else None,
            "ray": self.ray.state() if self.ray else None,
            "point": self.point.state() if self.point else None,
        }

    def restore(self, state: dict, bank: RayBank, rebuild: Callable[[], None]) -> None:
        """Takes back what `state` gave; `rebuild` fills `bank` in between: which rays it asks is
        up to the camera level, and what the ray level remembers is about its rays."""
        if self.camera:
            self.camera.restore(state["camera"])
        rebuild()
        if self.ray:
            self.ray.restore(state["ray"], bank)
        if self.point:
            self.point.restore(state["point"])
