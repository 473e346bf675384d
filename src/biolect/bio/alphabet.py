"""Alphabets: ordered symbols and the small integers that stand for them.

Everything above works on codes. Which letters are *canonical*, and what is folded into them, is
declared once per alphabet here; folding is counted, so that nothing is repaired in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from biolect.errors import AlphabetError

ILLEGAL = 255
"""Code of a byte that no rule of the alphabet covers."""
_PIECE = 1 << 20


Unknown = Literal["refuse", "mask"]


@dataclass(frozen=True)
class Folds:
    """How many letters were read as another one, by reason. Counts of residues."""

    lower_case: int = 0
    thymine_uracil: int = 0
    ambiguity: int = 0
    unknown: int = 0

    def __add__(self, other: Folds) -> Folds:
        return Folds(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))

    @property
    def total(self) -> int:
        """All folded letters; a letter that is folded twice (a lower-case r) counts for each reason."""
        return self.lower_case + self.thymine_uracil + self.ambiguity + self.unknown


@dataclass(frozen=True)
class Alphabet:
    """Ordered symbols of one modality. Codes are valid indices into `symbols`; instances never change.

    Attributes:
        name: As printed in messages.
        symbols: Canonical letters in code order.
        exchanged: Letters read as a symbol because T and U are one nucleotide.
        ambiguous: IUPAC letters read as the unknown symbol.
        unknown: The symbol for an unknown residue.
        pairs: Complementary symbols; empty where there is no complement.
    """

    name: str
    symbols: str
    unknown: str
    exchanged: Mapping[str, str] = field(default_factory=dict[str, str])
    ambiguous: str = ""
    pairs: Mapping[str, str] = field(default_factory=dict[str, str])

    def __hash__(self) -> int:
        return hash((self.name, self.symbols))

    def __len__(self) -> int:
        return len(self.symbols)

    @cached_property
    def standard(self) -> str:
        """Symbols that stand for one certain residue: those before the unknown one."""
        return self.symbols.partition(self.unknown)[0]

    @cached_property
    def canonical_bytes(self) -> bytes:
        """A 256-byte table for `bytes.translate`: every readable letter to its symbol, others to 255."""
        table = bytearray([ILLEGAL] * 256)
        rules = {s: s for s in self.symbols} | dict(self.exchanged) | dict.fromkeys(self.ambiguous, self.unknown)
        for letter, symbol in rules.items():
            table[ord(letter)] = table[ord(letter.lower())] = ord(symbol)
        return bytes(table)

    @cached_property
    def code_table(self) -> NDArray[np.uint8]:
        """Byte to code, 256 entries; `ILLEGAL` where the byte is not readable."""
        order = {ord(s): i for i, s in enumerate(self.symbols)}
        return np.array([order.get(b, ILLEGAL) for b in self.canonical_bytes], dtype=np.uint8)

    @cached_property
    def symbol_table(self) -> NDArray[np.uint8]:
        """Code to ASCII byte."""
        return np.frombuffer(self.symbols.encode("ascii"), dtype=np.uint8)

    @cached_property
    def complement_codes(self) -> NDArray[np.uint8]:
        """Code to the code of the complementary symbol.

        Raises:
            AlphabetError: If the alphabet has no complement.
        """
        if not self.pairs:
            raise AlphabetError(f"The {self.name} alphabet has no complement. Only DNA and RNA have one.")
        return np.array([self.symbols.index(self.pairs[s]) for s in self.symbols], dtype=np.uint8)

    def canonical(self, text: str, *, unknown: Unknown = "refuse", strict: bool = False, name: str = "") -> tuple[str, Folds]:
        """Read letters as canonical symbols and count what was folded.

        Args:
            unknown: `mask` reads letters outside the alphabet as the unknown symbol.
            strict: Refuse every letter that is not canonical already.
            name: Of the record, for the message.

        Returns:
            The canonical text, of the same length, and the counts.

        Raises:
            AlphabetError: If a letter is outside the alphabet, or any is folded under `strict`.
        """
        raw = text.encode("latin-1", errors="replace") if not text.isascii() else text.encode("ascii")
        folded = raw.translate(self.canonical_bytes)
        if folded == raw and text.isascii():
            return text, Folds()
        if ILLEGAL in folded and unknown == "refuse":
            index = folded.index(ILLEGAL)
            raise self.refusal(text[index], index, name)
        if strict:
            index = next(i for i, (a, b) in enumerate(zip(raw, folded, strict=True)) if a != b or b == ILLEGAL)
            raise self.refusal(text[index], index, name, "is not a canonical letter of")
        return folded.replace(bytes([ILLEGAL]), self.unknown.encode()).decode("ascii"), self.count_folds(raw)

    def encode(self, text: str) -> NDArray[np.uint8]:
        """Return one code per letter. Raises AlphabetError like `canonical`."""
        canonical, _ = self.canonical(text)
        return self.code_table[np.frombuffer(canonical.encode("ascii"), dtype=np.uint8)]

    def decode(self, codes: NDArray[np.uint8]) -> str:
        """Return the symbols of codes; the inverse of `encode` on canonical letters."""
        return self.symbol_table[codes].tobytes().decode("ascii")

    def count_folds(self, raw: bytes | bytearray) -> Folds:
        """Count the letters that are not canonical, by reason; what no rule covers counts as unknown."""
        letters = np.frombuffer(raw, dtype=np.uint8)
        # Piece by piece, because a count takes eight bytes a letter.
        pieces = (np.bincount(letters[start : start + _PIECE], minlength=256) for start in range(0, len(letters), _PIECE))
        counts = sum(pieces, np.zeros(256, dtype=np.int64))
        exchanged, known = "".join(self.exchanged), self.symbols + self.ambiguous + "".join(self.exchanged)

        def seen(letters: set[str]) -> int:
            return int(counts[[ord(letter) for letter in letters]].sum())

        def either(letters: str) -> int:
            return seen({*letters, *letters.lower()})

        return Folds(seen({*known.lower()} - {*known}), either(exchanged), either(self.ambiguous), len(raw) - either(known))

    def refusal(self, letter: str, index: int, name: str, verdict: str = "is not in") -> AlphabetError:
        """Return the error that says which letter is wrong, where. The index is 0-based."""
        where = f"'{name}'" if name else "the sequence"
        gap = letter in "-."
        unknown = f"Write '{self.unknown}' for an unknown residue; biolect prepare does so under unknown=mask."
        if verdict.startswith("is not in"):
            hint = "Remove the gaps, or read the file as an alignment." if gap else unknown
        else:
            hint = "Leave out strict=true to fold it."
        return AlphabetError(f"Symbol {letter!r} at index {index} (0-based) of {where} {verdict} the {self.name} alphabet. {hint}")


_PAIRS = {"A": "T", "C": "G", "G": "C", "T": "A", "N": "N"}

DNA = Alphabet("DNA", "ACGTN", "N", {"U": "T"}, "RYSWKMBDHV", _PAIRS)
RNA = Alphabet("RNA", "ACGUN", "N", {"T": "U"}, "RYSWKMBDHV", {k.replace("T", "U"): v.replace("T", "U") for k, v in _PAIRS.items()})
PROTEIN = Alphabet("protein", "ACDEFGHIKLMNPQRSTVWYXBZJUO*", "X")
