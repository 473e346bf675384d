"""The arms of the study of ablations: what each one changes in the three rounds of BSM, and the sources that this needs.

Every arm reads as many tokens as every other, under the same schedule, unless it is there to show what these are worth. Where
an arm leaves a source out, single records take its tokens, in every round. Small sources are repeated as often as in the paper:
what an arm reads of a source, divided by the paper's number of passes, is how much of the source it may draw on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from biolect.data.document import Document, Grammar, Member, Overhead
from biolect.data.pairing import Pairing
from biolect.data.shards import MemberStore
from biolect.data.sources import Source, truncated
from biolect.devices import TrainingDtype
from biolect.models.language_model import LanguageModel
from biolect.models.transformer import Transformer
from biolect.recipes.bsm import TUNED, UNIQUE_TOKENS, bsm
from biolect.tokens.vocabulary import Vocabulary
from biolect.train import components
from biolect.train.components import Pool, Stores, Subset
from biolect.train.curriculum import Folders, RunConfig

VOCABULARY = Vocabulary.joint()
CONTEXT = 1_280
RATES = 100
"""Times the published learning rates, in all arms but A9: 2e-3 at the start, which a model of this size needs."""
SIZES = {
    "base": Transformer.Config(layers=2, width=64, heads=2, inner=192),
    "small": Transformer.Config(layers=2, width=40, heads=2, inner=120),
    "large": Transformer.Config(layers=3, width=96, heads=3, inner=256),
}
PAIRED = ("genes", "related", "interleaved")
_PUBLISHED = bsm("nano")
ROUNDS = tuple(dict(phase.mixture) for phase in _PUBLISHED.phases)
PASSES = {name: sum(mix.get(name, 0.0) for mix in ROUNDS) * 1e9 / UNIQUE_TOKENS[name] for name in PAIRED}
PIECE, PIECES = 400, 3
"""Longest piece of a sequence of a text, and pieces of a passage, as many as the paper asks of a page at least."""
_CANDIDATES = 64
Mix = Mapping[str, float]


@dataclass(frozen=True)
class Arm:
    """One ablation; what is not said is as in the full mix.

    Attributes:
        asks: What it answers.
        rounds: Parts of the mixture in each round; the tokens of a round are the paper's share.
        is_broken: Members of paired documents come from different documents.
        has_shared_letters: A, C, G, T and N are one token each, in nucleotides and proteins alike.
        truncated: Share of pairs cut on the right instead of cropped in register.
        is_easy: Pairs are coding sequence and protein, every one in register; as easy to translate as can be.
        rates: Times the published learning rates.
        text_passes: Passes over the texts; None: the paper's 403.
        scale: Times the tokens of the study.
    """

    name: str
    asks: str
    rounds: tuple[Mix, ...] = ROUNDS
    seeds: int = 1
    is_broken: bool = False
    has_tags: bool = True
    has_shared_letters: bool = False
    truncated: float = 0.2
    is_easy: bool = False
    rates: float = RATES
    positions: Literal["shared", "ordinary"] = "shared"
    text_passes: float | None = None
    size: str = "base"
    scale: float = 1.0

    @property
    def grammar(self) -> Grammar:
        """How the arm writes documents."""
        return Grammar(tags=self.has_tags, positions=self.positions)

    @property
    def pairing(self) -> Pairing:
        """How the arm pairs and crops."""
        if self.is_easy:
            return Pairing(truncated_share=0.0, modalities=("dna", "protein"), dna_views=(1.0, 0.0, 0.0))
        return Pairing(truncated_share=self.truncated)

    def config(self, seed: int, tokens: int, corpus: Path, dtype: TrainingDtype) -> RunConfig:
        """Return the run of the arm at so many tokens of the study."""
        base = _PUBLISHED.scaled(round(tokens * self.scale))
        phases = tuple(
            phase.model_copy(update={"mixture": dict(mix), "learning_rate": tuple(rate * self.rates for rate in phase.learning_rate)})
            for phase, mix in zip(base.phases, self.rounds, strict=True)
        )
        read = {name: sum(phase.tokens * part(phase.mixture, name) for phase in phases) for name in ("single", *PAIRED)}
        passes = PASSES | ({} if self.text_passes is None else {"interleaved": self.text_passes})
        unique = {f"single.{modality}": read["single"] * share for modality, share in base.single_shares.items()}
        unique |= {name: read[name] / passes[name] for name in PAIRED if read[name]}
        changes = {
            "name": f"ablations-{self.name.replace(' ', '-')}",
            "model": LanguageModel.Config(backbone=SIZES[self.size]),
            "corpora": Folders(folders={"main": str(corpus)}),
            "phases": phases,
            "unique_tokens": {name: max(1, round(count)) for name, count in unique.items()},
            "grammar": self.grammar,
            "pairing": self.pairing,
            "context_tokens": CONTEXT,
            "batch_tokens": CONTEXT,
            "accumulation": 1,
            "dtype": dtype,
            "seed": seed,
            "log_steps": 50,
            "checkpoint_tokens": 500_000,
        }
        return RunConfig.from_dict(base.model_copy(update=changes).to_dict())

    def pools(self, config: RunConfig, corpora: Mapping[str, Stores]) -> dict[str, Pool]:
        """Return what the arm reads: sources cut to their unique tokens, broken and spelled as it says."""
        found = components.pools(config, corpora, "train")
        if name := next((name for name in found if name.endswith(":interleaved")), ""):
            passages = Passages(corpora[name.partition(":")[0]]["interleaved"], "train")
            found[name] = Pool(passages, passages.mean_tokens(CONTEXT + 1, config.grammar))
        found = components.limited(found, config.unique_tokens)
        if self.is_broken:
            found = {name: Pool(Broken(p.source), p.mean_tokens) if _is_paired(name) else p for name, p in found.items()}
        if self.has_shared_letters:
            found = {name: Pool(Spelled(pool.source), pool.mean_tokens) for name, pool in found.items()}
        return found


def part(mixture: Mix, name: str) -> float:
    """Return the share of a component in a mixture."""
    return mixture.get(name, 0.0) / sum(mixture.values())


def only(*kept: str) -> tuple[Mix, ...]:
    """Return the rounds with single records in the place of all other paired sources."""
    rounds: list[Mix] = []
    for mix in ROUNDS:
        paired = {name: weight for name, weight in mix.items() if name in kept}
        rest = sum(mix.values()) - sum(paired.values())
        rounds.append({"single": rest} | paired)
    return tuple(rounds)


def second(single: float, genes: float, related: float) -> tuple[Mix, ...]:
    """Return the rounds with another mix of the second."""
    parts = {"single": single, "genes": genes, "related": related}
    return ROUNDS[0], {name: weight for name, weight in parts.items() if weight}, ROUNDS[2]


ARMS = {
    arm.name: arm
    for arm in (
        Arm("full", "the three rounds of the paper", seeds=5),
        Arm("A1 single", "C1: no pairs at all", only(), seeds=5),
        Arm("A5 broken", "pairing, or just new data?", seeds=5, is_broken=True),
        Arm("A8 truncated", "can translation be learned without aligned crops?", seeds=5, truncated=1.0),
        Arm("A2 genes", "RefSeq pairs only", only("genes")),
        Arm("A3 related", "gene related sequences only", only("related")),
        Arm("A4 text", "sequences of texts only", only("interleaved")),
        Arm("A6 no tags", "modality tags", has_tags=False),
        Arm("A6 shared letters", "one token for A of DNA and A of alanine", has_shared_letters=True),
        Arm("A6 shared letters, no tags", "both", has_shared_letters=True, has_tags=False),
        Arm("A7 text once", "texts once instead of 403 times", text_passes=1.0),
        Arm("A7 more of round 2", "round 3 reads what round 2 reads", (ROUNDS[0], ROUNDS[1], ROUNDS[1])),
        Arm("A9 as published", "learning rates as published", rates=1),
        Arm("A9 times 30", "learning rates times 30", rates=TUNED),
        Arm("ordinary full", "positions count tokens", positions="ordinary"),
        Arm("ordinary A5", "the same with broken pairs", positions="ordinary", is_broken=True),
        Arm("mix 2-1-1", "round 2: single, genes, related", second(2, 1, 1)),
        Arm("mix 0-2-1", "round 2: genes and related", second(0, 2, 1)),
        Arm("mix 1-1-1 last", "round 3: genes, related, texts", (*ROUNDS[:2], dict.fromkeys(PAIRED, 1.0))),
        Arm("control", "pairs of coding sequence and protein alone: can this be translated at all?", ({"genes": 1.0},) * 3, is_easy=True),
        Arm("small", "size", size="small"),
        Arm("large", "size", size="large"),
        Arm("quarter", "a quarter of the tokens", scale=0.25),
    )
}


def _is_paired(name: str) -> bool:
    return name.partition(":")[2] in PAIRED


def cluster_of(store: MemberStore, group: int) -> int:
    """Return the cluster of a group; one that was never clustered stands for itself."""
    cluster = store.cluster_of(group)
    return cluster if cluster >= 0 else -1 - group


class Passages(Source):
    """Sequences of texts, a few at a time: three successive pieces of one text to a document, so that none is left out.

    Texts here are few and long, pages of the web are many and short; a text as one document would be cut after one row.
    """

    def __init__(self, store: MemberStore, split: str) -> None:
        self.store = store
        found = [(int(group), passage) for group in store.groups_in(split) for passage in self._of(int(group))]
        self.groups, self.passages = np.array([group for group, _ in found], dtype=np.int64), [passage for _, passage in found]

    def _of(self, group: int) -> Iterator[list[tuple[int, int]]]:
        members = self.store.members_of(group)
        pieces = [(member, start) for member in members for start in range(0, int(self.store.lengths[member]), PIECE)]
        yield from (pieces[i : i + PIECES] for i in range(0, len(pieces), PIECES))

    def __len__(self) -> int:
        """Passages of all texts."""
        return len(self.passages)

    def document(self, item: int, rng: np.random.Generator, room: int, grammar: Overhead) -> Document:
        """Return one passage, the same at every reading."""
        members = [self.store.member(member).slice(start, start + PIECE) for member, start in self.passages[item]]
        return truncated(members, room, grammar)


class Broken(Source):
    """The documents of a source with all members but the first taken from documents of other clusters.

    A stranger is a member of the same modality. Order, modalities and positions stay those of the true document, and a
    member is shorter only where the stranger is. Strangers come from what the run may draw on; where that is one cluster only,
    as the paper's single passages are in a short run, from the whole source.
    """

    def __init__(self, source: Source) -> None:
        self.source: Any = source
        self.whole: Any = source.source if isinstance(source, Subset) else source

    def __len__(self) -> int:
        """Documents of the source."""
        return len(self.source)

    def document(self, item: int, rng: np.random.Generator, room: int, grammar: Overhead) -> Document:
        """Return a document of strangers; a member for which none is found is left out."""
        first, *others = self.source.document(item, rng, room, grammar).members
        found = (self._stranger(member, item, rng, room, grammar) for member in others)
        return Document((first, *(member for member in found if member is not None)))

    def _stranger(self, member: Member, item: int, rng: np.random.Generator, room: int, grammar: Overhead) -> Member | None:
        own = self._cluster(self.source, item)
        for source in (self.source, self.whole):
            for other in rng.integers(0, len(source), size=_CANDIDATES).tolist():
                if self._cluster(source, other) == own:
                    continue
                for one in source.document(other, rng, room, grammar).members:
                    if one.modality is member.modality and len(one):
                        size = min(len(one), len(member))
                        return replace(member.slice(0, size), token_ids=one.token_ids[:size])
        return None

    def _cluster(self, source: Any, item: int) -> int:
        if isinstance(source, Subset):
            return self._cluster(source.source, item * len(source.source) // source.count)
        return cluster_of(source.store, int(source.groups[item]))


class Spelled(Source):
    """The documents of a source in shared letters."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __len__(self) -> int:
        """Documents of the source."""
        return len(self.source)

    def document(self, item: int, rng: np.random.Generator, room: int, grammar: Overhead) -> Document:
        """Return the document with the tokens of amino acids for the nucleotides of the same letter."""
        return spelled(self.source.document(item, rng, room, grammar))


_SHARED = np.arange(len(VOCABULARY), dtype=np.uint8)
_SHARED[[VOCABULARY.id_of(letter) for letter in "acgtn"]] = [VOCABULARY.id_of(letter) for letter in "ACGTN"]


def spelled(document: Document) -> Document:
    """Return a document in shared letters."""
    return Document(tuple(replace(member, token_ids=_SHARED[member.token_ids]) for member in document.members))
