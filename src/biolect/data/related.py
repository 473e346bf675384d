"""Related sequences, which belong into one context: several records of one gene, and families of homologs, as files give them.

Records of one gene, whatever their modality, are found by its name in annotated inputs, or in a table of NCBI Gene that
says which accessions belong to which gene.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple, Unpack

from biolect.bio.io import detect, read_records
from biolect.bio.io.fasta import read, read_alignment
from biolect.bio.io.form import Format, Letters, Refusal
from biolect.bio.io.tables import read_groups
from biolect.bio.sequence import Modality, Sequence as Record
from biolect.data.document import Member, View
from biolect.data.shards import MemberStore, MemberWriter
from biolect.data.splits import canonical_digest
from biolect.errors import ConfigError, InputError
from biolect.files import open_input

_COLUMNS = 16
_MOST_MEMBERS = 24


class Link(NamedTuple):
    """An accession of a gene, whole or an interval of it (0-based, half-open; empty where the table gives none)."""

    gene_id: str
    accession: str
    interval: tuple[int, int] | None = None
    strand: int = 1


def is_link_table(path: Path | str) -> bool:
    """Return whether a file looks like NCBI's `gene2accession` (or `gene2refseq`): 16 columns, tax id and GeneID first."""
    with open_input(path) as stream:
        first = stream.readline(4096).decode("utf-8", errors="replace").rstrip("\n").split("\t")
    return len(first) == _COLUMNS and (first[0].startswith("#tax_id") or (first[0].isdigit() and first[1].isdigit()))


def read_links(path: Path | str) -> Iterator[Link]:
    """Read a table of the form of NCBI's `gene2accession`.

    Raises:
        InputError: If a row has not 16 columns.

    Source:
        https://ftp.ncbi.nlm.nih.gov/gene/README: start and end are 0-based and both inside; `-` is empty.
    """
    with open_input(path) as stream:
        for number, line in enumerate(stream, 1):
            cells = line.decode("utf-8", errors="replace").rstrip("\r\n").split("\t")
            if line.startswith(b"#") or not line.strip():
                continue
            if len(cells) != _COLUMNS:
                raise InputError(f"Line {number} (1-based) of '{path}' has {len(cells)} columns; gene2accession has {_COLUMNS}.")
            gene, rna, protein, genomic, start, end = ("" if cells[i] == "-" else cells[i] for i in (1, 3, 5, 7, 9, 10))
            yield from (Link(gene, accession) for accession in (rna, protein) if accession)
            if genomic:
                interval = (int(start), int(end) + 1) if start.isdigit() and end.isdigit() else (0, 0)
                yield Link(gene, genomic, interval, -1 if cells[11] == "-" else 1)


def write_same_genes(writer: MemberWriter, genes: MemberStore, same_gene: Mapping[str, Sequence[int]]) -> None:
    """Write a group for every gene name that several genome records have."""
    records = {group: place.record for group, place in genes.places()}
    for name, groups in same_gene.items():
        if len({records[group] for group in groups}) > 1:
            views = (View.CDS, View.PROTEIN)
            _write(writer, f"gene {name}", (member for group in groups for member in genes.group(group) if member.view in views))


def write_linked(writer: MemberWriter, tables: Iterable[Path], stores: Sequence[MemberStore]) -> int:
    """Write a group for every gene of the tables of which records are there; return the accessions that are not.

    Args:
        stores: Lone records, by accession with version.
    """
    found = {store.name_of(group): (store, group) for store in stores for group in range(store.num_groups)}
    missing: set[str] = set()
    by_gene: dict[str, dict[Link, None]] = defaultdict(dict)
    for link in chain.from_iterable(map(read_links, tables)):
        if link.accession not in found:
            missing.add(link.accession)
        elif link.interval != (0, 0):
            by_gene[link.gene_id][link] = None
    for gene, links in by_gene.items():
        _write(writer, f"GeneID:{gene}", (_cut(*found[link.accession], link) for link in links))
    return len(missing)


def _cut(store: MemberStore, group: int, link: Link) -> Member:
    member = store.group(group)[0]
    if link.interval:
        member = member.slice(*link.interval)
    return member.other_strand(store.vocabulary) if link.strand < 0 and member.modality is not Modality.PROTEIN else member


def _write(writer: MemberWriter, name: str, members: Iterable[Member]) -> None:
    """Write the different strings of a gene; one alone is no relation."""
    different: dict[tuple[bool, bytes], Member] = {}
    for member in members:
        if len(member):
            different.setdefault((member.modality is Modality.PROTEIN, canonical_digest(member)), member)
    if len(different) < 2:
        return
    writer.begin_group(name)
    for member in list(different.values())[:_MOST_MEMBERS]:
        writer.add(member.token_ids, member.modality, View.RECORD)


def read_families(path: Path, family: str = "", column: str = "", **letters: Unpack[Letters]) -> Iterator[tuple[str, Record | Refusal]]:
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
    found, whole = detect(path), Path(path.name.removesuffix(".gz")).stem
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


def _records(path: Path, found: Format, **letters: Unpack[Letters]) -> Iterator[Record | Refusal]:
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
