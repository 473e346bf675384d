"""Provenance: `run.json`, which every output folder holds."""

import hashlib
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

import psutil

from biolect.files.writing import sha256, write_json


def write_run_json(
    folder: str | Path,
    *,
    inputs: Sequence[str | Path] = (),
    config: str | None = None,
    weights: Mapping[str, str | None] | None = None,
    seed: int | None = None,
    **facts: object,
) -> Path:
    """Write `run.json`: everything needed to know how an output folder came about.

    Args:
        folder: Where `run.json` goes; made if it is not there.
        inputs: Files whose digests are noted; standard input is noted by name only.
        config: Text form of the config; its digest is noted.
        weights: Digest and licence of the weights used.
        seed: Of the run, if it drew anything.
        **facts: Anything else that is plain data.
    """
    process = psutil.Process()
    run = {
        "version": metadata.version("biolect"),
        "git_commit": _git_commit(),
        "command": sys.argv,
        "config_sha256": None if config is None else hashlib.sha256(config.encode()).hexdigest(),
        "inputs": {str(p): sha256(p) for p in inputs if Path(p).exists()} | {str(p): None for p in inputs if not Path(p).exists()},
        "weights": dict(weights) if weights else None,
        "seed": seed,
        "host": {"name": platform.node(), "system": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count()},
        "wall_seconds": round(time.time() - process.create_time(), 3),
        "peak_memory_bytes": _peak_memory_bytes(process),
        **facts,
    }
    path = Path(folder) / "run.json"
    write_json(path, run)
    return path


def _git_commit() -> str | None:
    """Commit of the checkout that this code runs from; None for an installed package."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        for question in (["ls-files", "--error-unmatch", __file__], ["rev-parse", "HEAD"]):
            answer = subprocess.check_output([*git, *question], stderr=subprocess.DEVNULL, text=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.strip()


def _peak_memory_bytes(process: psutil.Process) -> int:
    try:
        import resource
    except ImportError:
        return getattr(process.memory_info(), "peak_wset", 0)
    # Linux counts in kibibytes, macOS in bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
