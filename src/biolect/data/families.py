"""Families: homologous sequences that belong into one context, as files give them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Unpack

from biolect.bio.io import detect, read_records
from biolect.bio.io.fasta import read, read_alignment
from biolect.bio.io.form import Format, Letters, Refusal
from biolect.bio.io.tables import read_groups
from biolect.bio.sequence import Sequence
from biolect.errors import ConfigError, InputError
from biolect.files import open_input


def read_families(path: Path, family: str = "", column: str = "", **letters: Unpack[Letters]) -> Iterator[tuple[str, Sequence | Refusal]]:
    """Read sequences with the name of the family of each, gaps left out and insertions in capitals.

    Args:
        family: Where one file holds many families, what tells them apart: of a table, the column that names
            them; of other files, a regular expression that finds the name in a header, in its group if it has
            one. Empty: the file is one family, and each alignment of a Stockholm file.
        column: Of a table, the column with the sequences; empty: `sequence`.

    Raises:
        InputError: If the file cannot be read, is an A3M whose rows differ in length, or has a header without a family.
        ConfigError: If `family` is no regular expression.
    """
    found, whole = detect(path), path.name.removesuffix(".gz").rpartition(".")[0] or path.name
    if found.is_table:
        for name, _, record in read_groups(path, family, column=column or "sequence", **letters):
            yield name if family else whole, record
        return
    rule = _rule(family) if family else None
    for record in _records(path, found, **letters):
        if isinstance(record, Refusal):
            yield "", record
        elif rule is None:
            yield record.description or whole if found is Format.STOCKHOLM else whole, record
        elif match := rule.search(f"{record.name} {record.description}"):
            yield match[rule.groups and 1], record
        else:
            raise InputError(f"The header of '{record.name}' in '{path}' names no family: family = {family!r} finds nothing. Change it.")


def _records(path: Path, found: Format, **letters: Unpack[Letters]) -> Iterator[Sequence | Refusal]:
    if found is Format.A3M:
        with open_input(path) as stream:
            read_alignment(stream, str(path))
    if found not in (Format.FASTA, Format.A3M):
        yield from read_records(path, **letters)
        return
    with open_input(path) as stream:
        yield from read(stream, where=str(path), is_alignment=True, **letters)


def _rule(family: str) -> re.Pattern[str]:
    try:
        return re.compile(family)
    except re.error as error:
        raise ConfigError(f"family = {family!r} is no regular expression ({error}). Write one, for example family='OX=([0-9]+)'.") from None
