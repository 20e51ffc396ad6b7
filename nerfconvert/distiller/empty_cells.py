"""Empty cells of a trained student: dropped from its occupancy where that does not show."""

from __future__ import annotations

from ..renderer.occupancy import refine_occupancy
from ..volume import TrainableField
from . import parallel
from .kept_start import ray_error
from .teacher_rays import TeacherRays

THRESHOLDS = (0.01, 0.001)  # opacity of a cell that counts as density: haze of solids, of smoke
ALLOWED = 1.02  # of the squared error: less than 0.1 dB


def drop_empty_cells(
    student: TrainableField, held_out: TeacherRays, seconds: float | None = None
) -> None:
    """Refines the occupancy of `student` by the highest threshold that leaves its error on the
    teacher's rays `held_out` as it is; where none does, as in thin smoke, it keeps all cells. Each
    takes `seconds` at most."""
    known, error = student.occupancy.dense(), ray_error(student, held_out)
    for threshold in THRESHOLDS:
        refine_occupancy(student, threshold=threshold, seconds=seconds)
        if parallel.agree(float(ray_error(student, held_out) <= ALLOWED * error)):
            return
        student.occupancy.assign(known)
