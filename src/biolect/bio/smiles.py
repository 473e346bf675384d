"""SMILES as text: the symbols that molecules are written in, found without loss.

A symbol is an atom, a bond, a bracket, a digit or a mark. Inside brackets every element is one symbol;
outside, only chlorine and bromine have two letters, so that `Sc1ccccc1` is sulfur and an aromatic carbon
and `[Sc]` scandium. Joining the symbols of a text gives the text back, letter by letter, and any row of
symbols is a text that can be read, whether or not it is a molecule: what is chemically right is asked in
`chemistry`.

Source: OpenSMILES 1.0, with the bonds `~`, `->` and `<-` that toolkits add to it. Reactions (`>`) are not read.
"""

import re
from dataclasses import dataclass

from biolect.bio.alphabet import Folds, Unknown
from biolect.errors import AlphabetError

_ELEMENTS = (
    "C N O F P S Cl Br I B H Si Se He Li Be Ne Na Mg Al Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd "
    "Ag Cd In Sn Sb Te Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa "
    "U Np Pu Am Cm Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og"
).split()
_AROMATIC = "c n o s p b se te as si".split()
_MARKS = "( ) = # [ ] @ @@ + - / \\ . : $ % ~ -> <- @TH @AL @SP @TB @OH *".split()
SYMBOLS = (*_MARKS, *"0123456789", *_ELEMENTS, *_AROMATIC)
"""Every symbol, in an order that never changes: vocabularies stand on it."""

# Before these letters a shorter symbol must be read, or a letter is left behind: @SPd is @, sulfur and palladium.
_NOT_BEFORE = {"@@": "(?!T[HB]|AL)", "@SP": "(?![abdmrtu])", "@OH": "(?![efgos])"}
_BRACKETS = re.compile(r"(\[[^\[\]]*\]?)")


def _pattern(*, in_brackets: bool) -> re.Pattern[str]:
    """Match one symbol, the longest that leaves nothing behind that cannot be read."""
    rests: dict[str, list[str]] = {}
    for symbol in sorted(SYMBOLS, key=len, reverse=True):
        first, rest = symbol[0], symbol[1:]
        if not in_brackets and len(rest) == 1 and first in "BCNOPSFI" and rest in "bcnops":
            continue
        ahead = _NOT_BEFORE.get(symbol, "")
        if first.isupper() and rest in ("s", "t"):
            # Caesium before e or i would leave a letter behind: it is carbon and aromatic selenium or silicon.
            ahead = "(?![ei])" if rest == "s" else "(?!e)"
        rests.setdefault(first, []).append(re.escape(rest) + ahead)
    # Letters that nothing can follow are the commonest, and one set.
    alone = "".join(re.escape(first) for first, found in rests.items() if found == [""])
    rules = [re.escape(first) + f"(?:{'|'.join(found)})" for first, found in rests.items() if found != [""]]
    return re.compile("|".join([f"[{alone}]", *rules]))


_PATTERNS = _pattern(in_brackets=False), _pattern(in_brackets=True)


@dataclass(frozen=True)
class SmilesAlphabet:
    """The counterpart of `Alphabet` for symbols of several letters. Instances never change.

    Attributes:
        unknown: Stands for a letter that is no symbol; it is no SMILES itself.
    """

    name: str = "SMILES"
    symbols: tuple[str, ...] = SYMBOLS
    unknown: str = "?"

    def split(self, text: str) -> list[str]:
        """Return the symbols of a text; letters that are none are left out, so joining gives the text only if all are."""
        found: list[str] = []
        # Every second part is in brackets.
        for place, part in enumerate(_BRACKETS.split(text)):
            found += _PATTERNS[place % 2].findall(part)
        return found

    def canonical(self, text: str, *, unknown: Unknown = "refuse", strict: bool = False, name: str = "") -> tuple[str, Folds]:
        """Return the text itself, checked; nothing but unknown letters is ever folded.

        Args:
            unknown: `mask` reads letters outside the alphabet as `?`.
            strict: Refuse `?`, too.
            name: Of the molecule, for the message.

        Raises:
            AlphabetError: If a letter is no symbol and no part of one.
        """
        if len("".join(self.split(text))) == len(text):
            return text, Folds()
        kept = self._places(text)
        if len(kept) == len(text) and not strict:
            return text, Folds(unknown=text.count(self.unknown))
        index = next(i for i in range(len(text)) if i not in kept or (strict and text[i] == self.unknown))
        if unknown == "refuse" or strict:
            raise self.refusal(text[index], index, name)
        masked = "".join(letter if i in kept else self.unknown for i, letter in enumerate(text))
        return masked, Folds(unknown=masked.count(self.unknown))

    def _places(self, text: str) -> set[int]:
        """Indices of the letters that belong to symbols, or are the unknown one."""
        kept = {i for i, letter in enumerate(text) if letter == self.unknown}
        start = 0
        for place, part in enumerate(_BRACKETS.split(text)):
            for match in _PATTERNS[place % 2].finditer(part):
                kept.update(range(start + match.start(), start + match.end()))
            start += len(part)
        return kept

    def refusal(self, letter: str, index: int, name: str) -> AlphabetError:
        """Return the error that says which letter is wrong, where. The index is 0-based."""
        where = f"'{name}'" if name else "the molecule"
        hint = "Is it SMILES? " if letter.isalpha() or letter.isspace() else ""
        return AlphabetError(
            f"Symbol {letter!r} at index {index} (0-based) of {where} is not in the SMILES alphabet. "
            f"{hint}Write '{self.unknown}' for an unknown symbol; biolect prepare does so under unknown=mask."
        )


SMILES = SmilesAlphabet()
