"""SMILES files: one molecule a line, white space, and its name if it has one.

Blank lines and lines that begin with `#` are read over; so is a first line that names its columns
(`smiles name`). Order and repeated names are kept. Whether a molecule can exist is not asked here: see
`check_molecule`.
"""

import re
from collections.abc import Iterable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Literal, NamedTuple, Unpack

from biolect.bio import chemistry
from biolect.bio.io.form import Letters, Refusal, read_one
from biolect.bio.sequence import Modality, Sequence
from biolect.bio.smiles import SMILES
from biolect.errors import InputError
from biolect.files import write_pieces

ENDINGS = (".smi", ".smiles", ".ism")

_COLUMNS = ("smiles", "canonical_smiles", "isomeric_smiles")
_HEAD_BYTES = 1 << 14
_STRUCTURE = re.compile(r"[()=#\[\]\d]")


def read(stream: BufferedReader, *, where: str = "input", **letters: Unpack[Letters]) -> Iterator[Sequence | Refusal]:
    """Read one molecule per line of an input called `where`; a line without a name is named by its number, from 1."""
    for number, raw in enumerate(stream, 1):
        line = raw.decode("utf-8", errors="replace").rstrip("\r\n")
        if not line.strip() or (line[0] == "#") or (number == 1 and line.split()[0].lower() in _COLUMNS):
            continue
        # White space before a name means that the molecule is missing.
        text, _, name = ("", "", line.strip()) if line[0].isspace() else line.replace("\t", " ", 1).partition(" ")
        yield read_one(text, Modality.MOLECULE, name.strip() or str(number), f"{where}:{number}", **letters)


def smiles_column(columns: Iterable[str]) -> str | None:
    """Return the column of a table that holds SMILES by its name, if there is one."""
    return next((column for column in columns if column.lower() in _COLUMNS), None)


def looks_like_smiles(head: bytes) -> bool:
    """Return whether a text begins with lines that each begin with a molecule.

    Words of `C`, `N` and `O` are molecules as well, so every line must read as SMILES with its brackets
    closed, and half of them must show rings, branches, brackets or multiple bonds.
    """
    lines = head[:_HEAD_BYTES].decode("utf-8", errors="replace").splitlines()
    # The last line may be cut.
    lines = [line for line in (lines if len(head) <= _HEAD_BYTES else lines[:-1]) if line.strip() and not line.startswith("#")]
    if lines and lines[0].split()[0].lower() in _COLUMNS:
        lines = lines[1:]
    found = [line.split()[0] for line in lines]
    if not found or not all("".join(SMILES.split(text)) == text and _is_closed(text) for text in found):
        return False
    return 2 * sum(bool(_STRUCTURE.search(text)) for text in found) >= len(found)


def _is_closed(text: str) -> bool:
    return all(text.count(a) == text.count(b) for a, b in ("()", "[]"))


class Checked(NamedTuple):
    """A molecule with what RDKit says of it.

    Attributes:
        record: The molecule as it goes on, or its refusal.
        parsed: As RDKit has it; None where RDKit refuses it, was not asked, or is not there.
        problem: What RDKit says against it; empty where nothing.
    """

    record: Sequence | Refusal
    parsed: object | None = None
    problem: str = ""


def check_molecule(
    record: Sequence | Refusal, where: str, *, invalid: Literal["refuse", "keep"] = "refuse", canonicalizes: bool = False
) -> Checked:
    """Ask RDKit about a molecule; a refusal, and anything without RDKit, is handed on unchecked.

    Args:
        where: Its place, for messages.
        invalid: Whether a molecule that RDKit refuses is refused or kept as it is; both come with their problem.
        canonicalizes: Write the molecule in RDKit's canonical form.
    """
    if isinstance(record, Refusal) or not chemistry.is_there():
        return Checked(record)
    parsed, problem = chemistry.parse(record.residues)
    if problem:
        reason = f"RDKit refuses the molecule: {problem}. Mend it, or pass invalid=keep to keep what RDKit refuses."
        return Checked(record if invalid == "keep" else Refusal(record.name, where, reason), None, problem)
    return Checked(Sequence(chemistry.canonical(parsed), Modality.MOLECULE, record.name) if canonicalizes else record, parsed)


def check_ending(path: str | Path) -> None:
    """Refuse a name under which no molecules are written. Raises InputError unless it is `-` or ends in .smi."""
    if str(path) != "-" and not str(path).lower().removesuffix(".gz").endswith(ENDINGS):
        raise InputError(f"'{path}' does not say that it holds molecules. End it in .smi or .smi.gz.")


def write_smiles(path: str | Path, molecules: Iterable[Sequence]) -> int:
    """Write one molecule a line with its name, packed if the path ends in `.gz`; return how many.

    Args:
        path: `-` is standard output.

    Raises:
        InputError: See `check_ending`.
    """
    check_ending(path)
    lines = [f"{one.residues} {one.name}".rstrip() + "\n" for one in molecules]
    write_pieces(path, ["".join(lines).encode()])
    return len(lines)
