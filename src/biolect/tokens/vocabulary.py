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
from biolect.bio.smiles import SMILES
from biolect.errors import AlphabetError, ConfigError

SPECIAL_INDEX = len(Modality)
"""Stands where a modality index would, for tokens that are no residue."""

_JOINT = (
    "<pad> <bos> <eos> <sep> <unk> <dna> <rna> <prot> <pos> <neg> a c g t n u A C D E F G H I K L M N P Q R S T V W Y X B Z J U O * "
    "<mask> <fill> <hole1> <hole2> <hole3> <hole4> <hole5>"
).split()
_DNA = "<class> <sep> <bos> <mask> <pad> <reserved> <unk> A C G T N".split()
_PROTEIN = (
    "<class> <pad> <eos> <unk> L A G V S E R T I D P K Q N F Y M H W C X B U Z O . - <null> <mask> <hole1> <hole2> <hole3> <hole4> <hole5>"
).split()
_SMILES = (*"<pad> <bos> <eos> <sep> <unk> <mask> <pos> <neg>".split(), *SMILES.symbols)


@dataclass(frozen=True)
class Roles:
    """Which token of a vocabulary plays which part; empty where none does.

    Attributes:
        fill: Stands between a sequence with holes and what belongs into them.
    """

    pad: str = "<pad>"
    begin: str = "<bos>"
    end: str = "<eos>"
    separator: str = "<sep>"
    unknown: str = "<unk>"
    fill: str = ""


_AMINO = "ACDEFGHIKLMNPQRSTVWYXBZJUO*"
_WITHOUT_J = (_AMINO.replace("J", "").replace("*", "") + "J", _AMINO.replace("J", "").replace("*", "") + "X")

Spellings = tuple[tuple[Modality, str, str], ...]
"""By modality: canonical letters, and the token of each; where two letters share a token, the first is read back."""

_TABLES: dict[str, tuple[tuple[str, ...], Roles, Spellings]] = {
    "joint-64": (
        (*_JOINT, *(f"<reserved{i}>" for i in range(len(_JOINT), 64))),
        Roles(fill="<fill>"),
        ((Modality.DNA, "ACGTN", "acgtn"), (Modality.RNA, "ACGUN", "acgtn"), (Modality.PROTEIN, _AMINO, _AMINO)),
    ),
    "dna-12": (tuple(_DNA), Roles(end="<sep>"), ((Modality.DNA, "ACGTN", "ACGTN"),)),
    "prot-38": (
        tuple(_PROTEIN),
        Roles(begin="<class>", end="<class>", separator="<class>", fill="<eos>"),
        ((Modality.PROTEIN, *_WITHOUT_J),),
    ),
    "smiles-176": ((*_SMILES, *(f"<reserved{i}>" for i in range(len(_SMILES), 176))), Roles(), ()),
}


