"""Variants: substitutions in the notation of the field, `A42G`, several joined by colons."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from biolect.bio.sequence import Sequence
from biolect.errors import VariantError


class Substitution(NamedTuple):
    """One residue in place of another. The position is 1-based."""

    before: str
    position: int
    after: str

    def __str__(self) -> str:
        return f"{self.before}{self.position}{self.after}"


@dataclass(frozen=True)
class Variant:
    """Substitutions that happen together. Invariant: no position twice, in the order given.

    Attributes:
        substitutions: May be silent (`A42A`): a variant that changes nothing is a valid one.
    """

    substitutions: tuple[Substitution, ...]

    def __post_init__(self) -> None:
        positions = [change.position for change in self.substitutions]
        twice = next((p for p in positions if positions.count(p) > 1), None)
        if twice is not None:
            raise VariantError(f"Variant {self} changes position {twice} (1-based) twice. Give each position once.")

    @classmethod
    def parse(cls, text: str) -> Variant:
        """Read the notation; the inverse of `str`.

        Raises:
            VariantError: If a part is not letter, position, letter, or a position comes twice.
        """
        changes: list[Substitution] = []
        for part in text.strip().split(":"):
            match = re.fullmatch(r"([A-Z*])([1-9][0-9]*)([A-Z*])", part.strip())
            if not match:
                raise VariantError(
                    f"Variant {text!r} cannot be read: {part!r} is not a residue, a position (1-based) and a residue, like A42G. "
                    "Join several with ':', like K8R:Q9E."
                )
            changes.append(Substitution(match[1], int(match[2]), match[3]))
        return cls(tuple(changes))

    def __str__(self) -> str:
        return ":".join(map(str, self.substitutions))

    def check(self, reference: Sequence) -> None:
        """Compare the residues before the change with a reference.

        Raises:
            VariantError: If a position is outside, or holds another residue, or a new residue is no letter
                of the reference's alphabet.
        """
        letters, alphabet = reference.residues, reference.modality.alphabet
        for before, position, after in self.substitutions:
            at = f"at position {position} (1-based)"
            if position > len(letters):
                name = f" '{reference.name}'" if reference.name else ""
                problem = f"is {at}, but the reference{name} has {len(letters)} residues."
            elif letters[position - 1] != before:
                hint = _shifted(letters, before, position)
                problem = f"expects {before!r} {at}, but the reference has {letters[position - 1]!r}.{hint}"
            elif after not in alphabet.symbols:
                problem = f"puts {after!r} {at}, which is not in the {alphabet.name} alphabet."
            else:
                continue
            raise VariantError(f"Variant {self} {problem}")

    def apply(self, reference: Sequence) -> Sequence:
        """Return the changed sequence, under the reference's name followed by the variant. Raises VariantError like `check`."""
        self.check(reference)
        letters = list(reference.residues)
        for change in self.substitutions:
            letters[change.position - 1] = change.after
        name = f"{reference.name}:{self}" if reference.name else str(self)
        return Sequence("".join(letters), reference.modality, name, reference.description)

    def on_other_strand(self, reference: Sequence) -> Variant:
        """Return the same change as read on the reverse complement of the reference. Raises AlphabetError for proteins."""
        letters = reference.modality.alphabet
        turned = dict(zip(letters.symbols, letters.decode(letters.complement_codes), strict=True))
        size = len(reference) + 1
        return Variant(tuple(Substitution(turned[a], size - position, turned[b]) for a, position, b in self.substitutions))

    def undone(self) -> Variant:
        """Return the variant that leads back."""
        return Variant(tuple(Substitution(change.after, change.position, change.before) for change in self.substitutions))


def _shifted(letters: str, before: str, position: int) -> str:
    """Return a hint if a neighbour holds the residue that was expected."""
    for other in (position - 1, position + 1):
        if 1 <= other <= len(letters) and letters[other - 1] == before:
            return f" Position {other} is {before!r}: is the numbering off by one?"
    return " Check that the variant was written for this sequence."
