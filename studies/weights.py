"""Small checkpoints to begin with: trained on open data, judged beside the best simple baseline, shipped only where they beat it.

    python studies/weights.py prepare|train|judge|ship|report [--output DIR] [--only NAME,NAME] [--scale pilot|tenth|small|full]

prepare   corpora from BIOLECT_DATA: genes of all GenBank flat files, a sample of UniRef90, families of Swiss-Prot, molecules of ChEMBL
train     the models below, resuming what was cut short
judge     bits per residue of records whose relatives training never saw, beside composition, the best Markov model and context
          mixing (`biolect evaluate bits-per-residue`), by modality, and where a model reads pairs of genes and proteins what one
          is worth to the other; answers go to studies/weights
ship      models that beat every baseline of letters in every modality that they read, the interval of the gain above zero, go to
          the packaged weights in bfloat16, each with a card, which says where a partner is worth nothing; the others are named
          with their gap
report    studies/weights/results.md

genes-transformer   genes as DNA, RNA and protein in one context, shared coordinates
genes-xlstm         the same for a recurrent model
proteins-xlstm      families of proteins, holes filled from homologs before them
molecules-xlstm     molecules as SMILES
dna-encoder, rna-encoder, protein-encoder    one modality each, for fusion
"""

from __future__ import annotations

import argparse
import json
import math
import os
from pathlib import Path
from typing import Any, NamedTuple

import families
import molecules
import torch

import biolect
from biolect.cli.common import plain
from biolect.data.corpus import PrepareOptions, prepare
from biolect.data.document import Grammar
from biolect.data.pairing import Pairing
from biolect.evaluate.likelihoods import bits_panel, conditional_gain
from biolect.evaluate.question import EvaluateConfig, Question
from biolect.files import sha256
from biolect.infer.reader import Reader
from biolect.metrics import central
from biolect.models import checkpoint
from biolect.models.language_model import LanguageModel
from biolect.models.resolve import resolve
from biolect.models.transformer import Transformer
from biolect.models.xlstm import XLSTM
from biolect.objectives.infill import Infill
from biolect.train.curriculum import Folders, Phase, RunConfig
from biolect.train.log import MetricsLog
from biolect.train.pretrain import METRICS, pretrain

