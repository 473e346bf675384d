"""What do frozen models know of proteins and molecules that letters, fingerprints and chance do not?

    python studies/probes.py probe [--proteins DIR] [--molecules DIR] [--output DIR] [--seeds N] [--scale NAME]
    python studies/probes.py report [--output DIR] [--scale NAME] [--draws N]

The models are those that `families.py` and `molecules.py` trained, taken from their output folders, XLSTM and Transformer
alike; nothing is trained here but ridge regressions. `probe` asks whatever is there and was not asked, one file of answers
a task and kind of features; `report` writes the table from them, both in a folder of the scale below studies/probes.

location    four large classes of a protein's place in the cell, accuracy; mean hidden state of its first residues
structure   three states of every residue (helix, strand, other), accuracy; hidden state of the residue
esol        log solubility of a molecule, R2; mean hidden state
bbbp        whether a molecule passes into the brain, AUROC; mean hidden state

Beside every model stands its own beginning: the same backbone with the weights drawn from its seed, untrained. Beside all
stand composition (letters, and pairs of them), for residues the letters around each, on both sides and on the left one
only, which is all that a causal model has, and for molecules Morgan fingerprints. Penalties are chosen on training items
alone. Every item is asked once, by a probe that was trained on other clusters: five parts, whole clusters of relatives of
proteins, whole scaffolds of molecules. Intervals are 95 %, clusters and training seeds drawn anew; gains are paired, those
over a baseline over the one that is best in hindsight.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars
import torch
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV

from biolect import metrics
from biolect.bio import chemistry
from biolect.bio.io import read_records
from biolect.bio.sequence import Modality, Sequence
from biolect.data.labelled import clusters_of
from biolect.embed.encoder import Choice
from biolect.embed.native import NativeEncoder
from biolect.files import atomic_path
from biolect.infer.reader import Reader

DATA = Path(os.environ.get("BIOLECT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
RESULTS = Path(__file__).with_suffix("")
# Proteins of location, chains, their residues at most, molecules of each set.
SCALES = {"pilot": (60, 20, 64, 100), "hour": (300, 200, 200, 2_000), "full": (300, 600, 400, 5_000)}
STATES = {"H": 0, "G": 0, "I": 0, "E": 1, "B": 1}
PLACES = ("Cell.membrane-U", "Cytoplasm-U", "Extracellular-U", "Nucleus-U")
SIDE, PARTS, BITS = 7, 5, 2_048
PENALTIES = np.logspace(-2, 5, 15)
# Where the models lie, by modality: a pattern of run folders, whose last number is the seed.
RUNS = {Modality.PROTEIN: "*-{seed}-*", Modality.MOLECULE: "alone-*-{seed}"}
Features = list[NDArray[np.floating[Any]]]


class Task(NamedTuple):
    """Items with what is asked of each: rows of targets, one a residue where residues are asked, else one."""

    name: str
    items: list[Sequence]
    targets: list[NDArray[np.float64]]
    clusters: NDArray[np.int64]
    by_residue: bool = False


def tasks(scale: str) -> Iterator[Task]:
    """Read the four tasks."""
    proteins, chains, longest, molecules = SCALES[scale]
    found = read_records(DATA / "protein_corpus" / "subcellular_location_new_hard_set.faa.gz", modality="protein")
    some = [r for r in found if isinstance(r, Sequence) and r.description.split()[0] in PLACES][:proteins]
    codes = [PLACES.index(one.description.split()[0]) for one in some]
    items = [Sequence(one.residues[:longest], Modality.PROTEIN, one.name) for one in some]
    yield Task("location", items, [np.eye(len(PLACES))[[code]] for code in codes], clusters_of(some).astype(np.int64))
    table = polars.read_csv(DATA / "protein_corpus" / "secondary_structure_8class.csv.gz")
    rows = [row for row in table.iter_rows() if len(row[0]) <= longest][:chains]
    items = [Sequence.read(letters, Modality.PROTEIN, unknown="mask") for letters, _ in rows]
    states = [np.eye(3)[[STATES.get(state, 2) for state in row[1]]] for row in rows]
    yield Task("structure", items, states, clusters_of(items).astype(np.int64), by_residue=True)
    for name, column in (("esol", "measured log solubility in mols per litre"), ("bbbp", "p_np")):
        with gzip.open(DATA / "smiles" / "molnet" / f"{name}.csv.gz", "rt") as stream:
            pairs = [(row["smiles"].strip(), float(row[column])) for row in csv.DictReader(stream)]
        order = np.random.default_rng(0).permutation(len(pairs))[:molecules].tolist()
        parsed = [(*pairs[i], chemistry.parse(pairs[i][0]).molecule) for i in order]
        kept = [(text, value, chemistry.scaffold(one) or text) for text, value, one in parsed if one is not None]
        scaffolds = np.unique([scaffold for _, _, scaffold in kept], return_inverse=True)[1]
        items = [Sequence(text, Modality.MOLECULE) for text, _, _ in kept]
        yield Task(name, items, [np.array([[value]]) for _, value, _ in kept], scaffolds.astype(np.int64))


def baselines(task: Task) -> dict[str, Callable[[], Features]]:
    """Return features that no model made, by name."""
    if task.by_residue:
        return {
            "the letter itself": lambda: [around(one, 0, 0) for one in task.items],
            "letters on the left": lambda: [around(one, 2 * SIDE, 0) for one in task.items],
            "letters on both sides": lambda: [around(one, SIDE, SIDE) for one in task.items],
        }
    found: dict[str, Callable[[], Features]] = {
        "composition": lambda: words(task.items, 1),
        "pairs of letters": lambda: words(task.items, 2),
    }
    if task.items[0].modality is Modality.MOLECULE:
        found["fingerprint"] = lambda: [
            np.array(list(chemistry.fingerprint(chemistry.parse(one.residues).molecule, BITS)), dtype=np.float64)[None]
            for one in task.items
        ]
    return found


def around(sequence: Sequence, before: int, after: int) -> NDArray[np.float64]:
    """Return the letters around every residue, one-hot; nothing where there is none."""
    one_hot = np.pad(np.eye(len(sequence.modality.alphabet))[sequence.codes], ((before, after), (0, 0)))
    return np.concatenate([one_hot[i : i + len(sequence)] for i in range(before + after + 1)], axis=1)


def words(items: list[Sequence], size: int) -> Features:
    """Return frequencies of all words of so many letters that occur, and the length."""
    texts = [one.residues for one in items]
    known = {word: i for i, word in enumerate(sorted({t[i : i + size] for t in texts for i in range(len(t) - size + 1)}))}
    rows = np.zeros((len(texts), len(known) + 1))
    for row, text in zip(rows, texts, strict=True):
        np.add.at(row, [known[text[i : i + size]] for i in range(len(text) - size + 1)], 1 / max(1, len(text)))
        row[-1] = np.log(len(text))
    return list(rows[:, None])


def hidden(reader: Reader, task: Task) -> Features:
    """Return hidden states of a model, frozen."""
    axis = "residue" if task.by_residue else "sequence"
    encoder = NativeEncoder(
        reader.model, Choice(axis=axis, batch_tokens=16_384), grammar=reader.grammar, context_tokens=reader.context_tokens
    )
    return [np.asarray(one.vectors, dtype=np.float64) for one in encoder.encode(task.items)]


def answers(task: Task, features: Features) -> list[list[list[float]]]:
    """Return what probes say of every item, each asked by one that was trained on other clusters."""
    _, owner = np.unique(task.clusters, return_inverse=True)
    part = np.random.default_rng(0).permutation(np.arange(owner.max() + 1) % PARTS)[owner]
    found: list[list[list[float]]] = [[] for _ in task.items]
    for asked in range(PARTS):
        learned, test = np.flatnonzero(part != asked), np.flatnonzero(part == asked)
        if not len(test):
            continue
        train = np.concatenate([features[i] for i in learned])
        # Columns that hardly vary in training would be blown up in the test part.
        mean, scale = train.mean(axis=0), np.maximum(train.std(axis=0), 0.05 * train.std() + 1e-9)
        probe = RidgeCV(PENALTIES).fit((train - mean) / scale, np.concatenate([task.targets[i] for i in learned]))
        for i in test.tolist():
            found[i] = np.round(np.reshape(probe.predict((features[i] - mean) / scale), task.targets[i].shape), 4).tolist()
    return found


def kept(path: Path, task: Task, make: Callable[[], Features]) -> None:
    """Write the answers of one kind of features, unless they are there."""
    if path.is_file():
        return
    truth = [target.argmax(axis=1).tolist() if target.shape[1] > 1 else target[:, 0].tolist() for target in task.targets]
    found = {"said": answers(task, make()), "truth": truth, "clusters": task.clusters.tolist()}
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(found) + "\n")
    print(path.stem, flush=True)


def probe(folders: dict[Modality, Path], output: Path, seeds: int, scale: str) -> None:
    """Ask everything that was not asked."""
    torch.set_num_threads(1)
    output.mkdir(parents=True, exist_ok=True)
    for task in tasks(scale):
        for name, make in baselines(task).items():
            kept(output / f"{task.name}+{name}+0.json", task, make)
        modality = task.items[0].modality
        for seed in range(seeds):
            for run in sorted((folders[modality] / "runs").glob(RUNS[modality].format(seed=seed))):
                if not (run / "run.json").is_file():
                    continue
                backbone = "xlstm" if "xlstm" in run.name else "transformer"
                reader = Reader.load(run)
                fresh = Reader(reader.model.config.build(seed=seed).eval(), reader.grammar, reader.context_tokens)
                for state, one in (("trained", reader), ("untrained", fresh)):
                    kept(output / f"{task.name}+{backbone}, {state}+{seed}.json", task, lambda one=one, task=task: hidden(one, task))


class Judged(NamedTuple):
    """Answers to one task: seeds by items, each a list of rows."""

    said: list[list[NDArray[np.float64]]]
    truth: list[NDArray[np.float64]]
    clusters: list[int]

    def value(self, name: str, seeds: NDArray[np.int64], items: NDArray[np.int64]) -> float:
        """Return the measure of a task over drawn seeds and items."""
        truth = np.concatenate([self.truth[i] for i in items])
        return float(np.mean([measure(name, truth, np.concatenate([self.said[s][i] for i in items])) for s in seeds]))


def measure(name: str, truth: NDArray[np.float64], said: NDArray[np.float64]) -> float:
    """Return accuracy, AUROC or R2."""
    if name in ("location", "structure"):
        return float((said.argmax(axis=1) == truth).mean())
    return metrics.auroc(truth, said[:, 0]) if name == "bbbp" else metrics.regression(truth, said[:, 0])["r2"]


def read(output: Path) -> dict[str, dict[str, Judged]]:
    """Return all answers, by task and features."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for path in sorted(output.glob("*+*+*.json")):
        task, features, _ = path.stem.split("+")
        found.setdefault(task, {}).setdefault(features, []).append(json.loads(path.read_text()))
    return {task: {name: judged(runs) for name, runs in rows.items()} for task, rows in found.items()}


