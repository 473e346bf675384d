"""Timing side by side: arms take turns in one process, round by round, so that the machine's mood meets all of them.

A round counts as noisy where other processes used more than 0.3 cores meanwhile; a result, where half of
its rounds did. Ratios are taken inside a round, and their median is what counts.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

PEERS = os.environ.get("BENCH_PEERS", "")
"""A folder of packages that may not stand in our environment: xlstm and mlstm_kernels. README.md says how to fill it."""
QUIET_CORES = 0.3
RESULTS = Path(__file__).resolve().parents[1] / "runs" / "benchmarks.jsonl"


def join_peers() -> None:
    """Put the folder of peers behind our own packages, or end with one line where there is none."""
    if not PEERS:
        print("left out: the peers of this one are not here (BENCH_PEERS, see benchmarks/README.md)")
        sys.exit(0)
    # transformers is first, for it would look for parts of xlstm that are not there.
    import transformers  # noqa: F401

    sys.path.append(PEERS)


@dataclass
class Timing:
    """Rounds of one arm: wall seconds, CPU seconds of this process, and cores that others used."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    foreign: list[float] = field(default_factory=list)

    @property
    def is_noisy(self) -> bool:
        """True where other processes were busy in half of the rounds."""
        return statistics.median(self.foreign) > QUIET_CORES


class _Meter:
    """Wall time, own CPU time, and what all other processes burnt, since it was made."""

    def __init__(self) -> None:
        self.start = self._read()

    def _read(self) -> tuple[float, float, float]:
        machine = psutil.cpu_times()
        busy = sum(machine) - machine.idle - getattr(machine, "iowait", 0.0) - getattr(machine, "guest", 0.0)
        return time.perf_counter(), time.process_time(), busy

    def stop(self, timing: Timing) -> None:
        wall, cpu, busy = (now - before for now, before in zip(self._read(), self.start, strict=True))
        timing.wall.append(wall)
        timing.cpu.append(cpu)
        timing.foreign.append(max(0.0, (busy - cpu) / wall))


def interleave(arms: Mapping[str, Callable[[], object]], *, rounds: int, warmup: int = 1) -> dict[str, Timing]:
    """Run every arm once a round, in alternating order, and time all but the first rounds."""
    timings = {name: Timing() for name in arms}
    for number in range(-warmup, rounds):
        for name in list(arms) if number % 2 else list(reversed(arms)):
            meter = _Meter()
            arms[name]()
            if number >= 0:
                meter.stop(timings[name])
    return timings


def ratio(timing: Timing, base: Timing, *, clock: str = "wall") -> float:
    """Return how many times faster an arm is than the base: the median over rounds."""
    return statistics.median(b / a for a, b in zip(getattr(timing, clock), getattr(base, clock), strict=True))


def report(name: str, timings: Mapping[str, Timing], base: str, *, bars: Mapping[str, float], clock: str = "wall", **facts: Any) -> None:
    """Print one line an arm and append everything to `runs/benchmarks.jsonl`.

    Args:
        base: The arm that ratios are against.
        bars: What an arm has to reach.
        clock: `wall`; `cpu` on one thread of a busy machine.
    """
    print(f"{name}: {clock} time, {len(timings[base].wall)} rounds")
    arms = {}
    for arm, timing in timings.items():
        seconds, times = getattr(timing, clock), ratio(timing, timings[base], clock=clock)
        verdict = "" if arm not in bars else f"  bar {bars[arm]:.1f}x {'met' if times >= bars[arm] else 'MISSED'}"
        noise = f"  noisy: others used {statistics.median(timing.foreign):.1f} cores" if timing.is_noisy else ""
        print(f"  {arm:36s} {1e3 * statistics.median(seconds):9.1f} ms  {times:5.2f}x{verdict}{noise}")
        arms[arm] = {"seconds": seconds, "foreign_cores": timing.foreign, "times": times, "is_noisy": timing.is_noisy}
    RESULTS.parent.mkdir(exist_ok=True)
    with open(RESULTS, "a") as stream:
        stream.write(
            json.dumps({"name": name, "clock": clock, "base": base, "bars": dict(bars), "machine": _machine(), "arms": arms} | facts)
        )
        stream.write("\n")


def _machine() -> dict[str, Any]:
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
    model = next((line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")), platform.processor())
    return {"cpu": model, "cores": psutil.cpu_count(), "python": platform.python_version(), "date": time.strftime("%Y-%m-%d")}
