"""In-context learning: do demonstrations of a rule help to tell true pairs from false ones, and more than what only looks like them?

Source: arXiv:2410.11499 claims it of prompts of whole pairs; demonstrations, scores and controls are ours, since none was given.
Learning in context is shown where matched demonstrations beat every control; and that is only asked of a model that learns a code
which no training has shown, one whose amino acids have changed names. Where it does not, the assay says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from biolect import metrics
from biolect.bio.sequence import Modality, Sequence as Record
from biolect.data.document import Member
from biolect.errors import ConfigError
from biolect.evaluate import dogma
from biolect.evaluate.judging import Kind, Outcome, Panel
from biolect.evaluate.likelihoods import GENES
from biolect.evaluate.question import Question, spelled
from biolect.figures.curves import prompt_curves
from biolect.infer.prompt import Prompt
from biolect.infer.reader import counted
from biolect.infer.score import label_log_odds
from biolect.values import Bools, Floats, Ints

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CONDITIONS = ("matched", "mismatched", "random letters", "proteins only", "filler")
DRAWS = 5
"""Of demonstrations."""
_FEWER = 10
"""Each gene is asked about in two rules, five conditions, five numbers and five draws."""
_FEWEST_PAIRS, _MOST_CODONS, _MOST_SHOWN = 12, 60, 16
_DNA, _PROTEIN = Modality.DNA.alphabet.standard, Modality.PROTEIN.alphabet.standard
Pairs = Sequence[tuple[str, str]]


class Family(NamedTuple):
    """Pairs under one rule: those that are asked about, as items, and those that can be shown."""

    name: str
    items: list[dogma.Item]
    shown: Pairs


def in_context(question: Question) -> Outcome:
    """Tell true pairs from false ones after 0, 1, 2, 4 and as many demonstrations as fit, and after controls of the same length."""
    reader = question.reader
    room = None if reader.context_tokens is None else reader.context_tokens // _FEWEST_PAIRS - reader.grammar.overhead(2)
    codons = _MOST_CODONS if room is None else min(_MOST_CODONS, room // 4)
    if codons < 5:
        raise ConfigError(f"The model reads {reader.context_tokens} tokens at once, too few for several pairs. Choose a longer context.")
    pairs = question.pairs(GENES, codons, question.config.items // _FEWER, learns=True)
    asked, rng = spelled(question, pairs.asked), question.generator(5)
    others = [(gene[: 3 * codons], protein[:codons]) for gene, protein in spelled(question, pairs.others)]
    renamed = str.maketrans(_PROTEIN, "".join(rng.permutation(list(_PROTEIN)).tolist()))
    items = dogma.items_of(asked, question.generator(3))
    translated = [(gene, protein.translate(renamed)) for gene, protein in others]
    families = [
        Family("genetic code", items, others),
        Family("synthetic code", [i._replace(protein=i.protein.translate(renamed)) for i in items], translated),
    ]
    outcome = Outcome("auroc", [], notes=["A value is the mean over both rules; look at each by itself."])
    most = _fitting(question, others, codons)
    numbers = sorted({0, most, *(number for number in (1, 2, 4) if number <= len(others))})
    for family in families:
        clusters, records = np.repeat(pairs.clusters, 3), np.repeat(np.arange(len(pairs.clusters)), 3)
        panel = question.panel(family.name, "auroc", clusters, num_seeds=DRAWS, records=records)
        _ask(question, panel, family, numbers)
        outcome.panels.append(panel)
    outcome.facts = {"codons": codons, "demonstrations": numbers} | _verdicts(outcome)
    outcome.figure = _figure(outcome, numbers)
    return outcome


def _fitting(question: Question, pairs: Pairs, codons: int) -> int:
    """Return how many demonstrations have room before a pair of the longest kind."""
    limit, grammar = question.reader.context_tokens, question.reader.grammar
    each = 4 * codons + 2 * (grammar.overhead(2) - grammar.overhead(1)) + 1
    fitting = _MOST_SHOWN if limit is None else (limit - grammar.overhead(2) - 4 * codons - 16) // each
    return min(_MOST_SHOWN, len(pairs), fitting)


def _ask(question: Question, panel: Panel, family: Family, numbers: Sequence[int]) -> None:
    """Judge all conditions at every number of demonstrations; the first arm is the one that counts."""
    truth = np.array([item.is_true for item in family.items])
    found: dict[tuple[str, int], list[dict[str, Floats]]] = {}
    for number in sorted(numbers, reverse=True):
        for condition in CONDITIONS if number else ("none",):
            for draw in range(DRAWS if number else 1):
                rng = question.generator(6, draw)
                chosen = [family.shown[i] for i in rng.choice(len(family.shown), size=number, replace=False).tolist()]
                found.setdefault((condition, number), []).append(_scores(question, family.items, condition, chosen, rng))
    most = max(numbers)
    for (condition, number), draws in found.items():
        name = condition if number == most else f"{condition}, k = {number}" if number else "no demonstrations"
        kind: Kind = "model" if condition == "matched" else "baseline" if number in (0, most) else "control"
        for score in draws[0]:
            values = [draw[score] for draw in draws]
            metric = "auroc" if score == "S3" else f"auroc, {score}"
            panel.add_seeded(name, kind, lambda s, i, values=values: _mean_auroc(truth, [values[k % len(values)] for k in s], i), metric)


def _mean_auroc(truth: Bools, values: Sequence[Floats], items: Ints) -> float:
    return float(np.mean([metrics.auroc(truth[items], one[items]) for one in values]))


def _scores(question: Question, items: Sequence[dogma.Item], condition: str, chosen: Pairs, rng: np.random.Generator) -> dict[str, Floats]:
    """Return S1 to S4 of all items after a prompt, and what labels say where demonstrations have them."""
    reader = question.reader
    prompt = reader.read(_prompt(question, condition, chosen, rng)) if chosen else Prompt()
    found = dogma.judged(question, items, prompt)
    del found["alone"]
    if condition not in ("matched", "none"):
        return found
    foreign = [item._replace(gene=items[(i + 3) % len(items)].gene) for i, item in enumerate(items)]
    found["S4"] = found["S2"] - dogma.judged(question, foreign, prompt)["S2"]
    if chosen:
        shown = _labelled(chosen, rng)
        pairs = [dogma.members(reader, item) for item in shown]
        labelled = Prompt.demonstrations(pairs, reader.grammar, labels=[item.is_true for item in shown])
        found["labels"] = np.array(label_log_odds(reader, dogma.queries_of(reader, items), labelled))
    return found


def _labelled(chosen: Pairs, rng: np.random.Generator) -> list[dogma.Item]:
    """Return true and false pairs in turn."""
    triples = dogma.items_of(chosen, rng)
    return [triples[3 * i + (0 if i % 2 == 0 else 1 + i // 2 % 2)] for i in range(len(chosen))]


def _prompt(question: Question, condition: str, chosen: Pairs, rng: np.random.Generator) -> Prompt:
    """Return demonstrations, or what has their length and not their rule."""
    reader = question.reader

    def drawn(text: str, letters: str) -> str:
        return "".join(rng.choice(list(letters), len(text)).tolist())

    genes, proteins = [gene for gene, _ in chosen], [protein for _, protein in chosen]
    if condition == "mismatched":
        lone = proteins[0][:1] + "".join(rng.permutation(list(proteins[0][1:])).tolist())
        proteins = proteins[1:] + proteins[:1] if len(proteins) > 1 else [lone]
    if condition == "random letters":
        genes, proteins = [drawn(one, _DNA) for one in genes], [drawn(one, _PROTEIN) for one in proteins]
    if condition == "proteins only":
        return Prompt.of([dogma.members(reader, pair)[1] for pair in chosen], reader.grammar)
    if condition == "filler":
        text = "".join(genes) + drawn("".join(proteins), _DNA)
        return Prompt.of([counted(reader.member(Record(text, Modality.DNA)))], reader.grammar)
    pairs: list[tuple[Member, Member]] = [dogma.members(reader, pair) for pair in zip(genes, proteins, strict=True)]
    return Prompt.demonstrations(pairs, reader.grammar)


def _verdicts(outcome: Outcome) -> dict[str, object]:
    """Return, by rule, whether matched demonstrations beat every control, and what follows."""
    beats: dict[str, bool] = {}
    for panel in outcome.panels:
        arms = panel.of("auroc")
        ours = next(arm for (kind, _), arm in arms.items() if kind == "model")
        lows = [metrics.central(ours.over(arm).drawn).low for (kind, _), arm in arms.items() if kind == "baseline"]
        beats[panel.part] = min(lows) > 0
    learned = "in-context learning" if beats["genetic code"] else "no in-context learning beyond what is known"
    return {"beats_every_control": beats, "verdict": learned if beats["synthetic code"] else "assay insensitive at this scale"}


def _figure(outcome: Outcome, numbers: Sequence[int]) -> Figure:
    curves: dict[str, dict[str, list[tuple[float, metrics.Interval]]]] = {}
    for panel in outcome.panels:
        arms = {name: arm for (_, name), arm in panel.of("auroc").items()}
        none = arms["no demonstrations"]
        for condition in CONDITIONS:
            found = [none if not k else arms[condition if k == max(numbers) else f"{condition}, k = {k}"] for k in numbers]
            curves.setdefault(panel.part, {})[condition] = [(arm.value, metrics.central(arm.drawn)) for arm in found]
    return prompt_curves(numbers, curves)
