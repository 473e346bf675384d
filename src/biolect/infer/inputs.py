"""From files to questions: records with their partners, prompts, and tables of variants."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biolect import metrics
from biolect.bio.gene import Gene
from biolect.bio.io import Format, Refusal, detect, read_genes, read_records
from biolect.bio.io.tables import read_sequences, read_table
from biolect.bio.sequence import Modality, Sequence
from biolect.bio.variant import Variant
from biolect.data.document import Member, View
from biolect.data.gather import partner_of
from biolect.data.tally import why_not_paired
from biolect.errors import AlphabetError, BiolectError, ConfigError, InputError
from biolect.infer.reader import Reader
from biolect.infer.score import Query
from biolect.infer.variants import SCORES, all_single, unanswered

_SIDES = {"cds": View.CDS, "locus": View.LOCUS, "transcript": View.TRANSCRIPT, "protein": View.PROTEIN}


def view_of(reader: Reader, gene: Gene, view: View) -> Member:
    """Return one side of a gene as a member; on shared gene coordinates where the gene's map is exact."""
    sequence: Sequence = gene.coding_sequence if view is View.CDS else getattr(gene, view.value)
    runs = () if why_not_paired(gene) else gene.coordinates(view.value)  # pyright: ignore[reportArgumentType] -- genes have no view record
    return reader.member(sequence, runs, view)


def read_queries(reader: Reader, path: str, given: str | None = None) -> Iterator[Query | Refusal]:
    """Read what is to be scored, each record with its partner.

    Args:
        given: A file of partners, matched by id (the second record of an id to its second partner); or a
            column of the table; or, where the input is an annotated genome, the side of each gene that its
            protein is read after: cds, locus or transcript (protein: the coding sequence is read after it).
            Only annotation puts pairs on shared gene coordinates. None: records stand alone.

    Raises:
        InputError: If an input cannot be read.
        ConfigError: If `given` names neither a file nor a part of the input.
    """
    if given is None:
        for record in read_records(path):
            yield record if isinstance(record, Refusal) else _query(reader, path, record)
    elif path != "-" and (found := detect(path)).holds_genes and given in _SIDES:
        yield from _gene_queries(reader, path, _SIDES[given])
    elif path != "-" and found.is_table and not Path(given).is_file():
        yield from _table_queries(reader, path, given)
    elif Path(given).is_file():
        yield from _joined_queries(reader, path, given)
    else:
        raise ConfigError(
            f"--given {given} is neither a file nor a column of a table; of an annotated genome, it can be {', '.join(_SIDES)}. "
            "Check the name."
        )


def _query(reader: Reader, path: str, record: Sequence, partner: Sequence | None = None) -> Query | Refusal:
    """Return a record with its partner; a refusal where a letter of theirs has no token, as '*' has not in all vocabularies."""
    try:
        return Query(record.name, reader.member(record), None if partner is None else reader.member(partner), path)
    except AlphabetError as error:
        # A modality that is not read at all means the wrong model for the file, not a bad record.
        if not all(reader.model.vocabulary.reads(one.modality) for one in (record, partner or record)):
            raise
        return Refusal(record.name, path, str(error))


def partner_fasta(path: str) -> Path | None:
    """Return the FASTA that an annotation without sequences stands on, if it lies beside it."""
    return partner_of(Path(path), ()) if detect(path) in (Format.GFF3, Format.GTF) else None


def _gene_queries(reader: Reader, path: str, side: View) -> Iterator[Query | Refusal]:
    asked = View.CDS if side is View.PROTEIN else View.PROTEIN
    for record in read_genes(path, partner_fasta(path)):
        if isinstance(record, Refusal):
            yield record
        elif isinstance(record, Gene):
            partner, member = view_of(reader, record, side), view_of(reader, record, asked)
            if len(partner) and len(member):
                yield Query(record.name, member, partner, path)
            else:
                missing = asked if len(partner) else side
                yield Refusal(record.name, path, f"The gene has no {missing} to read. Leave it out, or score it alone.")


def _table_queries(reader: Reader, path: str, given: str) -> Iterator[Query | Refusal]:
    pairs = zip(read_sequences(path), read_sequences(path, column=given), strict=True)
    for record, partner in pairs:
        if isinstance(record, Refusal) or isinstance(partner, Refusal):
            yield record if isinstance(record, Refusal) else partner  # pyright: ignore[reportReturnType]
        else:
            yield _query(reader, path, record, partner)


def _joined_queries(reader: Reader, path: str, given: str) -> Iterator[Query | Refusal]:
    partners: dict[str, deque[Sequence | Refusal]] = defaultdict(deque)
    for partner in read_records(given):
        partners[partner.id if isinstance(partner, Refusal) else partner.name].append(partner)
    for record in read_records(path):
        if isinstance(record, Refusal):
            yield record
            continue
        waiting = partners.get(record.name)
        if not waiting:
            yield Refusal(record.name, path, f"It has no partner of its name in '{given}'. Give both the same id.")
            continue
        # The last partner of a name stays, so that many records can share it.
        partner = waiting.popleft() if len(waiting) > 1 else waiting[0]
        yield partner if isinstance(partner, Refusal) else _query(reader, path, record, partner)


