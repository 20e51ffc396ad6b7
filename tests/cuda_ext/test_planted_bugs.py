"""What the checks of the .cu files must find: bugs planted into small kernels and into ours."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nerfconvert.kernels.library import load_library

from .compiled import COMPILER, ORDERS, SOURCES, compile_library, ordered, results, with_sizes
from .test_sanitizers import SANITIZE, exercise, sanitizer_runtime

KERNELS_OF_OURS = """
#include "launch.h"
#include "portable.h"
constexpr unsigned kAll = 0xffffffffu;
__global__ void meets() { __syncthreads(); }
__global__ void votes(unsigned mask) { __ballot_sync(mask, true); }
__global__ void some_meet() { if (threadIdx.x < 5) __syncthreads(); }
__global__ void some_vote() { if (threadIdx.x != 40) __any_sync(kAll, true); }
__global__ void reads_beyond() { __shfl_down_sync(kAll, 1.0f, 5); }
__global__ void shuffles(float* out) {
  const int lane = threadIdx.x % 32;
  const float value = __shfl_down_sync(kAll, 1.0f * threadIdx.x, lane % 4);
  out[threadIdx.x] = value + __shfl_up_sync(kAll, 1000.0f * threadIdx.x, 2);
}
__global__ void reverses(float* out, bool waits) {
  NC_DYNAMIC_SHARED(float, shared);
  shared[threadIdx.x] = threadIdx.x;
  if (waits) __syncthreads();
  out[blockIdx.x * blockDim.x + threadIdx.x] = shared[blockDim.x - 1 - threadIdx.x];
}
__global__ void arrives(int64_t* count, int64_t* turns, bool together) {
  if (together) __syncthreads();
  turns[(*count)++] = blockIdx.x * blockDim.x + threadIdx.x;
}
NC_API int meet(int64_t grid, int64_t block, int64_t shared) {
  NC_LAUNCH_TOGETHER(meets, grid, block, shared, nullptr);
  return nc::cuda_status();
}
NC_API void arrive(int64_t* turns) {
  int64_t count = 0;
  NC_LAUNCH(arrives, 5, 40, 0, nullptr, &count, turns, false);
  NC_LAUNCH_TOGETHER(arrives, 5, 40, 0, nullptr, &count, turns, true);
}
NC_API void meet_alone() { NC_LAUNCH(meets, 1, 2, 0, nullptr); }
NC_API void vote_alone() { NC_LAUNCH(votes, 1, 2, 0, nullptr, kAll); }
NC_API void vote_of_some() { NC_LAUNCH_TOGETHER(votes, 1, 32, 0, nullptr, 1u); }
NC_API void meet_of_some() { NC_LAUNCH_TOGETHER(some_meet, 1, 64, 0, nullptr); }
NC_API void lane_leaves() { NC_LAUNCH_TOGETHER(some_vote, 1, 64, 0, nullptr); }
NC_API void read_beyond() { NC_LAUNCH_TOGETHER(reads_beyond, 1, 40, 0, nullptr); }
NC_API void shuffle(float* out) { NC_LAUNCH_TOGETHER(shuffles, 1, 64, 0, nullptr, out); }
NC_API void reverse(float* out, int64_t waits) {
  NC_LAUNCH_TOGETHER(reverses, 20, 64, 64 * sizeof(float), nullptr, out, waits);
}
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    if COMPILER is None:
        pytest.skip("no g++ to compile the CUDA shim with")
    folder = tmp_path_factory.mktemp("small")
    (folder / "small.cu").write_text(KERNELS_OF_OURS)
    return compile_library("shim", folder, "-O1", sources=[folder / "small.cu"])


@pytest.mark.parametrize(
    ("blocks", "threads", "shared", "status"),
    [(2, 33, 0, 0), (0, 32, 0, 9), (1, 1025, 0, 9), (1, 32, 48 * 1024 + 4, 9)],
)
def test_shim_refuses_what_gpus_refuse(small, blocks, threads, shared, status):
    meet = ctypes.CDLL(str(small)).meet
    meet.argtypes = [ctypes.c_int64] * 3
    assert meet(blocks, threads, shared) == status
    assert meet(1, 1, 0) == 0  # an error is reported once


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("meet_alone", "__syncthreads in a launch without NC_LAUNCH_TOGETHER"),
        ("vote_alone", "a warp operation in a launch without NC_LAUNCH_TOGETHER"),
        ("vote_of_some", "a warp operation of some lanes only"),
        ("meet_of_some", "deadlock: not every thread reaches a barrier"),
        ("lane_leaves", "deadlock: not every thread reaches a barrier"),
        ("read_beyond", "a lane that is not there"),
    ],
)
def test_shim_stops_at(small, function, message):
    code = f"import ctypes; x = ctypes.CDLL({str(small)!r}); x.shim_order(7); x.{function}()"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f"{message} (order of seed 7)" in done.stderr


