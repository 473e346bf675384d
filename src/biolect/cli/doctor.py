"""`biolect doctor`: what this machine can do, what is missing, and the command that mends it."""

import re
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from biolect.cli.common import DEFAULTS, Common, finish

Check = tuple[str, bool, str]

NEEDED_GIGABYTES = 2.0
"""Free disk that a demo with its environment and corpus takes, rounded up."""


def doctor(*, common: Common = DEFAULTS) -> int:
    """Say what this machine can do and what is missing, with the command that mends it."""
    checks: list[Check] = []
    for check in (_python, _torch, _compiler, _machine, _extras, _constraints):
        # A broken installation is what the doctor is called for, so nothing that one check raises stops the others.
        try:
            checks.extend(check())
        except Exception as error:
            checks.append((check.__name__.strip("_"), False, f"could not be checked: {error}"))
    return finish({"checks": [{"name": name, "ok": ok, "detail": detail} for name, ok, detail in checks]}, common=common)


def _python() -> Iterator[Check]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    yield "python", sys.version_info >= (3, 11), f"{version} at {sys.executable}; 3.11 or newer is needed"


def _torch() -> Iterator[Check]:
    import torch

    from biolect.devices import bfloat16_gain, training_dtype

    yield "torch", True, f"{torch.__version__}, {torch.get_num_threads()} threads, CPU {torch.backends.cpu.get_cpu_capability()}"
    chosen = training_dtype("auto", "cpu")
    yield "bfloat16", chosen == "bfloat16", f"{bfloat16_gain():.1f} times the speed of float32 on this CPU; training takes {chosen} here"
    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory / 2**30
        yield "gpu", True, f"{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}, {memory:.0f} GiB"
    elif torch.backends.mps.is_available():
        yield "gpu", True, "Apple GPU (mps)"
    else:
        yield "gpu", False, "none found; everything runs on the CPU"


def _compiler() -> Iterator[Check]:
    found = next((path for path in map(shutil.which, ("c++", "g++", "clang++")) if path), None)
    missing = "none; nothing needs one, but compiled training steps do: apt install g++ or xcode-select --install"
    yield "compiler", found is not None, found or missing
    from biolect.devices import cache_folder
    from biolect.ops.mlstm import layer_step
    from biolect.ops.slstm import scan

    functions, notice = scan.kernel(cache_folder())
    yield "sLSTM", functions is not None, notice if functions else f"a plain loop, which is much slower: {notice}"
    functions, notice = layer_step.kernel(cache_folder())
    yield "mLSTM step", functions is not None, notice if functions else f"operations one by one, which is slower: {notice}"


def _machine() -> Iterator[Check]:
    import psutil

    memory = psutil.virtual_memory()
    yield "memory", memory.available > 2**30, f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free"
    disk = shutil.disk_usage(Path.cwd())
    detail = f"{disk.free / 1e9:.0f} GB free here; a demo with its environment takes {NEEDED_GIGABYTES:.0f}"
    yield "disk", disk.free / 1e9 >= NEEDED_GIGABYTES, detail


def _extras() -> Iterator[Check]:
    """Read the optional packages from our own metadata, so that the list is written once."""
    ours = metadata.metadata("biolect")
    for extra in ours.get_all("Provides-Extra") or []:
        lines = [line for line in metadata.requires("biolect") or [] if f"extra == '{extra}'" in line.replace('"', "'")]
        names = [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in lines]
        missing = [name for name in names if _installed(name) is None]
        yield f"extra {extra}", not missing, f"lacks {', '.join(missing)}: pip install 'biolect[{extra}]'" if missing else ", ".join(names)


def _constraints() -> Iterator[Check]:
    """Compare what is installed with the pinned versions; only a checkout has the file."""
    path = Path(__file__).parents[3] / "constraints.txt"
    if not path.is_file():
        return
    pins = dict(line.split("==") for line in path.read_text().split() if "==" in line)
    differing = [
        f"{name} {found} (pinned {pin})" for name, pin in pins.items() if (found := _installed(name)) and found.split("+")[0] != pin
    ]
    mend = f"{', '.join(differing)}: pip install -c constraints.txt -e ."
    yield "constraints", not differing, mend if differing else "every installed package has its pinned version"


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