def read_one(path: str) -> Sequence:
    """Read the only record of a file. Raises InputError if it holds none, several, or one that is refused."""
    records = list(islice(read_records(path), 2))
    if len(records) != 1:
        raise InputError(f"'{path}' holds {'several records' if records else 'no record'}; exactly one is wanted here.")
    if isinstance(records[0], Refusal):
        raise InputError(f"{records[0].where}: {records[0].reason}")
    return records[0]


def read_partner(reader: Reader, path: str, reference: Sequence) -> tuple[Member, Member]:
    """Read what a reference is read after; return partner and reference as members.

    From an annotated genome it is the coding sequence of the gene with exactly this protein, and both stand
    on its coordinates; from any other file it is the only record.

    Raises:
        InputError: If there is no such gene, or not one record.
    """
    if not detect(path).holds_genes:
        return reader.member(read_one(path)), reader.member(reference)
    for gene in read_genes(path, partner_fasta(path)):
        if isinstance(gene, Gene) and reference.modality is Modality.PROTEIN and gene.protein.residues == reference.residues:
            return view_of(reader, gene, View.CDS), view_of(reader, gene, View.PROTEIN)
    raise InputError(f"No gene in '{path}' has exactly the protein '{reference.name}'. Give its coding sequence as FASTA instead.")


@dataclass
class Mutations:
    """A table of variants: the rows that fit the reference, in order, and those that do not.

    Attributes:
        texts: As written in the table.
        labels: One number per variant; empty without a label column. NaN where the table has none.
    """

    variants: list[Variant]
    texts: list[str]
    labels: list[float]
    refused: list[Refusal]

    def only(self, rows: list[int], refused: Iterable[Refusal] = ()) -> Mutations:
        """Return some of the rows, by 0-based index, and what is refused from now on beside what was."""
        variants, texts, labels = self.variants, self.texts, self.labels
        kept = [variants[i] for i in rows], [texts[i] for i in rows], [labels[i] for i in rows if labels]
        return Mutations(*kept, [*self.refused, *refused])

    def readable(self, reader: Reader, modality: Modality, where: str) -> Mutations:
        """Return those of which the model has an opinion; the others, such as '*' in a vocabulary without it, are refused.

        Raises:
            InputError: If none is left.
        """
        reasons = [unanswered(reader, modality, variant) for variant in self.variants]
        refused = [Refusal(text, where, f"Variant {text} {reason}") for text, reason in zip(self.texts, reasons, strict=True) if reason]
        kept = self.only([index for index, reason in enumerate(reasons) if not reason], refused)
        if not kept.variants:
            raise InputError(f"Not one of the variants in '{where}' can be scored. The last: {kept.refused[-1].reason}")
        return kept

    def spearman(self, ratios: NDArray[np.float64]) -> float | None:
        """Return the signed rank correlation of scores and labels; None with fewer than two labels."""
        labels = np.array(self.labels)
        measured = np.isfinite(labels)
        return metrics.spearman(ratios[measured], labels[measured]) if measured.sum() > 1 else None


def every_mutation(reference: Sequence) -> Mutations:
    """Return all substitutions of one residue, as if read from a table."""
    variants = all_single(reference)
    return Mutations(variants, [str(variant) for variant in variants], [], [])


def read_mutations(path: str, reference: Sequence, label: str | None = None) -> Mutations:
    """Read variants from the column `mutant` and check each against the reference.

    Raises:
        ConfigError: If the label is called like a column of the output.
        InputError: If a column is missing, a label is no number, or not one variant fits.
    """
    if label in ("mutant", *SCORES):
        raise ConfigError(f"A column '{label}' stands in the output already, so it cannot be the label. Rename that of effects.")
    frame = read_table(path, ["mutant"] if label is None else ["mutant", label])
    read = Mutations([], [], [], [])
    labels: Iterable[object] = frame[label].to_list() if label is not None else [None] * len(frame)
    for row, (text, value) in enumerate(zip(frame["mutant"].to_list(), labels, strict=True), start=1):
        try:
            variant = Variant.parse("" if text is None else str(text))
            variant.check(reference)
            number = float("nan" if value is None else str(value))
        except BiolectError as error:
            read.refused.append(Refusal("" if text is None else str(text), f"{path}, row {row}", str(error)))
            continue
        except ValueError:
            raise InputError(f"Column '{label}' of '{path}' has {value!r} in row {row}, which is no number. Name another column.") from None
        read.variants.append(variant)
        read.texts.append(str(text))
        read.labels += [number] if label is not None else []
    if not read.variants:
        raise InputError(f"Not one of the {len(frame)} variants in '{path}' fits the reference. The first: {read.refused[0].reason}")
    return read
