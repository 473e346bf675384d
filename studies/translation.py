"""Does reading a gene beside its protein teach translation, and does it teach anything else?

usage: python studies/translation.py prepare|train|report [--output DIR] [--workers 2] [--only ARM,ARM] [--seeds N]

`prepare` builds cluster-disjoint corpora from BIOLECT_DATA; `train` runs every arm that has not been run,
resuming what was cut short; `report` writes the table and the figures from what there is. Corpora and
checkpoints go to the output folder; the scores of every run, from which the table is made, to studies/translation.
Bits are per residue. Intervals are 95 %, by bootstrap over test clusters and seeds.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from translation_arms import ARMS, FLANK, Arm, ArmSource, flanked_members, misplaced, zipped

from biolect.bio.coordinates import Run
from biolect.data.corpus import Corpus, PrepareOptions, check_leakage, prepare
from biolect.data.document import Document, Grammar, View
from biolect.data.loader import Loader
from biolect.data.packing import Rows
from biolect.data.pairing import Pairing, PairSource
from biolect.data.shards import MemberStore
from biolect.files import atomic_path
from biolect.models.compiled import compile_blocks
from biolect.models.language_model import LanguageModel
from biolect.models.transformer import Transformer
from biolect.objectives.causal import Causal
from biolect.objectives.loss import token_losses
from biolect.tokens.vocabulary import Vocabulary
from biolect.train import checkpoints
from biolect.train.checkpoints import Position
from biolect.train.curriculum import Folders, Phase, RunConfig
from biolect.train.log import LossTable, MetricsLog
from biolect.train.loop import Trainer
from biolect.train.runtime import Runtime

MODEL = LanguageModel.Config(backbone=Transformer.Config(layers=4, width=128, heads=4, inner=384))
CONTEXT, ROWS = 1_280, 1
SCHEDULE = {"learning_rate": (2e-3, 2e-4), "warmup_tokens": 100_000}
MARKS = (0.125, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0, 10.0, 12.5, 15.0, 17.5, 20.0)
CURVE_GENES, FINAL_GENES, LONG_CODONS = 64, 320, 400
TRAINED = ("bacteria/Escherichia*.gbff.gz", "bacteria/Haemophilus*", "bacteria/Streptococcus*")
UNSEEN_CODE = ("bacteria/Mycoplasma*023685*",)
MITOCHONDRION = "NC_001224"
VOCABULARY = Vocabulary.joint()
RESULTS = Path(__file__).with_suffix("")


def data_folder() -> Path:
    """Folder of the real data; ends the study where it is absent."""
    folder = Path(os.environ.get("BIOLECT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    if not folder.is_dir():
        raise SystemExit(f"Left out: there is no folder {folder} of real data. Set BIOLECT_DATA to where it is.")
    return folder


def build_corpora(output: Path) -> None:
    """Prepare the training corpus, and genes under codes that training never sees."""
    data = data_folder()
    yeast = sorted((data / "eukaryote_slices" / "yeast").glob("*.gz"))
    bacteria = [path for pattern in TRAINED for path in sorted((data / "genbank").glob(pattern))]
    unseen = [path for pattern in UNSEEN_CODE for path in sorted((data / "genbank").glob(pattern))]
    for name, inputs, test in (("seen", [*bacteria, *yeast], 0.1), ("unseen", unseen, 0.9)):
        if not (output / name).exists():
            prepare(inputs, output / name, PrepareOptions(kind="genes", valid=0.05, test=test, seed=0))


def pairs_of(store: MemberStore, split: str, pairing: Pairing, *, mitochondrial: bool = False) -> PairSource:
    """Return the genes of a split, those of the yeast mitochondrion (code 3) kept apart."""
    pairs = PairSource(store, split, pairing)
    apart = {group for group, place in store.places() if place.record.startswith(MITOCHONDRION)}
    pairs.groups = np.array([group for group in pairs.groups if (int(group) in apart) == mitochondrial], dtype=np.int64)
    return pairs


def evaluation_pairs(pairs: PairSource, count: int, seed: int, codons: tuple[int, int]) -> list[tuple[int, dict[View, Any], int, int]]:
    """Return (cluster, views, first codon, codons) of fixed crops of test genes, one gene a cluster first."""
    rng = np.random.default_rng(seed)
    chosen = []
    for item in rng.permutation(len(pairs)):
        group = int(pairs.groups[item])
        views = pairs.views_of(group)
        longest = min(codons[1], len(views[View.PROTEIN]) - FLANK // 3 - 1)
        if longest >= codons[0]:
            size = int(np.exp(rng.uniform(np.log(codons[0]), np.log(longest + 1))))
            begin = int(rng.integers(FLANK // 3, len(views[View.PROTEIN]) - size + 1))
            chosen.append((pairs.store.cluster_of(group), views, begin, size))
        if len(chosen) == count:
            break
    return chosen


def conditions(arm: Arm, crops: list[tuple[int, dict[View, Any], int, int]], seed: int) -> Iterator[tuple[str, list[Document]]]:
    """Yield every condition of the evaluation with its documents, one per crop, in the order of the crops."""
    rng = np.random.default_rng(seed)
    genes, proteins = [], []
    for _, views, begin, size in crops:
        if arm.kind == "flank":
            gene, protein = flanked_members(views, begin, size, int(rng.integers(0, FLANK + 1)))
        else:
            gene, protein = (views[view].between(3 * begin, 3 * (begin + size), origin=3 * begin) for view in (View.CDS, View.PROTEIN))
        genes.append(gene)
        proteins.append(protein)
    yield "protein alone", [Document((protein,)) for protein in proteins]
    yield "gene alone", [Document((gene,)) for gene in genes]
    own = [Document((gene, protein)) for gene, protein in zip(genes, proteins, strict=True)]
    foreign = [Document((fitted(genes[(i + 1) % len(genes)], len(genes[i])), protein)) for i, protein in enumerate(proteins)]
    if arm.kind == "zipped":
        yield "given own", [zipped(document) for document in own]
        yield "given foreign", [zipped(document) for document in foreign]
        return
    place = np.random.default_rng(seed)
    yield "given own", [misplaced(document, arm.positions, place) for document in own]
    yield "given foreign", [misplaced(document, arm.positions, place) for document in foreign]
    backward = [Document(document.members[::-1]) for document in own]
    yield "gene given own", [misplaced(document, arm.positions, place) for document in backward]


def fitted(gene: Any, length: int) -> Any:
    """Return a foreign gene cut, or repeated, to a length, at the same places as the own one would stand."""
    tokens = np.tile(gene.token_ids, -(-length // len(gene)))[:length]
    return replace(gene, token_ids=tokens, runs=(Run(1, 1, length),))


def score(model: LanguageModel, documents: list[Document], grammar: Grammar, *, coordinates: bool) -> np.ndarray:
    """Return (documents, 2, 2): nats and residues of the last member, split into nucleotides and amino acids."""
    finish, rng = Causal(), np.random.default_rng(0)
    segments = [finish(grammar.render(document, VOCABULARY, coordinates=coordinates), rng) for document in documents]
    context = max(map(len, segments))
    out = np.zeros((len(documents), 2, 2))
    waiting = sorted(range(len(segments)), key=lambda i: len(segments[i]))
    while waiting:
        rows, inside = Rows(max(1, 4_096 // context), context), []
        while waiting and rows.add(segments[waiting[-1]]):
            inside.append(waiting.pop())
        order = [i for row in rows.rows for i in _which(row, segments, inside)]
        batch = rows.batch(VOCABULARY.pad)
        with torch.no_grad():
            losses = token_losses(model(batch.token_ids, batch.positions, batch.segment_ids), batch.targets).numpy()
        cursor = {row: 0 for row in range(len(rows.rows))}
        at = iter(order)
        for row, line in enumerate(rows.rows):
            for segment in line:
                index, start = next(at), cursor[row]
                cursor[row] += len(segment)
                nats = losses[row, start : start + len(segment)]
                last = segment.member_ids == len(documents[index].members) - 1
                for kind, residues in enumerate(((segment.targets >= 10) & (segment.targets < 16), segment.targets >= 16)):
                    chosen = residues & last
                    out[index, kind] = nats[chosen].sum(), chosen.sum()
    return out


def _which(row: list[Any], segments: list[Any], inside: list[int]) -> list[int]:
    identity = {id(segments[i]): i for i in inside}
    return [identity[id(segment)] for segment in row]


def measure(model: LanguageModel, arm: Arm, crops: list[Any], seed: int = 5, *, both: bool = True) -> dict[str, np.ndarray]:
    """Return nats and residues per document for every condition; `both`, with coordinates and without, where the arm has them."""
    model.eval()
    found = {}
    shared = arm.grammar.positions == "shared"
    for name, documents in conditions(arm, crops, seed):
        if shared:
            found[name] = score(model, documents, arm.grammar, coordinates=True)
        if both or not shared:
            found[name if not shared else f"{name}, coordinate-free"] = score(model, documents, arm.grammar, coordinates=False)
    model.train()
    return found


def run_config(arm: Arm, seed: int) -> RunConfig:
    """Return the settings of one run; all arms differ in their documents only."""
    return RunConfig(
        name=f"translation-{arm.name}",
        model=MODEL,
        corpora=Folders(),
        phases=(Phase(name="all", mixture={arm.name: 1.0}, tokens=int(arm.millions * 1e6), **SCHEDULE),),
        grammar=arm.grammar,
        pairing=arm.pairing,
        context_tokens=CONTEXT,
        batch_tokens=ROWS * CONTEXT,
        dtype="auto",
        seed=seed,
        evaluate_tokens=1_000_000_000,
        checkpoint_tokens=250_000,
        valid_tokens=1,
    )


def train_one(name: str, seed: int, output: Path) -> None:
    """Train one arm with one seed, resuming from its last checkpoint; write its curve and its final scores."""
    torch.set_num_threads(1)
    arm, folder = ARMS[name], output / "runs" / f"{name}-{seed}"
    corpus = Corpus.open(output / "seen")
    check_leakage([corpus])
    store = corpus.collections["genes"]
    source = ArmSource(arm, pairs_of(store, "train", arm.pairing))
    config = run_config(arm, seed)
    loader = Loader(
        {name: source},
        {name: 1.0},
        arm.grammar,
        VOCABULARY,
        config.objective.build(VOCABULARY),
        context_tokens=CONTEXT,
        num_rows=ROWS,
        seed=seed,
    )
    crops = evaluation_pairs(pairs_of(store, "test", arm.pairing), CURVE_GENES, 1, (20, 300))
    runtime = Runtime("cpu", config.dtype)
    saved = checkpoints.latest(folder / "checkpoints", torch.float32)
    model = MODEL.build(seed)
    position = Position()
    if saved:
        model.load_state_dict(saved.weights, assign=True)
        position = saved.position
    with runtime.autocast():
        compile_blocks(model, ROWS, CONTEXT)
    wrapped, optimizer = runtime.prepare(model.train(), config.optimizer.build(model))
    if saved:
        runtime.load_optimizer(wrapped, saved.optimizer)
    log, curve = MetricsLog(folder / "metrics.jsonl", writes=True), MetricsLog(folder / "curve.jsonl", writes=True)
    log.open_at(position.step)
    curve.open_at(position.step)
    trainer = Trainer(config, runtime, wrapped, optimizer, [loader], {}, log, folder, position, LossTable(runtime.device))
    last = [position.tokens]

    def look(place: Position) -> bool:
        if any(last[0] < mark * 1e6 <= place.tokens for mark in MARKS):
            found = {key: bits(value) for key, value in measure(model, arm, crops, both=False).items()}
            curve.write("curve", step=place.step, tokens=place.tokens, bits=found)
            print(f"{name}-{seed} {place.tokens / 1e6:.2f}M", {k: v for k, v in found.items() if "free" not in k}, flush=True)
        last[0] = place.tokens
        return False

    trainer.should_stop = look
    trainer.run()
    finish(model, arm, folder, output, runtime.dtype)


def bits(scores: np.ndarray) -> dict[str, float]:
    """Return bits per nucleotide and per amino acid over all documents; absent where there is none."""
    nats, counts = scores.sum(axis=0).T
    return {kind: float(nats[i] / counts[i] / math.log(2)) for i, kind in enumerate(("dna", "protein")) if counts[i]}


def finish(model: LanguageModel, arm: Arm, folder: Path, output: Path, dtype: str) -> None:
    """Score the final model on every test set and write per-document numbers, and the precision it was trained in."""
    arrays = {}
    seen, unseen = (Corpus.open(output / name).collections["genes"] for name in ("seen", "unseen"))
    test = pairs_of(seen, "test", arm.pairing)
    mitochondrial = pairs_of(seen, "train", arm.pairing, mitochondrial=True)
    for label, pairs, count, codons in (
        ("test", test, FINAL_GENES, (20, 300)),
        ("long", test, 48, (LONG_CODONS, LONG_CODONS)),
        ("code 4", pairs_of(unseen, "test", arm.pairing), 96, (20, 300)),
        ("code 3", mitochondrial, 96, (20, 300)),
    ):
        crops = evaluation_pairs(pairs, count, 2, codons)
        arrays[f"{label}/clusters"] = np.array([crop[0] for crop in crops])
        arrays |= {f"{label}/{name}": values for name, values in measure(model, arm, crops).items()}
    RESULTS.mkdir(exist_ok=True)
    shutil.copyfile(folder / "curve.jsonl", RESULTS / f"{folder.name}.jsonl")
    with atomic_path(RESULTS / f"{folder.name}.npz") as temporary, open(temporary, "wb") as file:
        named = {name: values.astype(np.float32) for name, values in arrays.items()}
        np.savez_compressed(file, dtype=np.array(dtype), **named)


def _train_job(job: tuple[str, int, Path]) -> None:
    train_one(*job)


def train_all(output: Path, workers: int, only: list[str], seeds: int | None) -> None:
    """Run what has not been run: the first seeds of all arms before the second ones."""
    jobs = [
        (arm.name, seed)
        for seed in range(5)
        for arm in ARMS.values()
        if seed < min(arm.seeds, seeds or 5) and (not only or arm.name in only)
    ]
    waiting = [(name, seed, output) for name, seed in jobs if not (RESULTS / f"{name}-{seed}.npz").exists()]
    with multiprocessing.get_context("spawn").Pool(workers, maxtasksperchild=1) as pool:
        for _ in pool.imap_unordered(_train_job, waiting, chunksize=1):
            pass


def main() -> None:
    """Read the command line and do one part of the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("prepare", "train", "report"))
    parser.add_argument("--output", type=Path, default=Path("runs/translation"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", default="")
    parser.add_argument("--seeds", type=int)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    if arguments.part == "prepare":
        build_corpora(arguments.output)
    elif arguments.part == "train":
        train_all(arguments.output, arguments.workers, [n for n in arguments.only.split(",") if n], arguments.seeds)
    else:
        from translation_report import report

        report(arguments.output)


if __name__ == "__main__":
    main()