def test_shuffles_of_two_warps(small):
    out = torch.empty(64)
    ctypes.CDLL(str(small)).shuffle(ctypes.c_void_p(out.data_ptr()))
    thread = torch.arange(64)
    lane = thread % 32
    down = torch.where(lane + lane % 4 < 32, thread + lane % 4, thread)
    up = torch.where(lane >= 2, thread - 2, thread)
    assert torch.equal(out, (down + 1000 * up).float())


def test_a_missing_barrier(small):
    """Threads read before others have written: NaN, with which shared memory begins."""
    reverse, expected = ctypes.CDLL(str(small)).reverse, torch.arange(63.0, -1, -1).repeat(20)
    out = torch.empty(20 * 64)
    for waits, right in ((1, True), (0, False)):
        reverse(ctypes.c_void_p(out.data_ptr()), ctypes.c_int64(waits))
        assert torch.equal(out, expected) == right


def turns(library: ctypes.CDLL, seed: int) -> torch.Tensor:
    """[2, 200] the order of 5 blocks of 40 threads: in a plain launch, and behind a barrier."""
    out = torch.empty(2, 200, dtype=torch.int64)
    with ordered(library, seed):
        library.arrive(ctypes.c_void_p(out.data_ptr()))
    return out


def test_orders(small):
    """Ascending, or shuffled: blocks after each other, all their threads, the same every time."""
    library, ascending = ctypes.CDLL(str(small)), torch.arange(200)
    assert torch.equal(turns(library, 0), ascending.expand(2, -1))
    for seed in (1, 2**63 + 1):
        shuffled = turns(library, seed)
        assert torch.equal(shuffled, turns(library, seed))
        assert torch.equal(shuffled.sort(1).values, ascending.expand(2, -1))
        assert (shuffled.view(2, 5, 40) // 40 == shuffled[:, ::40, None] // 40).all()
        assert (shuffled != ascending).float().mean() > 0.8
    assert not torch.equal(turns(library, 1), turns(library, 2))


def broken(folder: Path, name: str, right: str, wrong: str, *flags: str) -> Path:
    """The library of one .cu file in which `right` is replaced."""
    if COMPILER is None:
        pytest.skip("no g++ to compile the CUDA shim with")
    source = (SOURCES / "ops" / name / f"{name}.cu").read_text()
    assert right in source
    (folder / f"{name}.cu").write_text(source.replace(right, wrong))
    flags = (*flags, f"-I{SOURCES / 'ops' / name}")
    return compile_library("shim", folder, *flags, sources=[folder / f"{name}.cu"])


def test_a_sum_over_lanes_of_another_cell(tmp_path):
    """The comparison with the CPU sees what the warp of a hash grid adds up wrongly."""
    cpu = load_library("cpu")
    if cpu is None:
        pytest.skip("the kernels are not compiled here")
    wrong = "lane + step <= kWarp - 1) sums"
    library = broken(tmp_path, "hash_encode", "lane + step <= last) sums", wrong, "-O1")
    arguments = with_sizes("hash_encode", 129)
    got = results("hash_encode", arguments, ctypes.CDLL(str(library)))
    want = results("hash_encode", arguments, cpu)
    assert torch.equal(got[0], want[0])
    assert float((got[1] - want[1]).abs().max()) > 0.01


def test_a_barrier_that_ascending_threads_do_not_need(tmp_path):
    """The last of fused_mlp's backward: each thread goes on only after those that it would outrun,
    unless the order is shuffled."""
    cpu = load_library("cpu")
    if cpu is None:
        pytest.skip("the kernels are not compiled here")
    end = "__syncthreads();\n    float* const swap = grad;"
    path = broken(tmp_path, "fused_mlp", end, end.removeprefix("__syncthreads();"), "-O1")
    library, arguments = ctypes.CDLL(str(path)), with_sizes("fused_mlp", 129)
    want = results("fused_mlp", arguments, cpu)
    worst = {}
    for seed in ORDERS:
        with ordered(library, seed):
            got = results("fused_mlp", arguments, library)
        worst[seed] = max(float((a - b).abs().max()) for a, b in zip(got, want, strict=True))
    ascending, shuffled = worst.values()
    assert ascending < 1e-4
    assert shuffled > 0.1, f"order of seed {ORDERS[1]}"


@pytest.mark.parametrize(
    ("name", "right", "wrong", "found"),
    [
        ("spherical_harmonics", "i < points", "i <= points", "sh_forward"),  # one too many
        ("fused_mlp", "= 2 * mlp.widest", "= 1 * mlp.widest", "mlp_forward"),  # too little memory
    ],
)
def test_sanitizer_finds(name, right, wrong, found, tmp_path):
    runtime = sanitizer_runtime()
    if runtime is None:
        pytest.skip("no g++ with an address sanitizer")
    library = broken(tmp_path, name, right, wrong, *SANITIZE)
    done = exercise("shim", library, runtime, name)
    assert done.returncode != 0
    assert "heap-buffer-overflow" in done.stderr
    assert found in done.stderr
