"""GenBank to checked documents: ours beside a straightforward Biopython pipeline, in one run.

Both read the records, extract every coding sequence, translate it with its own table, compare it
with the annotated protein, and write the pairs that agree as token ids with their positions on the
gene. Runs alternate, so that a change of the machine's mood meets both. The bar is 4x.

    python benchmarks/bench_genbank.py [FILE.gbff.gz...] [--rounds 5]

Without files: the E. coli genome of the folder of real data (BIOLECT_DATA).
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from biolect.bio.sequence import Modality
from biolect.data.corpus import PrepareOptions
from biolect.data.gather import Gatherer
from biolect.data.shards import MemberStore
from biolect.devices import data_folder
from biolect.tokens.vocabulary import Vocabulary

BAR = 4.0


def ours(paths: list[Path], folder: Path) -> tuple[int, int]:
    """Gather into member stores: views, coordinates and whole records included."""
    with Gatherer(folder, Vocabulary.joint(), PrepareOptions(views=("dna", "protein"), kind="genes")) as gatherer:
        gatherer.read(paths, lambda amount: None)
    store = MemberStore.open(folder / "genes")
    return gatherer.tally.genes, store.total_tokens(Modality.PROTEIN)


def biopython(paths: list[Path], folder: Path) -> tuple[int, int]:
    """Extract, translate, compare, look letters up in a dictionary, write: what a lab script does, with the checks it needs."""
    from Bio import SeqIO

    vocabulary = Vocabulary.joint()
    nucleotides = {letter: vocabulary.id_of(letter.lower()) for letter in "ACGT"}
    amino_acids = {letter: vocabulary.id_of(letter) for letter in "ACDEFGHIKLMNPQRSTVWYXU"}
    documents: dict[str, np.ndarray] = {}
    genes = residues = 0
    for path in paths:
        with gzip.open(path, "rt") if path.suffix == ".gz" else open(path) as stream:
            for record in SeqIO.parse(stream, "genbank"):
                for feature in record.features:
                    if feature.type != "CDS" or "translation" not in feature.qualifiers:
                        continue
                    start = int(feature.qualifiers.get("codon_start", ["1"])[0]) - 1
                    coding = feature.extract(record.seq)[start:]
                    coding = coding[: len(coding) // 3 * 3]
                    derived = str(coding.translate(table=int(feature.qualifiers.get("transl_table", ["1"])[0]))).removesuffix("*")
                    annotated = feature.qualifiers["translation"][0]
                    if derived != annotated and "M" + derived[1:] != annotated:
                        continue
                    dna = [nucleotides.get(letter, 14) for letter in str(coding)]
                    protein = [amino_acids[letter] for letter in annotated]
                    documents[f"{genes}.tokens"] = np.array(dna + protein, dtype=np.uint8)
                    documents[f"{genes}.positions"] = np.array(
                        [*range(1, len(dna) + 1), *range(3, 3 * len(protein) + 1, 3)], dtype=np.int32
                    )
                    genes += 1
                    residues += len(annotated)
    folder.mkdir()
    np.savez(folder / "documents.npz", **documents)
    return genes, residues


def timed(work: Callable[[list[Path], Path], tuple[int, int]], paths: list[Path]) -> tuple[float, tuple[int, int]]:
    folder = Path(tempfile.mkdtemp())
    began = time.perf_counter()
    result = work(paths, folder / "out")
    seconds = time.perf_counter() - began
    shutil.rmtree(folder)
    return seconds, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if not arguments.paths:
        real = data_folder() or Path(__file__).resolve().parents[2] / "shared" / "data"
        arguments.paths = sorted((real / "genbank" / "bacteria").glob("Escherichia*.gbff.gz"))
    if not arguments.paths:
        raise SystemExit("No GenBank file given, and no real data found; name files or set BIOLECT_DATA.")

    seconds: dict[str, list[float]] = {"biolect": [], "biopython": []}
    counts: dict[str, tuple[int, int]] = {}
    for _ in range(arguments.rounds):
        for name, work in (("biolect", ours), ("biopython", biopython)):
            spent, counts[name] = timed(work, arguments.paths)
            seconds[name].append(spent)

    medians = {name: statistics.median(values) for name, values in seconds.items()}
    ratio = medians["biopython"] / medians["biolect"]
    result = {"seconds": medians, "genes_and_residues": counts, "ratio": round(ratio, 2), "bar": BAR, "met": ratio >= BAR}
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
