"""What was read, kept, refused and checked while a corpus was made."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from biolect.bio.alphabet import Folds
from biolect.bio.gene import Gene
from biolect.bio.io.form import Refusal
from biolect.bio.sequence import Sequence as Record
from biolect.errors import InputError


@dataclass
class Tally:
    """What was read, kept and refused; see the keys of `report`.

    Attributes:
        whole_files: Files that are no alignment and were read as one family for want of a rule, with their members.
    """

    records: int = 0
    genes: int = 0
    duplicates: int = 0
    refused: list[Refusal] = field(default_factory=list)
    checks: Counter[str] = field(default_factory=Counter)
    explained: Counter[str] = field(default_factory=Counter)
    unexplained: list[str] = field(default_factory=list)
    unpaired: Counter[str] = field(default_factory=Counter)
    folds: Folds = field(default_factory=Folds)
    whole_files: dict[str, int] = field(default_factory=dict)

    def takes(self, found: Record | Refusal) -> TypeGuard[Record]:
        """Count a record, or list its refusal; whether it is a record."""
        if isinstance(found, Refusal):
            self.refused.append(found)
            return False
        self.records += 1
        self.folds += found.folds
        return True

    @contextmanager
    def guard(self, path: Path, skip_bad: bool) -> Iterator[None]:
        """Stop at a file that cannot be read, or list it and go on, as asked."""
        try:
            yield
        except InputError as error:
            if not skip_bad:
                raise
            self.refused.append(Refusal(path.name, str(path), str(error)))

    def add_check(self, gene: Gene) -> None:
        """Count the verdict on a gene's annotated protein."""
        verdict = gene.check()
        self.checks[verdict.status] += 1
        if verdict.status == "explained":
            self.explained[verdict.reason] += 1
        elif verdict.status == "unexplained":
            self.unexplained.append(gene.protein_id or gene.name)

    def report(self) -> dict[str, Any]:
        """Return the counts as plain data; `unpaired` are genes that are read but not put into documents."""
        return {
            "records": self.records,
            "genes": self.genes,
            "duplicates": self.duplicates,
            "refused": [vars(one) for one in self.refused],
            "translations": {
                "checked": self.checks.total() - self.checks["unannotated"],
                "equal": self.checks["equal"],
                "explained": dict(self.explained.most_common()),
                "unexplained": self.unexplained,
                "unannotated": self.checks["unannotated"],
            },
            "unpaired": dict(self.unpaired.most_common()),
            "one_family_each": self.whole_files,
            "folded": vars(self.folds),
        }


def cluster_facts(sizes: NDArray[np.integer]) -> dict[str, Any]:
    """Return how many clusters there are, and how large the largest one is, as plain data."""
    largest = int(sizes.max(initial=0))
    return {"count": int((sizes > 0).sum()), "largest": largest, "largest_share": round(largest / max(int(sizes.sum()), 1), 4)}


def why_not_paired(gene: Gene) -> str:
    """Return why the views of a gene do not belong into one context; empty if they do."""
    verdict = gene.check()
    if gene.is_pseudo:
        return "pseudogene"
    if verdict.status == "unexplained":
        return "unexplained translation"
    if verdict.status == "unannotated" and verdict.detail:
        return "stop codon inside the coding sequence"
    if verdict.status == "equal":
        return ""
    if "*" in gene.protein.residues:
        return "stop codon inside the coding sequence"
    if not gene.reading.num_codons or not len(gene.protein):
        return "no whole codon"
    if abs(len(gene.protein) - gene.coordinate_map.num_residues) > 1:
        return "protein and coding sequence differ in length"
    return ""
