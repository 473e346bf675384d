"""One door to C++ that is compiled at run time, for the CPU it will run on.

Nothing ever depends on it: every compiled operator has a plain twin, which runs where there is no compiler.
"""

import ctypes
import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from biolect.files import atomic_path, sha256

COMPILERS = ("c++", "g++", "clang++")

# No flag that lets infinities or the order of sums go: an empty state has a log of minus infinity.
_FLAGS = ("-O3", "-march=native", "-std=c++17", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared", "-pthread")

_SHARED = Path(__file__).with_name("native.h")


class Library(NamedTuple):
    """Compiled functions, or why there are none.

    Attributes:
        notice: One line for eyes.
    """

    functions: ctypes.CDLL | None
    notice: str


def library(source: Path, folder: Path) -> Library:
    """Compile a C++ file, or load what was compiled of it before.

    What is kept is named after the digests of the source, of the header that all share, and of all that compiler and
    CPU say about themselves, so another machine never runs it, and after its own digest, so a damaged file is seen and
    made again.

    Args:
        folder: Where compiled files are kept.
    """
    compiler = next((path for path in map(shutil.which, COMPILERS) if path), None)
    if compiler is None:
        return Library(None, f"there is no C++ compiler ({', '.join(COMPILERS)}) on the PATH")
    try:
        machine = _run([compiler, "-march=native", "-dM", "-E", "-x", "c++", "-"])
        key = hashlib.sha256(f"{sha256(source)} {sha256(_SHARED)} {_FLAGS} {machine}".encode()).hexdigest()[:16]
        folder = folder / "native"
        for path in folder.glob(f"{source.stem}-{key}-*.so"):
            if path.stem.endswith(sha256(path)[:16]):
                return Library(ctypes.CDLL(str(path)), f"compiled with {compiler}, kept at {path}")
            path.unlink(missing_ok=True)
        with atomic_path(folder / f"{source.stem}-{key}") as fresh:
            _run([compiler, *_FLAGS, "-I", str(_SHARED.parent), str(source), "-o", str(fresh)])
            path = folder / f"{source.stem}-{key}-{sha256(fresh)[:16]}.so"
            fresh.replace(path)
        return Library(ctypes.CDLL(str(path)), f"compiled with {compiler}, kept at {path}")
    except subprocess.CalledProcessError as error:
        complaint = next((line for line in str(error.stderr).splitlines() if "error" in line), str(error))
        return Library(None, f"{compiler} failed: {complaint[:200]}")
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return Library(None, f"{type(error).__name__}: {error}"[:200])


def _run(command: list[str]) -> str:
    return subprocess.run(command, input="", capture_output=True, text=True, check=True, timeout=120).stdout


def addresses(*tensors: Tensor | None) -> list[ctypes.c_void_p]:
    """Return where the numbers of contiguous CPU tensors lie; null for None."""
    for tensor in tensors:
        if tensor is not None and not (tensor.is_contiguous() and tensor.is_cpu):
            raise ValueError("Compiled functions read contiguous tensors on the CPU only.")
    return [ctypes.c_void_p(None if tensor is None else tensor.data_ptr()) for tensor in tensors]
