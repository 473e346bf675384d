"""Molecules: from files to one of two collections, split so that held-out molecules have no relatives in training.

molecules   lone molecules, one to a group; similar ones are in one split
domains     the molecules of one domain (a target, a class, a file) to a group; domains that share
            molecules are in one split, and what a held-out domain still shares with training is left out
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from biolect.bio import chemistry
from biolect.bio.io import Format, Refusal, detect, smiles
from biolect.bio.io.form import Letters
from biolect.bio.io.smiles import check_molecule
from biolect.bio.io.tables import read_groups
from biolect.bio.sequence import Modality, Sequence as Record
from biolect.data.document import View
from biolect.data.shards import SPLITS, MemberWriter
from biolect.data.similarity import components, in_common, similar_pairs
from biolect.data.splits import drawn
from biolect.data.tally import Tally, cluster_facts
from biolect.errors import InputError
from biolect.files import open_input
from biolect.tokens.vocabulary import Vocabulary

if TYPE_CHECKING:
    from biolect.data.corpus import PrepareOptions, Progress

VOCABULARY = "smiles-176"


@dataclass
class Molecules:
    """Distinct molecules in the order of the inputs, and which domain has which.

    Attributes:
        records: As they are stored.
        keys: Canonical SMILES where RDKit reads the molecule, else the text as given.
        features: Morgan environments; empty where RDKit does not read the molecule.
        domains: Indices of molecules by domain; one domain without a name where none are told apart.
        kept: Molecules that RDKit refuses and that were kept all the same.
    """

    records: list[Record] = field(default_factory=list)
    keys: dict[str, int] = field(default_factory=dict)
    features: list[NDArray[np.int64]] = field(default_factory=list)
    domains: dict[str, dict[int, None]] = field(default_factory=lambda: defaultdict(dict))
    kept: list[Refusal] = field(default_factory=list)

    def add(self, record: Record, parsed: Any, domain: str) -> bool:
        """Keep a molecule of a domain; False if the domain has it already."""
        key = record.residues if parsed is None else chemistry.canonical(parsed)
        index = self.keys.setdefault(key, len(self.records))
        if index == len(self.records):
            self.records.append(record)
            self.features.append(np.zeros(0, dtype=np.int64) if parsed is None else chemistry.features(parsed))
        is_new = index not in self.domains[domain]
        self.domains[domain][index] = None
        return is_new


def gather_molecules(folder: Path, paths: Sequence[Path], options: PrepareOptions, progress: Progress) -> tuple[Tally, dict[str, Any]]:
    """Read, split and write molecules to the collections of a corpus folder; return what was read, and facts for the report."""
    tally = Tally()
    with progress("reading", sum(path.stat().st_size for path in paths)) as advance:
        found = read_molecules(paths, options, tally, advance)
    facts = {"kept_invalid": [vars(one) for one in found.kept], "notices": [] if chemistry.is_there() else [chemistry.NOTICE]}
    if not found.records:
        return tally, facts
    with progress("splitting", None):
        return tally, {"clusters": write_molecules(folder / "collections", found, options), **facts}


def read_molecules(paths: Sequence[Path], options: PrepareOptions, tally: Tally, advance: Callable[[float], None]) -> Molecules:
    """Read files of molecules; refused and repeated ones are counted in the tally.

    Raises:
        InputError: If a file cannot be read, or holds no molecules.
    """
    found = Molecules()
    for path in paths:
        rows = []
        with tally.guard(path, options.skip_bad):
            rows = list(_rows(path, options))
        for name, where, row in rows:
            record, parsed, problem = check_molecule(row, where, invalid=options.invalid, canonicalizes=options.canonicalizes)
            if tally.takes(record):
                tally.duplicates += not found.add(record, parsed, name)
                found.kept += [Refusal(record.name, where, problem)] if problem else []
        advance(path.stat().st_size)
    return found


def _rows(path: Path, options: PrepareOptions) -> Iterator[tuple[str, str, Record | Refusal]]:
    """Yield domain, place and record."""
    found, domain, letters = detect(path), options.domain, Letters(unknown=options.unknown, strict=options.strict)
    of_file = Path(path.name.removesuffix(".gz")).stem if domain == "file" else ""
    if found.is_table:
        column = "" if domain == "file" else domain
        for name, where, record in read_groups(path, column, Modality.MOLECULE, column=options.column or None, **letters):
            yield name or of_file, where, record
    elif found not in (Format.SMILES, Format.TEXT):
        raise InputError(f"'{path}' is {found.upper()}, which holds no molecules. Give SMILES files, or tables with a column smiles.")
    elif domain not in ("", "file"):
        raise InputError(f"'{path}' has no columns, so none is '{domain}'. Give a table, or domain=file for one domain per file.")
    else:
        with open_input(path) as stream:
            for record in smiles.read(stream, where=str(path), **letters):
                yield of_file, str(path), record


def write_molecules(folder: Path, found: Molecules, options: PrepareOptions) -> dict[str, Any]:
    """Cluster, split and write molecules as one store under a folder; return what the clusters are like.

    Raises:
        MissingDependencyError: If something is held out and RDKit is not there to find relatives.
    """
    if any(options.fractions.values()):
        chemistry.need("Holding molecules out without their relatives")
    vocabulary = Vocabulary.named(VOCABULARY)
    tokens = [vocabulary.encode(record) for record in found.records]
    series = components(len(tokens), similar_pairs(found.features, options.clustering.tanimoto))
    if not options.domain:
        splits = drawn(series, [len(ids) for ids in tokens], found.keys, options.fractions, options.seed)
        groups = [("", [index], int(splits[index]), int(series[index])) for index in range(len(tokens))]
        removed = {}
    else:
        groups, removed = _split_domains(found, tokens, series, options)
    with MemberWriter(folder / ("domains" if options.domain else "molecules"), vocabulary, is_staged=True) as writer:
        for name, members, split, label in groups:
            writer.begin_group(name, split=SPLITS[split], cluster=label)
            for index in members:
                writer.add(tokens[index], Modality.MOLECULE, View.RECORD, name=found.records[index].name)
    return cluster_facts(np.bincount(np.array([label for _, _, _, label in groups], dtype=np.int64))) | {
        "similarity": f"Morgan-{chemistry.RADIUS} Tanimoto of at least {options.clustering.tanimoto:g}",
        "series": len(set(series.tolist())),
        **removed,
    }


def _split_domains(
    found: Molecules, tokens: Sequence[NDArray[np.uint8]], series: NDArray[np.int32], options: PrepareOptions
) -> tuple[list[tuple[str, list[int], int, int]], dict[str, Any]]:
    """Split domains, and take out of held-out ones every series that an earlier split has."""
    names = list(found.domains)
    members = [np.fromiter(found.domains[name], dtype=np.int64) for name in names]
    labels = _domain_clusters([np.unique(series[one]) for one in members], options.clustering.domain_overlap)
    weights = [sum(len(tokens[i]) for i in one.tolist()) for one in members]
    splits = drawn(labels, weights, names, options.fractions, options.seed)
    seen: set[int] = set()
    removed = dict.fromkeys(SPLITS, 0)
    groups: list[tuple[str, list[int], int, int]] = []
    # Training comes first, so that it keeps all.
    for split, split_name in enumerate(SPLITS):
        chosen = np.flatnonzero(splits == split).tolist()
        for place in chosen:
            kept = [i for i in members[place].tolist() if int(series[i]) not in seen]
            removed[split_name] += len(members[place]) - len(kept)
            if kept:
                groups.append((names[place], kept, split, int(labels[place])))
        seen |= {int(label) for place in chosen for label in series[members[place]]}
    return groups, {"removed": {name: removed[name] for name in SPLITS[1:]}, "emptied": len(names) - len(groups)}


def _domain_clusters(series: Sequence[NDArray[np.int32]], overlap: float) -> NDArray[np.int32]:
    """Join domains that have at least this share of the series of the smaller one in common."""
    from scipy.sparse import csr_matrix

    sizes = np.array([len(one) for one in series])
    starts = np.concatenate([[0], np.cumsum(sizes)])
    table = csr_matrix((np.ones(int(starts[-1]), dtype=np.float32), np.concatenate(list(series)), starts))
    kept = ((a, b, shared >= overlap * np.minimum(sizes[a], sizes[b])) for a, b, shared in in_common(table))
    left, right = (np.concatenate(side) for side in zip(*((a[is_close], b[is_close]) for a, b, is_close in kept), strict=True))
    return components(len(series), (left, right))
