"""The tables of the study of ablations, and the verdicts by the rules that stand in ablations.py, from the answers that there are."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ablations_arms import ARMS, PAIRED
from numpy.typing import NDArray

from biolect.metrics import bootstrap_draws, central

ALONE = ("protein", "dna", "rna")
SINGLE = tuple(f"single.{modality}" for modality in ("dna", "rna", "protein"))
LN2 = math.log(2)
DRAWS = 1_000
Floats = NDArray[np.float64]
Runs = dict[str, dict[int, dict[str, Any]]]
"""Answers by arm, seed and question."""


class Measure(NamedTuple):
    """One column: a sum over items divided by their residues.

    Attributes:
        plus, minus: Keys of an answer, of which the first counts and the second is taken off; POSITIONS is the arm's own.
        unit: What a residue is divided by.
    """

    title: str
    question: str
    plus: str
    minus: str = ""
    unit: float = LN2


MEASURES = (
    *(Measure(f"{name} alone", name, "nats") for name in ALONE),
    Measure("protein behind own gene", "pairs", "own, POSITIONS"),
    Measure("saved: foreign minus own", "pairs", "foreign, POSITIONS", "own, POSITIONS"),
    Measure("saved, read with ordinary positions", "pairs", "foreign, ordinary", "own, ordinary"),
    Measure("translated right", "pairs", "own, POSITIONS, right", unit=1.0),
    Measure("right without a gene", "pairs", "alone, POSITIONS, right", unit=1.0),
)


def load(folder: Path) -> Runs:
    """Return the answers of every run that has ended."""
    runs: Runs = {}
    for name in ("Markov", *ARMS):
        for path in sorted(folder.glob(f"{name}-?")):
            found = {one.stem: json.loads(one.read_text()) for one in path.glob("*.json")}
            if set(ALONE) <= found.keys() and (name == "Markov" or {"pairs", "cost"} <= found.keys()):
                runs.setdefault(name, {})[int(path.name[-1])] = found
    return runs


def column(runs: Runs, arm: str, measure: Measure, seeds: list[int]) -> tuple[Floats, Floats]:
    """Return what is counted, seeds by items, and the residues of the items."""
    own = ARMS[arm].positions if arm in ARMS else "ordinary"
    keys = [key.replace("POSITIONS", own) for key in (measure.plus, measure.minus) if key]
    found = [runs[arm][seed][measure.question] for seed in seeds]
    sums = np.array([np.subtract(one[keys[0]], one[keys[1]]) if len(keys) > 1 else one[keys[0]] for one in found], dtype=np.float64)
    return sums / measure.unit, np.array(found[0]["residues"], dtype=np.float64)


def drawn(sums: Floats, residues: Floats, clusters: list[int]) -> tuple[float, Floats]:
    """Return the value of a column, and its values over drawn seeds and clusters; the same draws for all of the same clusters."""
    draws = _draws(tuple(clusters), len(sums))
    values = [sums[np.ix_(seeds, items)].mean(axis=0).sum() / residues[items].sum() for seeds, items in draws]
    return float(sums.mean(axis=0).sum() / residues.sum()), np.array(values)


@cache
def _draws(clusters: tuple[int, ...], num_seeds: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    seeds = np.random.default_rng(0).integers(0, num_seeds, size=(DRAWS, num_seeds))
    # Seeds are those of every other question, too, so that means over questions draw each seed once.
    return [(mine, items) for mine, (_, items) in zip(seeds, bootstrap_draws(clusters, draws=DRAWS), strict=True)]


def judged(runs: Runs, arm: str, measure: Measure, against: str = "") -> tuple[float, Floats]:
    """Return value and draws of an arm, or of its difference to another over the seeds that both have."""
    seeds = sorted(runs[arm].keys() & (runs[against].keys() if against else runs[arm].keys()))
    sums, residues = column(runs, arm, measure, seeds)
    if against:
        sums = sums - column(runs, against, measure, seeds)[0]
    return drawn(sums, residues, runs[arm][seeds[0]][measure.question]["clusters"])


def mean_alone(runs: Runs, arm: str, against: str = "") -> tuple[float, Floats]:
    """Return value and draws of the mean over protein, DNA and RNA alone."""
    found = [judged(runs, arm, measure, against) for measure in MEASURES[: len(ALONE)]]
    return float(np.mean([value for value, _ in found])), np.mean([draws for _, draws in found], axis=0)


def cell(value: float, draws: Floats, *, signed: bool = False) -> str:
    """Return a value with its interval."""
    low, high = central(draws)
    form = "+.3f" if signed else ".3f"
    return f"{value:{form}} [{low:{form}}, {high:{form}}]"


def label(runs: Runs, arm: str) -> str:
    """Return the first two cells of a line: the arm and its seeds."""
    note = "" if arm == "Markov" or ARMS[arm].seeds > 1 else " (exploratory)"
    return f"{'best Markov' if arm == 'Markov' else arm}{note} | {len(runs[arm])}"


def table_of_arms(runs: Runs) -> list[str]:
    """Return every arm in every measure."""
    lines = [header("arm", "seeds", *(measure.title for measure in MEASURES))]
    for arm in runs:
        asked = MEASURES[: len(ALONE)] if arm == "Markov" else MEASURES
        cells = [cell(*judged(runs, arm, measure)) for measure in asked] + ["-"] * (len(MEASURES) - len(asked))
        lines.append(f"| {label(runs, arm)} | {' | '.join(cells)} |")
    return lines


def table_of_differences(runs: Runs) -> list[str]:
    """Return every arm minus the full mix."""
    lines = [header("arm minus full", "seeds", "mean of three alone", *(measure.title for measure in MEASURES))]
    for arm in runs:
        if arm in ("full", "Markov") or not runs[arm].keys() & runs["full"].keys():
            continue
        cells = [cell(*mean_alone(runs, arm, "full"), signed=True)]
        cells += [cell(*judged(runs, arm, measure, "full"), signed=True) for measure in MEASURES]
        lines.append(f"| {label(runs, arm)} | {' | '.join(cells)} |")
    return lines


def table_of_mixtures(runs: Runs) -> list[str]:
    """Return what every arm read, how often, and what came of it."""
    lines = [header("arm", "seeds", "single, genes, related, texts: % of tokens", "passes over the same", "mean of three alone", "saved")]
    for arm, found in runs.items():
        if arm == "Markov":
            continue
        cost = next(iter(found.values()))["cost"]
        shares = [sum(cost["shares"].get(name, 0.0) for name in SINGLE), *(cost["shares"].get(name, 0.0) for name in PAIRED)]
        passes = [max(cost["passes"].get(name, 0.0) for name in SINGLE), *(cost["passes"].get(name, 0.0) for name in PAIRED)]
        read = f"{' : '.join(f'{100 * share:.1f}' for share in shares)} | {' : '.join(f'{count:.1f}' for count in passes)}"
        lines.append(f"| {label(runs, arm)} | {read} | {cell(*mean_alone(runs, arm))} | {cell(*judged(runs, arm, MEASURES[4]))} |")
    return lines


def table_of_costs(runs: Runs) -> list[str]:
    """Return what a model costs, and what it saves over the Markov model for that."""
    titles = ("weights", "tokens", "TFLOP (6ND)", "tokens a CPU second", "ms to read 1,000 residues", "MB, process")
    lines = [header("arm", "seeds", *titles, "bits saved over Markov, mean of three", "per TFLOP", "per million weights")]
    for arm in runs:
        if arm == "Markov" or "Markov" not in runs:
            continue
        costs = [found["cost"] for found in runs[arm].values()]
        speed, memory = (float(np.mean([one[name] for one in costs])) for name in ("tokens_per_cpu_second", "memory_bytes"))
        size, tokens = costs[0]["parameters"], costs[0]["tokens"]
        latency = 1e6 / float(np.mean([found["dna"]["residues_per_cpu_second"] for found in runs[arm].values()]))
        saved, flop = mean_alone(runs, "Markov")[0] - mean_alone(runs, arm)[0], 6 * size * tokens / 1e12
        cells = f"{size:,} | {tokens:,} | {flop:.3g} | {speed:,.0f} | {latency:.1f} | {memory / 1e6:.0f} | {saved:+.3f}"
        lines.append(f"| {label(runs, arm)} | {cells} | {saved / flop:+.3g} | {saved / size * 1e6:+.3g} |")
    return lines


def slopes(runs: Runs) -> list[str]:
    """Return what doubling tokens or weights gains, one seed."""
    lines: list[str] = []
    for many, few, what, doublings in (
        ("full", "quarter", "tokens", 2.0),
        ("large", "small", "weights", math.log2(_size(runs, "large") / _size(runs, "small")) if {"large", "small"} <= runs.keys() else 1.0),
    ):
        if {many, few} <= runs.keys() and runs[many].keys() & runs[few].keys():
            value, draws = mean_alone(runs, many, few)
            lines.append(f"- {what} doubled: {cell(value / doublings, draws / doublings, signed=True)} bits, mean of three (exploratory)")
    return lines


def _size(runs: Runs, arm: str) -> int:
    return next(iter(runs[arm].values()))["cost"]["parameters"]


def verdicts(runs: Runs) -> list[str]:
    """Return the verdict on every claim, by the rules in ablations.py."""
    untested = [f"- {claim}: not tested at this scale" for claim in ("C2", "C4")]
    return [*sorted([_single_or_mixed(runs), _in_context(runs), _fitness(runs), *untested]), *_translation(runs)]


def _translation(runs: Runs) -> list[str]:
    """Return whether the question of translation can be asked at all."""
    if "control" not in runs:
        return []
    saved = judged(runs, "control", MEASURES[4])
    words = "can be asked" if central(saved[1]).low > 0.1 else "is out of reach at this scale"
    return [f"- A8, translation: {words} (control, pairs in register alone: its own gene saves {cell(*saved)} bits over a foreign one)"]


def _single_or_mixed(runs: Runs) -> str:
    arms = ("A1 single", "A5 broken")
    if not all(arm in runs and runs[arm].keys() & runs["full"].keys() for arm in arms):
        return "- C1: undecided, runs are missing"
    gaps = {arm: mean_alone(runs, "full", arm) for arm in arms}
    ends = {arm: central(draws) for arm, (_, draws) in gaps.items()}
    seeds = min(len(runs["full"].keys() & runs[arm].keys()) for arm in arms)
    verdict = (
        "holds" if all(end.high < 0 for end in ends.values()) else "fails" if any(end.low > 0 for end in ends.values()) else "undecided"
    )
    words = ", ".join(f"minus {arm} {cell(*gap, signed=True)}" for arm, gap in gaps.items())
    return f"- C1: {verdict if seeds >= 5 else 'undecided, fewer than five seeds'} (full {words} bits; {seeds} seeds)"


def _in_context(runs: Runs) -> str:
    found = [answer["in-context"]["facts"]["beats_every_control"] for answer in runs["full"].values() if "in-context" in answer]
    learned, beats = ([one[name] for one in found] for name in ("synthetic code", "genetic code"))
    verdict = "undecided"
    if found and all(learned):
        verdict = "holds" if all(beats) else "undecided" if any(beats) else "fails"
    return (
        f"- C3: {verdict} (synthetic code learned in {sum(learned)} of {len(found)} seeds; "
        f"matched demonstrations beat every control in {sum(beats)})"
    )


def _fitness(runs: Runs) -> str:
    answers = [answer["fitness"]["parts"] for answer in runs["full"].values() if "fitness" in answer]
    both = ("gene, then protein", "protein, then gene")
    assays = [name for name, arms in answers[0].items() if all(one in arms for one in both)] if answers else []
    if not assays:
        return "- C5: undecided, runs are missing"

    def gap(arms: dict[str, Any], key: str) -> Any:
        return sum(np.array(arms[one][key]) for one in both) / 2 - np.array(arms["protein"][key])

    value = float(np.mean([gap(one[name], "value") for one in answers for name in assays]))
    draws = np.array([[gap(one[name], "drawn") for name in assays] for one in answers])
    rng = np.random.default_rng(0)
    chosen = [
        draws[np.ix_(rng.integers(0, len(answers), len(answers)), rng.integers(0, len(assays), len(assays)), [i])].mean()
        for i in range(draws.shape[2])
    ]
    low, high = central(chosen)
    verdict = "holds" if low > 0 else "fails" if high < 0 else "undecided"
    return (
        f"- C5: {verdict} (rank correlation with the gene minus without {cell(value, np.array(chosen), signed=True)}; "
        f"{len(assays)} assays, {len(answers)} seeds)"
    )


def header(*titles: str) -> str:
    """Return the first two lines of a table."""
    return f"| {' | '.join(titles)} |\n{'|---' * len(titles)}|"


def report(folder: Path, tokens: int) -> str:
    """Return all tables and verdicts."""
    runs = load(folder)
    if "full" not in runs:
        raise SystemExit(f"'{folder}' has no run of the full mix that has ended. Train it first.")
    done, planned = sum(len(found) for arm, found in runs.items() if arm != "Markov"), sum(arm.seeds for arm in ARMS.values())
    lines = [
        f"# Ablations, {tokens:,} tokens a run",
        "",
        f"{done} of {planned} runs of the whole study have ended. Bits per residue on held-out clusters, less is better, but for what is "
        "saved (bits) and right (share of residues). 95 % intervals, clusters and seeds drawn anew; arms of one seed are exploratory.",
        "",
        "## Claims",
        "",
        *verdicts(runs),
    ]
    tables = {
        "Arms": table_of_arms,
        "Differences to the full mix, same seeds and items": table_of_differences,
        "Mixtures": table_of_mixtures,
        "Cost": table_of_costs,
        "Slopes": slopes,
    }
    for title, make in tables.items():
        lines += ["", f"## {title}", "", *make(runs)]
    asks = [f"- {arm.name}: {arm.asks}" for arm in ARMS.values()]
    return "\n".join([*lines, "", "## What the arms ask", "", *asks]) + "\n"
