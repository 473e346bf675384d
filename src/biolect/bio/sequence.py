"""Sequences: residues of one modality, with a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from biolect.bio import alphabet
from biolect.bio.alphabet import Alphabet, Folds, Unknown
from biolect.bio.smiles import SMILES, SmilesAlphabet
from biolect.errors import AlphabetError


class Modality(StrEnum):
    """What a sequence is made of."""

    DNA = "dna"
    RNA = "rna"
    PROTEIN = "protein"
    MOLECULE = "molecule"

    @property
    def index(self) -> int:  # pyright: ignore[reportIncompatibleMethodOverride] -- nobody searches in the name of a modality
        """Place in `MODALITIES`, as stored in arrays."""
        return MODALITIES.index(self)

    @property
    def alphabet(self) -> Alphabet:
        """Letters of the modality.

        Raises:
            AlphabetError: For molecules, whose symbols have several letters; see `rules`.
        """
        if self is Modality.MOLECULE:
            raise AlphabetError("Molecules have no alphabet of single letters: they are written in the symbols of SMILES.")
        return {"dna": alphabet.DNA, "rna": alphabet.RNA, "protein": alphabet.PROTEIN}[self.value]

    @property
    def rules(self) -> Alphabet | SmilesAlphabet:
        """What is canonical in the modality, and what is folded into it."""
        return SMILES if self is Modality.MOLECULE else self.alphabet


MODALITIES = tuple(Modality)


@dataclass(frozen=True)
class Sequence:
    """Residues of one modality, or the SMILES of a molecule. Invariant: every letter is canonical in the modality.

    Attributes:
        residues: Canonical letters; what was folded to get there is in `folds`.
        modality: Alphabet the letters belong to.
        name: Identifier as given, not necessarily unique.
        description: The rest of the header line.
    """

    residues: str
    modality: Modality
    name: str = ""
    description: str = ""
    folds: Folds = field(default_factory=Folds, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "modality", Modality(self.modality))
        canonical, folds = self.modality.rules.canonical(self.residues, name=self.name)
        if canonical is not self.residues:
            object.__setattr__(self, "residues", canonical)
            object.__setattr__(self, "folds", self.folds + folds)

    @classmethod
    def read(cls, text: str, modality: Modality | str, *, name: str = "", unknown: Unknown = "refuse", strict: bool = False) -> Sequence:
        """Build from raw letters with a choice about letters that are not canonical.

        Raises:
            AlphabetError: See `Alphabet.canonical`.
        """
        canonical, folds = Modality(modality).rules.canonical(text, unknown=unknown, strict=strict, name=name)
        return cls(canonical, Modality(modality), name=name, folds=folds)

    def __len__(self) -> int:
        return len(self.residues)

    def __str__(self) -> str:
        return self.residues

    @cached_property
    def codes(self) -> NDArray[np.uint8]:
        """One code per residue."""
        return self.modality.alphabet.encode(self.residues)

    def reverse_complement(self) -> Sequence:
        """Return the other strand, 5' to 3'. Its own inverse.

        Raises:
            AlphabetError: If the modality has no complement.
        """
        letters = self.modality.alphabet
        return Sequence(letters.decode(letters.complement_codes[self.codes][::-1]), self.modality, self.name, self.description)

    def transcribe(self) -> Sequence:
        """Return DNA as RNA: T becomes U. RNA is returned as it is.

        Raises:
            AlphabetError: If the sequence is a protein or a molecule.
        """
        return self._respell(Modality.RNA)

    def back_transcribe(self) -> Sequence:
        """Return RNA as DNA: U becomes T. Raises AlphabetError like `transcribe`."""
        return self._respell(Modality.DNA)

    def _respell(self, modality: Modality) -> Sequence:
        if self.modality not in (Modality.DNA, Modality.RNA):
            raise AlphabetError(f"'{self.name}' is a {self.modality} sequence; only DNA and RNA can be spelled as {modality}.")
        old, new = ("T", "U") if modality is Modality.RNA else ("U", "T")
        return Sequence(self.residues.replace(old, new), modality, self.name, self.description)


@dataclass(frozen=True)
class Flanked(Sequence):
    """A coding sequence with DNA or RNA from around it, such as a promoter or an untranslated end.

    Attributes:
        contexts: By name; what is not known of a record is left out.
    """

    contexts: Mapping[str, Sequence] = field(default_factory=dict[str, Sequence], compare=False, repr=False)
