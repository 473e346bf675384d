"""Sources: from stored members to documents, as pure functions of an item and a generator.

Nothing about pairing, crops or orders is stored; it is decided when a document is drawn, so one
corpus serves every arm of a study.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import lru_cache
from typing import Literal

import numpy as np
import pydantic
from numpy.typing import NDArray

from biolect.bio.sequence import Modality
from biolect.config import Config
from biolect.data.document import Document, Grammar, Member, View
from biolect.data.shards import MemberStore
from biolect.errors import ConfigError
from biolect.tokens.vocabulary import Vocabulary

_PROBE = 64


class Source(ABC):
    """One random-access collection of documents. Invariant: equal arguments give equal documents."""

    @abstractmethod
    def __len__(self) -> int:
        """Items to draw from."""

    @abstractmethod
    def document(self, item: int, rng: np.random.Generator, room: int, grammar: Grammar) -> Document:
        """Return a document of one item.

        Args:
            item: 0-based.
            rng: Where every random choice comes from.
            room: Tokens the document may have when it is written out, special tokens included.
        """

    def mean_tokens(self, room: int, grammar: Grammar) -> float:
        """Return the mean length of written documents, over a fixed sample of items."""
        rng = np.random.default_rng((0, len(self)))
        lengths = []
        for item in rng.integers(0, len(self), size=min(_PROBE, 4 * len(self))):
            document = self.document(int(item), rng, room, grammar)
            lengths.append(len(document) + grammar.overhead(len(document.members)))
        return float(np.mean(lengths))


def document_weights(sources: dict[str, Source], shares: dict[str, float], room: int, grammar: Grammar) -> dict[str, float]:
    """Turn shares of tokens into shares of documents.

    Raises:
        ConfigError: If a share is not positive, or names no source.
    """
    for name, share in shares.items():
        if name not in sources:
            raise ConfigError(f"The mixture names '{name}', which the corpora do not have. They have: {', '.join(sources) or 'nothing'}.")
        if not share > 0:
            raise ConfigError(f"Mixture weights must be positive and finite; '{name}' has {share}.")
    return {name: share / sources[name].mean_tokens(room, grammar) for name, share in shares.items()}


class SingleSource(Source):
    """Members alone, one to a document; long ones in windows.

    Args:
        store: Where the members are.
        split: train, valid or test.
        modality: Which members.
        views: Which views; empty takes all.
        reverse_complement: Share of DNA records read from the other strand; only whole records, never coding views.
        window: Residues per window of a long member.
    """

    def __init__(
        self,
        store: MemberStore,
        split: str,
        modality: Modality,
        *,
        views: tuple[View, ...] = (),
        reverse_complement: float = 0.5,
        window: int = 1_020,
    ) -> None:
        self.store, self.modality, self.window, self.reverse_complement = store, modality, window, reverse_complement
        kept = store.column("modality") == modality.index
        if views:
            kept = kept & np.isin(store.column("view"), [view.index for view in views])
        starts = store.column("group_starts")
        owners = np.repeat(np.arange(store.num_groups), np.diff(starts))
        kept = kept & np.isin(owners, store.groups_in(split)) & (store.lengths > 0)
        self.members = np.flatnonzero(kept)
        self.windows = np.cumsum(-(-store.lengths[self.members] // window))

    def __len__(self) -> int:
        """Windows of all members."""
        return int(self.windows[-1]) if len(self.windows) else 0

    def document(self, item: int, rng: np.random.Generator, room: int, grammar: Grammar) -> Document:
        """Return one window of one member, at a random offset inside its share of the member."""
        place = int(np.searchsorted(self.windows, item, side="right"))
        member = self.store.member(int(self.members[place]))
        size = min(self.window, room - grammar.overhead(1))
        if len(member) > size:
            within = item - (int(self.windows[place - 1]) if place else 0)
            start = within * self.window + int(rng.integers(0, self.window))
            start = min(start, len(member) - size)
            member = member.slice(start, start + size)
        if member.modality is Modality.DNA and member.view is View.RECORD and rng.random() < self.reverse_complement:
            member = Member(self._complement[member.token_ids][::-1], member.modality, (), member.view)
        return Document((member,))

    @property
    def _complement(self) -> NDArray[np.uint8]:
        return _complement_ids(self.store.vocabulary)


@lru_cache(maxsize=4)
def _complement_ids(vocabulary: Vocabulary) -> NDArray[np.uint8]:
    """Token id to the id of the complementary nucleotide; others stay."""
    table = np.arange(len(vocabulary), dtype=np.uint8)
    for letter, other in ("at", "ta", "cg", "gc"):
        table[vocabulary.id_of(letter)] = vocabulary.id_of(other)
    return table


class Pairing(Config):
    """How the views of one gene are put into one context.

    Attributes:
        partners: `broken` gives the protein of a gene from another cluster, with crops and positions drawn as
            for true pairs; the control that separates pairing from new data.
        order: Which modality is read first.
        crop_codons: Shortest and longest aligned crop. Codons.
        truncated_share: Share of documents cut on the right instead of cropped in register.
        three_share: Share of documents with all three modalities instead of two.
        dna_views: Shares of coding sequence, locus with introns, and promoter with the 5' part.
        rna_context: Most nucleotides shown beyond the crop on either side of a transcript.
    """

    partners: Literal["matched", "broken"] = "matched"
    order: Literal["random", "gene_first", "protein_first"] = "random"
    crop_codons: tuple[int, int] = (20, 300)
    truncated_share: float = pydantic.Field(0.2, ge=0, le=1)
    three_share: float = pydantic.Field(0.3, ge=0, le=1)
    dna_views: tuple[float, float, float] = (0.4, 0.4, 0.2)
    modalities: tuple[Literal["dna", "rna", "protein"], ...] = ("dna", "rna", "protein")
    rna_context: int = pydantic.Field(50, ge=0)

    model_config = pydantic.ConfigDict(strict=False)


class PairSource(Source):
    """Views of one gene in one context: aligned crops, so that both sides of the mapping are always visible.

    Source: arXiv:2410.11499 gives "any combination in shuffled order"; aligned crops and broken partners are ours.
    """

    def __init__(self, store: MemberStore, split: str, pairing: Pairing) -> None:
        self.store, self.pairing = store, pairing
        proteins = store.column("view") == View.PROTEIN.index
        starts = store.column("group_starts")
        has_protein = np.add.reduceat(np.append(proteins, False), starts[:-1]) > 0 if len(starts) > 1 else np.zeros(0, bool)
        groups = store.groups_in(split)
        self.groups = groups[has_protein[groups]] if len(groups) else groups

    def __len__(self) -> int:
        """Genes with a protein."""
        return len(self.groups)

    def document(self, item: int, rng: np.random.Generator, room: int, grammar: Grammar) -> Document:
        """Return one document about one gene; see `Pairing`."""
        views = self.views_of(int(self.groups[item]))
        if self.pairing.partners == "broken":
            views[View.PROTEIN] = self.views_of(self._foreign(item, rng))[View.PROTEIN]
        chosen = self._modalities(views, rng)
        if rng.random() < self.pairing.truncated_share:
            members = [views[self._dna_view(views, rng)] if m is Modality.DNA else views[_VIEW_OF[m]] for m in chosen]
            return truncated(self._ordered(members, rng), room, grammar)
        return self._ordered_document(self._crop(views, chosen, rng, room - grammar.overhead(len(chosen))), rng)

    def views_of(self, group: int) -> dict[View, Member]:
        """Return the members of a gene by view."""
        return {member.view: member for member in self.store.group(group)}

    def _foreign(self, item: int, rng: np.random.Generator) -> int:
        """Return a gene of another cluster, or the next gene where there is only one cluster."""
        own = self.store.cluster_of(int(self.groups[item]))
        for _ in range(16):
            other = int(self.groups[rng.integers(0, len(self.groups))])
            if self.store.cluster_of(other) != own:
                return other
        return int(self.groups[(item + 1) % len(self.groups)])

    def _modalities(self, views: dict[View, Member], rng: np.random.Generator) -> list[Modality]:
        have = [m for m in map(Modality, self.pairing.modalities) if _VIEW_OF[m] in views]
        if len(have) < 2:
            raise ConfigError(f"Pairing needs two modalities of a gene; pairing.modalities = {self.pairing.modalities} leaves {len(have)}.")
        count = 3 if len(have) == 3 and rng.random() < self.pairing.three_share else 2
        return [have[i] for i in rng.permutation(len(have))[:count]]

    def _dna_view(self, views: dict[View, Member], rng: np.random.Generator) -> View:
        drawn = rng.choice(3, p=np.array(self.pairing.dna_views) / sum(self.pairing.dna_views))
        return View.LOCUS if drawn > 0 and View.LOCUS in views else View.CDS

    def _crop(self, views: dict[View, Member], chosen: list[Modality], rng: np.random.Generator, room: int) -> list[Member]:
        """Cut the same stretch of codons out of every chosen view; crop coordinates begin anew at 0."""
        low, high = self.pairing.crop_codons
        cost = sum(1 if m is Modality.PROTEIN else 3 for m in chosen)
        room -= 2 * self.pairing.rna_context if Modality.RNA in chosen else 0
        longest = min(high, room // cost, *(len(views[v]) // (1 if v is View.PROTEIN else 3) for v in (View.PROTEIN, View.CDS)))
        count = int(rng.integers(min(low, longest), longest + 1))
        begin = int(rng.integers(0, longest_start(views, count) + 1))
        first, last = 3 * begin, 3 * (begin + count)
        members = []
        for modality in chosen:
            if modality is Modality.DNA:
                members.append(self._dna_crop(views, first, last, rng, room - (cost - 3) * count))
            elif modality is Modality.RNA:
                extra = rng.integers(0, self.pairing.rna_context + 1, size=2)
                members.append(views[View.TRANSCRIPT].between(first - int(extra[0]), last + int(extra[1]), origin=first))
            else:
                members.append(views[View.PROTEIN].between(first, last, origin=first))
        return members

    def _dna_crop(self, views: dict[View, Member], first: int, last: int, rng: np.random.Generator, room: int) -> Member:
        """Return the crop as coding sequence, or as the stretch of locus that holds it where that fits."""
        coding = views[View.CDS].between(first, last, origin=first)
        drawn = rng.choice(3, p=np.array(self.pairing.dna_views) / sum(self.pairing.dna_views))
        if drawn == 0 or View.LOCUS not in views:
            return coding
        leader = 100 if drawn == 2 else 0
        locus = views[View.LOCUS].between(first - leader, last, origin=first)
        return locus if 0 < len(locus) <= room else coding

    def _ordered(self, members: list[Member], rng: np.random.Generator) -> list[Member]:
        if self.pairing.order == "random":
            return [members[i] for i in rng.permutation(len(members))]
        protein_last = self.pairing.order == "gene_first"
        return sorted(members, key=lambda m: (m.modality is Modality.PROTEIN) == protein_last)

    def _ordered_document(self, members: list[Member], rng: np.random.Generator) -> Document:
        return Document(tuple(self._ordered(members, rng)))


_VIEW_OF = {Modality.DNA: View.CDS, Modality.RNA: View.TRANSCRIPT, Modality.PROTEIN: View.PROTEIN}


def longest_start(views: dict[View, Member], count: int) -> int:
    """Return the last codon at which a crop of `count` codons can begin in coding sequence and protein. 0-based."""
    return max(0, min(len(views[View.PROTEIN]), len(views[View.CDS]) // 3) - count)


def truncated(members: list[Member], room: int, grammar: Grammar) -> Document:
    """Return members in order, cut on the right where the room ends; members left with nothing are dropped."""
    kept: list[Member] = []
    for member in members:
        left = room - grammar.overhead(len(kept) + 1) - sum(len(m) for m in kept)
        if left > 0:
            kept.append(member.slice(0, left) if len(member) > left else member)
    return Document(tuple(kept))


class GroupSource(Source):
    """Groups whose members are joined as they are: related sequences, texts.

    Args:
        shuffled: Draw two or three members in random order (related sequences) instead of all in their order.
    """

    def __init__(self, store: MemberStore, split: str, *, shuffled: bool) -> None:
        self.store, self.shuffled = store, shuffled
        self.groups = store.groups_in(split)

    def __len__(self) -> int:
        """Groups of the split."""
        return len(self.groups)

    def document(self, item: int, rng: np.random.Generator, room: int, grammar: Grammar) -> Document:
        """Return the members of one group, joined; long members are cut to an equal share of the room."""
        members = list(self.store.group(int(self.groups[item])))
        if self.shuffled:
            count = 2 if len(members) == 2 or rng.random() < 0.9 else 3
            members = [members[i] for i in rng.permutation(len(members))[:count]]
            share = (room - grammar.overhead(len(members))) // len(members)
            members = [_window(member, share, rng) for member in members]
        return truncated(members, room, grammar)


def _window(member: Member, size: int, rng: np.random.Generator) -> Member:
    if len(member) <= size:
        return member
    start = int(rng.integers(0, len(member) - size + 1))
    return member.slice(start, start + size)
