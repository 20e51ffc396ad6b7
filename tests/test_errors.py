"""Errors: the command speaks of flags, the library of arguments."""

import pytest

from nerfconvert.errors import FormatError, NerfConvertError, OutputExistsError, UnknownNameError


@pytest.mark.parametrize(
    ("flags", "arguments"),
    [
        ("give --seconds or --steps, not both", "give seconds or steps, not both"),
        ("--max-drop compares: give --data DIR", "max_drop compares: give data DIR"),
        ("pass --overwrite", "pass overwrite=True"),
        ("use --device cpu, or", "use device='cpu', or"),
        ("--set width=3: no", "settings width=3: no"),
        ("-o a/b-o.mp4 must", "output a/b-o.mp4 must"),
        ("a--b.ply and x -- y", "a--b.ply and x -- y"),
    ],
)
def test_flags_become_arguments(flags, arguments):
    error = NerfConvertError(flags)
    assert error.message == flags
    assert str(error) == arguments


def test_every_error_has_both():
    error = OutputExistsError("out.safetensors")
    assert "--overwrite" in error.message
    assert "overwrite=True" in str(error)


def test_a_wrong_name_without_a_near_one_lists_all():
    known = ["mlp", "cp"]
    assert str(UnknownNameError("thing", "zzz", known)) == "unknown thing 'zzz' (known: cp, mlp)"


def test_what_a_file_holds_fits_in_a_line():
    error = FormatError("a.ckpt", "tensor \ud800\n" + "x" * 10_000)
    assert str(error).startswith("a.ckpt: tensor \\ud800 xxx")
    assert len(str(error)) < 1600
    assert str(error).isprintable()
