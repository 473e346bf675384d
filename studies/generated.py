"""What do small models write: DNA, proteins and molecules beside real ones, letters in another order, and Markov chains?

    python studies/generated.py train [--strands DIR] [--output DIR] [--seeds N] [--scale NAME]
    python studies/generated.py draw [--strands DIR] [--families DIR] [--molecules DIR] [--output DIR] [--seeds N] [--scale NAME]
    python studies/generated.py report [--output DIR] [--scale NAME] [--draws N]

Proteins and molecules are drawn from what `families.py` and `molecules.py` trained; the DNA models of `strands.py` read both
sides and cannot be drawn from, so `train` makes causal ones of the same corpus, equal tokens for both backbones. `draw`
draws from all models that are there, resuming; `report` writes the table. Answers of scales are kept apart.

DNA windows and molecules are drawn from nothing, proteins after one to eight homologs of families that training never saw. All
are compared with held-out real ones (for proteins, of the same families): Jensen-Shannon divergence of words of k letters or
symbols, bits; Kolmogorov-Smirnov distances of what each item is like; and copying: the share of an item's long words that
training has (DNA on either strand), the longest stretch that only such words make, for proteins the share of words that the
prompt has, for molecules Tanimoto similarity to the nearest of training. `real` are other held-out items, which says what
chance and kinship alone give, and what every other row has over them is the finding (few items are far from any others, real
ones, too); `shuffled` are those with letters in another order, and `markov` chains of the order that tells
held-out items best, both of the lengths of `real`. Intervals are 95 %, over items (families) and training seeds, drawn anew.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from generated_data import LONGEST, SETTINGS, WINDOW, Setting, controls, symbols
from generated_measures import LONG, Training, bits_between, traits, word_counts
from numpy.typing import NDArray

from biolect import metrics
from biolect.bio.sequence import Modality, Sequence as BioSequence
from biolect.data.document import Grammar
from biolect.files import atomic_path
from biolect.infer.generate import Sampling, generate
from biolect.infer.prompt import Prompt
from biolect.infer.reader import Reader
from biolect.models.language_model import LanguageModel
from biolect.models.transformer import Transformer
from biolect.models.xlstm import XLSTM
from biolect.train.curriculum import Folders, Phase, RunConfig
from biolect.train.pretrain import pretrain

RESULTS = Path(__file__).with_suffix("")
# 441 and 444 thousand weights, as in `strands.py`; only the direction is another.
BACKBONES = {
    "xlstm": XLSTM.Config(layers=4, width=128, heads=4, pattern="m"),
    "transformer": Transformer.Config(layers=3, width=112, heads=4, inner=288),
}
# Training tokens of the DNA models; windows; families; molecules.
SCALES = {"pilot": (16_384, 12, 4, 30), "hour": (1_000_000, 200, 60, 400), "full": (8_000_000, 500, 200, 2_000)}
CONTEXT = 512
WORDS = {"dna": (1, 3, 6), "protein": (1, 2), "molecule": (1, 2, 3)}


def config_of(backbone: str, seed: int, corpus: Path, tokens: int) -> RunConfig:
    """Return the run of a causal model of DNA."""
    phase = Phase(name="dna", mixture={"single": 1.0}, tokens=tokens, learning_rate=(3e-3, 1e-4), warmup_tokens=tokens // 10)
    return RunConfig(
        name=f"dna-{backbone}-{seed}",
        model=LanguageModel.Config(vocabulary="dna-12", backbone=BACKBONES[backbone]),
        corpora=Folders(folders={"main": str(corpus)}),
        phases=(phase,),
        single_shares={"dna": 1.0},
        grammar=Grammar(tags=False, positions="ordinary"),
        context_tokens=CONTEXT,
        batch_tokens=16 * CONTEXT,
        # Four rows at a time stay in the caches of a processor.
        accumulation=4,
        seed=seed,
        evaluate_tokens=tokens,
        checkpoint_tokens=max(1, tokens // 10),
        valid_tokens=min(100_000, tokens),
    )


def train(strands: Path, output: Path, seeds: int, scale: str) -> None:
    """Train the models of DNA that were not trained."""
    for seed in range(seeds):
        for backbone in BACKBONES:
            run = output / "runs" / f"{backbone}-{seed}"
            if not (run / "run.json").is_file():
                pretrain(config_of(backbone, seed, strands / "corpus", SCALES[scale][0]), run, resume=True, device="cpu")


def samples(reader: Reader, setting: Setting, seed: int) -> list[str]:
    """Draw one item beside every real one."""
    if setting.modality is not Modality.PROTEIN:
        longest = WINDOW if setting.modality is Modality.DNA else 100
        # A window is cut out of what goes on, so it may not end.
        how = Sampling(max_residues=longest, min_residues=longest if setting.modality is Modality.DNA else 1, seed=seed)
        return [one.residues for one in generate(reader, setting.modality, len(setting.real), how).sequences]
    found = []
    for family in dict.fromkeys(setting.clusters):
        first, count = setting.clusters.index(family), setting.clusters.count(family)
        shown = [reader.member(BioSequence(text, Modality.PROTEIN)) for text in setting.prompts[first]]
        prompt = Prompt.of(shown, reader.grammar, (reader.context_tokens or 4_096) - LONGEST - reader.grammar.overhead(2))
        made = generate(reader, Modality.PROTEIN, count, Sampling(max_residues=LONGEST, seed=seed), prompt=prompt)
        found += [one.residues for one in made.sequences]
    return found


def models(folders: dict[str, Path], seeds: int) -> Iterator[tuple[str, str, int, Path]]:
    """Yield modality, backbone, seed and folder of every run that has ended."""
    for modality, pattern in (("dna", "{b}-{s}"), ("protein", "{b}-{s}-*"), ("molecule", "alone-{b}-{s}")):
        for backbone in BACKBONES:
            for seed in range(seeds):
                runs = sorted((folders[modality] / "runs").glob(pattern.format(b=backbone, s=seed)))
                yield from ((modality, backbone, seed, run) for run in runs[-1:] if (run / "run.json").is_file())


def draw(folders: dict[str, Path], output: Path, seeds: int, scale: str) -> None:
    """Draw, and measure every item, as far as that was not done."""
    torch.set_num_threads(1)
    todo = {name: [one for one in models(folders, seeds) if one[0] == name] for name in SETTINGS}
    for count, (name, make) in zip(SCALES[scale][1:], SETTINGS.items(), strict=True):
        wanted = [output / f"{name}+{backbone}+{seed}.json" for _, backbone, seed, _ in todo[name]]
        if not wanted or all(path.is_file() for path in [*wanted, output / f"{name}+reference.json"]):
            continue
        setting = make(folders[name] if name != "dna" else folders["strands"], count)
        training = Training.of(setting.train, name)

        def keep(path: Path, texts: list[str], setting: Setting = setting, training: Training = training, name: str = name) -> None:
            shown = setting.prompts or [[]] * len(texts)
            rows = [traits(text, name, training, prompt) for text, prompt in zip(texts, shown, strict=False)]
            with atomic_path(path) as temporary:
                temporary.write_text(json.dumps({"texts": texts, "clusters": setting.clusters, "traits": rows}) + "\n")
            print(path.stem, flush=True)

        for label, texts in controls(setting):
            keep(output / f"{name}+{label}+0.json", texts)
        for (_, _, seed, run), path in zip(todo[name], wanted, strict=True):
            if not path.is_file():
                keep(path, samples(Reader.load(run, batch_tokens=16_384), setting, seed))
        keep(output / f"{name}+reference.json", setting.reference)


class Drawn(NamedTuple):
    """Seeds by items of one source: counts of words of each length, and what each item is like."""

    counts: dict[int, Any]
    traits: dict[str, NDArray[np.float64]]
    clusters: list[int]

    @property
    def num_seeds(self) -> int:
        """How often as many items as there are real ones were drawn."""
        return len(next(iter(self.traits.values()))) // len(self.clusters)


def read(output: Path, name: str) -> tuple[Drawn, dict[str, Drawn]]:
    """Return the reference of a modality, and every source."""
    runs: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(output.glob(f"{name}+*.json")):
        runs.setdefault(path.stem.split("+")[1], []).append(json.loads(path.read_text()))
    texts = {label: [symbols(text, Modality(name)) for one in some for text in one["texts"]] for label, some in runs.items()}
    counts = {k: word_counts(texts, k) for k in WORDS[name]}
    found = {}
    for label, some in runs.items():
        rows = [row for one in some for row in one["traits"]]
        kinds = {kind: np.array([np.nan if row[kind] is None else row[kind] for row in rows], dtype=np.float64) for kind in rows[0]}
        found[label] = Drawn({k: counts[k][label] for k in counts}, kinds, some[0]["clusters"])
    return found.pop("reference"), found


def report(output: Path, draws: int) -> str:
    """Return one table a modality."""
    lines: list[str] = []
    for name in SETTINGS:
        if not (output / f"{name}+reference.json").is_file():
            continue
        reference, sources = read(output, name)
        distances = [f"{k}-words, bits" for k in WORDS[name]] + [f"{kind}, KS" for kind in reference.traits if kind not in LONG]
        means = [kind for kind in reference.traits if kind in LONG]
        lines += [
            f"## {name}",
            "",
            f"| source | seeds | items | {' | '.join(distances + means)} |",
            "|---" * (3 + len(distances + means)) + "|",
        ]
        for label, one in sorted(sources.items()):
            cells = [spread(one, sources["real"], reference, what, draws) for what in distances + means]
            lines.append(f"| {label} | {one.num_seeds} | {len(one.clusters)} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def spread(one: Drawn, real: Drawn, reference: Drawn, what: str, draws: int) -> str:
    """Return a measure and, where it is not that of real items, what it has over theirs, with the interval of that."""
    items, seeds = len(one.clusters), one.num_seeds
    whole = np.arange(items)
    found = measure(one, reference, what, np.arange(seeds), whole)
    if not np.isfinite(found) or one is real:
        return f"{found:.3f}" if one is real else "-"

    def excess(drawn: NDArray[np.int64], chosen: NDArray[np.int64]) -> float:
        return measure(one, reference, what, drawn, chosen) - measure(real, reference, what, np.zeros(1, np.int64), chosen)

    low, high = metrics.bootstrap_interval(excess, one.clusters, num_seeds=seeds, draws=draws)
    return f"{found:.3f} ({excess(np.arange(seeds), whole):+.3f} [{low:+.3f}, {high:+.3f}])"


def measure(one: Drawn, reference: Drawn, what: str, seeds: NDArray[np.int64], chosen: NDArray[np.int64]) -> float:
    """Return a measure over drawn items, each seed alone: distances of few items are larger than those of many."""
    kind, _, how = what.rpartition(", ")
    found = []
    for seed in seeds.tolist():
        rows = seed * len(one.clusters) + chosen
        if how == "bits":
            k = int(kind.partition("-")[0])
            found.append(bits_between(one.counts[k], reference.counts[k], rows))
            continue
        values, there = (x[np.isfinite(x)] for x in (one.traits[kind or what][rows], reference.traits[kind or what]))
        if len(values):
            found.append(metrics.ks(values, there) if how == "KS" else float(values.mean()))
    return float(np.mean(found)) if found else float("nan")


def main() -> None:
    """Do one step of the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("train", "draw", "report"))
    parser.add_argument("--strands", type=Path, default=Path("runs/strands"), help="output folder of strands.py")
    parser.add_argument("--families", type=Path, default=Path("runs/families"), help="output folder of families.py")
    parser.add_argument("--molecules", type=Path, default=Path("runs/molecules"), help="output folder of molecules.py")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--scale", choices=tuple(SCALES), default="full")
    parser.add_argument("--draws", type=int, default=300, help="of the bootstrap")
    asked = parser.parse_args()
    output = asked.output / asked.scale
    output.mkdir(parents=True, exist_ok=True)
    if asked.step == "train":
        torch.set_num_threads(1)
        train(asked.strands, output, asked.seeds, asked.scale)
    elif asked.step == "draw":
        folders = {"dna": output, "strands": asked.strands, "protein": asked.families, "molecule": asked.molecules}
        draw(folders, output, asked.seeds, asked.scale)
    else:
        text = report(output, asked.draws)
        with atomic_path(output / "table.md") as temporary:
            temporary.write_text(text)
        print(text)


if __name__ == "__main__":
    main()
