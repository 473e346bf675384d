"""Genetic codes: which codon means which amino acid, for every table of the NCBI."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from biolect.errors import FrameError, InputError

_NUCLEOTIDES = "ACGT"
_IUPAC = {
    **{"A": "A", "C": "C", "G": "G", "T": "T", "U": "T", "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC"},
    **{"B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT"},
}
_CODONS = tuple("".join(codon) for codon in product(_NUCLEOTIDES, repeat=3))
# What a codon can still mean when a letter is ambiguous; any other set is X.
_EITHER = {"DN": "B", "EQ": "Z", "IL": "J"}


# Byte to the set of nucleotides it may stand for, one bit each; letters that are none mean any.
_SETS = {letter: sum(1 << _NUCLEOTIDES.index(one) for one in ones) for letter, ones in _IUPAC.items()}
_LETTER_SETS = bytes(_SETS.get(chr(byte).upper(), 15) for byte in range(256))
# Three such sets make one index, as three digits to the base 16.
_PLACES = np.array([256, 16, 1], dtype=np.intp)


@cache
def _letters(meanings: str) -> NDArray[np.uint8]:
    """ASCII of the amino acid for each triple of nucleotide sets; index as by `_PLACES`."""
    meaning_of = dict(zip(_CODONS, meanings, strict=True))
    members = ["".join(one for i, one in enumerate(_NUCLEOTIDES) if chosen >> i & 1) for chosen in range(16)]
    letters: list[str] = []
    for triple in product(members, repeat=3):
        names = "".join(sorted({meaning_of["".join(codon)] for codon in product(*triple)}))
        letters.append(names if len(names) == 1 else _EITHER.get(names, "X"))
    return np.frombuffer("".join(letters).encode("ascii"), dtype=np.uint8)


@dataclass(frozen=True)
class GeneticCode:
    """One table. Invariant: every one of the 64 codons has a meaning, an amino acid or `*`.

    In tables 27, 28 and 31 some codons are both: they mean their amino acid here, and are also in
    `stops`; which of the two holds depends on the place, not on the codon.

    Attributes:
        id: Number at the NCBI.
        name: As the NCBI prints it.
        meanings: 64 letters, codons in the order AAA, AAC, AAG, AAT, ACA, ...
        starts: Codons that can begin a protein; there they are read as M.
        stops: Codons that can end one.

    Source: The Genetic Codes, NCBI Taxonomy, as carried by Biopython (Bio.Data.CodonTable).
    """

    id: int
    name: str
    meanings: str
    starts: frozenset[str]
    stops: frozenset[str]

    @staticmethod
    @cache
    def by_id(number: int) -> GeneticCode:
        """Return a table by its number.

        Raises:
            InputError: If the NCBI has no such table.
        """
        from Bio.Data import CodonTable

        known: dict[int, Any] = cast(Any, CodonTable).unambiguous_dna_by_id
        if number not in known:
            raise InputError(f"There is no genetic code {number}. The NCBI has {', '.join(str(n) for n in sorted(known))}.")
        table = known[number]
        meanings = "".join(table.forward_table.get(codon, "*") for codon in _CODONS)
        return GeneticCode(number, str(table.names[0]), meanings, frozenset(table.start_codons), frozenset(table.stop_codons))

    def __repr__(self) -> str:
        return f"GeneticCode.by_id({self.id})"

    def translate(self, text: str | bytes, *, first_is_start: bool = False) -> str:
        """Return one amino acid per codon, stops as `*`.

        A codon with ambiguous letters is translated where all its readings agree; B, Z and J stand for
        their two amino acids, and every other doubt is X.

        Args:
            text: DNA or RNA, whole codons; IUPAC letters of either case.
            first_is_start: Read the first codon as M if it is one of `starts`.

        Raises:
            FrameError: If the text is not a whole number of codons.
        """
        if len(text) % 3:
            raise FrameError(f"{len(text)} nucleotides are not a whole number of codons. Select the coding sequence first.")
        raw = text.encode("ascii", errors="replace") if isinstance(text, str) else text
        sets = np.frombuffer(raw.translate(_LETTER_SETS), dtype=np.uint8).reshape(-1, 3)
        protein = _letters(self.meanings)[sets @ _PLACES].tobytes().decode("ascii")
        if first_is_start and raw[:3].decode("ascii").upper().replace("U", "T") in self.starts:
            return "M" + protein[1:]
        return protein

    def codons(self, amino_acid: str) -> tuple[str, ...]:
        """Return the codons of one amino acid, or of `*`, in table order."""
        return tuple(codon for codon, meaning in zip(_CODONS, self.meanings, strict=True) if meaning == amino_acid)

    def synonymous(self, codon: str) -> tuple[str, ...]:
        """Return every codon of the same meaning, the codon itself among them. DNA letters."""
        return self.codons(self.translate(codon))
