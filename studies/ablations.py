"""What of BSM's recipe does the work? Ablations A1 to A9 at equal tokens and schedule, with what they say of its claims.

usage: python studies/ablations.py prepare|train|report [--output DIR] [--scale NAME] [--tokens N] [--only 'ARM;ARM'] [--dtype auto]

One number scales the study: tokens of a run. `--scale pilot` is every arm with a few of them (three minutes of one core), `hour` 60
to 90 minutes, `full` as many as the full mix needs to read a million tokens of pairs and more (single proteins, of which the data
have enough for 5M tokens, are then read four times; the table says how often). `prepare` builds one corpus from BIOLECT_DATA whose
splits share no relatives; `train` runs what has not been run, resuming what was cut short, and asks every model; `report` writes the
tables from the answers that there are. Corpus, models and answers, each in a file of its own, go to the output folder; the tables
also to studies/ablations.

Data: annotated genomes (slices of human, worm, fly; yeast; E. coli, Haemophilus, Streptococcus, Mycoplasma) stand for the pairs of
RefSeq, genes of one name in several of them for gene related sequences, and articles, part collections and notebooks (real text,
mined) for the web. Single records are genome windows and worm transcripts (DNA), transcripts of genes (RNA) and UniRef90 (protein).
The arms, and how often sources are repeated, are in ablations_arms.py.

Asked of every arm on held-out clusters: bits per residue of proteins, DNA and RNA alone, beside the Markov model of the best order
fitted on the single records that A1 reads; bits of a protein behind its own and behind a foreign gene (codons in register); the
share of residues that are translated right when the likeliest amino acid is taken at each place. The full mix is asked about protein
fitness and learning in context, too.

Rules, written before any run (that of A8 after the pilot, before the control was seen to learn). Intervals are
95 %, clusters of items and training seeds drawn anew; differences are paired by item and seed. An arm with one seed is exploratory:
its interval is over clusters only and proves nothing about the arm.
C1 (mixed beats single): d1 and d5 are the mean over protein, DNA and RNA alone of full minus A1, and of full minus A5, in bits.
   Holds if the intervals of both lie below 0; fails if either lies above 0; else undecided. Fewer than five seeds: undecided.
C3 (learning in context): `evaluate in-context` of every seed of the full mix. Holds if in all of them matched demonstrations beat
   every control and the synthetic code is learned; fails if the synthetic code is learned in all and matched demonstrations beat the
   controls in none; else undecided (where the synthetic code is not learned, the assay says nothing).
C5 (the gene helps protein fitness): rank correlation of the joint likelihood of gene and protein, mean of both orders, minus that
   of the protein alone; places, assays and seeds drawn anew. Holds if the interval lies above 0, fails if it lies below, else undecided.
A8 (translation without crops): asked only where the control, which reads pairs in register and nothing else, saves more than 0.1 bits
   of a protein by its own gene, over a foreign one, with the whole interval; else out of reach at this scale.
C2 (a match for models of billions) and C4 (270M beats 110M): not tested at this scale.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from ablations_arms import ARMS, VOCABULARY, Arm
from ablations_questions import ALONE, Scale, ask_markov, questions
from translation import data_folder

from biolect.data.corpus import Corpus, PrepareOptions, check_leakage, prepare
from biolect.devices import TrainingDtype
from biolect.files import atomic_path
from biolect.models import checkpoint
from biolect.train import checkpoints, components
from biolect.train.checkpoints import Position
from biolect.train.log import LossTable, MetricsLog
from biolect.train.loop import Trainer
from biolect.train.runtime import Runtime

RESULTS = Path(__file__).with_suffix("")


SCALES = {"pilot": Scale(40_000, 2, 24, 20), "hour": Scale(3_000_000, 5, 128, 40), "full": Scale(20_000_000, 5, 256, 200)}


def build_corpus(output: Path) -> Path:
    """Prepare the one corpus of all arms, unless that was done."""
    folder, data = output / "corpus", data_folder()
    slices = [path for ending in ("gff3", "gtf", "fa") for path in sorted((data / "eukaryote_slices").glob(f"*/*.{ending}.gz"))]
    inputs = [
        # Lone RNA records are too few to stand for single RNA, and with any of them transcripts of genes would not.
        *(path for path in slices if path.parent.name != "refseqgene" or path.name.startswith("NG_")),
        *sorted((data / "genbank" / "bacteria").glob("*.gb*.gz")),
        *sorted((data / "interleaved_text").glob("*.jsonl.gz")),
        data / "protein_corpus" / "uniref90_sample.faa.gz",
    ]
    if not folder.exists():
        prepare(inputs, folder, PrepareOptions(valid=0.03, test=0.1, skip_bad=True))
    return folder


def train_one(arm: Arm, seed: int, tokens: int, corpus: Corpus, folder: Path, dtype: TrainingDtype) -> None:
    """Train one arm with one seed, going on from its last checkpoint; write what it cost, and the model."""
    config = arm.config(seed, tokens, corpus.folder, dtype)
    found = arm.pools(config, {"main": corpus.collections})
    loaders = [components.loader(config, i, phase, found, VOCABULARY) for i, phase in enumerate(config.phases)]
    runtime = Runtime("cpu", config.dtype)
    saved = checkpoints.latest(folder / "checkpoints", torch.float32)
    model, position = config.model.build(seed), saved.position if saved else Position()
    if saved:
        model.load_state_dict(saved.weights, assign=True)
    wrapped, optimizer = runtime.prepare(model.train(), config.optimizer.build(model))
    if saved:
        runtime.load_optimizer(wrapped, saved.optimizer)
    log = MetricsLog(folder / "metrics.jsonl", writes=True)
    log.open_at(position.step)
    trainer = Trainer(config, runtime, wrapped, optimizer, loaders, {}, log, folder, position, LossTable(runtime.device))
    started, before = time.process_time(), position.tokens
    trainer.run()
    if position.tokens > before:
        memory = max(line["memory_bytes"] for line in log.read("train"))
        speed = (position.tokens - before) / (time.process_time() - started)
        cost = {"tokens": position.tokens, "parameters": model.num_parameters, "tokens_per_cpu_second": speed, "memory_bytes": memory}
        totals = {
            name: sum(
                phase.tokens * components.shares(phase.mixture, found, config.single_shares).get(name, 0.0) for phase in config.phases
            )
            for name in found
        }
        shares = {name.partition(":")[2]: read / config.total_tokens for name, read in totals.items()}
        write(folder / "cost.json", cost | {"shares": shares, "passes": components.passes(config, found), "dtype": runtime.dtype})
    checkpoint.save(model.eval(), folder / "model", {"recipe": config.name} | config.reading_facts)


def write(path: Path, facts: dict[str, Any]) -> None:
    """Write an answer whole."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(facts) + "\n")


