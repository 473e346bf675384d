"""Relatives inside one table of sequences: identical, nearly so, on the opposite strand, or homologous.

Clusters say who may not be parted by a split; this says why, row by row, so that a biologist can look at the pair.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from biolect.bio.sequence import Modality, Sequence as Record
from biolect.data.labelled import canonical, clusters_of
from biolect.data.similarity import chained, components, in_common
from biolect.data.sketch import AMINO_ACIDS, NUCLEOTIDES, Words
from biolect.tokens.vocabulary import Vocabulary

KINDS = ("identical", "near_identical", "opposite_strand", "homologous")
"""From the strongest to the weakest."""

DESIGN_RESIDUES = 300
"""Up to this median length, sequences are compared by edit distance: too short for shared words to mean descent."""
GENE_WORD, DESIGN_WORD, PROTEIN_WORD = 24, 12, 8
RELATED, NEAR = 0.2, 0.5
"""Share of the shorter sequence's words that the longer one has."""
RELATED_EDITS, NEAR_EDITS = 0.2, 0.1
"""Edits over the length of the longer sequence."""
_DESIGN_SHARE = 0.05
_LEAST_WORDS = 4
_MOST_OWNERS = 2_000


class Pairs(NamedTuple):
    """Sequences that are alike, `first` before `second`; `kinds` are indices into `KINDS`."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    kinds: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Relatives:
    """Who is related to whom.

    Attributes:
        clusters: Of every row. Relatives of any kind share one, and so on transitively.
        sequences: Of every row, the number of its sequence; equal sequences on one strand share one.
        pairs: Of sequences, by these numbers; those that are only homologous are in no pair.
    """

    clusters: NDArray[np.int32]
    sequences: NDArray[np.int64]
    pairs: Pairs

    def kinds(self, asked: NDArray[np.bool_], among: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the strongest kind of relative that each asked row has among some rows, other than itself; -1 for none."""
        best = np.full(len(self.clusters), len(KINDS))
        counts = [np.bincount(labels[among], minlength=labels.max(initial=0) + 1) for labels in (self.clusters, self.sequences)]
        for kind, labels, count in ((3, self.clusters, counts[0]), (0, self.sequences, counts[1])):
            best[(count[labels] - among) > 0] = kind
        homes = counts[1] > 0
        strongest = np.full(len(homes), len(KINDS))
        for one, other in ((self.pairs.first, self.pairs.second), (self.pairs.second, self.pairs.first)):
            np.minimum.at(strongest, one[homes[other]], self.pairs.kinds[homes[other]])
        best = np.minimum(best, strongest[self.sequences])[asked]
        return np.where(best == len(KINDS), -1, best)

    def partner(self, row: int, kind: int, among: NDArray[np.bool_]) -> int:
        """Return the first of some rows that is a relative of this kind, by its index in `KINDS`, of a row that has one."""
        if kind in (0, 3):
            labels = self.sequences if kind == 0 else self.clusters
            alike = labels == labels[row]
        else:
            own, chosen = self.sequences[row], self.pairs.kinds == kind
            others = [*self.pairs.second[chosen & (self.pairs.first == own)], *self.pairs.first[chosen & (self.pairs.second == own)]]
            alike = np.isin(self.sequences, others)
        return next(int(i) for i in np.flatnonzero(alike & among) if i != row)


def relatives(records: Sequence[Record], proteins: Sequence[Record] = ()) -> Relatives:
    """Find the relatives of every record of one modality.

    Genes and proteins are compared by words that they share, on both strands. Of short designs, those that share a
    few words are compared by edit distance on one strand. Homologues are found as in `data.splits`.

    Args:
        proteins: Translations of coding sequences, one each.
    """
    _, first, sequences = np.unique([r.residues for r in records], return_index=True, return_inverse=True)
    distinct = [records[i] for i in first.tolist()]
    pairs = _pairs(distinct)
    labels = clusters_of(distinct, [proteins[i] for i in first.tolist()] if proteins else ())
    _, strands = np.unique([canonical(record) for record in distinct], return_inverse=True)
    links = [(pairs.first, pairs.second), *(chained(group) for group in (labels, strands))]
    left, right = (np.concatenate(side) for side in zip(*links, strict=True))
    clusters = components(len(distinct), (left, right))
    return Relatives(clusters[sequences], sequences.astype(np.int64), pairs)


