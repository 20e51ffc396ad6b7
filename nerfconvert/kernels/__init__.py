"""Fast loops: tensors in, tensors out. Each file holds a public op and its pure-torch reference."""

from ..registry import Registry

KERNELS = Registry(
    "kernel",
    {
        "march": "nerfconvert.kernels.march:MARCH",
        "march_wave": "nerfconvert.kernels.march_wave:MARCH_WAVE",
        "shade_wave": "nerfconvert.kernels.shade_wave:SHADE_WAVE",
        "composite": "nerfconvert.kernels.composite:COMPOSITE",
        "hash_encode": "nerfconvert.kernels.hash_encode:HASH_ENCODE",
        "spherical_harmonics": "nerfconvert.kernels.spherical_harmonics:SPHERICAL_HARMONICS",
        "harmonic_color": "nerfconvert.kernels.harmonic_color:HARMONIC_COLOR",
        "fused_mlp": "nerfconvert.kernels.fused_mlp:FUSED_MLP",
        "voxel_lookup": "nerfconvert.kernels.voxel_lookup:VOXEL_LOOKUP",
        "factor_lookup": "nerfconvert.kernels.factor_lookup:FACTOR_LOOKUP",
        "factor_sum": "nerfconvert.kernels.factor_sum:FACTOR_SUM",
        "wave_lookup": "nerfconvert.kernels.wave_lookup:WAVE_LOOKUP",
        "draw_weighted": "nerfconvert.kernels.draw_weighted:DRAW_WEIGHTED",
        "rmsprop_rows": "nerfconvert.kernels.rmsprop_rows:RMSPROP_ROWS",
        "adam_lines": "nerfconvert.kernels.adam_lines:ADAM_LINES",
    },
)
