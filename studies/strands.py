"""What does it help to know that DNA has two strands? Four ways, one masked model each, at equal tokens and size.

    python studies/strands.py [--scale NAME]         all arms and seeds; what is done already is kept
    python studies/strands.py --table                write the table of what is done

`--scale hour` is every arm, seed and question with fewer tokens and items, about an hour of one core; `pilot` takes a few
minutes, to see that everything runs. Scales want output folders of their own.

none        the strand that is written, always
augmented   either strand at random in training; one strand asked
both        the weights of `augmented`; both strands asked and averaged (post-hoc conjoining)
shared      both strands read with the same weights, at half the work for each; no augmentation

Trained on real genomes, scored on regions that share nothing with training. Measured are pseudo-bits per hidden
nucleotide; strand consistency, the mean total variation distance between what the model says of a hidden
place on one strand and on the other (0: one answer for a molecule); and the accuracy of a linear probe on mean hidden
states. The promoters' negatives are the promoters with twelve of their twenty pieces shuffled. Promoters may lie in
the pretraining regions, unlabelled, for every arm alike.

Intervals are over test items (whole regions, clusters of relatives) and seeds, both drawn anew.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from biolect.bio.sequence import Modality, Sequence
from biolect.data.corpus import Corpus, PrepareOptions, prepare
from biolect.data.labelled import clusters_of, drawn_splits
from biolect.embed.encoder import Choice
from biolect.embed.native import NativeEncoder
from biolect.figures.panels import bars
from biolect.figures.style import save
from biolect.infer.masked import hidden_log_probabilities
from biolect.infer.reader import Reader
from biolect.metrics import bootstrap_interval, classification
from biolect.models.transformer import Transformer
from biolect.models.xlstm import XLSTM
from biolect.recipes.dna_xlstm import dna_xlstm_tiny
from biolect.train.curriculum import Folders, RunConfig
from biolect.train.pretrain import pretrain

DATA = Path(os.environ.get("BIOLECT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
HERE = Path(__file__).with_suffix("")
TASKS = ("windows_101nt", "promoters_300nt")
GENOMES = ("eukaryote_slices/*/*.fa.gz", "genbank/bacteria/*.gb*.gz")
BACKBONES = {
    "xlstm": XLSTM.Config(layers=4, width=128, heads=4, pattern="m", direction="bidirectional"),
    "transformer": Transformer.Config(layers=3, width=112, heads=4, inner=288, direction="bidirectional"),
}
TRAINED = {"none": ("single", 0.0), "augmented": ("single", 0.5), "shared": ("shared", 0.0)}
ASKED = {"none": "none", "augmented": "augmented", "both": "augmented", "shared": "shared"}
CONTEXT = 512


class Scale(NamedTuple):
    """Training tokens, seeds, held-out windows, and items of each probe."""

    tokens: int
    seeds: int
    windows: int
    items: int | None


SCALES = {"pilot": Scale(16_000, 1, 4, 60), "hour": Scale(450_000, 3, 25, 400), "full": Scale(8_000_000, 3, 60, None)}


def genomes(is_pilot: bool) -> list[Path]:
    """Files to learn from; RefSeq genes are left out, they are short."""
    found = [path for pattern in GENOMES for path in sorted(DATA.glob(pattern)) if "refseqgene" not in str(path)]
    found = [path for path in found if "transcripts" not in path.name]
    return [path for path in found if "C_elegans" in str(path)] if is_pilot else found


def corpus_of(output: Path, is_pilot: bool) -> Path:
    """Prepare the corpus once."""
    folder = output / "corpus"
    if not (folder / "corpus.json").is_file():
        prepare(genomes(is_pilot), folder, PrepareOptions(kind="sequences", skip_bad=True))
    return folder


def config_of(backbone: str, trained: str, seed: int, corpus: Path, tokens: int, dtype: str = "float32") -> RunConfig:
    """Return one run; arms differ in strands alone."""
    strands, share = TRAINED[trained]
    base = dna_xlstm_tiny()
    model = base.model.model_copy(update={"backbone": BACKBONES[backbone], "strands": strands})
    changes = {
        "name": f"{backbone}-{trained}-{seed}",
        "model": model.to_dict(),
        "reverse_complement": share,
        "corpora": Folders(folders={"main": str(corpus)}).to_dict(),
        "context_tokens": CONTEXT,
        "batch_tokens": 16 * CONTEXT,
        # Four rows at a time stay in the caches of a processor: shared strands train twice as fast as with sixteen.
        "accumulation": 4,
        "dtype": dtype,
        "seed": seed,
        "valid_tokens": min(100_000, max(CONTEXT, tokens // 20)),
    }
    config = RunConfig.from_dict(base.to_dict() | changes | {"evaluate_tokens": tokens, "checkpoint_tokens": max(1, tokens // 10)})
    phase = config.phases[0].model_copy(update={"tokens": tokens, "warmup_tokens": tokens // 10, "learning_rate": (3e-3, 1e-4)})
    return config.model_copy(update={"phases": (phase,)})


def held_out(corpus: Path, count: int) -> list[Sequence]:
    """Windows of test regions by turns, each named by its region, none longer than the model reads."""
    store, rng = Corpus.open(corpus).collections["sequences"], np.random.default_rng(0)
    groups = rng.permutation(store.groups_in("test"))
    found = []
    for group in np.resize(groups, count).tolist():
        ids = store.member(int(store.members_of(int(group))[0])).token_ids
        start = int(rng.integers(0, max(1, len(ids) - 200)))
        found.append(Sequence(store.vocabulary.decode(ids[start : start + 200], Modality.DNA), Modality.DNA, str(group)))
    return found


def inconsistency(reader: Reader, windows: list[Sequence]) -> tuple[list[float], list[float]]:
    """Mean total variation distance between the strands, and pseudo-bits of what is written, per window, at every tenth place."""
    complement, letters = reader.model.vocabulary.complement_ids, reader.model.vocabulary.standard_ids(Modality.DNA)
    found, bits = [], []
    for window in windows:
        places = np.arange(0, len(window), 10)
        here = hidden_log_probabilities(reader, reader.member(window), places)
        there = hidden_log_probabilities(reader, reader.member(window.reverse_complement()), len(window) - 1 - places[::-1])[::-1]
        gap = np.abs(np.exp(here) - np.exp(there[:, complement]))[:, letters]
        found.append(float(gap.sum(axis=1).mean() / 2))
        true = reader.member(window).token_ids[places]
        bits.append(float(-here[np.arange(len(places)), true][np.isin(true, letters)].mean() / np.log(2)))
    return found, bits


def tasks() -> Iterator[tuple[str, list[str], NDArray[np.int64]]]:
    """Labelled sequences: name, letters, classes 0 and 1."""
    table = polars.read_csv(DATA / "dna_tasks" / "dnabert_sample_101nt.csv.gz")
    yield "windows_101nt", table["seq"].to_list(), table["label"].to_numpy()
    with gzip.open(DATA / "dna_tasks" / "epd_tata_promoters_human.txt.gz", "rt") as stream:
        promoters = [line.strip().upper() for line in stream if set(line.strip().upper()) <= set("ACGT") and line.strip()]
    yield "promoters_300nt", promoters + [shuffled(text, i) for i, text in enumerate(promoters)], np.repeat([1, 0], len(promoters))


def shuffled(text: str, seed: int) -> str:
    """A promoter with twelve of its twenty pieces in another order."""
    rng, size = np.random.default_rng(seed), len(text) // 20
    pieces = [text[i * size : (i + 1) * size] for i in range(20)]
    moved = rng.choice(20, size=12, replace=False)
    for place, piece in zip(moved, [pieces[i] for i in rng.permutation(moved)], strict=True):
        pieces[place] = piece
    return "".join(pieces)


def probe(reader: Reader, texts: list[str], labels: NDArray[np.int64], *, both: bool) -> dict[str, Any]:
    """Train a linear probe on clusters of their own; return its answers on the test clusters.

    Where both strands are asked, the probe is trained on either at random, and the two log-odds are averaged.
    """
    records = [Sequence(text, Modality.DNA) for text in texts]
    clusters = clusters_of(records)
    is_test = drawn_splits(records, clusters, {"test": 0.3}, seed=0) == 2
    encoder = NativeEncoder(
        reader.model, Choice(axis="sequence", batch_tokens=16_384), grammar=reader.grammar, context_tokens=reader.context_tokens
    )

    def vectors(chosen: list[Sequence]) -> NDArray[np.float32]:
        return np.stack([one.vectors[0] for one in encoder.encode(chosen)])

    rng, train = np.random.default_rng(0), np.flatnonzero(~is_test)
    turned = rng.random(len(train)) < (0.5 if both else 0.0)
    learned = [records[i].reverse_complement() if turn else records[i] for i, turn in zip(train.tolist(), turned, strict=True)]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1_000)).fit(vectors(learned), labels[train])
    asked = [records[i] for i in np.flatnonzero(is_test).tolist()]
    odds = model.decision_function(vectors(asked))
    if both:
        odds = (odds + model.decision_function(vectors([one.reverse_complement() for one in asked]))) / 2
    return {"odds": odds.tolist(), "labels": labels[is_test].tolist(), "clusters": clusters[is_test].tolist()}


def measure(folder: Path, arm: str, corpus: Path, scale: Scale) -> dict[str, Any]:
    """Ask one trained model in one way."""
    reader = replace(Reader.load(folder), strands="both" if arm == "both" else "one", batch_tokens=16_384)
    windows = held_out(corpus, scale.windows)
    gaps, bits = inconsistency(reader, windows)
    found: dict[str, Any] = {"inconsistency": gaps, "window_bits": bits, "regions": [int(window.name) for window in windows]}
    for name, texts, labels in tasks():
        order = np.random.default_rng(1).permutation(len(texts))[: scale.items].tolist()
        found[name] = probe(reader, [texts[i] for i in order], labels[order], both=arm == "both")
    return found


def run(output: Path, results: Path, scale: Scale, dtype: str) -> None:
    """Train and measure everything that is not done; checkpoints go to `output`, what was measured to `results`."""
    torch.set_num_threads(1)
    corpus = corpus_of(output, scale == SCALES["pilot"])
    for seed in range(scale.seeds):
        for backbone in BACKBONES:
            for arm, trained in ASKED.items():
                result = results / f"{backbone}-{arm}-{seed}.json"
                if result.exists():
                    continue
                folder = output / "runs" / f"{backbone}-{trained}-{seed}"
                report = pretrain(config_of(backbone, trained, seed, corpus, scale.tokens, dtype), folder, resume=True, device="cpu")
                bits = report["bits_per_residue"]["dna"]["valid"]
                kept = {"backbone": backbone, "arm": arm, "seed": seed, "tokens": report["tokens"], "bits": bits}
                result.parent.mkdir(parents=True, exist_ok=True)
                result.write_text(json.dumps(kept | measure(folder, arm, corpus, scale)) + "\n")
                print(f"{backbone} {arm} seed {seed}: {bits:.4f} bits", flush=True)


def report(folder: Path) -> tuple[str, Figure]:
    """Lay out what is done, means over seeds with intervals over items and seeds; and draw what probes make of it."""
    results = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    drawn: dict[str, list[tuple[float, float, float]]] = {}
    lines = [
        "| backbone | arm | seeds | tokens | pseudo-bits | inconsistency | windows, accuracy | promoters, accuracy |",
        "|---" * 8 + "|",
    ]
    for backbone in BACKBONES:
        for arm in ASKED:
            some = [one for one in results if (one["backbone"], one["arm"]) == (backbone, arm)]
            if some:
                found = [mean([one[kind] for one in some], some[0]["regions"]) for kind in ("window_bits", "inconsistency")]
                found += [accuracy([one[name] for one in some]) for name in TASKS]
                cells = [f"{value:.3f} ({low:.3f} to {high:.3f})" for value, low, high in found]
                lines.append(f"| {backbone} | {arm} | {len(some)} | {some[0]['tokens']:,} | {' | '.join(cells)} |")
                for task, estimate in zip(TASKS, found[2:], strict=True):
                    drawn.setdefault(f"{backbone}, {task.partition('_')[0]}", []).append(estimate)
    return "\n".join(lines) + "\n", bars(list(ASKED), drawn, "Accuracy of a linear probe", "What is done about strands")


def mean(values: list[list[float]], regions: list[int]) -> tuple[float, float, float]:
    """Return the mean over seeds and windows; windows of one region are drawn together."""
    rows = np.array(values)
    return spread(lambda s, i: float(rows[np.ix_(s, i)].mean()), regions, len(rows))


def accuracy(answers: list[dict[str, Any]]) -> tuple[float, float, float]:
    """Return the mean accuracy of the probes of all seeds, judged on the same items."""
    odds, labels = np.array([one["odds"] for one in answers]), np.array(answers[0]["labels"])

    def judge(seeds: NDArray[np.int64], items: NDArray[np.int64]) -> float:
        chances = [np.stack([-odds[s, items], odds[s, items]], axis=1) for s in seeds]
        return float(np.mean([classification(labels[items], one, with_auroc=False)["accuracy"] for one in chances]))

    return spread(judge, answers[0]["clusters"], len(answers))


def spread(statistic: Callable[..., float], clusters: list[int], seeds: int) -> tuple[float, float, float]:
    """Return a value with its interval."""
    value = statistic(np.arange(seeds), np.arange(len(clusters)))
    return value, *bootstrap_interval(statistic, clusters, num_seeds=seeds)


def main() -> None:
    """Read the command line and do the study, or a part of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("runs/strands"))
    parser.add_argument("--scale", choices=tuple(SCALES), default="full")
    parser.add_argument("--tokens", type=int, help="other than those of the scale")
    parser.add_argument("--seeds", type=int, help="other than those of the scale")
    parser.add_argument("--dtype", choices=("float32", "auto"), default="float32", help="auto: bfloat16 where the processor has it")
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    scale = SCALES[asked.scale]
    scale = scale._replace(tokens=asked.tokens or scale.tokens, seeds=asked.seeds or scale.seeds)
    results = HERE / asked.scale
    if not asked.table:
        run(asked.output, results, scale, asked.dtype)
    text, figure = report(results)
    print(text)
    (HERE / f"table-{asked.scale}.md").write_text(text)
    save(figure, HERE / f"probes-{asked.scale}")


if __name__ == "__main__":
    main()
