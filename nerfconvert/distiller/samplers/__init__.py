"""Samplers: which rays a teacher is asked about, and what of its answers a step learns from.

Uniform draws are the ground; the samplers of active learning, of `--active`, each change one
decision: `camera` which new rays the teacher is asked about, `ray` which of the buffer's rays a
step takes, `point` which of their samples the student computes. Whatever is drawn with odds q
times those of uniform draws counts 1 / q in the losses, so that their expectation is that of
uniform draws and only its noise changes; all odds have a floor, so that no weight is large. Errors
are remembered as averages, first guesses are high: what was never looked at is looked at soon.

This table imports no torch: the command line's help is made of it.
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
