"""Samplers: on which rays a teacher is queried, and on which of its answers a step trains.

Draws are uniform by default; the samplers of active learning, of `--active`, each change one
decision: `camera` on which new rays the teacher is queried, `ray` which of the buffer's rays a step
takes, `point` at which of their samples the student is evaluated. A draw with odds q relative to
uniform draws has the importance weight 1 / q in the losses, so that their expectation is that of
uniform draws and only their variance changes; odds have a floor, which bounds the weights. Errors
are kept as running means that start high, so that what was never drawn is drawn soon.

This table imports no torch, because the command line's help is made from it.
"""

from ...registry import Registry

SAMPLERS = Registry(
    "sampler of --active",
    {
        "camera": "nerfconvert.distiller.samplers.camera:CameraSampler",
        "ray": "nerfconvert.distiller.samplers.ray:RaySampler",
        "point": "nerfconvert.distiller.samplers.point:PointSampler",
    },
)
