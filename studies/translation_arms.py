"""The arms of the translation study: what a document looks like under each hypothesis."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from biolect.bio.coordinates import Run, compress
from biolect.bio.sequence import Modality
from biolect.data.document import Document, Grammar, Member, View
from biolect.data.pairing import Pairing, PairSource
from biolect.data.sources import Source

FLANK = 60
"""Most unknown letters before the first codon, in the arms that have them."""


@dataclass(frozen=True)
class Arm:
    """One hypothesis. All arms read the same genes, the same number of tokens, with the same settings otherwise.

    Attributes:
        positions: shared, ordinary, or a damaged form of shared: offset, frame, permuted.
        kind: pairs, alone (each member its own document), zipped (codon, residue, codon, residue, ...) or flank.
        seeds: How often the arm is trained.
        millions: Tokens of training.
    """

    name: str
    kind: str = "pairs"
    partners: str = "matched"
    order: str = "random"
    positions: str = "shared"
    truncated: float = 0.0
    seeds: int = 3
    millions: float = 3.0

    @property
    def grammar(self) -> Grammar:
        """How the arm writes documents."""
        return Grammar(positions="ordinary" if self.positions == "ordinary" else "shared", coordinate_dropout=0.1)

    @property
    def pairing(self) -> Pairing:
        """How the arm pairs and crops."""
        return Pairing.from_dict(
            {
                "partners": self.partners,
                "order": self.order,
                "truncated_share": self.truncated,
                "modalities": ["dna", "protein"],
                "dna_views": [1.0, 0.0, 0.0],
            }
        )


ARMS = {
    arm.name: arm
    for arm in (
        Arm("matched", seeds=5),
        Arm("broken", partners="broken", seeds=5),
        Arm("single", kind="alone", seeds=5),
        Arm("ordinary", positions="ordinary"),
        Arm("gene-first", order="gene_first"),
        Arm("protein-first", order="protein_first"),
        Arm("truncated", truncated=1.0),
        Arm("wrong-offset", positions="offset"),
        Arm("wrong-frame", positions="frame"),
        Arm("permuted", positions="permuted"),
        Arm("zipped", kind="zipped", positions="ordinary"),
        Arm("flank", kind="flank", seeds=1, millions=20.0),
        Arm("flank-ordinary", kind="flank", positions="ordinary", seeds=1, millions=20.0),
    )
}


class ArmSource(Source):
    """Documents of one arm, drawn from the genes of a store."""

    def __init__(self, arm: Arm, pairs: PairSource) -> None:
        self.arm, self.pairs = arm, pairs

    def __len__(self) -> int:
        return len(self.pairs)

    def document(self, item: int, rng: np.random.Generator, room: int, grammar: Grammar) -> Document:
        """Return one document of the arm."""
        if self.arm.kind == "flank":
            return self.flanked(item, rng, room)
        document = self.pairs.document(item, rng, room, grammar)
        if self.arm.kind == "alone":
            return Document((document.members[int(rng.integers(0, 2))],))
        if self.arm.kind == "zipped":
            return zipped(document)
        return misplaced(document, self.arm.positions, rng)

    def flanked(self, item: int, rng: np.random.Generator, room: int) -> Document:
        """Return a crop whose first codon begins after up to `FLANK` letters; positions do not tell how many.

        A gene too short for any such crop gives way to the next one.
        """
        views = self.pairs.views_of(int(self.pairs.groups[item]))
        while len(views[View.PROTEIN]) < FLANK // 3 + 2:
            item = (item + 1) % len(self.pairs)
            views = self.pairs.views_of(int(self.pairs.groups[item]))
        low, high = self.arm.pairing.crop_codons
        longest = min(high, (room - FLANK - 8) // 4, len(views[View.PROTEIN]) - FLANK // 3 - 1)
        count = max(1, int(np.exp(rng.uniform(np.log(min(low, max(longest, 1))), np.log(max(longest, 1) + 1)))))
        begin = int(rng.integers(FLANK // 3, max(FLANK // 3 + 1, len(views[View.PROTEIN]) - count + 1)))
        members = flanked_members(views, begin, count, int(rng.integers(0, FLANK + 1)))
        return Document(members if rng.random() < 0.5 else members[::-1])


def flanked_members(views: dict[View, Member], begin: int, count: int, leader: int) -> tuple[Member, Member]:
    """Return a stretch of gene with `leader` letters before the codons, and the protein of the codons."""
    start = 3 * begin - leader
    gene = views[View.CDS].slice(start, start + 3 * count + FLANK)
    protein = views[View.PROTEIN].slice(begin, begin + count)
    return replace(gene, runs=(Run(1, 1, len(gene)),)), replace(protein, runs=(Run(3, 3, len(protein)),))


def misplaced(document: Document, positions: str, rng: np.random.Generator) -> Document:
    """Return the document with the coordinates of its protein damaged as the arm says."""
    if positions in ("shared", "ordinary"):
        return document
    members = []
    for member in document.members:
        if member.modality is Modality.PROTEIN and len(member):
            places = member.coordinates
            if positions == "offset":
                places = places + 3 * int(rng.integers(1, 31)) * int(rng.choice([-1, 1]))
            elif positions == "frame":
                places = places + int(rng.integers(1, 3))
            else:
                places = rng.permutation(places)
            member = replace(member, runs=compress(places))
        members.append(member)
    return Document(tuple(members))


def zipped(document: Document) -> Document:
    """Return codon, residue, codon, residue, ... as one member."""
    gene, protein = sorted(document.members, key=lambda m: m.modality is Modality.PROTEIN)
    count = min(len(gene) // 3, len(protein))
    tokens = np.concatenate([gene.token_ids[: 3 * count].reshape(count, 3), protein.token_ids[:count, None]], axis=1).ravel()
    return Document((Member(tokens, Modality.DNA, (), View.CDS),))
