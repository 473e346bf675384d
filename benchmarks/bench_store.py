"""Reading embeddings back from the disk: the store's second run, beside numpy reading the same numbers from one file.

Vectors of 1,000 proteins of 300 residues, as wide as ESM-2 35M's, in half precision; the system has both files in its memory.

    python benchmarks/bench_store.py [--rounds 5]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from common import interleave, report

from biolect.bio.sequence import Modality, Sequence
from biolect.embed.plain import OneHotEncoder
from biolect.embed.store import EmbeddingStore, sequence_digest
from biolect.values import Floats

PROTEINS, RESIDUES, WIDTH, SHARD = 1_000, 300, 480, 200
BAR = 500e6
"""Bytes a second."""


class Unasked(OneHotEncoder):
    """An encoder that must not be called."""

    def vectors(self, sequence: Sequence) -> Floats:
        raise SystemExit("the encoder was called although everything is in the store")


def main() -> None:
    """Fill a store, and time how long it takes to have everything again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    rng, encoder = np.random.default_rng(0), Unasked(Modality.PROTEIN, axis="residue")
    letters = list(Modality.PROTEIN.alphabet.standard)
    records = [Sequence("".join(rng.choice(letters, RESIDUES)), Modality.PROTEIN, str(i)) for i in range(PROTEINS)]
    digests = [sequence_digest(record) for record in records]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = EmbeddingStore(folder / "store", encoder)
        whole = rng.standard_normal((PROTEINS, RESIDUES, WIDTH)).astype(np.float16)
        for start in range(0, PROTEINS, SHARD):
            store.add(dict(zip(digests[start : start + SHARD], whole[start : start + SHARD], strict=True)))
        np.save(folder / "whole.npy", whole)

        def again() -> float:
            found = EmbeddingStore(folder / "store", encoder)
            return float(sum(found[digest].nbytes for digest in digests))

        assert again() == whole.nbytes
        timings = interleave({"numpy, one file": lambda: np.load(folder / "whole.npy").nbytes, "ours": again}, rounds=rounds)
    title = f"{whole.nbytes / 1e6:.0f} MB of vectors, {PROTEINS:,} sequences"
    report(title, timings, "numpy, one file", bars={}, clock="wall", megabytes=whole.nbytes / 1e6)
    seconds = float(np.median(timings["ours"].wall))
    print(
        f"ours: {whole.nbytes / seconds / 1e6:,.0f} MB/s, bar {BAR / 1e6:.0f} MB/s {'met' if whole.nbytes / seconds >= BAR else 'MISSED'}"
    )


if __name__ == "__main__":
    main()
