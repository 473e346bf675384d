"""Sources: from stored members to documents, as pure functions of an item and a generator.

Nothing about windows, pairs, crops or orders is stored; it is decided when a document is drawn, so one
corpus serves every arm of a study. Views of one gene are put together in `pairing`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass

import numpy as np

from biolect.bio.sequence import Modality
from biolect.data.document import VIEWS, Document, Member, Overhead, View
from biolect.data.shards import MemberStore

_PROBE = 64


class Source(ABC):
    """One random-access collection of documents. Invariant: equal arguments give equal documents."""

    @abstractmethod
    def __len__(self) -> int:
        """Items to draw from."""

    @abstractmethod
    def document(self, item: int, rng: np.random.Generator, room: int, grammar: Overhead) -> Document:
        """Return a document of one item.

        Args:
            item: 0-based.
            rng: Where every random choice comes from.
            room: Tokens the document may have when it is written out, special tokens included.
        """

    def mean_tokens(self, room: int, grammar: Overhead) -> float:
        """Return the mean length of written documents, over a fixed sample of items."""
        rng = np.random.default_rng((0, len(self)))
        items = rng.integers(0, len(self), size=min(_PROBE, 4 * len(self))).tolist()
        documents = [self.document(item, rng, room, grammar) for item in items]
        return float(np.mean([len(document) + grammar.overhead(len(document.members)) for document in documents]))


def document_weights(sources: Mapping[str, Source], shares: Mapping[str, float], room: int, grammar: Overhead) -> dict[str, float]:
    """Turn shares of tokens into shares of documents."""
    return {name: share / sources[name].mean_tokens(room, grammar) for name, share in shares.items()}


@dataclass(eq=False)
class SingleSource(Source):
    """Members alone, one to a document; long ones in windows.

    Args:
        store: Where the members are.
        split: train, valid or test.
        modality: Which members.
        views: Which views; empty takes all.
        reverse_complement: Share of DNA records read from the other strand; only whole records, never coding views.
        window: Residues per window of a long member.
        longest: Members of more residues are left out, and the others never cut; None leaves out none.

    Attributes:
        left_out: How many members are.
    """

    store: MemberStore
    split: str
    modality: Modality
    _: KW_ONLY
    views: tuple[View, ...] = ()
    reverse_complement: float = 0.5
    window: int = 1_020
    longest: int | None = None

    def __post_init__(self) -> None:
        members, lengths = self.store.members_in([self.split], [self.modality]), self.store.lengths
        shown = members[np.isin(self.store.column("view")[members], [view.index for view in self.views or VIEWS])]
        fits = lengths[shown] <= (self.longest or np.inf)
        self.left_out = int((~fits).sum())
        self.members = shown[fits & (lengths[shown] > 0)]
        self.windows = np.cumsum(-(-lengths[self.members] // (self.longest or self.window)))

    def __len__(self) -> int:
        """Windows of all members."""
        return int(self.windows[-1]) if len(self.windows) else 0

    def document(self, item: int, rng: np.random.Generator, room: int, grammar: Overhead) -> Document:
        """Return one window of one member, at a random offset inside its share of the member."""
        place = int(np.searchsorted(self.windows, item, side="right"))
        member = self.store.member(int(self.members[place]))
        size = min(self.window, room - grammar.overhead(1))
        if len(member) > size and self.longest is None:
            within = item - (int(self.windows[place - 1]) if place else 0)
            start = within * self.window + int(rng.integers(0, self.window))
            start = min(start, len(member) - size)
            member = member.slice(start, start + size)
        if member.modality is Modality.DNA and member.view is View.RECORD and rng.random() < self.reverse_complement:
            member = member.other_strand(self.store.vocabulary)
        return Document((member,))


class GroupSource(Source):
    """Groups whose members are joined as they are: related sequences, texts.

    Args:
        shuffled: Draw two or three members in random order (related sequences) instead of all in their order.
    """

    def __init__(self, store: MemberStore, split: str, *, shuffled: bool) -> None:
        self.store, self.shuffled = store, shuffled
        groups = store.groups_in(split)
        self.groups = groups[store.residues_by_group()[groups] > 0]

    def __len__(self) -> int:
        """Groups of the split that hold anything."""
        return len(self.groups)

    def document(self, item: int, rng: np.random.Generator, room: int, grammar: Overhead) -> Document:
        """Return the members of one group, joined; long members are cut to an equal share of the room."""
        members = list(self.store.group(int(self.groups[item])))
        if self.shuffled:
            count = 2 if len(members) == 2 or rng.random() < 0.9 else 3
            members = [members[i] for i in rng.permutation(len(members))[:count]]
            share = (room - grammar.overhead(len(members))) // len(members)
            members = [_window(member, share, rng) for member in members]
        return truncated(members, room, grammar)


class FamilySource(GroupSource):
    """Families, and domains of molecules: members in random order, as many as there is room for, whole ones only.

    The first that no longer fits ends the document, so that short members are not preferred; one that would not
    even fit alone is read in a window.

    Args:
        longest: Members of more residues are left out, and a large group is drawn as often as its members fill documents of
            so many, so that one pass says about as much as there is; None leaves out none and draws every group once.
    """

    def __init__(self, store: MemberStore, split: str, longest: int | None = None) -> None:
        super().__init__(store, split, shuffled=True)
        self._fits = store.lengths <= (longest or np.inf)
        if longest is not None:
            lengths = np.concatenate([[0], np.cumsum(np.where(self._fits, store.lengths, 0))])
            tokens = np.diff(lengths[store.column("group_starts")])[self.groups]
            self.groups = np.repeat(self.groups, -(-tokens // longest))

    def document(self, item: int, rng: np.random.Generator, room: int, grammar: Overhead) -> Document:
        """Return members of one family in an order of their own for every draw."""
        members = np.array(self.store.members_of(int(self.groups[item])))
        kept: list[Member] = []
        length = 0
        for index in rng.permutation(members[self._fits[members]]).tolist():
            member = self.store.member(index)
            length += len(member)
            if length + grammar.overhead(len(kept) + 1) > room:
                return Document(tuple(kept or [_window(member, room - grammar.overhead(1), rng)]))
            kept.append(member)
        return Document(tuple(kept))


def _window(member: Member, size: int, rng: np.random.Generator) -> Member:
    if len(member) <= size:
        return member
    start = int(rng.integers(0, len(member) - size + 1))
    return member.slice(start, start + size)


def truncated(members: list[Member], room: int, grammar: Overhead) -> Document:
    """Return members in order, cut on the right where the room ends; members left with nothing are dropped."""
    kept: list[Member] = []
    for member in members:
        left = room - grammar.overhead(len(kept) + 1) - sum(len(m) for m in kept)
        if left > 0 and len(member):
            kept.append(member.slice(0, left) if len(member) > left else member)
    return Document(tuple(kept))
