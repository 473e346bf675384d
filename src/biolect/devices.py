"""Where to compute: device, precision and threads. The only reader of environment variables."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from biolect.errors import ConfigError, InputError

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
DtypeName = Literal["auto", "float32", "bfloat16"]
TrainingDtype = Literal["auto", "float32", "bfloat16", "float64"]

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


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
    if dtype != "auto" and dtype not in _DTYPES:
        raise ConfigError(f"dtype = {dtype!r} is not known. Choose auto, float32 or bfloat16.")
    if threads is not None and threads < 1:
        raise ConfigError(f"threads = {threads} is not a positive number. Leave it out to use every core.")
    if device != "auto" and not there[device]:
        found = ", ".join(name for name, is_there in there.items() if is_there)
        raise ConfigError(f"device = {device!r} is not available here; available: {found}. Choose one of these, or auto.")
    chosen = next(name for name, is_there in there.items() if is_there) if device == "auto" else device
    if threads is not None:
        torch.set_num_threads(threads)
    if dtype == "auto":
        precision = torch.bfloat16 if chosen == "cuda" and torch.cuda.is_bf16_supported() else torch.float32
    else:
        precision = _DTYPES[dtype]
    name = torch.cuda.get_device_name() if chosen == "cuda" else chosen
    num_threads = torch.get_num_threads()
    notice = f"Computing on {name} in {str(precision).removeprefix('torch.')}, {num_threads} thread{'s' if num_threads != 1 else ''}."
    return Placement(torch.device(chosen), precision, num_threads, notice)


def training_dtype(name: TrainingDtype, device: torch.device | str) -> TrainingDtype:
    """Return the precision to train in: `auto` is bfloat16 where the device has it in hardware, float32 elsewhere.

    A CPU that only emulates bfloat16 multiplies matrices 60 times slower in it than in float32.
    """
    if name != "auto":
        return name
    kind = torch.device(device).type
    has_it = torch.cuda.is_bf16_supported(including_emulation=False) if kind == "cuda" else kind == "cpu" and fast_bfloat16()
    return "bfloat16" if has_it else "float32"


def fast_bfloat16() -> set[str]:
    """Return the CPU's own instructions for bfloat16, as the system names them; empty where there are none, or it does not say."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return set()
    named = [value.split() for key, _, value in (line.partition(":") for line in text.splitlines()) if key.strip() in ("flags", "Features")]
    return {"avx512_bf16", "amx_bf16", "bf16"} & {flag for flags in named for flag in flags}


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
    named = os.environ.get("BIOLECT_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
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
