"""Vocabularies: which id stands for which token, over all modalities.

Ids never move: checkpoints and shards depend on them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from biolect.bio.alphabet import ILLEGAL
from biolect.bio.sequence import Modality, Sequence
from biolect.errors import AlphabetError, ConfigError

SPECIAL_INDEX = len(Modality)
"""Stands where a modality index would, for tokens that are no residue."""

_JOINT = (
    "<pad> <bos> <eos> <sep> <unk> <dna> <rna> <prot> <pos> <neg> a c g t n u A C D E F G H I K L M N P Q R S T V W Y X B Z J U O *"
).split()


@dataclass(frozen=True)
class Vocabulary:
    """Tokens in id order. Frozen, hashable, and known by digest.

    Nucleotide and amino-acid ids are disjoint, so a letter alone says which of the two it is; DNA and
    RNA share their nucleotides (U is read as t) and are told apart by the tag before them.
    """

    name: str
    tokens: tuple[str, ...]

    JOINT_NAME: ClassVar[str] = "joint-64"

    @classmethod
    def joint(cls) -> Vocabulary:
        """Return the 64-slot vocabulary over DNA, RNA and protein; slots 43 to 63 are reserved.

        Source: the table in the design of mixed-modal models; arXiv:2410.11499 names only `<sep>`.
        """
        return cls(cls.JOINT_NAME, (*_JOINT, *(f"<reserved{i}>" for i in range(len(_JOINT), 64))))

    @classmethod
    def named(cls, name: str) -> Vocabulary:
        """Return a vocabulary by name.

        Raises:
            ConfigError: If there is none of that name.
        """
        if name == cls.JOINT_NAME:
            return cls.joint()
        raise ConfigError(f"There is no vocabulary '{name}'. Known: {cls.JOINT_NAME}.")

    def __len__(self) -> int:
        return len(self.tokens)

    @cached_property
    def digest(self) -> str:
        """Sha256 over the tokens in order; equal digests mean equal ids."""
        return hashlib.sha256("\n".join(self.tokens).encode()).hexdigest()

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {token: i for i, token in enumerate(self.tokens)}

    def id_of(self, token: str) -> int:
        """Return the id of a token.

        Raises:
            AlphabetError: If the vocabulary lacks it.
        """
        if token not in self._ids:
            raise AlphabetError(f"Token {token!r} is not in vocabulary '{self.name}'.")
        return self._ids[token]

    @property
    def pad(self) -> int:
        """Id that fills rows."""
        return self._ids["<pad>"]

    @property
    def begin(self) -> int:
        """Id that opens a document."""
        return self._ids["<bos>"]

    @property
    def end(self) -> int:
        """Id that closes a document."""
        return self._ids["<eos>"]

    @property
    def separator(self) -> int:
        """Id between two members of a document."""
        return self._ids["<sep>"]

    @property
    def unknown(self) -> int:
        """Id of a letter that is not read."""
        return self._ids["<unk>"]

    def tag(self, modality: Modality) -> int:
        """Return the id that announces a modality. Raises AlphabetError where there is none."""
        return self.id_of({"dna": "<dna>", "rna": "<rna>", "protein": "<prot>"}.get(modality.value, f"<{modality}>"))

    def residue_table(self, modality: Modality) -> NDArray[np.uint8]:
        """Return byte to token id, 256 entries, `ILLEGAL` for bytes that are not read as a residue.

        Raises:
            AlphabetError: If the vocabulary has no residues of the modality.
        """
        if modality not in self._residue_tables:
            raise AlphabetError(f"Vocabulary '{self.name}' has no {modality} residues. It has those of {', '.join(self._residue_tables)}.")
        return self._residue_tables[modality]

    @cached_property
    def _residue_tables(self) -> dict[Modality, NDArray[np.uint8]]:
        tables: dict[Modality, NDArray[np.uint8]] = {}
        for modality in (Modality.DNA, Modality.RNA, Modality.PROTEIN):
            canonical = modality.alphabet.canonical_bytes
            letters = [chr(b) if modality is Modality.PROTEIN else chr(b).lower().replace("u", "t") for b in canonical]
            ids = [ILLEGAL if b == ILLEGAL else self._ids[letter] for b, letter in zip(canonical, letters, strict=True)]
            tables[modality] = np.array(ids, dtype=np.uint8)
        return tables

    def residue_ids(self, modality: Modality) -> NDArray[np.uint8]:
        """Return the ids a residue of the modality can have, ascending."""
        table = self.residue_table(modality)
        return np.unique(table[table != ILLEGAL])

    def encode(self, sequence: Sequence) -> NDArray[np.uint8]:
        """Return one id per residue, without special tokens."""
        return self.residue_table(sequence.modality)[np.frombuffer(sequence.residues.encode("ascii"), dtype=np.uint8)]

    def decode(self, token_ids: NDArray[np.integer], modality: Modality) -> str:
        """Return residues in canonical letters; the inverse of `encode`.

        Raises:
            AlphabetError: If an id is no residue of the modality.
        """
        letters = self._letters[modality][np.minimum(np.asarray(token_ids, dtype=np.int64), ILLEGAL)]
        wrong = np.flatnonzero(letters == ILLEGAL)
        if len(wrong):
            index, token_id = int(wrong[0]), int(token_ids[wrong[0]])
            token = repr(self.tokens[token_id]) if token_id < len(self) else f"id {token_id}"
            raise AlphabetError(f"Token {token} at index {index} (0-based) is no {modality} residue.")
        return letters.tobytes().decode("ascii")

    @cached_property
    def _letters(self) -> dict[Modality, NDArray[np.uint8]]:
        """Token id to the canonical letter of a modality, as a byte; `ILLEGAL` where it is no residue."""
        tables: dict[Modality, NDArray[np.uint8]] = {}
        for modality, ids in self._residue_tables.items():
            symbols = modality.alphabet.symbol_table
            tables[modality] = np.full(256, ILLEGAL, dtype=np.uint8)
            tables[modality][ids[symbols]] = symbols
        return tables
