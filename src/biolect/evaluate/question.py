"""What a task is asked with: the model, the data, how many items; and the ways in which several tasks read them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pydantic
from numpy.typing import ArrayLike, NDArray

from biolect.bio.gene import Gene
from biolect.bio.io import Refusal, detect, read_genes, read_records
from biolect.bio.sequence import Modality, Sequence as Record
from biolect.config import Config
from biolect.data.corpus import Corpus
from biolect.data.document import Member, View
from biolect.data.labelled import clusters_of, drawn_splits
from biolect.data.shards import SPLITS, MemberStore
from biolect.data.tally import why_not_paired
from biolect.errors import InputError
from biolect.evaluate.judging import Panel
from biolect.infer.inputs import partner_fasta, view_of
from biolect.infer.reader import Reader
from biolect.metrics import drawn_units
from biolect.values import Ints

_TRAINING_GENES, _MOST_GROUPS = 2_000, 50_000


class EvaluateConfig(Config):
    """What is evaluated.

    Attributes:
        tasks: Names, see `evaluate.tasks`.
        data: Folder of the published files, a corpus folder, or one file.
        items: Most items of each part, drawn by the seed.
        letters: Most letters that letter models are trained on, drawn by the seed.
        draws: Of the bootstrap.
    """

    tasks: tuple[str, ...] = pydantic.Field(min_length=1)
    data: str
    items: int = pydantic.Field(default=200, ge=4)
    letters: int = pydantic.Field(default=4_000_000, ge=1)
    draws: int = pydantic.Field(default=1_000, ge=10)
    seed: int = pydantic.Field(default=0, ge=0, lt=1 << 32)


class Pair(NamedTuple):
    """A coding sequence and its protein, stop left out; equal numbers of codons and residues."""

    name: str
    gene: Member
    protein: Member

    def cropped(self, codons: int) -> Pair:
        """Return the first so many codons and residues."""
        return Pair(self.name, self.gene.slice(0, 3 * codons), self.protein.slice(0, codons))


class Pairs(NamedTuple):
    """Pairs that are asked about, with their clusters, and others to learn codon usage from."""

    asked: list[Pair]
    clusters: NDArray[np.int32]
    others: list[Pair]


@dataclass(frozen=True, eq=False)
class Letters:
    """Records of one modality as dense codes, by split, with what of the test part the model reads."""

    modality: Modality
    train: list[Ints]
    valid: list[Ints]
    test: list[Ints]
    members: list[Member]
    clusters: Ints
    symbols: NDArray[np.uint8]


@dataclass(frozen=True)
class Question:
    """A model and what it is asked about. Nothing but `refused` changes.

    Attributes:
        advance: Told of items that were answered.
        refused: Records that could not be read, so far.
    """

    reader: Reader
    config: EvaluateConfig
    advance: Callable[[float], None] = lambda units: None
    refused: list[Refusal] = field(default_factory=list)

    @property
    def data(self) -> Path:
        """Where the data lies."""
        return Path(self.config.data)

    @cached_property
    def corpus(self) -> Corpus | None:
        """The corpus, where the data is one."""
        return Corpus.open(self.data, self.reader.model.vocabulary) if (self.data / "corpus.json").is_file() else None

    def generator(self, *more: int) -> np.random.Generator:
        """Return random numbers that depend on the seed and on more numbers only."""
        return np.random.default_rng((self.config.seed, *more))

    def panel(self, part: str, metric: str, clusters: ArrayLike, num_seeds: int = 1, records: ArrayLike | None = None) -> Panel:
        """Return an empty panel with the draws that were asked for; of records, where there are too few clusters to draw.

        Args:
            records: Which of them every item is of; each of its own unless given.
        """
        drawn, over = drawn_units(clusters, records)
        how = {"num_seeds": num_seeds, "draws": self.config.draws, "seed": self.config.seed}
        return Panel(part, metric, clusters, records=None if over == "clusters" else drawn, **how)

    def drawn(self, count: int, most: int | None = None) -> list[int]:
        """Return indices of as many items as were asked for, in a random order."""
        return self.generator().permutation(count)[: most or self.config.items].tolist()

    def find(self, name: str) -> Path | None:
        """Return a file of the data folder, plain or gzip, below its published folder or not; None where there is none."""
        wanted = [name, Path(name).name]
        places = [self.data / one for path in wanted for one in (path, path.removesuffix(".gz"))]
        return next((place for place in places if place.is_file()), None)

    def file(self, name: str) -> str:
        """Return a file of the data folder.

        Raises:
            InputError: If it is not there.
        """
        if self.data.is_file():
            return str(self.data)
        if (found := self.find(name)) is None:
            raise InputError(f"'{self.data}' has no '{name}', which this task reads. Point --data at the folder that has it.")
        return str(found)

    def records(self, path: str, modality: Modality | None = None, unknown: Literal["refuse", "mask"] = "refuse") -> list[Record]:
        """Read the records of a file; those that cannot be read are noted. Raises InputError if none can."""
        found = list(read_records(path, modality=modality, unknown=unknown))
        records, refused = [one for one in found if isinstance(one, Record)], [one for one in found if isinstance(one, Refusal)]
        self.refused.extend(refused)
        if not records:
            raise InputError(f"Not one of the {len(refused)} records in '{path}' can be read. The first: {refused[0].reason}")
        return records

    def letters(self, files: dict[Modality, str]) -> Iterator[Letters]:
        """Yield records of every modality that the model reads: of a corpus, of one file, or of the files of a data folder."""
        words = self.reader.model.vocabulary
        if self.corpus is not None:
            for modality in filter(words.reads, Modality):
                found = list(_members_by_modality(self.corpus, modality, self.generator(7)))
                splits, clusters = (np.array([one[k] for one in found], dtype=np.int64) for k in range(2))
                if (splits == SPLITS.index("test")).any():
                    yield self._letters(modality, [member for _, _, member in found], splits, clusters)
            return
        if self.data.is_file():
            first = next((r for r in read_records(self.data) if isinstance(r, Record)), None)
            files = {} if first is None else {first.modality: str(self.data)}
        for modality, name in files.items():
            if words.reads(modality):
                records = self.records(self.file(name), modality)
                clusters = clusters_of(records)
                splits = drawn_splits(records, clusters, {"test": 0.1, "valid": 0.1}, self.config.seed)
                yield self._letters(modality, [self.reader.member(r) for r in records], splits, clusters)

    def _letters(self, modality: Modality, members: list[Member], splits: NDArray[np.integer], clusters: NDArray[np.integer]) -> Letters:
        parts = [[i for i in self.generator().permutation(np.flatnonzero(splits == k)).tolist() if len(members[i])] for k in range(3)]
        if not all(parts):
            lacking = ", ".join(name for name, part in zip(SPLITS, parts, strict=True) if not part)
            raise InputError(f"'{self.data}' has no {modality} for {lacking}. Give more records, or a corpus with larger held-out parts.")
        sizes = np.cumsum([len(members[i]) for i in parts[0]])
        parts[0] = parts[0][: max(1, int(np.searchsorted(sizes, self.config.letters, side="right")))]
        parts[2] = parts[2][: self.config.items]
        symbols = np.unique(np.concatenate([members[i].token_ids for part in parts for i in part]))
        train, valid, test = ([np.searchsorted(symbols, members[i].token_ids).astype(np.int64) for i in part] for part in parts)
        return Letters(modality, train, valid, test, [members[i] for i in parts[2]], clusters[parts[2]].astype(np.int64), symbols)

    def pairs(self, file: str, most_codons: int | None = None, most: int | None = None, *, learns: bool = False) -> Pairs:
        """Return genes with their proteins, of a corpus its test part, cut to what the model reads at once.

        Args:
            most: Genes that are asked about; None takes as many items as were asked for.
            learns: Of a small genome, keep half of the genes to be shown or learned from, which is never done with what is asked.

        Raises:
            InputError: If there are fewer than two such genes, or none to learn from.
        """
        found = list(self._corpus_pairs("test") if self.corpus else self._file_pairs(self.file(file)))
        order = self.generator().permutation(len(found)).tolist()
        count = self.config.items if most is None else max(2, most)
        if learns and self.corpus is None:
            count = min(count, max(2, len(found) // 2))
        asked = [found[i] for i in order[:count]]
        others = [found[i] for i in order[count:]] if self.corpus is None else list(self._corpus_pairs("train"))
        if len(asked) < 2 or (learns and not others):
            raise InputError(
                f"'{self.data}' has {len(asked)} genes with an exact protein to be asked about and {len(others)} to learn from; "
                f"at least two{' and one' if learns else ''} are needed. Give more genes."
            )
        room = self.reader.context_tokens
        longest = min(most_codons or 1 << 30, 1 << 30 if room is None else (room - self.reader.grammar.overhead(2)) // 4)
        clusters = clusters_of([self.reader.sequence(one.protein) for one in asked])
        return Pairs([one.cropped(longest) for one in asked], clusters, others[:_TRAINING_GENES])

    def _file_pairs(self, path: str) -> Iterator[Pair]:
        if not detect(path).holds_genes:
            raise InputError(f"'{path}' has no annotated genes. Give GenBank, EMBL, GFF3 or GTF, or a corpus of genes.")
        for gene in read_genes(path, partner_fasta(path)):
            if isinstance(gene, Refusal):
                self.refused.append(gene)
            if isinstance(gene, Gene) and not why_not_paired(gene):
                yield from _pair(gene.name, view_of(self.reader, gene, View.CDS), view_of(self.reader, gene, View.PROTEIN))

    def _corpus_pairs(self, split: str) -> Iterator[Pair]:
        store = self.corpus.collections.get("genes") if self.corpus else None
        if not isinstance(store, MemberStore):
            raise InputError(f"'{self.data}' has no genes. Prepare one with biolect prepare --kind genes.")
        groups = store.groups_in(split)
        for group in groups[self.generator().permutation(len(groups))[:_TRAINING_GENES]].tolist():
            views = {member.view: member for member in store.group(group)}
            if View.CDS in views and View.PROTEIN in views:
                yield from _pair(store.name_of(group), views[View.CDS], views[View.PROTEIN])


def _pair(name: str, gene: Member, protein: Member) -> Iterator[Pair]:
    # A first residue alone is an M wherever a gene starts.
    if len(protein) > 1 and 0 <= len(gene) - 3 * len(protein) <= 3:
        yield Pair(name, gene.slice(0, 3 * len(protein)), protein)


def _members_by_modality(corpus: Corpus, modality: Modality, rng: np.random.Generator) -> Iterator[tuple[int, int, Member]]:
    """Yield code of the split, cluster and member, of very many groups some; of a gene, one member only, for its views overlap."""
    for store, (code, split) in product(corpus.collections.values(), enumerate(SPLITS)):
        for group in rng.permutation(store.groups_in(split))[:_MOST_GROUPS].tolist():
            members = [member for member in store.group(group) if member.modality is modality]
            if members and members[0].view is not View.RECORD:
                members = [max(members, key=len)]
            yield from ((code, store.cluster_of(group), member) for member in members)


def spelled(question: Question, pairs: Sequence[Pair]) -> list[tuple[str, str]]:
    """Return the letters of pairs, genes in those of DNA."""
    read = question.reader.sequence
    return [(read(one.gene).residues.replace("U", "T"), read(one.protein).residues) for one in pairs]
