"""The whole of `fuse --fuser all` on the abundance of 3,627 genes of E. coli: every arm, control and baseline, with stand-ins as encoders.

There is no peer: the bar is 15 minutes on two cores for five seeds. The verb runs twice on one store of embeddings: once
with ten steps, which fills it, and then as it comes, which is timed; with one seed, unless more are asked for.

    python benchmarks/bench_fuse.py [--seeds 5] [--threads 2]

It reads the folder of real data (BIOLECT_DATA), and is left out where that is absent.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from biolect.devices import data_folder

BAR, SEEDS = 900, 5
TABLE = "mrna/ecoli_protein_abundance_3627.csv.gz"


def fused(table: Path, folder: Path, name: str, seeds: int, threads: int, *more: str) -> float:
    """Seconds of the verb."""
    options = ["--target", "log10_abundance", "--sequence", "cds", "--split", "split", "--fuser", "all", "--seeds", str(seeds)]
    others = ["genetic_code=11", f"cache={folder / 'cache'}", "--allow-leakage", "--threads", str(threads), "--output", str(folder / name)]
    started = time.perf_counter()
    subprocess.run([Path(sys.executable).with_name("biolect"), "fuse", table, *options, *others, *more], check=True)
    return time.perf_counter() - started


def main() -> None:
    """Time it, and print a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    real = data_folder() or Path(__file__).resolve().parents[2] / "shared" / "data"
    if not (real / TABLE).is_file():
        print("left out: the folder of real data is not here (BIOLECT_DATA)")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fused(real / TABLE, folder, "filled", 1, arguments.threads, "fit.steps=10")
        seconds = fused(real / TABLE, folder, "whole", arguments.seeds, arguments.threads)
    facts = {"seeds": arguments.seeds, "threads": arguments.threads, "seconds": round(seconds)}
    if arguments.seeds == SEEDS:
        facts |= {"bar": BAR, "verdict": "met" if seconds <= BAR else "MISSED"}
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
