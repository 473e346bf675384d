"""What do molecules in context teach about a domain, and does an xLSTM use them better than a Transformer?

usage: python studies/molecules.py prepare|train|report [--output DIR] [--scale NAME] [--tokens N] [--seeds N] [--lines N]

`--scale hour` is every arm, seed, prompt and control with fewer tokens and samples, about an hour of one core.

`prepare` builds two corpora from BIOLECT_DATA: 50,000 molecules of ChEMBL alone, and actives (pvalue of at least
6.5) of ChEMBL targets, one target a domain, held-out targets without what training has. `train` runs both
backbones of about equal size over equal tokens, resuming what was cut short, and asks each model, unless its answers
are in studies/molecules; `report` writes the table and its curves from those answers. All else lies in the output folder.

Alone: every measure of `biolect.evaluate.molecules`, novelty against training and distances to the test split.
In context: for k molecules of a held-out domain in the prompt, bits per symbol of other molecules of that domain
(and what the prompt saves of them, paired), and how near (Tanimoto, Morgan-2) new molecules are to the nearest hidden
one of the domain. Controls: `shuffled` draws the prompt from all held-out domains together, `foreign` takes it from one
other domain. Intervals are 95 %, by bootstrap over clusters of domains and over seeds.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from biolect import metrics
from biolect.bio import chemistry
from biolect.bio.sequence import Modality, Sequence
from biolect.data.corpus import Corpus, PrepareOptions, prepare
from biolect.data.document import Grammar
from biolect.devices import TrainingDtype
from biolect.evaluate.molecules import BITS, MoleculeSet, molecules_of, quality
from biolect.figures.curves import prompt_curves
from biolect.figures.style import save
from biolect.files import atomic_path
from biolect.infer.generate import Sampling, generate
from biolect.infer.prompt import Prompt
from biolect.infer.reader import Reader
from biolect.infer.score import Query, Score, score
from biolect.models.language_model import LanguageModel
from biolect.models.transformer import Transformer
from biolect.models.xlstm import XLSTM
from biolect.train.curriculum import Folders, Phase, RunConfig
from biolect.train.optimizer import AdamW
from biolect.train.pretrain import pretrain

# 921 and 923 thousand weights.
BACKBONES = {
    "xlstm": XLSTM.Config(layers=8, width=128, heads=4, pattern="m"),
    "transformer": Transformer.Config(layers=4, width=128, heads=4, inner=400),
}
SETTINGS = {"alone": ("single", 100, 4_000), "context": ("domains", 2_048, 4_096)}
SHOWN = (0, 1, 2, 4, 8, 16, 32)
RESULTS = Path(__file__).with_suffix("")
CONTROLS = ("own", "shuffled", "foreign")
DRAWN = {"saved": "Bits per symbol saved", "near": "Tanimoto similarity to the nearest hidden molecule"}
ASKED, NEW, LONGEST = 16, 16, 120
ACTIVE = 6.5


class Scale(NamedTuple):
    """Training tokens of each arm, seeds, samples of models of molecules alone, and held-out domains."""

    tokens: int
    seeds: int
    samples: int
    domains: int


SCALES = {"pilot": Scale(8_192, 1, 30, 1), "hour": Scale(400_000, 3, 1_000, 24), "full": Scale(6_000_000, 3, 2_000, 24)}


def data_folder() -> Path:
    """Folder of the real data."""
    return Path(os.environ.get("BIOLECT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")) / "smiles"


def build_corpora(output: Path, lines: int) -> None:
    """Write the inputs, cut to so many lines each, and prepare both corpora."""
    output.mkdir(parents=True, exist_ok=True)
    with gzip.open(data_folder() / "chembl31" / "train50k.smi.gz", "rt") as stream:
        (output / "alone.smi").write_text("".join(line for _, line in zip(range(lines), stream, strict=False)))
    with gzip.open(data_folder() / "chembl_by_target.csv.gz", "rt") as stream:
        rows = [(row["target"], row["smiles"]) for row in csv.DictReader(stream) if float(row["pvalue"]) >= ACTIVE]
    with open(output / "context.csv", "w", newline="") as stream:
        csv.writer(stream).writerows([("target", "smiles"), *rows[:lines]])
    for name, source, domain in (("alone", "alone.smi", ""), ("context", "context.csv", "target")):
        if not (output / name).exists():
            options = PrepareOptions(kind="molecules", domain=domain, valid=0.05, test=0.1)
            report = prepare([output / source], output / name, options)
            print(
                name, report["splits"], report["clusters"], "clean" if report["leakage"]["clean"] else "LEAKS", f"{report['seconds']:.0f} s"
            )


def run_config(name: str, backbone: str, output: Path, tokens: int, seed: int, dtype: TrainingDtype = "float32") -> RunConfig:
    """Return the run of one setting, backbone and seed; only the backbone differs within a setting."""
    component, context, batch = SETTINGS[name]
    phase = Phase(
        name=name,
        mixture={component: 1.0},
        tokens=tokens,
        learning_rate=(2e-3, 0.0),
        warmup_tokens=tokens // 20,
        decay="cosine",
    )
    return RunConfig(
        name=f"{name}-{backbone}-{seed}",
        model=LanguageModel.Config(vocabulary="smiles-176", backbone=BACKBONES[backbone]),
        corpora=Folders(folders={"main": str(output / name)}),
        phases=(phase,),
        single_shares={"molecule": 1.0},
        grammar=Grammar(tags=False, positions="ordinary"),
        optimizer=AdamW(weight_decay=0.0),
        context_tokens=context,
        batch_tokens=batch,
        dtype=dtype,
        seed=seed,
        evaluate_tokens=max(1, tokens // 4),
        checkpoint_tokens=max(1, tokens // 10),
        valid_tokens=20_000,
    )


def train(output: Path, scale: Scale, dtype: TrainingDtype) -> None:
    """Train and ask every arm that has not been, first seeds of all first."""
    for seed in range(scale.seeds):
        for name in SETTINGS:
            for backbone in BACKBONES:
                run = output / "runs" / f"{name}-{backbone}-{seed}"
                done = RESULTS / f"{run.name}-{scale.tokens}.json"
                if done.is_file():
                    continue
                if not (run / "run.json").is_file():
                    pretrain(run_config(name, backbone, output, scale.tokens, seed, dtype), run, resume=True, device="cpu")
                ask = ask_alone if name == "alone" else ask_context
                found = ask(Reader.load(run, batch_tokens=8_192), output, run.name, scale)
                with atomic_path(done) as temporary:
                    temporary.write_text(json.dumps(found) + "\n")


def kept(path: Path, make: Callable[[], Any]) -> Any:
    """Return what a file holds, made first if it is not there."""
    if not path.is_file():
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(make(), indent=1) + "\n")
    return json.loads(path.read_text())


def ask_alone(reader: Reader, output: Path, name: str, scale: Scale) -> dict[str, Any]:
    """Judge samples of a model of molecules alone."""

    def judge() -> dict[str, Any]:
        sampling = Sampling(max_residues=100, seed=1)
        made = generate(reader, Modality.MOLECULE, scale.samples, sampling)
        texts = [one.residues for one in made.sequences]
        return quality(texts, molecules_of(output / "alone"), molecules_of(output / "alone", "test")) | {"samples": scale.samples}

    return kept(output / "answers" / f"{name}.json", judge)


def held_out_domains(output: Path) -> list[tuple[int, list[str]]]:
    """Return cluster and molecules of held-out domains that are large enough for the longest prompt."""
    corpus = Corpus.open(output / "context")
    store = corpus.collections["domains"]
    domains = []
    for group in store.groups_in("test").tolist():
        texts = [corpus.vocabulary.decode(one.token_ids, Modality.MOLECULE) for one in store.group(group)]
        texts = [text for text in texts if len(text) <= LONGEST]
        if len(texts) >= max(SHOWN) + ASKED:
            domains.append((store.cluster_of(group), texts))
    return domains


def prompts_of(domains: list[tuple[int, list[str]]], seed: int) -> list[tuple[list[str], dict[str, list[str]]]]:
    """Return hidden molecules of every domain, and what each control may show, neither holding any of the hidden ones."""
    rng = np.random.default_rng(seed)
    mixed = [[texts[i] for i in rng.permutation(len(texts))] for _, texts in domains]
    found = []
    for place, texts in enumerate(mixed):
        hidden, own = texts[:ASKED], texts[ASKED : ASKED + max(SHOWN)]
        foreign = mixed[(place + 1 + int(rng.integers(0, max(1, len(mixed) - 1)))) % len(mixed)]
        pool = [text for other in mixed for text in other]
        shuffled = [pool[i] for i in rng.permutation(len(pool))]
        shown = {"own": own, "shuffled": shuffled, "foreign": foreign}
        found.append((hidden, {kind: [t for t in some if t not in hidden][: max(SHOWN)] for kind, some in shown.items()}))
    return found


def ask_context(reader: Reader, output: Path, name: str, scale: Scale) -> list[dict[str, Any]]:
    """Ask a model of domains about every held-out domain, with prompts of every length and kind."""
    domains = held_out_domains(output)[: scale.domains]
    folder = output / "answers" / name
    return [
        kept(folder / f"{place}.json", lambda hidden=hidden, shown=shown, place=place: answers(reader, domains[place][0], hidden, shown))
        for place, (hidden, shown) in enumerate(prompts_of(domains, seed=0))
    ]


def answers_of(name: str, backbone: str, tokens: int) -> list[Any]:
    """Return the answers of every seed of an arm that has been asked."""
    return [json.loads(path.read_text()) for path in sorted(RESULTS.glob(f"{name}-{backbone}-*-{tokens}.json"))]


def answers(reader: Reader, cluster: int, hidden: list[str], shown: dict[str, list[str]]) -> dict[str, Any]:
    """Return bits per symbol of hidden molecules, and how near new ones come to them, by kind of prompt and its length."""

    def member(text: str) -> Any:
        return reader.member(Sequence(text, Modality.MOLECULE))

    out: dict[str, Any] = {"cluster": cluster}
    targets = [chemistry.fingerprint(chemistry.parse(text).molecule, BITS) for text in hidden if chemistry.parse(text).molecule]
    for kind in CONTROLS:
        for count in SHOWN:
            budget = (reader.context_tokens or 2_048) - LONGEST - 4
            prompt = Prompt.of(map(member, shown[kind][:count]), reader.grammar, budget)
            found = [one for one in score(reader, [Query("", member(t)) for t in hidden], prompt) if isinstance(one, Score)]
            bits = -sum(one.log_likelihood for one in found) / sum(one.num_residues for one in found) / math.log(2)
            made = generate(reader, Modality.MOLECULE, NEW, Sampling(max_residues=LONGEST, seed=count), prompt=prompt)
            new = MoleculeSet(tuple(one.residues for one in made.sequences))
            prints = [p for text, p in zip(new.distinct, new.fingerprints, strict=True) if text not in shown[kind][:count]]
            nearest = chemistry.most_similar(prints, targets)[0]
            near = float(nearest.mean()) if len(nearest) else None
            out[f"{kind}-{count}"] = {"bits": bits, "near": near, "validity": new.validity, "shown": len(prompt)}
    return out


def report(tokens: int) -> None:
    """Write the table and the curves from the answers that are there."""
    lines = [f"# Molecules: {tokens:,} tokens an arm\n"]
    for backbone in BACKBONES:
        if found := answers_of("alone", backbone, tokens):
            lines.append(f"\n## {backbone}, molecules alone: {len(found)} seed(s), {found[0]['samples']:,} samples each\n")
            lines += ["| measure | mean | lowest | highest |", "|---|---|---|---|"]
            for measure in found[0]:
                values = [float("nan") if one.get(measure) is None else one[measure] for one in found]
                lines.append(f"| {measure} | {np.mean(values):.4g} | {np.min(values):.4g} | {np.max(values):.4g} |")
    lines += [
        "\n## Held-out domains after k molecules\n",
        "| backbone | prompt | k | bits per symbol | bits saved over none | nearest hidden molecule | validity |",
    ]
    lines.append("|---|---|---|---|---|---|---|")
    curves: dict[str, dict[str, dict[str, list[Estimate]]]] = {measure: {} for measure in DRAWN}
    for backbone in BACKBONES:
        tables = answers_of("context", backbone, tokens)
        for kind in CONTROLS if tables else ():
            for count in SHOWN:
                found = {measure: estimate(tables, f"{kind}-{count}", measure) for measure in ("bits", "saved", "near", "validity")}
                cells = ["-" if one is None else f"{one[0]:.3f} [{one[1][0]:.3f}, {one[1][1]:.3f}]" for one in found.values()]
                lines.append(f"| {backbone} | {kind} | {count} | {' | '.join(cells)} |")
                for measure in DRAWN:
                    if (one := found[measure]) is not None:
                        curves[measure].setdefault(backbone, {}).setdefault(kind, []).append(one)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "table.md").write_text("\n".join(lines) + "\n")
    for measure, quantity in DRAWN.items():
        save(
            prompt_curves(SHOWN, curves[measure], quantity, "Molecules in the prompt", 0.0 if measure == "saved" else math.nan),
            RESULTS / f"curves_{measure}",
        )
    print("\n".join(lines))


Estimate = tuple[float, tuple[float, float]]
"""A mean and its interval."""


def estimate(tables: list[list[dict[str, Any]]], key: str, measure: str) -> Estimate | None:
    """Return mean and interval over domains and seeds; domains without a value count in nothing."""
    count = min(map(len, tables))

    def value(one: dict[str, Any]) -> float:
        found = one[f"{key.partition('-')[0]}-0"]["bits"] - one[key]["bits"] if measure == "saved" else one[key][measure]
        return float("nan") if found is None else found

    values = np.array([[value(one) for one in table[:count]] for table in tables])
    clusters = [one["cluster"] for one in tables[0][:count]]

    def mean(seeds: Any, items: Any) -> float:
        drawn = values[np.ix_(seeds, items)]
        return float(np.nanmean(drawn)) if np.isfinite(drawn).any() else float("nan")

    if not np.isfinite(values).any():
        return None
    return mean(np.arange(len(tables)), np.arange(count)), metrics.bootstrap_interval(mean, clusters, num_seeds=len(tables))


def main() -> None:
    """Read the command line and do one step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("prepare", "train", "report"))
    parser.add_argument("--output", type=Path, default=Path("runs/molecules"))
    parser.add_argument("--scale", choices=tuple(SCALES), default="full")
    parser.add_argument("--tokens", type=int, help="other than those of the scale")
    parser.add_argument("--seeds", type=int, help="other than those of the scale")
    parser.add_argument("--dtype", choices=("float32", "auto"), default="float32", help="auto: bfloat16 where the processor has it")
    parser.add_argument("--lines", type=int, default=1_000_000)
    asked = parser.parse_args()
    scale = SCALES[asked.scale]
    scale = scale._replace(tokens=asked.tokens or scale.tokens, seeds=asked.seeds or scale.seeds)
    if asked.step == "prepare":
        build_corpora(asked.output, asked.lines)
    elif asked.step == "train":
        torch.set_num_threads(1)
        train(asked.output, scale, asked.dtype)
    else:
        report(scale.tokens)


if __name__ == "__main__":
    main()
