"""At which length of context does a recurrent model win, and at which a Transformer?

    python studies/context_length.py [--xlstm MODEL] [--transformer MODEL] [--corpus DIR] [--items N]

The same 32 residues of held-out records, whose relatives neither model read, after so many residues that stand before them: no
more than a few, as many as training had in one context (1,024 tokens), and four times as many. Both models were trained on the
same genes with equal tokens and about equal weights (`studies/weights.py`, see docs/results.md). Bits per residue with 95 %
intervals over clusters of relatives; differences are paired. Writes studies/context_length/table.md and its curves; answers of a
modality are kept beside them and not asked again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biolect.bio.sequence import Modality
from biolect.data.corpus import Corpus
from biolect.data.document import Member
from biolect.figures.curves import prompt_curves
from biolect.figures.style import save
from biolect.infer.prompt import Prompt
from biolect.infer.reader import Reader
from biolect.metrics import bootstrap_interval
from biolect.objectives.causal import shifted

HERE = Path(__file__).with_suffix("")
ASKED, MOST = 32, 8
"""Residues asked about, and windows of one record at most."""
LENGTHS = {Modality.DNA: (0, 4, 16, 64, 256, 960, 3_840), Modality.PROTEIN: (0, 4, 16, 64, 256)}


def windows_of(corpus: Corpus, modality: Modality, longest: int, items: int) -> tuple[list[Member], list[int]]:
    """Return windows of held-out records, with so much before what is asked, and their clusters."""
    rng, found = np.random.default_rng(0), list[tuple[Member, int]]()
    for store in corpus.collections.values():
        for group in store.groups_in("test").tolist():
            members = [one for one in store.group(group) if one.modality is modality and len(one) >= longest + ASKED]
            if members:
                member = max(members, key=len)
                last = len(member) - longest - ASKED
                for begin in rng.integers(0, last + 1, size=min(MOST, 1 + last // ASKED)).tolist():
                    found.append((member.slice(begin, begin + longest + ASKED), int(store.cluster_of(group))))
    chosen = rng.permutation(len(found))[:items].tolist()
    return [found[i][0] for i in chosen], [found[i][1] for i in chosen]


def bits(reader: Reader, windows: list[Member], before: int) -> list[float]:
    """Return bits per residue of the last residues of every window, after so many before them."""
    segments = []
    for window in windows:
        text = reader.write(Prompt(), window.slice(len(window) - before - ASKED, len(window)))
        part = text.part(0, -1)
        segments.append(shifted(part, np.arange(len(part) - 1) >= len(part) - 1 - ASKED))
    return [float(-one[-ASKED:].sum() / ASKED / np.log(2)) for one in reader.log_likelihoods(segments)]


def asked(models: dict[str, Path], corpus: Path, modality: Modality, items: int) -> dict[str, object]:
    """Ask both models about one modality."""
    windows, clusters = windows_of(Corpus.open(corpus), modality, max(LENGTHS[modality]), items)
    readers = {name: Reader.load(path, batch_tokens=8_192) for name, path in models.items()}
    found = {name: {str(k): bits(reader, windows, k) for k in LENGTHS[modality]} for name, reader in readers.items()}
    return {"clusters": clusters, "bits": found}


Curve = list[tuple[float, tuple[float, float]]]


def main() -> None:
    """Read the command line and do the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--xlstm", type=Path, default=Path("runs/weights/runs/genes-xlstm"))
    parser.add_argument("--transformer", type=Path, default=Path("runs/weights-tenth/runs/genes-transformer"))
    parser.add_argument("--corpus", type=Path, default=Path("runs/weights/genes"))
    parser.add_argument("--items", type=int, default=400)
    given = parser.parse_args()
    HERE.mkdir(exist_ok=True)
    lines = ["| residues | before | windows | clusters | xlstm | transformer | xlstm minus transformer |", "|---|---|---|---|---|---|---|"]
    curves: dict[str, Curve] = {}
    for modality, lengths in LENGTHS.items():
        path = HERE / f"{modality}.json"
        if not path.is_file():
            models = {"xlstm": given.xlstm, "transformer": given.transformer}
            path.write_text(json.dumps(asked(models, given.corpus, modality, given.items)) + "\n")
        found = json.loads(path.read_text())
        clusters = found["clusters"]
        for k in lengths:
            ours, theirs = (np.array(found["bits"][name][str(k)]) for name in ("xlstm", "transformer"))
            told = [interval(values, clusters) for values in (ours, theirs, ours - theirs)]
            curves.setdefault(str(modality), []).append(told[2])
            cells = " | ".join(f"{value:.3f} [{low:.3f}, {high:.3f}]" for value, (low, high) in told)
            lines.append(f"| {modality} | {k:,} | {len(clusters):,} | {len(set(clusters)):,} | {cells} |")
    longest = max(LENGTHS.values(), key=len)
    drawn = prompt_curves(longest, {"xlstm minus transformer": curves}, "Bits per residue", "Residues before what is asked", 0.0)
    save(drawn, HERE / "curves")
    (HERE / "table.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def interval(values: NDArray[np.float64], clusters: list[int]) -> tuple[float, tuple[float, float]]:
    """Return a mean with its interval over clusters."""
    return float(values.mean()), bootstrap_interval(lambda _, i: float(values[i].mean()), clusters)


if __name__ == "__main__":
    main()
