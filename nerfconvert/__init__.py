"""nerfconvert: any neural radiance field becomes any other.

The names below are the public interface; they are imported on first use, so that
``import nerfconvert`` and the command line start without torch.
"""

import os
from importlib import import_module

# Read when torch is first imported. Threads that spin while they wait take the processor from the
# ones they wait for wherever something else runs too (measured: 5 times slower). A tenth of a
# millisecond of it bridges what lies between loops: alone 3 to 15 % more steps a second, beside a
# busy process a quarter fewer.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")

__version__ = "0.1.0"

_EXPORTS = {
    "load": "runtime.inputs",
    "save": "formats",
    "convert": "pipelines.convert",
    "export": "pipelines.export",
    "train": "pipelines.train",
    "render": "pipelines.render",
    "compare": "pipelines.compare",
    "distill": "distiller.distill",
    "ConvertOptions": "options.per_command",
    "ExportOptions": "options.per_command",
    "TrainOptions": "options.per_command",
    "RenderOptions": "options.showing",
    "CompareOptions": "options.showing",
    "Budget": "options.groups",
    "Views": "options.groups",
    "Gates": "options.groups",
    "Job": "options.groups",
    "Where": "options.groups",
    "DistillConfig": "distiller.config",
    "Progress": "distiller.progress",
    "render_image": "renderer.image",
    "Cameras": "renderer.cameras",
    "look_at": "renderer.cameras",
    "focal_of": "renderer.cameras",
    "orbit": "renderer.camera_paths",
    "RadianceField": "volume",
    "TrainableField": "volume",
    "FieldInfo": "volume",
    "Aabb": "volume",
    "NerfConvertError": "errors",
}

__all__ = ["__version__", *_EXPORTS]


def __getattr__(name: str):
    if name not in _EXPORTS:
        raise AttributeError(f"module 'nerfconvert' has no attribute '{name}'")
    return getattr(import_module(f"nerfconvert.{_EXPORTS[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
