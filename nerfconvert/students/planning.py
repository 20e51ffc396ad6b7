"""Plans a student before it takes memory: how large it becomes, and whether that fits."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Sequence
from typing import Any

import torch

from ..adapters import ADAPTERS, ARCHITECTURES, SIZES
from ..distiller import parallel
from ..distiller.optimizers.by_role import training_bytes
from ..errors import UsageError
from ..formats.parts.rebuild import WithoutMemory
from ..runtime.memory import available_bytes
from ..volume import Aabb, FieldInfo, OccupancyGrid, RadianceField, TrainableField
from ..volume.occupancy import transfer_occupancy
from .presets import field_config
from .sizes import ASSUMED_OCCUPANCY, bytes_figure, nothing_fits, parse_bytes

log = logging.getLogger(__name__)
HEADER_BYTES, TENSOR_BYTES = 4096, 128  # of a file's header, and in it for each tensor


def check_student(architecture: str, device: torch.device, **asked: Any) -> None:
    """Raises what `plan_student` with `asked` would raise for any scene, before there is one."""
    if not ARCHITECTURES[architecture].by_scene:
        plan_student(architecture, FieldInfo(aabb=Aabb((-1,) * 3, (1,) * 3)), device, **asked)


def plan_student(
    architecture: str,
    info: FieldInfo,
    device: torch.device,
    *,
    size: str,
    max_size: str | None,
    settings: Sequence[str],
    memory_mb: int,
    sparse: bool = True,
    teacher: RadianceField | None = None,
) -> Any:
    """The config of a student of this `size`, or with `max_size` of the largest whose file fits.

    `memory_mb` is the memory for samples, in MB, `sparse` whether its optimizer takes sparse
    gradients. Raises UsageError where no size fits `max_size`, or the student does not fit in
    memory.
    """
    limit = parse_bytes(max_size)
    if limit is None:
        config = field_config(architecture, size, settings)
    else:
        config = _largest(architecture, settings, limit, info, teacher)
    student = blueprint(architecture, config, info, teacher)
    sparse = sparse and parallel.alone_on_cpu(device)
    refuse_too_large(student, device, memory_mb * 1_000_000, sparse)
    return config


def blueprint(
    architecture: str, config: Any, info: FieldInfo, teacher: RadianceField | None = None
) -> TrainableField:
    """A field with shapes but no memory, with the occupancy of `teacher`; without one,
    `ASSUMED_OCCUPANCY` of its box is occupied."""
    with WithoutMemory():
        field = ADAPTERS[architecture](config, info)
    field.occupancy = OccupancyGrid()
    if teacher is not None:
        transfer_occupancy(field, teacher)
        return field
    cells = field.occupancy.dense()
    cells[:, :, round(ASSUMED_OCCUPANCY * len(cells)) :] = False
    field.occupancy.assign(cells)
    return field


def file_bytes(field: TrainableField) -> int:
    """Size in bytes of a nerfconvert file of `field` once trained; an upper bound, by a few
    hundred."""
    parameters, others = field.trained_size()
    description = len(str(dataclasses.asdict(field.config))) + len(str(field.info))
    tensors = len(field.state_dict())
    return 4 * parameters + others + HEADER_BYTES + description + tensors * TENSOR_BYTES


def refuse_too_large(
    field: TrainableField, device: torch.device, samples_bytes: int, sparse: bool
) -> None:
    """Raises UsageError where training `field`, with `sparse` gradients where it can have them,
    beside `samples_bytes` of samples would need more memory than there is."""
    available = available_bytes(device)
    parameters, others = field.trained_size()
    needed = others + parameters * math.ceil(training_bytes(field, sparse))
    if available is None or needed + samples_bytes <= available:
        return
    raise UsageError(
        f"the new field ({field.architecture}, {parameters:,} parameters) needs "
        f"{bytes_figure(needed)} while it trains and {bytes_figure(samples_bytes)} for samples, "
        f"but only {bytes_figure(available)} of memory is available; choose a smaller --size, or "
        "a lower --memory-mb"
    )


def _largest(
    architecture: str,
    settings: Sequence[str],
    limit: int,
    info: FieldInfo,
    teacher: RadianceField | None,
) -> Any:
    """The config of the size, changed by `settings`, whose file is the largest up to `limit`."""
    sizes = {}
    for name in (*SIZES, *ARCHITECTURES[architecture].between):
        config = field_config(architecture, name, settings)
        sizes[name] = file_bytes(blueprint(architecture, config, info, teacher))
    fitting = [name for name, size in sizes.items() if size <= limit]
    if not fitting:
        smallest = min(sizes, key=sizes.get)
        raise nothing_fits(limit, architecture, smallest, bytes_figure(sizes[smallest]))
    chosen = max(fitting, key=sizes.get)
    log.info("--max-size: %s %s takes %s", architecture, chosen, bytes_figure(sizes[chosen]))
    return field_config(architecture, chosen, settings)