@dataclass(frozen=True)
class Vocabulary:
    """Tokens in id order. Frozen, hashable, and known by digest.

    In the joint vocabulary, nucleotide and amino-acid ids are disjoint, so a letter alone says which of the
    two it is; DNA and RNA share their nucleotides (U is read as t) and are told apart by the tag before them.

    Attributes:
        spellings: Which letters it reads.
    """

    name: str
    tokens: tuple[str, ...]
    roles: Roles = Roles()
    spellings: Spellings = ()

    JOINT_NAME: ClassVar[str] = "joint-64"

    @classmethod
    def joint(cls) -> Vocabulary:
        """Return the 64-slot vocabulary over DNA, RNA and protein; slots 50 to 63 are reserved.

        Source: the table in the design of mixed-modal models; arXiv:2410.11499 names only `<sep>`.
        """
        return cls.named(cls.JOINT_NAME)

    @classmethod
    def named(cls, name: str) -> Vocabulary:
        """Return a vocabulary by name: joint-64, dna-12, prot-38 or smiles-176.

        `dna-12` and `prot-38` have the ids of the published DNA and protein models, which are of one modality
        and know no tags. In `prot-38`, every sequence begins with the class token, which therefore separates
        and ends them, too. `smiles-176` has a token for every symbol of SMILES, and a separator between molecules
        that is not the dot between the parts of a salt.

        Raises:
            ConfigError: If there is none of that name.

        Source: arXiv:2411.04165 for `dna-12` and `prot-38`.
        """
        if name not in _TABLES:
            raise ConfigError(f"There is no vocabulary '{name}'. Known: {', '.join(_TABLES)}.")
        return cls(name, *_TABLES[name])

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
        return self._ids[self.roles.pad]

    @property
    def begin(self) -> int:
        """Id that opens a document."""
        return self._ids[self.roles.begin]

    @property
    def end(self) -> int:
        """Id that closes a document."""
        return self._ids[self.roles.end]

    @property
    def separator(self) -> int:
        """Id between two members of a document."""
        return self._ids[self.roles.separator]

    @property
    def unknown(self) -> int:
        """Id of a letter that is not read."""
        return self._ids[self.roles.unknown]

    @property
    def mask(self) -> int:
        """Id that stands for a residue to be guessed. Raises AlphabetError where there is none."""
        return self.id_of("<mask>")

    @property
    def fill(self) -> int:
        """Id between a sequence with holes and what belongs into them. Raises AlphabetError where there is none."""
        return self.id_of(self.roles.fill)

    @property
    def holes(self) -> tuple[int, ...]:
        """Ids of the numbered holes of infilling, in order; empty where there are none."""
        return tuple(i for i, token in enumerate(self.tokens) if token.startswith("<hole"))

    def tag(self, modality: Modality) -> int:
        """Return the id that announces a modality. Raises AlphabetError where there is none."""
        return self.id_of({"dna": "<dna>", "rna": "<rna>", "protein": "<prot>"}.get(modality.value, f"<{modality}>"))

    def residue_table(self, modality: Modality) -> NDArray[np.uint8]:
        """Return byte to token id, 256 entries, `ILLEGAL` for bytes that are not read as a residue.

        Raises:
            AlphabetError: If the vocabulary has no residues of the modality.
        """
        if modality not in self._residue_tables:
            raise self._lacks(modality)
        return self._residue_tables[modality]

    def _lacks(self, modality: Modality) -> AlphabetError:
        there = ", ".join(filter(self.reads, Modality))
        return AlphabetError(f"Vocabulary '{self.name}' has no {modality} residues. It has those of {there}.")

    @cached_property
    def _spelled(self) -> dict[Modality, dict[str, int]]:
        """Ids of letters or symbols by modality; molecules are among them where all symbols of SMILES have tokens."""
        found: dict[Modality, dict[str, int]] = {}
        for modality, letters, tokens in self.spellings:
            found[modality] = {letter: self._ids[token] for letter, token in zip(letters, tokens, strict=True)}
        if self._ids.keys() >= set(SMILES.symbols):
            found[Modality.MOLECULE] = {symbol: self._ids[symbol] for symbol in SMILES.symbols} | {SMILES.unknown: self.unknown}
        return found

    def _symbols(self, modality: Modality) -> dict[str, int]:
        if modality not in self._spelled:
            raise self._lacks(modality)
        return self._spelled[modality]

    @cached_property
    def _residue_tables(self) -> dict[Modality, NDArray[np.uint8]]:
        tables: dict[Modality, NDArray[np.uint8]] = {}
        for modality, *_ in self.spellings:
            ids, read = self._spelled[modality], modality.alphabet.canonical_bytes
            tables[modality] = np.array([ids.get(chr(byte), ILLEGAL) for byte in read], dtype=np.uint8)
        return tables

    def residue_ids(self, modality: Modality) -> NDArray[np.uint8]:
        """Return the ids a residue of the modality can have, ascending; of molecules all that say something, not the unknown one."""
        return np.unique([number for symbol, number in self._symbols(modality).items() if symbol != SMILES.unknown]).astype(np.uint8)

    def reads(self, modality: Modality) -> bool:
        """Whether it has residues of a modality."""
        return modality in self._spelled

    def standard_ids(self, modality: Modality) -> NDArray[np.uint8]:
        """Return the ids of the residues that are certain, in order of their letters: 4 nucleotides or 20 amino acids."""
        return self.residue_table(modality)[list(modality.alphabet.standard.encode())]

    @cached_property
    def complement_ids(self) -> NDArray[np.uint8]:
        """Token id to its id on the other strand: complementary nucleotides, the begin for the end; others stay."""
        table, dna = np.arange(len(self), dtype=np.uint8), self.residue_table(Modality.DNA)
        for letter, other in Modality.DNA.alphabet.pairs.items():
            table[dna[ord(letter)]] = dna[ord(other)]
        # Read from its other end, a document of one strand is one of the other.
        table[[self.begin, self.end]] = self.end, self.begin
        return table

    def encode(self, sequence: Sequence) -> NDArray[np.uint8]:
        """Return one id per residue (of a molecule, per symbol), without special tokens.

        Raises:
            AlphabetError: If the vocabulary lacks the modality, or one of the letters.
        """
        if sequence.modality is Modality.MOLECULE:
            symbols, parts = self._symbols(Modality.MOLECULE), sequence.residues.split(SMILES.unknown)
            found = [symbols[symbol] for part in parts for symbol in (*SMILES.split(part), SMILES.unknown)]
            return np.array(found[:-1], dtype=np.uint8)
        # Translating is faster than indexing where sequences are short.
        ids = sequence.residues.encode("ascii").translate(self.residue_table(sequence.modality).tobytes())
        if ILLEGAL in ids:
            index = ids.index(ILLEGAL)
            raise AlphabetError(
                f"Symbol {sequence.residues[index]!r} at index {index} (0-based) of '{sequence.name}' has no token in vocabulary "
                f"'{self.name}'. Remove it, or use a model with another vocabulary."
            )
        return np.frombuffer(ids, dtype=np.uint8)

    def decode(self, token_ids: NDArray[np.integer], modality: Modality) -> str:
        """Return residues in canonical letters; the inverse of `encode`.

        Raises:
            AlphabetError: If an id is no residue of the modality, or the vocabulary has none of it.
        """
        if not self.reads(modality):
            raise self._lacks(modality)
        found = self._written[modality][np.minimum(np.asarray(token_ids, dtype=np.int64), ILLEGAL)]
        if (strange := np.flatnonzero(found == b"")).size:
            index = int(strange[0])
            token_id = int(token_ids[index])
            token = repr(self.tokens[token_id]) if token_id < len(self) else f"id {token_id}"
            raise AlphabetError(f"Token {token} at index {index} (0-based) is no {modality} residue.")
        return found.tobytes().replace(b"\0", b"").decode("ascii")

    @cached_property
    def _written(self) -> dict[Modality, NDArray[np.bytes_]]:
        """Token id to the letter or symbol of a modality, filled up with zero bytes; empty where it is no residue."""
        tables: dict[Modality, NDArray[np.bytes_]] = {}
        for modality, ids in self._spelled.items():
            symbol_of = {number: symbol for symbol, number in reversed(ids.items())}
            tables[modality] = np.array([symbol_of.get(number, "") for number in range(256)], dtype=np.bytes_)
        return tables

    @property
    def has_tags(self) -> bool:
        """Whether members are announced by their modality."""
        return "<prot>" in self._ids
