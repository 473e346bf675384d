"""From files to member stores: every input is read once, and everything that is not kept is counted."""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from hashlib import blake2b
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from biolect.bio.coordinates import Run
from biolect.bio.gene import Contig, Gene
from biolect.bio.io import detect, read_genes, read_records
from biolect.bio.io.fasta import guess_modality, read_codes
from biolect.bio.io.form import Format, Letters, Refusal
from biolect.bio.io.tables import read_sequences
from biolect.bio.sequence import Modality, Sequence as Record
from biolect.data.document import View
from biolect.data.genome import GENOME_RESIDUES, is_intervals, read_intervals
from biolect.data.mining import mine
from biolect.data.related import is_link_table, read_families
from biolect.data.shards import MemberWriter, Place
from biolect.data.tally import Tally, why_not_paired
from biolect.errors import BiolectError, InputError
from biolect.files import open_input
from biolect.tokens.vocabulary import Vocabulary

if TYPE_CHECKING:
    from biolect.data.corpus import PrepareOptions

LOCUS_RESIDUES = 100_000
"""A longer locus is left out; its coding sequence, transcript and protein stay."""
STAGES = ("sequences", "genes", "genome", "interleaved", "families")


class Gatherer:
    """Reads files into one staging store per collection, under `folder`. Use as a context manager.

    Attributes:
        same_gene: Groups of the gene store by lower-case gene name, for related sequences.
        link_tables: Inputs that only say which records belong together.
        intervals: Where records may be read, and in which split; empty where no input says.
    """

    def __init__(self, folder: Path, vocabulary: Vocabulary, options: PrepareOptions) -> None:
        self.folder, self.vocabulary, self.options = folder, vocabulary, options
        self._letters = Letters(unknown=options.unknown, strict=options.strict)
        # Letters of a record were found readable when the record itself was read, so genes need no second look.
        self._nucleotides = vocabulary.residue_table(Modality.DNA).tobytes()
        self.tally = Tally()
        self.same_gene: dict[str, list[int]] = defaultdict(list)
        self.link_tables: list[Path] = []
        self._texts: list[Path] = []
        self._keys: dict[str, dict[bytes, int]] = defaultdict(dict)
        self._kept: set[str] = set()
        self._contig: tuple[Contig | None, str] = (None, "")
        self._open = ExitStack()
        self.writers: dict[str, MemberWriter] = {}

    def __enter__(self) -> Gatherer:
        # Genes are many small values without circles: looking for circles every 700 of them costs a tenth of the time.
        self._open.callback(gc.set_threshold, *gc.get_threshold())
        gc.set_threshold(100_000)
        for stage in STAGES:
            self.writers[stage] = self._open.enter_context(MemberWriter(self.folder / stage, self.vocabulary, is_staged=True))
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.__exit__(*error)

    def read(self, paths: Sequence[Path], advance: Callable[[float], None]) -> None:
        """Read all files, annotation together with the FASTA it stands on.

        Raises:
            InputError: If a file cannot be read, or does not fit the asked kind.
        """
        self.intervals = read_intervals([path for path in paths if is_intervals(path)])
        # What is cut by intervals is cut by them alone, short records, too.
        self._genome_residues = 1 if self.intervals else GENOME_RESIDUES
        paths = [path for path in paths if not is_intervals(path)]
        formats: dict[Path, Format | None] = {}
        for path in paths:
            with self.tally.guard(path, self.options.skip_bad):
                formats[path] = self._format(path)
        partners = {path: partner_of(path, paths) for path, found in formats.items() if found in (Format.GFF3, Format.GTF)}
        for path, found in formats.items():
            if path not in partners.values():
                with self.tally.guard(path, self.options.skip_bad):
                    if self.options.kind == "genes" and found is Format.FASTA:
                        raise InputError(
                            f"'{path}' is FASTA without annotation, which holds no genes. Give its GFF, too, or leave out --kind."
                        )
                    self._read(path, found, partners.get(path))
            advance(path.stat().st_size)
        if self._texts:
            self._interleaved()

    def _read(self, path: Path, found: Format | None, partner: Path | None) -> None:
        if found is None:
            self.link_tables.append(path)
        elif self.options.kind == "families":
            self._families(path)
        elif self.options.kind == "interleaved" or (found is Format.TEXT and self.options.kind == "auto"):
            self._texts.append(path)
        elif found.holds_genes and self.options.kind != "sequences":
            self._items(read_genes(path, partner, **self._letters))
        elif found is Format.FASTA:
            self._fasta(path)
        elif found.is_table:
            self._items(read_sequences(path, column=self.options.column or None, **self._letters))
        else:
            self._items(read_records(path, **self._letters))

    def _format(self, path: Path) -> Format | None:
        """Return the format; None for a table that links records."""
        found = detect(path)
        if found in (Format.TEXT, Format.TSV) and is_link_table(path):
            return None
        if self.options.kind == "genes" and not (found.holds_genes or found is Format.FASTA):
            raise InputError(f"'{path}' is {found}, which holds no genes. Give GenBank, EMBL, or GFF with FASTA, or leave out --kind.")
        return found

    def _items(self, items: Iterable[Record | Gene | Refusal]) -> None:
        """Keep what a reader gives; genes follow the record that they lie on."""
        last: Record | None = None
        has_genes = False
        for item in items:
            if isinstance(item, Gene):
                has_genes = True
                self._gene(item)
            elif self.tally.takes(item):
                self._record(last, has_genes)
                last, has_genes = item, False
        self._record(last, has_genes)

    def _record(self, record: Record | None, has_genes: bool) -> None:
        if record is None:
            return
        if record.modality is Modality.MOLECULE:
            raise InputError(f"'{record.name}' is a molecule. Pass --kind molecules, and sequences to a corpus of their own.")
        token_ids = self.vocabulary.encode(record)
        if record.modality is Modality.DNA and (has_genes or len(record) >= self._genome_residues):
            self._long_record(record.name, token_ids)
        else:
            self._write("sequences", record.name, [(token_ids, record.modality, "")])

    def _long_record(self, name: str, token_ids: NDArray[np.uint8]) -> None:
        """Keep a record to be cut into regions, once however often it is given."""
        key = self._key(name, token_ids)
        if key in self._kept:
            self.tally.duplicates += 1
            return
        self._kept.add(key)
        self._write("genome", key, [(token_ids, Modality.DNA, "")])

    def _write(self, stage: str, name: str, members: Iterable[tuple[NDArray[np.uint8], Modality, str]]) -> None:
        self.writers[stage].begin_group(name)
        for token_ids, modality, own in members:
            self.writers[stage].add(token_ids, modality, View.RECORD, name=own)

    def _key(self, name: str, token_ids: NDArray[np.uint8]) -> str:
        """Name a genome record so that equal names of different records stay apart."""
        digest = blake2b(np.ascontiguousarray(token_ids).data, digest_size=16).digest()
        number = self._keys[name].setdefault(digest, len(self._keys[name]))
        return f"{name}#{number + 1}" if number else name

    def _fasta(self, path: Path) -> None:
        """Read whole blocks of records at once."""
        with open_input(path) as stream:
            modality = guess_modality(stream.peek(1), str(path))
            table = self.vocabulary.residue_table(modality)
            for block in read_codes(stream, modality, table, **self._letters, where=str(path)):
                if isinstance(block, Refusal):
                    self.tally.refused.append(block)
                    continue
                lengths = np.diff(block.offsets)
                self.tally.records += len(lengths)
                self.tally.folds += block.folds
                is_long = (lengths >= self._genome_residues) & (modality is Modality.DNA)
                for index in np.flatnonzero(is_long).tolist():
                    self._long_record(block.names[index].decode(), block.codes[block.offsets[index] : block.offsets[index + 1]])
                codes = block.codes if not is_long.any() else block.codes[np.repeat(~is_long, lengths)]
                self.writers["sequences"].add_block(codes, lengths[~is_long], list(compress(block.names, ~is_long)), modality)

    def _families(self, path: Path) -> None:
        """Keep the families of a file, each sequence of a family once."""
        families: dict[str, dict[bytes, tuple[NDArray[np.uint8], Modality, str]]] = defaultdict(dict)
        for family, record in read_families(path, self.options.family, self.options.column, **self._letters):
            if not self.tally.takes(record):
                continue
            token_ids = self.vocabulary.encode(record)
            before = len(families[family])
            families[family].setdefault(token_ids.tobytes(), (token_ids, record.modality, record.name))
            self.tally.duplicates += len(families[family]) == before
        if not self.options.family and len(families) == 1 and detect(path) not in (Format.A3M, Format.STOCKHOLM):
            self.tally.whole_files[path.name] = sum(map(len, families.values()))
        for family, members in families.items():
            self._write("families", family, members.values())

    def _interleaved(self) -> None:
        seen: set[bytes] = set()
        for path in self._texts:
            with self.tally.guard(path, self.options.skip_bad):
                for name, sequences in mine([path], seen=seen):
                    self.tally.records += len(sequences)
                    self._write("interleaved", name, ((self.vocabulary.encode(one), one.modality, "") for one in sequences))

    def _gene(self, gene: Gene) -> None:
        self.tally.add_check(gene)
        try:
            if reason := why_not_paired(gene):
                self.tally.unpaired[reason] += 1
                return
            members = list(self._views(gene))
        except BiolectError as error:
            self.tally.refused.append(Refusal(gene.name, gene.record, str(error)))
            return
        writer = self.writers["genes"]
        key = self._record_of(gene.contig)
        group = writer.begin_group(gene.name, places=[Place(key, span.start, span.stop) for span in gene.spans])
        for view, token_ids, modality, name in members:
            runs: tuple[Run, ...] = gene.coordinates(view.value)  # pyright: ignore[reportArgumentType] -- genes have no member of view record
            writer.add(token_ids, modality, view, runs, name)
        self.same_gene[gene.name.lower()].append(group)
        self.tally.genes += 1

    def _views(self, gene: Gene) -> Iterator[tuple[View, NDArray[np.uint8], Modality, str]]:
        if "dna" in self.options.views:
            reading, spans = gene.reading, gene.spans
            coding = reading.letters[: 3 * reading.num_codons]
            if sum(span.length for span in spans) > LOCUS_RESIDUES:
                self.tally.unpaired[f"locus alone: over {LOCUS_RESIDUES:,} nucleotides"] += 1
            elif (locus := gene.contig.read(spans)) != coding:
                yield View.LOCUS, np.frombuffer(locus.translate(self._nucleotides), dtype=np.uint8), Modality.DNA, ""
            yield View.CDS, np.frombuffer(coding.translate(self._nucleotides), dtype=np.uint8), Modality.DNA, ""
        if "rna" in self.options.views:
            yield View.TRANSCRIPT, self.vocabulary.encode(gene.transcript), Modality.RNA, gene.transcript_id
        if "protein" in self.options.views:
            yield View.PROTEIN, self.vocabulary.encode(gene.protein), Modality.PROTEIN, gene.protein_id

    def _record_of(self, contig: Contig) -> str:
        if self._contig[0] is not contig:
            self._contig = contig, self._key(contig.name, self.vocabulary.encode(contig.sequence))
        return self._contig[1]


def partner_of(path: Path, paths: Sequence[Path]) -> Path | None:
    """Return the FASTA that an annotation stands on: named alike, in its own folder or among the inputs; None if there is none."""
    endings = (".fa", ".fna", ".fasta", ".fa.gz", ".fna.gz", ".fasta.gz")
    beside = [path.with_name(_stem(path) + ending) for ending in endings]
    given = [other for other in paths if other != path and _stem(other) == _stem(path) and other.name.lower().endswith(endings)]
    return next((other for other in [*beside, *given] if other.exists()), None)


def _stem(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).stem