def judged(runs: list[dict[str, Any]]) -> Judged:
    """Put the seeds of one kind of features together."""
    said = [[np.array(rows) for rows in run["said"]] for run in runs]
    return Judged(said, [np.array(rows) for rows in runs[0]["truth"]], runs[0]["clusters"])


def report(output: Path, draws: int) -> str:
    """Return the table: every value, and what training adds to the same backbone and to the best baseline, paired."""
    lines = ["| task | features | seeds | items | clusters | value | over the untrained | over the best baseline |", "|---" * 8 + "|"]
    for task, rows in read(output).items():
        whole = np.arange(len(next(iter(rows.values())).truth))
        plain = {name: one.value(task, np.arange(1), whole) for name, one in rows.items() if "trained" not in name}
        best = max(plain, key=lambda name: plain[name])
        for name, one in rows.items():
            over = [name.replace("trained", "untrained"), best] if name.endswith(", trained") else []
            cells = [spread(task, one, None, draws), *(spread(task, one, rows.get(other), draws) for other in over)]
            cells += ["-"] * (3 - len(cells))
            lines.append(f"| {task} | {name} | {len(one.said)} | {len(whole)} | {len(set(one.clusters))} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def spread(task: str, one: Judged, other: Judged | None, draws: int) -> str:
    """Return a value, or a gain over another kind of features on the same items, with its interval."""

    def gain(seeds: NDArray[np.int64], items: NDArray[np.int64]) -> float:
        return one.value(task, seeds, items) - (0.0 if other is None else other.value(task, seeds % len(other.said), items))

    low, high = metrics.bootstrap_interval(gain, one.clusters, num_seeds=len(one.said), draws=draws)
    return f"{gain(np.arange(len(one.said)), np.arange(len(one.truth))):.3f} [{low:.3f}, {high:.3f}]"


def main() -> None:
    """Do one step of the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("probe", "report"))
    parser.add_argument("--proteins", type=Path, default=Path("runs/families"), help="output folder of families.py")
    parser.add_argument("--molecules", type=Path, default=Path("runs/molecules"), help="output folder of molecules.py")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--scale", choices=tuple(SCALES), default="full")
    parser.add_argument("--draws", type=int, default=1_000, help="of the bootstrap")
    asked = parser.parse_args()
    # Answers of different scales are never mixed.
    output = asked.output / asked.scale
    if asked.step == "probe":
        probe({Modality.PROTEIN: asked.proteins, Modality.MOLECULE: asked.molecules}, output, asked.seeds, asked.scale)
    else:
        text = report(output, asked.draws)
        with atomic_path(output / "table.md") as temporary:
            temporary.write_text(text)
        print(text)


if __name__ == "__main__":
    main()
