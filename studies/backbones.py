"""XLSTM or Transformer? Equal tokens, equal data, sizes equal within one per cent, on DNA, proteins and molecules.

    python studies/backbones.py [--scale NAME] [--draws N]

Nothing is trained here: the answers are those of `strands.py`, `families.py` and `molecules.py`, whatever of them is there.
Every row is a mean of what both backbones said of the same items, and their paired difference: bits per residue or symbol,
less is better, so that a negative difference favours XLSTM. Intervals are 95 %, clusters of items and training seeds drawn
anew. Table and figure are written to studies/backbones.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import families
import molecules
import numpy as np
import strands
from numpy.typing import NDArray

from biolect.figures.panels import forest
from biolect.figures.style import save
from biolect.files import atomic_path
from biolect.metrics import bootstrap_interval
from biolect.models.language_model import LanguageModel

RESULTS = Path(__file__).with_suffix("")
PAIR = ("xlstm", "transformer")


class Row(NamedTuple):
    """One question: bits of both backbones, seeds by items, and the cluster of every item."""

    study: str
    question: str
    tokens: int
    bits: dict[str, NDArray[np.float64]]
    clusters: list[int]


def both(found: dict[str, list[list[float]]]) -> dict[str, NDArray[np.float64]] | None:
    """Return as many seeds of both as there are; None where one has none."""
    seeds = min(len(found[name]) for name in PAIR)
    return {name: np.array(found[name][:seeds]) for name in PAIR} if seeds else None


def of_strands(folder: Path, tokens: int) -> Iterator[Row]:
    """Pseudo-bits of held-out windows, by arm."""
    runs = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    for arm in strands.ASKED:
        found = {name: [one["window_bits"] for one in runs if (one["backbone"], one["arm"]) == (name, arm)] for name in PAIR}
        if bits := both(found):
            yield Row("DNA, masked", arm, tokens, bits, runs[0]["regions"])


def of_families(folder: Path, tokens: int) -> Iterator[Row]:
    """Bits of members of held-out families, alone and after homologs."""
    runs = [json.loads(path.read_text()) for path in sorted(folder.glob(f"*-{tokens}.json"))]
    for condition, count in [(one, count) for one in families.CONDITIONS for count in families.CONTEXTS if count or one == "own"]:
        found: dict[str, list[list[float]]] = {name: [] for name in PAIR}
        clusters: list[int] = []
        for run in runs:
            rows = [row for row in run["scores"] if (row["condition"], row["homologs"]) == (condition, count)]
            found[run["arm"]].append([row["nats"] / row["residues"] / np.log(2) for row in rows])
            clusters = [row["cluster"] for row in rows]
        if clusters and (bits := both(found)):
            yield Row("proteins, causal", f"after {count} {condition}" if count else "alone", tokens, bits, clusters)


def of_molecules(_: Path, tokens: int) -> Iterator[Row]:
    """Bits of molecules of held-out domains, after others."""
    for kind in molecules.CONTROLS:
        for count in molecules.SHOWN:
            found: dict[str, list[list[float]]] = {name: [] for name in PAIR}
            clusters: list[int] = []
            for name in PAIR:
                for rows in molecules.answers_of("context", name, tokens):
                    found[name].append([row[f"{kind}-{count}"]["bits"] for row in rows])
                    clusters = [row["cluster"] for row in rows]
            if clusters and (bits := both(found)):
                yield Row("molecules, causal", f"after {count} {kind}", tokens, bits, clusters)


def sizes() -> str:
    """Return how many weights both have in every study."""
    parts = []
    words: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("DNA", "dna-12", strands.BACKBONES),
        ("proteins", families.VOCABULARY, families.BACKBONES),
        ("molecules", "smiles-176", molecules.BACKBONES),
    )
    for name, vocabulary, backbones in words:
        built = [LanguageModel.Config(vocabulary=vocabulary, backbone=backbones[one]).build(0).num_parameters for one in PAIR]
        parts.append(f"{name} {built[0]:,} and {built[1]:,}")
    return f"Weights of XLSTM and Transformer: {'; '.join(parts)}."


def line_of(row: Row, draws: int) -> tuple[str, tuple[float, float, float]]:
    """Return one line of the table, and the difference with its interval."""
    first, second = (row.bits[name] for name in PAIR)

    def difference(seeds: NDArray[np.int64], items: NDArray[np.int64]) -> float:
        return float((first[np.ix_(seeds, items)] - second[np.ix_(seeds, items)]).mean())

    low, high = bootstrap_interval(difference, row.clusters, num_seeds=len(first), draws=draws)
    gap = float((first - second).mean())
    counts = f"{len(first)} | {first.shape[1]} | {len(set(row.clusters))}"
    values = f"{first.mean():.3f} | {second.mean():.3f} | {gap:+.3f} [{low:+.3f}, {high:+.3f}]"
    return f"| {row.study} | {row.question} | {row.tokens:,} | {counts} | {values} |", (gap, low, high)


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=tuple(strands.SCALES), default="full")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--draws", type=int, default=1_000, help="of the bootstrap")
    asked = parser.parse_args()
    parts: tuple[tuple[Callable[[Path, int], Iterator[Row]], Path, int], ...] = (
        (of_strands, strands.HERE / asked.scale, strands.SCALES[asked.scale].tokens),
        (of_families, families.RESULTS, families.SCALES[asked.scale][0]),
        (of_molecules, molecules.RESULTS, molecules.SCALES[asked.scale].tokens),
    )
    lines = ["| study | question | tokens | seeds | items | clusters | xlstm | transformer | difference |", "|---" * 9 + "|"]
    rows = [row for read, folder, tokens in parts for row in read(folder, tokens)]
    found = [line_of(row, asked.draws) for row in rows]
    text = "\n".join([sizes(), "", *lines, *(line for line, _ in found)]) + "\n"
    drawn = {f"{row.study}, {row.question}": gap for row, (_, gap) in zip(rows, found, strict=True)}
    with atomic_path(asked.output / f"table-{asked.scale}.md") as temporary:
        temporary.write_text(text)
    save(forest(drawn, "XLSTM minus Transformer, bits per residue or symbol", {}, 0.0), asked.output / f"differences-{asked.scale}")
    print(text)


if __name__ == "__main__":
    main()
