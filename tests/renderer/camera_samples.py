"""Files of every kind of the table CAMERA_FILES with the same three cameras, in its layout."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

from nerfconvert.renderer.cameras import on_circle

POSES = on_circle((0.1, -0.2, 0.3), 4.0, 3).poses.double().numpy()
LEFT, _, RIGHT = np.linalg.svd(POSES[:, :3, :3])
POSES[:, :3, :3] = LEFT @ RIGHT  # rotations in float64, too
SIZE, FOCAL = (40, 30), 36.0
VERTICAL = math.degrees(2 * math.atan(SIZE[1] / 2 / FOCAL))
TURN = np.diag([1.0, -1.0, -1.0])


def transforms(folder: Path) -> Path:
    frames = [
        {"file_path": f"{i}.png", "transform_matrix": p.tolist()} for i, p in enumerate(POSES)
    ]
    document = {"fl_x": FOCAL, "w": SIZE[0], "h": SIZE[1], "frames": frames}
    return _json(folder / "transforms.json", document)


def nerfstudio_path(folder: Path) -> Path:
    frames = [{"camera_to_world": p.ravel().tolist(), "fov": VERTICAL, "aspect": 1} for p in POSES]
    document = {"camera_type": "perspective", "camera_path": frames, "keyframes": []}
    document |= {"render_width": SIZE[0], "render_height": SIZE[1], "crop": None}
    return _json(folder / "camera_path.json", document)


def instant_ngp_path(folder: Path) -> Path:
    """The keyframes are the samples: order 0, as many frames as the segments have."""
    keys = []
    for pose in POSES:
        turned = pose[[1, 2, 0]]
        place = turned[:, 3] * 0.33 + 0.5
        w, x, y, z = quaternion(turned[:, :3] @ TURN)
        keys.append({"R": [x, y, z, w], "T": place.tolist(), "fov": VERTICAL, "scale": 1.0})
    document = {"loop": True, "spline_order": 0, "path": keys, "time": 0.0}
    return _json(folder / "base_cam.json", document)


def colmap_binary(folder: Path) -> Path:
    model = folder / "sparse" / "0"
    model.mkdir(parents=True, exist_ok=True)
    camera = struct.pack("<QiiQQ3d", 1, 7, 0, *SIZE, FOCAL, SIZE[0] / 2, SIZE[1] / 2)
    (model / "cameras.bin").write_bytes(camera)
    images = struct.pack("<Q", len(POSES))
    for i, pose in enumerate(POSES):
        images += struct.pack("<I7dI", i + 1, *world_to_camera(pose), 7) + f"{i}.png".encode()
        images += b"\0" + struct.pack("<QddQ", 1, 3.0, 4.0, 2**64 - 1)
    (model / "images.bin").write_bytes(images)
    return folder


def colmap_text(folder: Path) -> Path:
    camera = f"7 SIMPLE_PINHOLE {SIZE[0]} {SIZE[1]} {FOCAL} {SIZE[0] / 2} {SIZE[1] / 2}"
    (folder / "cameras.txt").write_text(f"# cameras\n{camera}\n")
    lines = ["# images"]
    for i, pose in enumerate(POSES):
        words = [i + 1, *map(repr, map(float, world_to_camera(pose))), 7, f"{i}.png"]
        lines += [" ".join(map(str, words)), "" if i else "3.0 4.0 -1"]
    (folder / "images.txt").write_text("\n".join(lines) + "\n")
    return folder


def llff(folder: Path) -> Path:
    """Columns down, right, backwards, place, size; its poses are moved to their mean when read."""
    size = np.array([SIZE[1], SIZE[0], FOCAL])
    rows = []
    for pose in POSES:
        columns = [-pose[:3, 1], pose[:3, 0], pose[:3, 2], pose[:3, 3], size]
        rows.append([*np.stack(columns, 1).ravel(), 2.0, 9.0])
    np.save(folder / "poses_bounds.npy", np.array(rows))
    return folder


SAMPLES: dict[str, list[Callable[[Path], Path]]] = {
    "transforms": [transforms],
    "nerfstudio-path": [nerfstudio_path],
    "instant-ngp-path": [instant_ngp_path],
    "colmap": [colmap_binary, colmap_text],
    "llff": [llff],
}


def world_to_camera(pose: np.ndarray) -> list[float]:
    """Quaternion (w, x, y, z) and translation of COLMAP."""
    turn = (pose[:3, :3] @ TURN).T
    return [*quaternion(turn), *(-turn @ pose[:3, 3])]


def quaternion(turn: np.ndarray) -> tuple[float, float, float, float]:
    """Of a rotation [3, 3], by the eigenvector that Bar-Itzhack's matrix has."""
    m = turn
    k = np.array(
        [
            [m[0, 0] - m[1, 1] - m[2, 2], 0, 0, 0],
            [m[1, 0] + m[0, 1], m[1, 1] - m[0, 0] - m[2, 2], 0, 0],
            [m[2, 0] + m[0, 2], m[2, 1] + m[1, 2], m[2, 2] - m[0, 0] - m[1, 1], 0],
            [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], m.trace()],
        ]
    )
    x, y, z, w = np.linalg.eigh(k)[1][:, -1]  # of the lower triangle
    return w, x, y, z


def _json(file: Path, document: dict) -> Path:
    file.write_text(json.dumps(document))
    return file