def _pairs(records: Sequence[Record]) -> Pairs:
    joint = Vocabulary.joint()
    tokens = [joint.encode(record) for record in records]
    is_protein = records[0].modality is Modality.PROTEIN
    is_short = float(np.median([len(record) for record in records])) <= DESIGN_RESIDUES and not is_protein
    length = PROTEIN_WORD if is_protein else DESIGN_WORD if is_short else GENE_WORD
    words = Words(AMINO_ACIDS if is_protein else NUCLEOTIDES, length, both_strands=not is_protein)
    first, second, shares = _sharing(words, tokens, _DESIGN_SHARE if is_short else RELATED)
    kinds = np.where(shares >= NEAR, 1, 3)
    if not is_protein:
        kinds[~_on_one_strand(words, tokens, first, second)] = 2
    if is_short:
        texts = [record.residues for record in records]
        edits = [
            edit_distance(texts[i], texts[j]) / max(len(texts[i]), len(texts[j])) if kind != 2 else 0.0
            for i, j, kind in zip(first.tolist(), second.tolist(), kinds.tolist(), strict=True)
        ]
        near = np.array(edits, dtype=np.float64)
        kinds = np.where(kinds == 2, 2, np.where(near <= NEAR_EDITS, 1, 3))
        kept = np.where(kinds == 2, shares >= RELATED, near <= RELATED_EDITS)
        first, second, kinds = first[kept], second[kept], kinds[kept]
    return Pairs(first, second, kinds)


def _sharing(
    words: Words, tokens: Sequence[NDArray[np.uint8]], least: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return (sequence, later sequence, share of the shorter one's words in common) of all pairs that share enough.

    Words of more than 2,000 sequences connect none.
    """
    from scipy.sparse import csr_matrix

    index = words.index(enumerate(tokens), len(tokens))
    _, columns, counts = np.unique(index.words, return_inverse=True, return_counts=True)
    kept = counts[columns] <= _MOST_OWNERS
    shape = len(tokens), max(len(counts), 1)
    incidence = csr_matrix((np.ones(int(kept.sum()), dtype=np.float32), (index.owners[kept], columns[kept])), shape=shape)
    found = []
    for a, b, shared in in_common(incidence):
        shares = shared / np.maximum(np.minimum(index.sizes[a], index.sizes[b]), 1)
        chosen = (shared >= _LEAST_WORDS) & (shares >= least)
        found.append((a[chosen], b[chosen], shares[chosen]))
    first, second, shares = (np.concatenate(side) for side in zip(*found, strict=True))
    return first, second, shares


def _on_one_strand(
    words: Words, tokens: Sequence[NDArray[np.uint8]], first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return for every pair whether most of the words that they share are read in the same direction."""
    # In the joint vocabulary nucleotides are small letters, which only words of both strands know.
    forward = Words(tuple(letter.lower() for letter in words.letters), words.length)
    known = {i: (set(words.hashes(tokens[i])[0].tolist()), set(forward.hashes(tokens[i])[0].tolist())) for i in {*first, *second}}
    shared = ([len(known[i][strands] & known[j][strands]) for strands in (0, 1)] for i, j in zip(first, second, strict=True))
    return np.array([2 * same >= either for either, same in shared], dtype=bool)


def edit_distance(first: str, second: str) -> int:
    """Return the fewest substitutions, insertions and deletions that make one text of another."""
    from Bio.Align import PairwiseAligner

    if not (first and second):
        return len(first or second)
    return -int(PairwiseAligner(match_score=0, mismatch_score=-1, gap_score=-1).score(first, second))
