"""How often is what the detector finds in running text really a sequence?

    python studies/interleaved_precision.py                check the labels, print the tables
    python studies/interleaved_precision.py --draw         draw a sample to label; kept verdicts stay

Verdicts were given by reading each extraction in its context: `correct`, `boundaries` (letters of the
written sequence are missing or foreign ones are in), `modality`, `not_a_sequence`. The labels name
places and digests only, no text. An extraction that is no longer found ends the run with exit code 1.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import math
import os
import random
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from biolect.bio.io import read_records
from biolect.bio.sequence import Sequence
from biolect.data.extraction import read_protein
from biolect.data.interleaved import extract
from biolect.data.mining import read_text_documents

DATA = Path(os.environ.get("BIOLECT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
TEXTS = DATA / "interleaved_text"
NEGATIVES = "plos_text_without_sequences.jsonl.gz"
LABELS = Path(__file__).with_suffix("") / "labels.tsv"
COLUMNS = ("file", "document", "start", "stop", "length", "sha1", "rule", "modality", "verdict")
PER_STRATUM = 60
SEED = 20241
Z = 1.959964


def found() -> Iterator[dict[str, str]]:
    """All extractions of the positive sets, one row each, without a verdict."""
    for path in sorted([*TEXTS.glob("*.gz"), *TEXTS.glob("*/*.gz")]):
        if path.name == NEGATIVES:
            continue
        for document in read_text_documents(path):
            for e in extract(document.text):
                digest = hashlib.sha1(e.residues.encode()).hexdigest()
                place = (str(path.relative_to(TEXTS)), document.name, e.start, e.stop, len(e.residues), digest, e.rule, e.modality, "")
                yield dict(zip(COLUMNS, map(str, place), strict=True))


def key(row: dict[str, str]) -> tuple[str, ...]:
    """What must stay the same for a verdict to hold."""
    return tuple(row[c] for c in COLUMNS[:-1])


def source(row: dict[str, str]) -> str:
    """Folder or file that a row comes from."""
    return row["file"].split("/")[0].removesuffix(".gz").removesuffix(".jsonl")


def wilson(good: int, n: int) -> tuple[float, float]:
    """95 % score interval of a share."""
    p, d = good / n, 1 + Z * Z / n
    half = Z * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
    return (p + Z * Z / (2 * n) - half) / d, (p + Z * Z / (2 * n) + half) / d


def draw() -> None:
    """Write a stratified sample, with the verdicts that are known already."""
    known = {key(row): row["verdict"] for row in read_labels()} if LABELS.exists() else {}
    strata = defaultdict(list)
    for row in found():
        strata[source(row), row["rule"]].append(row)
    # One generator a stratum: what changes in one leaves the draws of the others alone.
    sample = [row for s, rows in sorted(strata.items()) for row in random.Random(f"{SEED} {s}").sample(rows, min(PER_STRATUM, len(rows)))]
    with LABELS.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        for row in sorted(sample, key=lambda r: (r["file"], r["document"], int(r["start"]))):
            writer.writerow(row | {"verdict": known.get(key(row), "")})
    print(f"{len(sample)} drawn, {sum(key(r) not in known for r in sample)} to label in {LABELS}")


def read_labels() -> list[dict[str, str]]:
    """Rows of the label file."""
    with LABELS.open(newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def report() -> int:
    """Print precision by source and rule; return the number of labels that are no longer found."""
    labels = read_labels()
    everything = Counter(key(row) for row in found())
    lost = [row for row in labels if key(row) not in everything]
    verdicts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    population = Counter((row[0].split("/")[0].removesuffix(".gz").removesuffix(".jsonl"), row[6]) for row in everything.elements())
    for row in labels:
        verdicts[source(row), row["rule"]][row["verdict"]] += 1
    print("| source | rule | found | judged | correct | boundaries | modality | not a sequence | precision, 95 % |")
    print("|---|---|---|---|---|---|---|---|---|")
    total: Counter[str] = Counter()
    for stratum, counts in sorted(verdicts.items()):
        total += counts
        print(_line(*stratum, population[stratum], counts))
    print(_line("all", "all", sum(population.values()), total))
    weighted = sum(n * verdicts[s]["correct"] / verdicts[s].total() for s, n in population.items() if verdicts[s]) / sum(
        population.values()
    )
    print(f"\nWeighted by how much of each stratum was found: {weighted:.3f}")
    if lost:
        print(f"{len(lost)} labelled extractions no longer found, the first: {lost[0]}. Draw again and judge what is new.", file=sys.stderr)
    return len(lost)


def _line(where: str, rule: str, n: int, counts: Counter[str]) -> str:
    low, high = wilson(counts["correct"], counts.total())
    kinds = " | ".join(str(counts[v]) for v in ("correct", "boundaries", "modality", "not_a_sequence"))
    return f"| {where} | {rule} | {n} | {counts.total()} | {kinds} | {counts['correct'] / counts.total():.3f} ({low:.3f} to {high:.3f}) |"


def negatives() -> None:
    """Count what is found where a person's search found nothing."""
    documents = list(read_text_documents(TEXTS / NEGATIVES))
    hits = [(d.name, e) for d in documents for e in extract(d.text)]
    size = sum(len(d.text) for d in documents)
    print(f"\nNegatives: {len(hits)} extractions in {len(documents)} articles, {size:,} characters. {hits or ''}")


def thresholds() -> None:
    """Compare the evidence rule with a limit of 0.5 nats per letter, on crops of proteins and on English capitals."""
    from biolect.data import extraction

    evidence: Any = extraction._EVIDENCE
    rng = random.Random(SEED)
    records = read_records(DATA / "protein_corpus" / "uniref90_sample.faa.gz", modality="protein")
    proteins = [record.residues for record in records if isinstance(record, Sequence)]
    print("\n| candidates | n | total evidence above 4 nats (ours) | more than 0.5 nats per letter |\n|---|---|---|---|")
    english = " ".join(d.text for d in read_text_documents(TEXTS / NEGATIVES))
    runs = re.findall("[ACDEFGHIKLMNPQRSTVWY]{20,}", re.sub("[^A-Z]", "", english.upper()))
    sets = {
        f"proteins, {n} residues": [s[i : i + n] for s in proteins if len(s) >= n for i in [rng.randrange(len(s) - n + 1)]]
        for n in (20, 30, 50, 100)
    }
    for name, crops in (sets | {"English without spaces": runs}).items():
        crops = [crop for crop in crops if set(crop) <= evidence.keys()]
        ours = sum(read_protein(crop) is not None for crop in crops) / len(crops)
        theirs = sum(sum(evidence[a] for a in crop) > 0.5 * len(crop) for crop in crops) / len(crops)
        print(f"| {name} | {len(crops)} | {ours:.3f} | {theirs:.3f} |")


def main() -> int:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draw", action="store_true", help="draw a sample to label")
    if parser.parse_args().draw:
        draw()
        return 0
    lost = report()
    negatives()
    thresholds()
    return int(lost > 0)


if __name__ == "__main__":
    sys.exit(main())
