"""Pairing: the views of one gene in one context. Sources of other kinds are reached from here, too.

Nothing about pairs, crops or orders is stored; it is decided when a document is drawn, so one corpus
serves every arm of a study.
"""

from dataclasses import replace
from typing import Literal, Self

import numpy as np
import pydantic

from biolect.bio.sequence import Modality
from biolect.config import Config
from biolect.data.document import Document, Member, Overhead, View
from biolect.data.shards import MemberStore
from biolect.data.sources import Source, truncated
from biolect.errors import ConfigError

_VIEW_OF = {Modality.DNA: View.CDS, Modality.RNA: View.TRANSCRIPT, Modality.PROTEIN: View.PROTEIN}
_CANDIDATES = 64
_PROMOTER = 100


class Pairing(Config):
    """How the views of one gene are put into one context.

    Crop lengths are log-uniform between their bounds: as many crops between 20 and 40 codons as between
    150 and 300. Drawn uniformly, a few long crops would take most of the tokens, and short ones, which
    show as many starts of a mapping for less, would hardly be seen.

    Attributes:
        partners: `broken` puts the residues of a gene from another cluster in the place of the protein.
            Crops, views, order and positions stay exactly those of the true pair, and so does whether
            the protein shows its first residue; the control that separates pairing from new data.
        order: Which modality is read first.
        crop_codons: Shortest and longest aligned crop, both possible. Codons.
        truncated_share: Share of documents cut on the right instead of cropped in register.
        three_share: Share of documents with all three modalities instead of two.
        dna_views: Shares of coding sequence, locus with introns, and promoter with the 5' part.
        rna_context: Most nucleotides shown beyond the crop on either side of a transcript.
    """

    partners: Literal["matched", "broken"] = "matched"
    order: Literal["random", "gene_first", "protein_first"] = "random"
    crop_codons: tuple[pydantic.PositiveInt, pydantic.PositiveInt] = (20, 300)
    truncated_share: float = pydantic.Field(default=0.2, ge=0, le=1)
    three_share: float = pydantic.Field(default=0.3, ge=0, le=1)
    dna_views: tuple[pydantic.NonNegativeFloat, pydantic.NonNegativeFloat, pydantic.NonNegativeFloat] = (0.4, 0.4, 0.2)
    modalities: tuple[Literal["dna", "rna", "protein"], ...] = ("dna", "rna", "protein")
    rna_context: int = pydantic.Field(default=50, ge=0)

    @pydantic.model_validator(mode="after")
    def _can_be_drawn(self) -> Self:
        low, high = self.crop_codons
        if low > high:
            raise ValueError(f"pairing.crop_codons = ({low}, {high}) has its bounds the wrong way round. Write ({high}, {low}).")
        if not 0 < sum(self.dna_views) < np.inf:
            raise ValueError(f"pairing.dna_views = {self.dna_views} leaves no view to draw. Give at least one a positive, finite share.")
        if len(set(self.modalities)) < 2 or len(set(self.modalities)) != len(self.modalities):
            raise ValueError(f"pairing.modalities = {self.modalities} makes no pairs. Name two or three different ones.")
        return self


