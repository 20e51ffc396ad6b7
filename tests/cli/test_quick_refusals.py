"""Wrong uses that a newcomer meets are answered at once: one line, the exit code, no torch."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT

IN = str(ROOT / "scenes" / "checkpoints" / "still-life.safetensors")
CONVERT = ("convert", IN, "o.safetensors", "--to", "hashgrid")
BENCH = '[[teachers]]\nname = "a"\npath = "a.ckpt"\n[[targets]]\narch = "hashgrid"\n'
POSE = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 4], [0, 0, 0, 1]]
CAMERA = {"camera_angle_x": 0.7, "frames": [{"file_path": "a", "transform_matrix": POSE}]}
FILES = {
    "junk.ckpt": b"\x07 junk" * 100,
    "empty.safetensors": b"",
    "notes.md": b"# notes\n",
    "splats.ply": b"ply\nproperty float f_dc_0\nproperty float opacity\nend_header\n",
    "damaged.ckpt": b"PK\x03\x04 and no more",
    "there.safetensors": b"precious",
    "folder/notes.md": b"",
    "cameras/transforms.json": json.dumps(CAMERA).encode(),
    "broken/transforms.json": b"{",
    "key.toml": b"veiws = 3\n" + BENCH.encode(),
    "setting.toml": BENCH.encode() + b"set = { widht = 3 }\n",
    "value.toml": BENCH.encode() + b"set = { log2_table_size = 99 }\n",
    "bench.toml": BENCH.encode(),
}
USES = [  # words, exit code, part of the message
    (("convrt", IN), 2, "did you mean 'convert'"),
    (("convert",), 2, "needs IN and OUT"),
    (("convert", IN, "o.safetensors"), 2, "choose one with --to"),
    (("convert", IN, "o.safetensors", "--to", "hashgird"), 2, "did you mean 'hashgrid'"),
    ((*CONVERT, "--sice", "small"), 2, "did you mean '--size'"),
    ((*CONVERT, "--size", "smal"), 2, "did you mean 'small'"),
    ((*CONVERT, "--seconds", "soon"), 2, "--seconds must be a number"),
    ((*CONVERT, "--seconds", "-5"), 2, "--seconds must be at least"),
    ((*CONVERT, "--seconds", "5", "--steps", "5"), 2, "not both"),
    ((*CONVERT, "--set", "hiden_width=8"), 2, "did you mean 'hidden_width'"),
    ((*CONVERT, "--set", "log2_table_size=99"), 2, "an integer in 8..24, got 99"),
    ((*CONVERT, "--set", "log2_table_size=big"), 2, "an integer in 8..24, got 'big'"),
    ((*CONVERT, "--set", "log2_table_size"), 2, "KEY=VALUE"),
    ((*CONVERT, "--set", "mlp.width=8"), 2, "KEY=VALUE"),
    (("convert", IN, "o.safetensors", "--to", "vm", "--set", "shading=phong"), 2, "must be one of"),
    ((*CONVERT, "--max-size", "1kB"), 2, "no size of hashgrid fits"),
    ((*CONVERT, "--max-drop", "1"), 2, "give --data"),
    ((*CONVERT, "--data", "gone"), 3, "no such file or folder"),
    ((*CONVERT, "--data", "folder"), 3, "found no transforms*.json"),
    ((*CONVERT, "--data", "broken"), 3, "not a JSON file"),
    ((*CONVERT, "--cameras", "notes.md"), 3, "not a JSON file"),
    ((*CONVERT, "--frame", "opencv"), 2, "give the file as well"),
    (("render", IN, "-o", "o.mp4", "--frame", "world"), 2, "give the file as well"),
    ((*CONVERT, "--frame", "mars"), 2, "--frame"),
    (("convert", "gone.ckpt", "o.safetensors", "--to", "mlp"), 3, "no such file"),
    (("convert", "folder", "o.safetensors", "--to", "mlp"), 3, "expected a checkpoint file"),
    (("convert", "junk.ckpt", "o.safetensors", "--to", "mlp"), 3, "unknown bytes"),
    (("convert", "empty.safetensors", "o.safetensors", "--to", "mlp"), 3, "an empty file"),
    (("convert", "notes.md", "o.safetensors", "--to", "mlp"), 3, "expected one of"),
    (("convert", "splats.ply", "o.safetensors", "--to", "mlp"), 3, "Gaussian splats"),
    (("convert", "damaged.ckpt", "o.safetensors", "--to", "mlp"), 3, "a damaged zip archive"),
    (("convert", IN, "there.safetensors", "--to", "mlp"), 4, "--overwrite"),
    (("convert", IN, "o.xyz", "--to", "mlp"), 2, "no format has the suffix .xyz"),
    (("convert", IN, "o.tar", "--to", "hashgrid"), 2, "cannot hold a hashgrid"),
    (("convert", IN, "no/o.safetensors", "--to", "mlp"), 2, "does not exist"),
    (("train", "folder", "o.safetensors", "--arch", "mlp"), 3, "found no transforms*.json"),
    (("train", "broken", "o.safetensors", "--arch", "mlp"), 3, "not a JSON file"),
    (("train", "cameras", "o.safetensors", "--arch", "mlp"), 3, "a.png: image is missing"),
    (("train", "cameras", "o.safetensors", "--arch", "mlp", "--set", "widht=3"), 2, "'width'"),
    (("train", "cameras", "o.safetensors", "--arch", "mlp", "--bounds", "1,2"), 2, "--bounds must"),
    (("info",), 2, "at least one file"),
    (("info", "gone"), 3, "no such file"),
    (("info", "junk.ckpt", "folder"), 3, "unknown bytes"),
    (("render", "junk.ckpt", "-o", "o.mp4"), 3, "unknown bytes"),
    (("render", IN, "-o", "o.avi"), 2, "must end in .mp4, .gif, .webp"),
    (("render", IN, "-o", "o.mp4", "--cameras", "notes.md"), 3, "not a JSON file"),
    (("render", IN, "-o", "o.mp4", "--cameras", "key.toml", "--path", "spiral"), 2, "not both"),
    (("render", IN, "-o", "o.mp4", "--path", "zigzag"), 2, "--path must be one of orbit, spiral"),
    (("render", IN, "-o", "o.mp4", "--crop", "notes.md"), 3, "not a crop box"),
    (("render", IN, "-o", "o.mp4", "--crop", "gone"), 3, "no such file"),
    (("compare", IN, IN, "-o", "out", "--path", "test"), 2, "needs the cameras of --data"),
    (("compare", IN, IN, "-o", "out", "--also", "gif,avi"), 2, "unknown kind of file for --also"),
    (("compare", IN, IN, "-o", "out", "--layout", "wype"), 2, "did you mean 'wipe'"),
    (("compare", IN, IN, "-o", "out", "--cameras", "notes.md"), 3, "not a JSON file with cameras"),
    (("compare", IN, "-o", "out"), 2, "give two checkpoints"),
    (("compare", IN, "junk.ckpt", "-o", "out"), 3, "unknown bytes"),
    (("compare", IN, IN, "-o", "out", "--data", "folder"), 3, "found no transforms*.json"),
    (("view",), 2, "at least one file"),
    (("view", "junk.ckpt"), 3, "unknown bytes"),
    (("view", IN, "--port", "99999"), 2, "0 to 65535"),
    (("view", IN, "--crop", "notes.md"), 3, "not a crop box"),
    (("view", IN, "--data", "folder"), 3, "found no transforms*.json"),
    (("bench", "-o", "out"), 2, "name one"),
    (("bench", "gone.toml", "-o", "out"), 3, "no such file"),
    (("bench", "notes.md", "-o", "out"), 2, "needs the key 'teachers'"),
    (("bench", "key.toml", "-o", "out"), 2, "did you mean 'views'"),
    (("bench", "setting.toml", "-o", "out"), 2, "setting of hashgrid 'widht'"),
    (("bench", "value.toml", "-o", "out"), 2, "an integer in 8..24"),
    (("bench", "bench.toml", "-o", "out", "--data", "folder"), 3, "found no transforms*.json"),
]
# One process for all: a newcomer's own starts in 0.2 s and says what this one says.
CODE = """
import contextlib, io, json, sys
from nerfconvert.cli import main
answers = []
for words in json.load(sys.stdin):
    with contextlib.redirect_stderr(io.StringIO()) as said:
        code = main(words)
    answers.append([code, said.getvalue(), "torch" in sys.modules])
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory) -> dict:
    """By words: the exit code, what was said, and whether torch had been imported by then."""
    folder = tmp_path_factory.mktemp("uses")
    for name, content in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    before = sorted(folder.rglob("*"))
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        input=json.dumps([words for words, _, _ in USES]),
        capture_output=True,
        text=True,
        check=True,
    )
    assert sorted(folder.rglob("*")) == before
    return {use[0]: answer for use, answer in zip(USES, json.loads(done.stdout), strict=True)}


@pytest.mark.parametrize(("words", "code", "hint"), USES)
def test_a_wrong_use_is_refused_at_once(answers, words, code, hint):
    found, said, torch_imported = answers[words]
    assert found == code
    assert hint in said
    assert not torch_imported
    assert words[0] == "info" or said.count("\n") == 1


def test_the_table_of_formats_needs_no_torch():
    code = "import sys; from nerfconvert.cli import main; main(['formats', '--json'])"
    code += "; sys.exit('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
    entries = json.loads(done.stdout)["formats"]
    assert all(entry["verified"] and entry["architectures"] for entry in entries)
