#!/bin/sh
# Installs nerfconvert as people do: source distribution and wheel, on every Python named, without a
# compiler, editable, and read-only. PYTHONS lists the interpreters; TORCH=1 installs torch, too, and
# renders a scene (gigabytes of downloads for some Pythons); without it what needs no torch is run.
#
#   PYTHONS="python3.10 python3.11 python3.12 python3.13" sh scripts/installs.sh
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
pythons=${PYTHONS:-python3}
first=${pythons%% *}

# What an installed program must do, away from the checkout.
try() {
    cd /
    "$1/bin/nerfconvert" --version
    "$1/bin/nerfconvert" formats -q
    "$1/bin/nerfconvert" convert --help >/dev/null
    [ -z "${TORCH:-}" ] || "$1/bin/nerfconvert" render "$root/scenes/glass.toml" -o "$1/glass.mp4" \
        --frames 2 --resolution 16x12 -q --overwrite
}

# A virtual environment with what is declared: without TORCH all but torch and what needs it.
fresh() {
    "$2" -m venv "$1"
    if [ -n "${TORCH:-}" ]; then
        "$1/bin/pip" install --quiet "torch==2.13.0" numpy
    else
        "$1/bin/pip" install --quiet tyro rich pyyaml numpy "tomli>=2; python_version < '3.11'"
    fi
}

install() { # venv, what...
    place=$1
    shift
    deps=$([ -n "${TORCH:-}" ] || echo --no-deps)
    "$place/bin/pip" install --quiet $deps "$@"
}

"$first" -m venv "$work/build"
"$work/build/bin/pip" install --quiet build
"$work/build/bin/python" -m build --outdir "$work/dist" "$root"
ls "$work/dist"
if command -v auditwheel >/dev/null 2>&1; then auditwheel show "$work"/dist/*.whl; fi

count=0
for python in $pythons; do
    count=$((count + 1))
    echo "== the wheel on $("$python" --version)"
    fresh "$work/wheel-$count" "$python"
    install "$work/wheel-$count" "$work"/dist/*.whl
    try "$work/wheel-$count"
done

echo "== read-only site-packages"
chmod -R a-w "$work/wheel-1"/lib
try "$work/wheel-1"
chmod -R u+w "$work/wheel-1"

echo "== the source distribution, without a compiler"
fresh "$work/plain" "$first"
CC=/nonexistent CXX=/nonexistent CUDACXX=/nonexistent install "$work/plain" "$work"/dist/*.tar.gz
try "$work/plain"

echo "== editable, without kernels"
fresh "$work/editable" "$first"
NERFCONVERT_NATIVE=0 install "$work/editable" --editable "$root"
try "$work/editable"
echo "all installed"