class PairSource(Source):
    """Views of one gene in one context: aligned crops, so that both sides of the mapping are always visible.

    Source: arXiv:2410.11499 gives "any combination in shuffled order"; aligned crops and broken partners are ours.

    Raises:
        ConfigError: If partners are to be broken and all genes are of one cluster.
    """

    def __init__(self, store: MemberStore, split: str, pairing: Pairing) -> None:
        self.store, self.pairing = store, pairing
        residues = {view: store.residues_by_group(view) for view in _VIEW_OF.values()}
        shown = sum((residues[_VIEW_OF[Modality(m)]] > 0).astype(np.int64) for m in pairing.modalities)
        usable = (residues[View.PROTEIN] > 0) & (residues[View.CDS] >= 3) & (shown >= 2)
        groups = store.groups_in(split)
        self.groups = groups[usable[groups]]
        self.residues = residues[View.PROTEIN][self.groups]
        clusters = store.column("cluster")[self.groups].astype(np.int64)
        # A gene that was never clustered stands for itself.
        self.clusters = np.where(clusters < 0, -1 - np.arange(len(clusters)), clusters)
        if pairing.partners == "broken" and len(self.groups) and (self.clusters == self.clusters[0]).all():
            raise ConfigError(
                f"Broken pairs need genes of at least two clusters; split '{split}' has {len(self.groups)} genes of one. "
                "Prepare a corpus of more genes, or set pairing.partners=matched."
            )

    def __len__(self) -> int:
        """Genes with a coding sequence, a protein, and two of the modalities asked for."""
        return len(self.groups)

    def document(self, item: int, rng: np.random.Generator, room: int, grammar: Overhead) -> Document:
        """Return one document about one gene; see `Pairing`."""
        views = self.views_of(int(self.groups[item]))
        chosen = self._modalities(views, rng)
        if rng.random() < self.pairing.truncated_share or not all(member.runs for member in views.values()):
            members = [views[_VIEW_OF[m]] if m is not Modality.DNA else self._dna_view(views, rng) for m in chosen]
            is_start = True
        else:
            members, is_start = self._crop(views, chosen, rng, room - grammar.overhead(len(chosen)))
        # Drawn in either arm and from a generator of its own, so that true and broken pairs differ in nothing else.
        seed = int(rng.integers(2**63))
        if self.pairing.partners == "broken":
            stranger = np.random.default_rng(seed)
            members = [self._replaced(m, item, stranger, is_start) if m.modality is Modality.PROTEIN else m for m in members]
        return truncated(self._ordered(members, rng), room, grammar)

    def views_of(self, group: int) -> dict[View, Member]:
        """Return the members of a gene by view."""
        return {member.view: member for member in self.store.group(group)}

    def _replaced(self, protein: Member, item: int, rng: np.random.Generator, is_start: bool) -> Member:
        """Return a stretch of a foreign protein that stands where the given one would.

        Shorter than the given one only where no candidate was as long.
        """
        foreign = self.views_of(int(self.groups[self._foreign(item, len(protein), rng)]))[View.PROTEIN]
        size = min(len(protein), len(foreign))
        start = 0 if is_start or len(foreign) == size else int(rng.integers(1, len(foreign) - size + 1))
        return replace(protein.slice(0, size), token_ids=foreign.token_ids[start : start + size])

    def _foreign(self, item: int, size: int, rng: np.random.Generator) -> int:
        """Return the item of a gene from another cluster, if possible one with a protein of at least `size` residues."""
        drawn = rng.integers(0, len(self.groups), size=_CANDIDATES)
        others = drawn[self.clusters[drawn] != self.clusters[item]]
        if not len(others):
            others = np.flatnonzero(self.clusters != self.clusters[item])
        fitting = others[self.residues[others] >= size]
        return int(fitting[0] if len(fitting) else others[np.argmax(self.residues[others])])

    def _modalities(self, views: dict[View, Member], rng: np.random.Generator) -> list[Modality]:
        have = [m for m in map(Modality, self.pairing.modalities) if _VIEW_OF[m] in views]
        count = 3 if len(have) == 3 and rng.random() < self.pairing.three_share else 2
        return [have[i] for i in rng.permutation(len(have))[:count]]

    def _dna_view(self, views: dict[View, Member], rng: np.random.Generator) -> Member:
        return views[View.CDS] if self._drawn_view(rng) == 0 else views.get(View.LOCUS, views[View.CDS])

    def _drawn_view(self, rng: np.random.Generator) -> int:
        return int(rng.choice(3, p=np.array(self.pairing.dna_views) / sum(self.pairing.dna_views)))

    def _crop(self, views: dict[View, Member], chosen: list[Modality], rng: np.random.Generator, room: int) -> tuple[list[Member], bool]:
        """Cut the same stretch of codons out of every chosen view; crop coordinates begin anew at 0.

        Returns:
            The crops, and whether they begin with the first codon.
        """
        low, high = self.pairing.crop_codons
        cost = sum(1 if m is Modality.PROTEIN else 3 for m in chosen)
        flank = min(self.pairing.rna_context, room // 8) if Modality.RNA in chosen else 0
        room -= 2 * flank
        longest = min(high, room // cost, longest_start(views, 0))
        count = _log_uniform(min(low, longest), longest, rng)
        begin = int(rng.integers(0, longest_start(views, count) + 1))
        first, last = 3 * begin, 3 * (begin + count)
        members = []
        for modality in chosen:
            if modality is Modality.DNA:
                members.append(self._dna_crop(views, first, last, rng, room - (cost - 3) * count))
            elif modality is Modality.RNA:
                extra = rng.integers(0, flank + 1, size=2)
                members.append(views[View.TRANSCRIPT].between(first - int(extra[0]), last + int(extra[1]), origin=first))
            else:
                members.append(views[View.PROTEIN].between(first, last, origin=first))
        return members, begin == 0

    def _dna_crop(self, views: dict[View, Member], first: int, last: int, rng: np.random.Generator, room: int) -> Member:
        """Return the crop as coding sequence, or as the stretch of locus that holds it where that fits."""
        coding = views[View.CDS].between(first, last, origin=first)
        drawn = self._drawn_view(rng)
        if drawn == 0 or View.LOCUS not in views:
            return coding
        locus = views[View.LOCUS].between(first - (_PROMOTER if drawn == 2 else 0), last, origin=first)
        return locus if 0 < len(locus) <= room else coding

    def _ordered(self, members: list[Member], rng: np.random.Generator) -> list[Member]:
        if self.pairing.order == "random":
            return [members[i] for i in rng.permutation(len(members))]
        protein_last = self.pairing.order == "gene_first"
        return sorted(members, key=lambda m: (m.modality is Modality.PROTEIN) == protein_last)


def longest_start(views: dict[View, Member], count: int) -> int:
    """Return the last codon at which a crop of `count` codons can begin in coding sequence and protein. 0-based."""
    return max(0, min(len(views[View.PROTEIN]), len(views[View.CDS]) // 3) - count)


def _log_uniform(low: int, high: int, rng: np.random.Generator) -> int:
    """Return a whole number from low to high, both possible, with about equal chances for equal ratios."""
    return min(high, int(low * ((high + 1) / low) ** rng.random()))
