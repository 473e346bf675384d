"""How much do homologs in context tell of a protein, and does a recurrent model use them as well as a Transformer?

usage: python studies/families.py prepare|train|report [--output DIR] [--scale NAME] [--tokens N] [--seeds N] [--only ARM]

`--scale hour` is every arm, seed, company and number of homologs with fewer tokens, about an hour of one core.

`prepare` builds a corpus of Swiss-Prot families from BIOLECT_DATA whose splits share no relatives; `train` runs every arm
and seed that has not been run, resuming what was cut short, and scores it on families that training never saw; `report`
writes the table and its curves from the scores that there are. Corpus and checkpoints go to the output folder; the scores of every run,
from which the table is made, to studies/families. Bits per residue; intervals are 95 %, by bootstrap over families and seeds.

A member of a test family is read after 0, 1, 2, 4, 8 and 16 others of its family; after the same with their residues
shuffled, which keeps composition and length; and after members of a foreign family, which keeps what is true of proteins.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from biolect.data.corpus import Corpus, PrepareOptions, prepare
from biolect.data.document import Member
from biolect.devices import TrainingDtype
from biolect.figures.curves import prompt_curves
from biolect.figures.style import save
from biolect.files import atomic_path
from biolect.infer.prompt import Prompt
from biolect.infer.reader import Reader
from biolect.infer.score import Query, Score, score
from biolect.metrics import bootstrap_interval
from biolect.models.language_model import LanguageModel
from biolect.models.transformer import Transformer
from biolect.models.xlstm import XLSTM
from biolect.recipes.prot_xlstm import GRAMMAR, VOCABULARY
from biolect.tokens.vocabulary import Vocabulary
from biolect.train.curriculum import Folders, Phase, RunConfig
from biolect.train.pretrain import pretrain

FILES = ("swissprot_archaea_by_product", "swissprot_mitochondria_2014", "swissprot_viruses_by_product")
FAMILY = '(?:family="|~~~)([^"~]+)(?:"|$)'
BACKBONES = {
    "xlstm": XLSTM.Config(layers=7, width=128, heads=4, pattern="m", rotary="full"),
    # As many parameters as the other, within two per cent.
    "transformer": Transformer.Config(layers=4, width=128, heads=4, inner=328, rotary_base=500_000.0),
}
CONTEXTS, CONDITIONS = (0, 1, 2, 4, 8, 16), ("own", "shuffled", "foreign")
CONTEXT, LONGEST, TARGETS = 4_096, 250, 2
# Training tokens, seeds, and most test families to score.
SCALES = {"pilot": (16_384, 1, 3), "hour": (1_000_000, 3, 1_000), "full": (20_000_000, 3, 1_000)}
RESULTS = Path(__file__).with_suffix("")


def build_corpus(output: Path) -> None:
    """Prepare the families, unless that was done."""
    data = Path(os.environ.get("BIOLECT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")) / "protein_families"
    if not (output / "corpus").exists():
        inputs = [data / f"{name}.faa.gz" for name in FILES]
        prepare(inputs, output / "corpus", PrepareOptions(kind="families", family=FAMILY, valid=0.05, test=0.2, seed=0))


def run_config(arm: str, seed: int, tokens: int, output: Path, dtype: TrainingDtype = "float32") -> RunConfig:
    """Return the run of one arm: equal tokens, equal data, equal learning rates."""
    return RunConfig(
        name=f"families-{arm}",
        model=LanguageModel.Config(vocabulary=VOCABULARY, backbone=BACKBONES[arm]),
        corpora=Folders(folders={"families": str(output / "corpus")}),
        phases=(Phase(name="R", mixture={"families": 1.0}, tokens=tokens, learning_rate=(2e-3, 2e-4), warmup_tokens=tokens // 20),),
        grammar=GRAMMAR,
        context_tokens=CONTEXT,
        batch_tokens=CONTEXT,
        dtype=dtype,
        seed=seed,
        log_steps=50,
        evaluate_tokens=max(1, tokens // 10),
        checkpoint_tokens=max(1, tokens // 10),
        valid_tokens=20_000,
    )


def train_one(arm: str, seed: int, tokens: int, output: Path, most: int, dtype: TrainingDtype) -> None:
    """Train one arm with one seed, as far as that was not done, and write its scores."""
    name = f"{arm}-{seed}-{tokens}"
    if (RESULTS / f"{name}.json").exists():
        return
    folder = output / "runs" / name
    pretrain(run_config(arm, seed, tokens, output, dtype), folder, resume=folder.exists(), device="cpu")
    reader = Reader.load(folder)
    store = Corpus.open(output / "corpus", Vocabulary.named(VOCABULARY)).collections["families"]
    groups = store.groups_in("test")[:most].tolist()
    families, clusters = [store.group(group) for group in groups], [store.cluster_of(group) for group in groups]
    facts = {"arm": arm, "seed": seed, "tokens": tokens, "parameters": reader.model.num_parameters}
    rows = [{"cluster": clusters[row["family"]], **row} for row in scores(reader, families)]
    RESULTS.mkdir(exist_ok=True)
    with atomic_path(RESULTS / f"{name}.json") as temporary:
        temporary.write_text(json.dumps({**facts, "scores": rows}) + "\n")


def scores(reader: Reader, families: list[tuple[Member, ...]]) -> Iterator[dict[str, Any]]:
    """Score members of every family with enough short ones, after ever more of each kind of company; the same for all arms."""
    short = [tuple(member for member in family if len(member) <= LONGEST) for family in families]
    usable = [index for index, family in enumerate(short) if len(family) > 1]
    for place, index in enumerate(usable):
        rng = np.random.default_rng((0, index))
        foreign = short[usable[(place + 1) % len(usable)]]
        for target in rng.permutation(len(short[index]))[:TARGETS].tolist():
            own = [short[index][i] for i in rng.permutation(len(short[index])).tolist() if i != target]
            others = [foreign[i] for i in rng.permutation(len(foreign)).tolist()]
            company = {"own": own, "shuffled": [shuffled(member, rng) for member in own], "foreign": others}
            member = short[index][target]
            for condition in CONDITIONS:
                for count in CONTEXTS:
                    shown = company[condition][:count]
                    prompt = Prompt.of(shown, reader.grammar, CONTEXT - len(member) - reader.grammar.overhead(2))
                    if len(prompt) == count and (count or condition == "own"):
                        (found,) = score(reader, [Query("", member)], prompt)
                        assert isinstance(found, Score)
                        row = {"family": index, "target": target, "condition": condition, "homologs": count}
                        yield row | {"residues": found.num_residues, "nats": found.nats}


def shuffled(member: Member, rng: np.random.Generator) -> Member:
    """Return the same residues in another order."""
    return Member(rng.permutation(member.token_ids), member.modality)


Saved = tuple[float, tuple[float, float]]
"""Bits per residue that company saves, and the interval."""


def report() -> tuple[str, dict[str, dict[str, list[Saved]]]]:
    """Return the table, bits alone and what company saves, over the targets that could be read in it; and its last columns as curves."""
    runs = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]
    lines = ["| arm | tokens | company | homologs | families | bits alone | bits saved | 95 % |", "|---|---|---|---|---|---|---|---|"]
    curves: dict[str, dict[str, list[Saved]]] = {}
    for arm, tokens in sorted({(run["arm"], run["tokens"]) for run in runs}):
        chosen = [run for run in runs if (run["arm"], run["tokens"]) == (arm, tokens)]
        bits = [{key(row): row["nats"] / row["residues"] / np.log(2) for row in run["scores"]} for run in chosen]
        for condition in CONDITIONS:
            points = curves.setdefault(f"{arm}, {tokens:,} tokens", {}).setdefault(condition, [])
            for count in CONTEXTS[1:]:
                there = [row for row in chosen[0]["scores"] if (row["condition"], row["homologs"]) == (condition, count)]
                if there:
                    families, alone, (saved, (low, high)) = saving(there, bits)
                    points.append((saved, (low, high)))
                    cells = f"{families} | {alone:.3f} | {saved:.3f} | {low:.3f} to {high:.3f}"
                    lines.append(f"| {arm} | {tokens:,} | {condition} | {count} | {cells} |")
    return "\n".join(lines) + "\n", curves


def saving(there: list[dict[str, Any]], bits: list[dict[tuple[Any, ...], float]]) -> tuple[int, float, Saved]:
    """Return families, bits alone and bits saved; seeds and families are drawn anew for the interval."""
    alone = np.array([[run[(row["family"], row["target"], "own", 0)] for row in there] for run in bits])
    saved = alone - np.array([[run[key(row)] for row in there] for run in bits])
    clusters = [row["cluster"] for row in there]
    interval = bootstrap_interval(lambda s, i: float(saved[np.ix_(s, i)].mean()), clusters, num_seeds=len(bits))
    return len(set(clusters)), float(alone.mean()), (float(saved.mean()), interval)


def key(row: dict[str, Any]) -> tuple[Any, ...]:
    """Return what tells one score of a run from another."""
    return row["family"], row["target"], row["condition"], row["homologs"]


def main() -> None:
    """Do one step of the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("prepare", "train", "report"))
    parser.add_argument("--output", type=Path, default=Path("runs/families"))
    parser.add_argument("--scale", choices=tuple(SCALES), default="full")
    parser.add_argument("--tokens", type=int, help="other than those of the scale")
    parser.add_argument("--seeds", type=int, help="other than those of the scale")
    parser.add_argument("--dtype", choices=("float32", "auto"), default="float32", help="auto: bfloat16 where the processor has it")
    parser.add_argument("--only", choices=tuple(BACKBONES))
    asked = parser.parse_args()
    tokens, seeds, families = SCALES[asked.scale]
    build_corpus(asked.output)
    if asked.step == "train":
        torch.set_num_threads(1)
        for seed in range(asked.seeds or seeds):
            for arm in BACKBONES:
                if asked.only in (None, arm):
                    train_one(arm, seed, asked.tokens or tokens, asked.output, families, asked.dtype)
    if asked.step == "report":
        text, curves = report()
        with atomic_path(RESULTS / "table.md") as temporary:
            temporary.write_text(text)
        save(prompt_curves(CONTEXTS[1:], curves, "Bits per residue saved", "Homologs in context", 0.0), RESULTS / "curves")
        print(text)


if __name__ == "__main__":
    main()