DATA = Path(os.environ.get("BIOLECT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
HERE = Path(__file__).with_suffix("")
ALONE = "alone"
PACKAGED = Path(biolect.__file__).parent / "assets" / "weights"
CONTEXT, LARGEST = 1_024, 9_000_000
NANO, RECURRENT = Transformer.Config.named("nano"), XLSTM.Config(layers=6, width=160, heads=5, pattern="m")
PAIRS, SINGLE = {"genes": 2.0, "single": 1.0}, "single"
IN_FRAME: dict[str, Any] = {
    "grammar": Grammar(coordinate_dropout=0.1),
    "pairing": Pairing(dna_views=(1.0, 0.0, 0.0), crop_codons=(10, 150), truncated_share=0.0),
}
"""DNA of pairs is the coding sequence; many short crops show more starts of the mapping than few long ones."""
COMPILED: dict[str, Any] = {"compiles": True}
"""Recurrent models train half as fast again."""
ASKED_ABOUT = "phiX174"
"""Its genes are asked about in the README and by the demo, so no model is trained on them."""
GENES = "annotated genomes of GenBank and RefSeq (National Center for Biotechnology Information, no restrictions)"
LICENCES = {"genes": "Apache-2.0", "families": "CC BY 4.0", "molecules": "CC BY-SA 3.0"}
"""Of the weights, by corpus: ours where the data has no restrictions, that of the data elsewhere."""


class Plan(NamedTuple):
    """How one model is trained: on what, over what mixture, and how many million tokens at full scale."""

    corpus: str
    model: LanguageModel.Config
    mixture: dict[str, float]
    millions: float
    data: str
    what: str
    settings: dict[str, Any] = {}


def _encoder(modality: str) -> Plan:
    what = f"reads {modality} alone; an encoder for fusion"
    return Plan("genes", LanguageModel.Config(backbone=NANO), {f"{SINGLE}.{modality}": 1.0}, 12.0, GENES, what)


PLANS = {
    "genes-transformer": Plan(
        "genes",
        LanguageModel.Config(backbone=NANO),
        PAIRS,
        30.0,
        GENES,
        "reads genes as DNA, RNA and protein in one context",
        IN_FRAME,
    ),
    "genes-xlstm": Plan(
        "genes",
        LanguageModel.Config(backbone=RECURRENT),
        PAIRS,
        12.0,
        GENES,
        "reads genes as DNA, RNA and protein in one context, with a state of one size",
        IN_FRAME | COMPILED,
    ),
    "proteins-xlstm": Plan(
        "families",
        LanguageModel.Config(vocabulary=families.VOCABULARY, backbone=families.BACKBONES["xlstm"]),
        {"families": 1.0},
        12.0,
        "families of Swiss-Prot (UniProt Consortium, CC BY 4.0)",
        "fills holes of proteins, and goes on after homologs",
        COMPILED | {"grammar": families.GRAMMAR, "objective": Infill.Config(), "context_tokens": 2 * CONTEXT, "batch_tokens": 4 * CONTEXT},
    ),
    "molecules-xlstm": Plan(
        "molecules",
        LanguageModel.Config(vocabulary="smiles-176", backbone=molecules.BACKBONES["xlstm"]),
        {SINGLE: 1.0},
        12.0,
        "50,000 molecules of ChEMBL 31 (European Bioinformatics Institute, CC BY-SA 3.0)",
        "writes molecules as SMILES",
        COMPILED
        | {
            "single_shares": {"molecule": 1.0},
            "grammar": Grammar(tags=False, positions="ordinary"),
            "context_tokens": 256,
            "batch_tokens": 2_048,
        },
    ),
    **{f"{modality}-encoder": _encoder(modality) for modality in ("dna", "rna", "protein")},
}
SCALES = {"pilot": 0.002, "tenth": 0.1, "small": 0.25, "full": 1.0}


def prepare_all(output: Path) -> None:
    """Write the corpora that are not there."""
    flat = sorted(path for path in (DATA / "genbank").rglob("*.gb*.gz") if ASKED_ABOUT not in path.name)
    inputs = {
        "genes": (flat, PrepareOptions(kind="genes", valid=0.03, test=0.1, skip_bad=True)),
        "molecules": ([DATA / "smiles" / "chembl31" / "train50k.smi.gz"], PrepareOptions(kind="molecules", valid=0.03, test=0.1)),
    }
    for name, (paths, options) in inputs.items():
        if not (output / name / "corpus.json").is_file():
            report = prepare(paths, output / name, options)
            print(name, report["splits"], "clean" if report["leakage"]["clean"] else "LEAKS", flush=True)
    families.build_corpus(output / "families")


def corpus_of(output: Path, name: str) -> Path:
    """Return the corpus of a plan."""
    return output / "families" / "corpus" if name == "families" else output / name


def train(name: str, output: Path, scale: float) -> Path:
    """Train one model, as far as that was not done."""
    plan, tokens = PLANS[name], round(PLANS[name].millions * 1e6 * scale)
    phase = Phase(name="all", mixture=plan.mixture, tokens=tokens, learning_rate=(2e-3, 1e-4), warmup_tokens=tokens // 20, decay="cosine")
    settings = {"context_tokens": CONTEXT, "batch_tokens": 4 * CONTEXT} | plan.settings
    config = RunConfig(
        name=name,
        model=plan.model,
        corpora=Folders(folders={plan.corpus: str(corpus_of(output, plan.corpus))}),
        phases=(phase,),
        evaluate_tokens=max(CONTEXT, tokens // 10),
        checkpoint_tokens=max(CONTEXT, tokens // 20),
        valid_tokens=50_000,
        **settings,
    )
    run = output / "runs" / name
    pretrain(config, run, resume=True, device="cpu")
    return run


def judge(name: str, output: Path, items: int) -> dict[str, Any]:
    """Ask about held-out records; return the gain over the best baseline by modality, and all arms."""
    run = output / "runs" / name
    reads_pairs = PLANS[name].mixture == PAIRS
    config = EvaluateConfig(tasks=("bits-per-residue",), data=str(corpus_of(output, PLANS[name].corpus)), items=items)
    question = Question(Reader.load(run), config)
    facts = checkpoint.read_facts(resolve(run))
    found: dict[str, Any] = {"parameters": question.reader.model.num_parameters, "facts": facts, "arms": {}, "gain": {}}
    # An encoder of one modality has letters of the others, and has seen none of them.
    own = {pool.partition(".")[2] for pool in PLANS[name].mixture} - {""} or set(facts["bits_per_residue"])
    facts["bits_per_residue"] = {modality: bits for modality, bits in facts["bits_per_residue"].items() if modality in own}
    for letters in (letters for letters in question.letters({}) if letters.modality.value in own):
        panel = bits_panel(question, letters)
        arms = panel.of("bits_per_residue")
        ours = next(arm for (kind, _), arm in arms.items() if kind == "model")
        best, other = min(((name, arm) for (kind, name), arm in arms.items() if kind == "baseline"), key=lambda pair: pair[1].value)
        interval = central(other.drawn - ours.drawn)
        found["arms"][panel.part] = {arm: one.value for (_, arm), one in arms.items()}
        found["gain"][panel.part] = {"over": best, "bits": other.value - ours.value, "interval": list(interval)}
    for panel in conditional_gain(question).panels if reads_pairs else ():
        bits = {arm: one.value for (_, arm), one in panel.of("bits_per_residue").items()}
        saved = panel.of(panel.metric)["model", "own partner"]
        gain = {"over": ALONE, "bits": saved.value, "interval": list(central(saved.drawn))}
        found["arms"][panel.part] = {arm: bits[arm] for arm in ("own partner", "alone", "foreign partner")}
        found["gain"][panel.part] = gain
    HERE.mkdir(exist_ok=True)
    (HERE / f"{name}.json").write_text(json.dumps(plain(found), indent=1) + "\n")
    return found


def card(name: str, found: dict[str, Any], run: Path) -> str:
    """Return the model card."""
    plan, facts = PLANS[name], found["facts"]
    worthless = [part for part, one in found["gain"].items() if one["over"] == ALONE and not one["interval"][0] > 0]
    curve, read = MetricsLog(run / METRICS).read("valid"), list(facts["bits_per_residue"])
    return "\n".join(
        [
            f"# {name}",
            "",
            f"A language model of {found['parameters']:,} weights that {plan.what}, trained with biolect.",
            "",
            f"Data: {plan.data}; the digest of the prepared corpus stands in provenance.json.",
            f"Licence of the weights: {LICENCES[plan.corpus]}.",
            f"Training: {facts['tokens']:,} tokens, context of {facts['context_tokens']:,}, on two cores of a CPU.",
            "",
            "Bits per residue of held-out records, whose relatives were not trained on, and of members of pairs after their partner:",
            "",
            "| what | model and baselines | gain, 95 % |",
            "|---|---|---|",
            *answers_of(found),
            "",
            "Bits per residue of validation records over training:",
            "",
            f"| tokens | {' | '.join(read)} |",
            f"|{'---|' * (1 + len(read))}",
            *(f"| {one['tokens']:,} | {' | '.join(format(one['bits_per_residue'][m], '.3f') for m in read)} |" for one in curve),
            "",
            "Limits: small, and trained on little; for learning, tests and as a start for training, not for decisions about patients.",
            *(f"It has not learned what a partner says: {part} is no better than alone." for part in worthless),
            f"Again: `python studies/weights.py prepare`, then `train`, `judge` and `ship`, each with `--only {name} --scale SCALE`;",
            f"full scale is {plan.millions:g}M tokens.",
            "",
        ]
    )


def answers_of(found: dict[str, Any]) -> list[str]:
    """Return a line of a table for every question: all arms, and the gain over the best baseline."""
    lines = []
    for part, arms in found["arms"].items():
        gain = found["gain"][part]
        low, high = gain["interval"]
        cells = "; ".join(f"{arm} {value:.3f}" for arm, value in arms.items())
        lines.append(f"| {part} | {cells} | {gain['bits']:.3f} [{low:.3f}, {high:.3f}] over {gain['over']} |")
    return lines


def report() -> None:
    """Write the table of all models that were judged."""
    lines = [
        "# Packaged weights",
        "",
        "Written by `studies/weights.py`. Bits per residue of held-out clusters; gains with 95 % intervals over them.",
        "",
    ]
    lines += ["| model | weights, tokens | what | model and baselines | gain |", "|---|---|---|---|---|"]
    for path in (path for name in PLANS if (path := HERE / f"{name}.json").is_file()):
        found = json.loads(path.read_text())
        size = f"{found['parameters']:,}, {found['facts']['tokens'] / 1e6:.1f}M"
        lines += [f"| {path.stem} | {size} {line}" for line in answers_of(found)]
    (HERE / "results.md").write_text("\n".join(lines) + "\n")


def ship(name: str, output: Path) -> str:
    """Copy a model to the packaged weights if it beats every baseline of every modality; say which."""
    path, plan, run = HERE / f"{name}.json", PLANS[name], output / "runs" / name
    if not path.is_file():
        return "not judged"
    found = json.loads(path.read_text())
    gains = {part: one for part, one in found["gain"].items() if one["over"] != ALONE}
    short = [f"{part} {one['bits']:.3f} over {one['over']}" for part, one in gains.items() if not one["interval"][0] > 0]
    if short or not found["gain"]:
        return f"not shipped: {'; '.join(short) or 'nothing judged'}"
    folder, model = PACKAGED / name, checkpoint.load(resolve(run))
    corpora = {plan.corpus: sha256(corpus_of(output, plan.corpus) / "report.json")}
    facts = found["facts"] | {"data": plan.data, "licence": LICENCES[plan.corpus], "corpora": corpora}
    checkpoint.save(model, folder, facts, card(name, found, run), dtype=torch.bfloat16)
    size = math.fsum(part.stat().st_size for part in folder.iterdir())
    if size > LARGEST:
        raise SystemExit(f"'{folder}' has {size / 1e6:.1f} MB; at most {LARGEST / 1e6:.0f} are packaged. Make the model smaller.")
    return f"shipped, {size / 1e6:.1f} MB"


def main() -> None:
    """Do one step of the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("prepare", "train", "judge", "ship", "report"))
    parser.add_argument("--output", type=Path, default=Path("runs/weights"))
    parser.add_argument("--only", default=",".join(PLANS))
    parser.add_argument("--scale", choices=tuple(SCALES), default="full")
    parser.add_argument("--items", type=int, default=400, help="held-out records of each modality")
    asked = parser.parse_args()
    if asked.step == "prepare":
        prepare_all(asked.output)
        return
    if asked.step == "report":
        report()
        return
    for name in asked.only.split(","):
        if asked.step == "train":
            train(name, asked.output, SCALES[asked.scale])
        elif asked.step == "judge":
            print(name, judge(name, asked.output, asked.items)["gain"], flush=True)
        else:
            print(name, ship(name, asked.output), flush=True)


if __name__ == "__main__":
    main()
