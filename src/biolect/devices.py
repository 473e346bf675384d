"""Where to compute: device, precision and threads. The only reader of environment variables."""

import ctypes
import os
import shutil
import timeit
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Literal

import torch

from biolect.errors import ConfigError, InputError

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
DtypeName = Literal["auto", "float32", "bfloat16"]
Precision = Literal["float32", "bfloat16"]
TrainingDtype = Literal["auto", "float32", "bfloat16", "float64"]

_PAYS = 1.3
"""Speed in bfloat16 over that in float32 from which a CPU trains in bfloat16: products are half to two thirds of a step."""
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1
"""Numbers of settings of the GNU C library, from its malloc.h."""
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Placement:
    """What was chosen.

    Attributes:
        notice: One line for eyes that says what was chosen and why.
    """

    device: torch.device
    dtype: torch.dtype
    threads: int
    notice: str


def choose(device: DeviceName = "auto", dtype: DtypeName = "auto", threads: int | None = None) -> Placement:
    """Choose device and precision, and set the number of CPU threads if one is given.

    `auto` takes a CUDA device before Apple's, and that before the CPU; it computes in bfloat16 on CUDA
    devices that have it, and in float32 everywhere else, where results are exactly repeatable.

    Raises:
        ConfigError: If the device is not there, or the names or the number of threads cannot be.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device != "auto" and device not in there:
        raise ConfigError(f"device = {device!r} is not known. Choose auto, cpu, cuda or mps.")
    if dtype != "auto" and dtype not in DTYPES:
        raise ConfigError(f"dtype = {dtype!r} is not known. Choose auto, float32 or bfloat16.")
    if threads is not None and threads < 1:
        raise ConfigError(f"threads = {threads} is not a positive number. Leave it out to use every core.")
    if device != "auto" and not there[device]:
        found = ", ".join(name for name, is_there in there.items() if is_there)
        raise ConfigError(f"device = {device!r} is not available here; available: {found}. Choose one of these, or auto.")
    chosen = next(name for name, is_there in there.items() if is_there) if device == "auto" else device
    if threads is not None:
        torch.set_num_threads(threads)
    usual = torch.bfloat16 if chosen == "cuda" and torch.cuda.is_bf16_supported() else torch.float32
    precision = DTYPES.get(dtype, usual)
    name = torch.cuda.get_device_name() if chosen == "cuda" else chosen
    num_threads = torch.get_num_threads()
    notice = f"Computing on {name} in {str(precision).removeprefix('torch.')}, {num_threads} thread{'s' if num_threads != 1 else ''}."
    return Placement(torch.device(chosen), precision, num_threads, notice)


def keep_freed_memory() -> bool:
    """Tell the GNU C library to keep what is freed; return whether there is one to tell.

    It gives large blocks back to the system at once, which then zeroes every page that the next tensor touches: a tenth of a step of
    fusion and more. What it keeps lies in pieces, so that work on very large tensors, twice as fast so, may hold half as much again.
    """
    setting = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    return setting is not None and bool(setting(_MMAP_THRESHOLD, 1 << 30) and setting(_TRIM_THRESHOLD, (1 << 31) - 1))


def training_dtype(name: TrainingDtype, device: torch.device | str) -> TrainingDtype:
    """Return the precision to train in: `auto` is bfloat16 where the device is faster in it, float32 elsewhere.

    A CUDA device is faster in it if it has it in hardware. A CPU is asked, for having the instructions is not
    enough: one with avx512_bf16 was measured at 2.2 times the speed of float32, another with it at half.
    """
    if name != "auto":
        return name
    kind = torch.device(device).type
    pays = torch.cuda.is_bf16_supported(including_emulation=False) if kind == "cuda" else kind == "cpu" and bfloat16_gain() > _PAYS
    return "bfloat16" if pays else "float32"


@cache
def bfloat16_gain() -> float:
    """Return how many times faster this CPU multiplies matrices in bfloat16 than in float32; measured once a process.

    The measured processors lie far from the bar of `training_dtype`: 0.02 (emulated), 0.5, and 2.2.
    """
    matrix, threads = torch.ones(384, 384), torch.get_num_threads()
    torch.set_num_threads(1)  # Threads that wait for each other on a busy machine would measure the wait.
    products = [partial(torch.mm, factor, factor) for factor in (matrix, matrix.bfloat16())]
    wide, narrow = (min(timeit.repeat(product, number=1, repeat=8)) for product in products)
    torch.set_num_threads(threads)
    return wide / narrow


def data_folder() -> Path | None:
    """Return the folder of real data that BIOLECT_DATA names; None if it is not set.

    Raises:
        InputError: If it names no folder.
    """
    named = os.environ.get("BIOLECT_DATA")
    if named and not Path(named).is_dir():
        raise InputError(f"BIOLECT_DATA is '{named}', which is no folder. Set it to a folder, or unset it.")
    return Path(named) if named else None


def cache_folder() -> Path:
    """Return the folder for files that can be made again: BIOLECT_CACHE, or the user's own cache."""
    return _cache_folder(*(os.environ.get(name) for name in ("BIOLECT_CACHE", "XDG_CACHE_HOME", "HOME")))


@cache
def _cache_folder(named: str | None, caches: str | None, home: str | None) -> Path:
    """Asked at every token, so it is not put together every time."""
    base = Path(caches or Path(home or Path.home()) / ".cache")
    return Path(named) if named else base / "biolect"


def compiler_cache() -> Path:
    """Return the folder of compiled kernels, after making torch's compiler use it.

    Ours alone: torch's shared folder may hold what a killed process left half written.
    """
    folder = cache_folder() / f"compiled-torch-{torch.__version__}"
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder)
    return folder


def forget_compiled() -> None:
    """Remove all compiled kernels, from disk and from this process."""
    from torch._inductor.utils import clear_caches

    shutil.rmtree(compiler_cache(), ignore_errors=True)
    clear_caches()
    compiler_cache()
