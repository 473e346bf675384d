"""Does this protein come from that gene? True pairs, and two kinds of false ones, made by the published rule.

Source: the Central Dogma task of LucaOne (10.1038/s42256-025-01044-4), in its variant of coding sequences: for each true pair one
with an edited gene and one with an edited protein, so that always saying no is right in two cases of three. Places are counted
from the start of each member, whatever was edited (`infer.reader.counted`): those of an alignment would tell true from false.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from biolect import metrics
from biolect.bio.genetic_code import GeneticCode
from biolect.bio.sequence import Modality, Sequence as Record
from biolect.data.document import Member
from biolect.errors import ConfigError
from biolect.evaluate.judging import Kind, Outcome
from biolect.evaluate.likelihoods import GENES, scores
from biolect.evaluate.question import Question, spelled
from biolect.infer.prompt import Prompt
from biolect.infer.reader import Reader, counted
from biolect.infer.score import Query
from biolect.values import Bools, Floats, Ints

_CODONS, _MOST_EDITS = 100, 8
_CODE = 11
STRATA = {"1 edit": (1, 1), "2 to 5 edits": (2, 5), "more edits": (6, _MOST_EDITS)}


class Item(NamedTuple):
    """A gene and a protein in letters, whether they belong together, and how many edits parted them."""

    gene: str
    protein: str
    is_true: bool
    edits: int = 0


def items_of(pairs: Sequence[tuple[str, str]], rng: np.random.Generator) -> list[Item]:
    """Return three items a pair: true, with its gene edited so that it codes for something else, with its protein edited."""
    found: list[Item] = []
    for gene, protein in pairs:
        counts = [round(2 ** rng.uniform(0, np.log2(min(_MOST_EDITS, len(protein) - 1)))) for _ in range(2)]
        edited, meaning = gene, _meaning(gene, len(protein))
        while _meaning(edited, len(protein)) == meaning:
            edited = _edited(gene, "ACGT", counts[0], rng, indels=True)
        other = _edited(protein, Modality.PROTEIN.alphabet.standard, counts[1], rng, indels=False)
        found += [Item(gene, protein, True), Item(edited, protein, False, counts[0]), Item(gene, other, False, counts[1])]
    return found


def _meaning(gene: str, length: int) -> str:
    return GeneticCode.by_id(_CODE).translate(gene[: min(len(gene) // 3, length) * 3], first_is_start=True)


def _edited(text: str, letters: str, count: int, rng: np.random.Generator, *, indels: bool) -> str:
    """Return a text with so many places changed, lost or doubled; the first codon or residue stays."""
    places = rng.choice(np.arange(3 if indels else 1, len(text)), size=count, replace=False).tolist()
    parts = list(text)
    for place in places:
        new = str(rng.choice([letter for letter in letters if letter != text[place]]))
        parts[place] = (new, "", text[place] + new)[int(rng.integers(3)) if indels else 0]
    return "".join(parts)


def members(reader: Reader, item: Item | tuple[str, str]) -> tuple[Member, Member]:
    """Return gene and protein as members, their places counted."""
    gene, protein = Record(item[0], Modality.DNA), Record(item[1], Modality.PROTEIN)
    return counted(reader.member(gene)), counted(reader.member(protein))


def queries_of(reader: Reader, items: Sequence[Item]) -> list[Query]:
    """Return the proteins of items, each to be read after its gene."""
    asked = [members(reader, item) for item in items]
    return [Query("", protein, gene) for gene, protein in asked]


def judged(question: Question, items: Sequence[Item], prompt: Prompt | None = None) -> dict[str, Floats]:
    """Return S1, the mean log-likelihood of each protein after its gene; S2, the sum; S3, less the sum without a gene. Nats.

    `alone` is what the protein has without its gene: where the gene was edited it is that of the true pair, and says nothing.
    """
    found = scores(question, queries_of(question.reader, items), prompt)
    total = np.array([one.log_likelihood for one in found])
    alone = np.array([one.log_likelihood_alone for one in found], dtype=np.float64)
    lengths = np.array([len(item.protein) for item in items])
    return {"S1": total / lengths, "S2": total, "S3": total - alone, "alone": alone}


def central_dogma(question: Question) -> Outcome:
    """Tell true pairs from false ones, with thresholds that were fitted on other genes."""
    room = question.reader.room
    most = _CODONS if room is None else min(_CODONS, (room - _MOST_EDITS) // 4 - 2)
    if most < 2:
        raise ConfigError(f"The model reads {room} tokens at once, too few for a gene and its protein. Choose one with a longer context.")
    pairs = question.pairs(GENES, most)
    items = items_of(spelled(question, pairs.asked), question.generator(3))
    truth, edits = np.array([item.is_true for item in items]), np.array([item.edits for item in items])
    owners = np.repeat(pairs.clusters, 3)
    kinds = np.unique(owners)
    fitted = np.isin(owners, question.generator(4).permutation(kinds)[: max(1, len(kinds) // 4)])
    test = np.flatnonzero(~fitted)
    panel = question.panel("", "accuracy", owners[test], records=test // 3)
    values = judged(question, items)
    identities = [np.mean([a == b for a, b in zip(_meaning(i.gene, len(i.protein)), i.protein, strict=False)]) for i in items]
    values |= {"length": np.array([float(len(item.protein)) for item in items]), "translation": np.array(identities, dtype=np.float64)}
    arms: dict[str, Kind] = {"S3": "model", "S1": "model", "S2": "model", "alone": "baseline", "length": "baseline"}
    arms["translation"] = "reference"
    for name, kind in arms.items():
        said = values[name] > threshold(truth[fitted], values[name][fitted])
        panel.add_ratio(name, kind, said[test] == truth[test], np.ones(len(test)))
        panel.add(name, kind, _auroc(truth[test], values[name][test]), "auroc")
        for stratum, (low, high) in STRATA.items() if kind == "model" else ():
            kept = truth[test] | ((edits[test] >= low) & (edits[test] <= high))
            panel.add(name, kind, _auroc(truth[test], values[name][test], kept), f"auroc, {stratum}")
    panel.add_ratio("always no", "baseline", ~truth[test], np.ones(len(test)))
    return Outcome("accuracy", [panel], facts={"codons": most, "threshold_items": int(fitted.sum())})


def _auroc(truth: Bools, values: Floats, kept: Bools | None = None) -> Callable[..., float]:
    def statistic(items: Ints) -> float:
        chosen = items if kept is None else items[kept[items]]
        return metrics.auroc(truth[chosen], values[chosen]) if len(chosen) > 1 else np.nan

    return statistic


def threshold(truth: Bools, values: Floats) -> float:
    """Return the value above which saying yes is right most often; infinite where it is best never to say it."""
    ordered = np.unique(values)
    cuts = np.concatenate([[np.inf], (ordered[1:] + ordered[:-1]) / 2, [-np.inf]])
    return float(cuts[int(np.argmax([((values > cut) == truth).mean() for cut in cuts]))])
