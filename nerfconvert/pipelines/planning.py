"""Planning a student before it takes memory: how large it becomes, and whether that fits."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import torch

from ..adapters import ADAPTERS
from ..distiller.optimizers import bytes_of
from ..errors import UsageError
from ..formats.rebuild import WithoutMemory
from ..report.table import bytes_figure
from ..volume import FieldInfo, OccupancyGrid, RadianceField
from ..volume.occupancy import adopt
from .memory import available_bytes
from .options import ConvertOptions, TrainOptions
from .sizes import ASSUMED_OCCUPANCY, SIZES, parse_bytes
from .students import field_config

log = logging.getLogger(__name__)
HEADER_BYTES, TENSOR_BYTES = 4096, 128  # of a file's header, and in it for each tensor


def plan_student(
    architecture: str,
    options: ConvertOptions | TrainOptions,
    info: FieldInfo,
    device: torch.device,
    teacher: RadianceField | None = None,
) -> Any:
    """The config of the student that `options` ask for; with --max-size the largest that fits.

    Raises UsageError where nothing fits the file, or the student does not fit the memory.
    """
    limit = parse_bytes(options.max_size)
    if limit is None:
        config = field_config(architecture, options.size, options.settings)
    else:
        config = _largest(architecture, options.settings, limit, info, teacher)
    student = blueprint(architecture, config, info, teacher)
    sparse = device.type == "cpu" and getattr(options, "recipe", "fast") == "fast"
    refuse_too_large(student, device, options.budget.memory_mb * 1_000_000, sparse)
    return config


def blueprint(
    architecture: str, config: Any, info: FieldInfo, teacher: RadianceField | None = None
) -> RadianceField:
    """A field that knows its shapes and has no memory, with the occupancy of `teacher`; without
    one, `ASSUMED_OCCUPANCY` of its box."""
    with WithoutMemory():
        field = ADAPTERS[architecture](config, info)
    field.occupancy = OccupancyGrid()
    if teacher is not None:
        adopt(field, teacher)
        return field
    cells = field.occupancy.dense()
    cells[:, :, round(ASSUMED_OCCUPANCY * len(cells)) :] = False
    field.occupancy.assign(cells)
    return field


def file_bytes(field: RadianceField) -> int:
    """Size of our own file of `field` once trained; at most this, by a few hundred bytes."""
    parameters, others = field.trained_size()
    description = len(str(dataclasses.asdict(field.config))) + len(str(field.info))
    tensors = len(field.state_dict())
    return 4 * parameters + others + HEADER_BYTES + description + tensors * TENSOR_BYTES


def refuse_too_large(
    field: RadianceField, device: torch.device, samples_bytes: int, sparse: bool
) -> None:
    """Raises UsageError where training `field`, with `sparse` gradients where it can have them,
    beside `samples_bytes` of samples would need more memory than there is."""
    available = available_bytes(device)
    parameters, others = field.trained_size()
    needed = others + parameters * _training_bytes(field, sparse)
    if available is None or needed + samples_bytes <= available:
        return
    raise UsageError(
        f"the student ({field.architecture}, {parameters:,} parameters) needs "
        f"{bytes_figure(needed)} while it trains and {bytes_figure(samples_bytes)} for samples, "
        f"but only {bytes_figure(available)} of memory is available; choose a smaller --size, or "
        "a lower --memory-mb"
    )


def _training_bytes(field: RadianceField, sparse: bool) -> int:
    """For each value of a field while it trains, rounded up."""
    sizes = [(p.numel(), bytes_of(p, sparse)) for p in field.parameters()]
    return -(-sum(count * size for count, size in sizes) // max(1, sum(n for n, _ in sizes)))


def _largest(
    architecture: str,
    settings: tuple[str, ...],
    limit: int,
    info: FieldInfo,
    teacher: RadianceField | None,
) -> Any:
    """The config of the size, changed by `settings`, whose file is the largest up to `limit`."""
    sizes = {}
    for name in SIZES:
        config = field_config(architecture, name, settings)
        sizes[name] = file_bytes(blueprint(architecture, config, info, teacher))
    fitting = [name for name, size in sizes.items() if size <= limit]
    if not fitting:
        smallest = min(sizes, key=sizes.get)
        raise UsageError(
            f"--max-size {bytes_figure(limit)}: no size of {architecture} fits; the smallest, "
            f"{smallest}, takes {bytes_figure(sizes[smallest])} (`--set` makes it smaller)"
        )
    chosen = max(fitting, key=sizes.get)
    log.info("--max-size: %s %s takes %s", architecture, chosen, bytes_figure(sizes[chosen]))
    return field_config(architecture, chosen, settings)