def train_all(output: Path, scale: Scale, only: Sequence[str], dtype: TrainingDtype) -> None:
    """Run and ask whatever has not been run or asked: the first seeds of all arms before the second ones."""
    torch.set_num_threads(1)
    corpus = Corpus.open(build_corpus(output))
    check_leakage([corpus])
    for modality in ALONE:
        path = answers(output, scale) / "Markov-0" / f"{modality}.json"
        if not path.exists():
            write(path, ask_markov(corpus, modality, scale))
    for seed in range(scale.seeds):
        for arm in (arm for arm in ARMS.values() if seed < arm.seeds and (not only or arm.name in only)):
            folder = answers(output, scale) / f"{arm.name}-{seed}"
            if not (folder / "model").exists():
                train_one(arm, seed, scale.tokens, corpus, folder, dtype)
            asked = {name: ask for name, ask in questions(arm, corpus, scale).items() if not (folder / f"{name}.json").exists()}
            model = checkpoint.load(folder / "model") if asked else None
            for name, ask in asked.items():
                started = time.process_time()
                write(folder / f"{name}.json", ask(model) | {"cpu_seconds": time.process_time() - started})
            print(f"{arm.name}-{seed} is done", flush=True)


def answers(output: Path, scale: Scale) -> Path:
    """Return the folder of runs of so many tokens; a folder per arm and seed, a file per answer."""
    return output / f"tokens-{scale.tokens}"


def main() -> None:
    """Do one step of the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("prepare", "train", "report"))
    parser.add_argument("--output", type=Path, default=Path("runs/ablations"))
    parser.add_argument("--scale", choices=tuple(SCALES), default="full")
    parser.add_argument("--tokens", type=int, help="of a run, other than those of the scale")
    parser.add_argument("--only", default="", help="arms, parted by semicolons")
    parser.add_argument(
        "--dtype", choices=("float32", "auto"), default="float32", help="auto: bfloat16 where the processor is faster in it"
    )
    asked = parser.parse_args()
    scale = SCALES[asked.scale]
    scale = scale._replace(tokens=asked.tokens or scale.tokens)
    if asked.step == "prepare":
        build_corpus(asked.output)
    elif asked.step == "train":
        train_all(asked.output, scale, [name for name in asked.only.split(";") if name], asked.dtype)
    else:
        from ablations_report import report

        text = report(answers(asked.output, scale), scale.tokens)
        for path in (asked.output / f"table-{asked.scale}.md", RESULTS / f"table-{asked.scale}.md"):
            with atomic_path(path) as temporary:
                temporary.write_text(text)
        print(text)


if __name__ == "__main__":
    main()
