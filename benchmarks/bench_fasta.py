"""FASTA to token shards: ours, needletail with a numpy table, and Biopython with a dictionary, in one run.

Every arm reads the same 60-column DNA FASTA, maps letters to the ids of the joint vocabulary, and leaves
tokens, lengths and names on disk, flushed to the device. Arms take turns within a round, so that a busy machine slows all of
them; what is printed is the median over rounds and the ratio of medians. Biopython reads the first
tenth of the file only.

    python benchmarks/bench_fasta.py [--megabytes 200] [--rounds 5] [--gigabytes 5]

`--gigabytes` also makes a file of that size and reports the peak memory of the whole way, in a process
of its own.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from biolect.bio.io.fasta import Codes, read_codes
from biolect.bio.sequence import Modality
from biolect.data.shards import MemberWriter
from biolect.files import open_input
from biolect.tokens.vocabulary import Vocabulary

VOCABULARY = Vocabulary.joint()
TABLE = VOCABULARY.residue_table(Modality.DNA)
WIDTH = 60


def make(path: Path, megabytes: int) -> int:
    """Write records of log-normal length, median 1,500; return the number of residues."""
    rng = np.random.default_rng(0)
    letters = np.frombuffer(b"ACGT", dtype=np.uint8)[rng.integers(0, 4, 1 << 24)].tobytes()
    written = residues = number = 0
    with open(path, "wb") as stream:
        while written < megabytes * 1_000_000:
            length = int(np.clip(rng.lognormal(np.log(1_500), 0.7), 100, 20_000))
            start = int(rng.integers(0, len(letters) - length))
            text = letters[start : start + length]
            lines = b"\n".join([text[i : i + WIDTH] for i in range(0, length, WIDTH)])
            written += stream.write(b">seq%d some description here\n%b\n" % (number, lines))
            residues, number = residues + length, number + 1
    return residues


def ours(path: Path, folder: Path) -> int:
    total = 0
    with open_input(path) as stream, MemberWriter(folder, VOCABULARY) as writer:
        for block in read_codes(stream, Modality.DNA, TABLE):
            if isinstance(block, Codes):
                writer.add_block(block.codes, np.diff(block.offsets), block.names, Modality.DNA)
                total += len(block.codes)
    return total


def ours_codes_alone(path: Path, folder: Path) -> int:
    with open_input(path) as stream:
        return sum(len(block.codes) for block in read_codes(stream, Modality.DNA, TABLE) if isinstance(block, Codes))


def finish(folder: Path, lengths: list[int], names: list[str]) -> int:
    """Write what goes with the tokens, and bring all of it to the disk, as our store does."""
    np.save(folder / "lengths.npy", np.array(lengths))
    (folder / "names").write_text("\n".join(names))
    for path in folder.iterdir():
        with open(path, "rb") as stream:
            os.fsync(stream.fileno())
    return sum(lengths)


def needletail_and_numpy(path: Path, folder: Path) -> int:
    import needletail

    folder.mkdir()
    lengths, names = [], []
    with open(folder / "tokens", "wb") as tokens:
        for record in needletail.parse_fastx_file(str(path)):
            ids = TABLE[np.frombuffer(record.seq.encode(), dtype=np.uint8)]
            tokens.write(ids.data)
            lengths.append(len(ids))
            names.append(record.id.split(None, 1)[0])
    return finish(folder, lengths, names)


def biopython_and_dictionary(path: Path, folder: Path) -> int:
    from Bio import SeqIO

    folder.mkdir()
    ids = {chr(byte): int(TABLE[byte]) for byte in range(256) if TABLE[byte] != 255}
    lengths, names = [], []
    with open(folder / "tokens", "wb") as tokens:
        for record in SeqIO.parse(path, "fasta"):
            codes = bytes([ids[letter] for letter in record.seq])
            tokens.write(codes)
            lengths.append(len(codes))
            names.append(record.id)
    return finish(folder, lengths, names)


def compare(work: Path, megabytes: int, rounds: int) -> None:
    whole, tenth = work / "whole.fa", work / "tenth.fa"
    residues = {whole: make(whole, megabytes), tenth: make(tenth, max(1, megabytes // 10))}
    arms: dict[str, tuple[Callable[[Path, Path], int], Path]] = {
        "ours": (ours, whole),
        "ours, codes alone": (ours_codes_alone, whole),
        "needletail + numpy table": (needletail_and_numpy, whole),
        "Biopython + dictionary": (biopython_and_dictionary, tenth),
    }
    speeds: dict[str, list[float]] = {name: [] for name in arms}
    for turn in range(rounds + 1):
        for name, (arm, path) in arms.items():
            with tempfile.TemporaryDirectory(dir=work) as folder:
                start = time.perf_counter()
                found = arm(path, Path(folder) / "store")
                seconds = time.perf_counter() - start
            if found != residues[path]:
                raise SystemExit(f"{name} read {found} residues of {residues[path]}")
            # The first turn fills caches and imports.
            if turn:
                speeds[name].append(path.stat().st_size / 1e6 / seconds)
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    print(f"{megabytes} MB, {rounds} rounds, load {os.getloadavg()[0]:.1f}, one process")
    for name, values in speeds.items():
        ratio = medians["ours"] / medians[name]
        print(f"{name:28s} {medians[name]:8.0f} MB/s ({min(values):.0f} to {max(values):.0f}), ours is {ratio:5.2f}x")


def memory(work: Path, gigabytes: int) -> None:
    path = work / "large.fa"
    make(path, gigabytes * 1_000)
    code = f"import runpy; runpy.run_path({__file__!r}, run_name='child')['report_memory']({str(path)!r}, {str(work / 'store')!r})"
    subprocess.run([sys.executable, "-c", code], check=True)


def report_memory(path: str, folder: str) -> None:
    start = time.perf_counter()
    total = ours(Path(path), Path(folder))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{os.path.getsize(path) / 1e9:.1f} GB, {total / 1e9:.2f} G residues: {seconds:.0f} s, peak memory {peak:.0f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--gigabytes", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        if asked.rounds:
            compare(Path(work), asked.megabytes, asked.rounds)
        if asked.gigabytes:
            memory(Path(work), asked.gigabytes)


if __name__ == "__main__":
    main()
