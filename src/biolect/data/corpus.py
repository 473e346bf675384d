"""Corpora: any biological input as one folder of member stores, with splits and reports.

corpus.json             what the folder is; written last but one, so a folder that has it is whole
collections/sequences   lone records, and regions of genomes
collections/genes       the views of one gene to a group, on shared coordinates
collections/related     several records of one gene to a group
collections/interleaved the sequences of one text to a group
collections/families    homologous sequences to a group
collections/molecules   lone molecules
collections/domains     the molecules of one domain to a group
report.json, run.json   what was read, refused, checked and split; how the folder came about
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pydantic

from biolect.bio.alphabet import Unknown
from biolect.bio.io import detect
from biolect.bio.sequence import Modality
from biolect.config import Config
from biolect.data import staging
from biolect.data.leakage import leakage_report, refuse
from biolect.data.molecules import gather_molecules
from biolect.data.shards import SPLITS, MemberStore
from biolect.data.splits import Clustering
from biolect.data.tally import Tally
from biolect.errors import CheckpointError, ConfigError, InputError
from biolect.files import atomic_path, check_outside, read_json, write_run_json
from biolect.tokens.vocabulary import Vocabulary

COLLECTIONS = (*staging.COLLECTIONS, "molecules", "domains")
_SPOOL = "standard_input"
Progress = Callable[[str, float | None], AbstractContextManager[Callable[[float], None]]]


class PrepareOptions(Config):
    """How inputs become a corpus.

    Attributes:
        kind: What the inputs are; `auto` decides file by file.
        views: Modalities of a gene that are kept.
        family: How families are told apart in a file that holds many; see `read_families`.
        column: Of tables, the column that holds the sequences, or molecules; empty finds it by its name.
        domain: Column of tables that says which domain a molecule belongs to; `file`: each file is one; empty: molecules
            stand alone.
        invalid: What becomes of molecules that RDKit refuses; they are counted and listed either way.
        canonicalizes: Write molecules in RDKit's canonical form.
        pairing: What loaders of this corpus do unless told otherwise; nothing is broken on disk.
        valid, test: Shares of residues held out, in whole clusters.
        unknown: `mask` reads letters outside the alphabet as the unknown residue.
        strict: Refuse records with letters that would have to be folded.
        skip_bad: List files that cannot be read among the refused, and go on.
        allow_overlaps: Take intervals of different splits that overlap; what is held out is cut out of training.
    """

    kind: Literal["auto", "sequences", "genes", "interleaved", "families", "molecules"] = "auto"
    family: str = ""
    column: str = ""
    views: tuple[Literal["dna", "rna", "protein"], ...] = ("dna", "rna", "protein")
    domain: str = ""
    invalid: Literal["refuse", "keep"] = "refuse"
    canonicalizes: bool = False
    pairing: Literal["matched", "broken"] = "matched"
    valid: float = pydantic.Field(default=0.05, ge=0, lt=1)
    test: float = pydantic.Field(default=0.05, ge=0, lt=1)
    seed: int = pydantic.Field(default=0, ge=0, lt=1 << 32)
    unknown: Unknown = "refuse"
    strict: bool = False
    skip_bad: bool = False
    allow_overlaps: bool = False
    engine: Literal["local", "ray"] = "local"
    clustering: Clustering = Clustering()

    @pydantic.model_validator(mode="after")
    def _check(self) -> PrepareOptions:
        if self.valid + self.test >= 1:
            raise ValueError(f"valid = {self.valid} and test = {self.test} leave nothing to train on. Their sum must be below 1.")
        if self.engine == "ray":
            raise ValueError("engine = 'ray' is not built yet. Use --engine local.")
        for name, kind in (("family", "families"), ("domain", "molecules")):
            if getattr(self, name) and self.kind != kind:
                raise ValueError(
                    f"{name} = {getattr(self, name)!r} is for --kind {kind}, but kind = {self.kind}. Pass it, or leave out {name}."
                )
        if not self.views:
            raise ValueError("views is empty. Name at least one of dna, rna, protein.")
        return self

    @property
    def fractions(self) -> dict[str, float]:
        """Shares that are held out, test first."""
        return {"test": self.test, "valid": self.valid}


def _unseen(label: str, total: float | None) -> AbstractContextManager[Callable[[float], None]]:
    return nullcontext(lambda units: None)


def prepare(
    inputs: Sequence[Path | str], output: Path | str, options: PrepareOptions | None = None, progress: Progress = _unseen
) -> dict[str, Any]:
    """Read inputs into a corpus folder, which appears when it is whole.

    Args:
        inputs: Files in any mix of formats; `-` is standard input.
        output: Replaced if it is a corpus.
        progress: Given a label and the bytes to read, returns a context manager that gives a function to advance by bytes.

    Returns:
        The report, also in `report.json`.

    Raises:
        InputError: If a file cannot be read, or nothing at all was read.
        ConfigError: If the output is a folder with other things in it, or holds an input.
    """
    options, began = options or PrepareOptions(), time.perf_counter()
    _check_place(Path(output), inputs)
    with atomic_path(output) as folder:
        stages = folder / "stages"
        stages.mkdir(parents=True)
        paths = [_present(path, stages) for path in dict.fromkeys(map(Path, inputs))]
        size = sum(path.stat().st_size for path in paths)
        is_chemical = options.kind == "molecules"
        try:
            _check_column(options.column, paths)
            tally, facts = (gather_molecules if is_chemical else staging.gather_sequences)(folder, paths, options, progress)
        except InputError as error:
            raise InputError(_shown(str(error), stages)) from None
        tally.refused[:] = [replace(one, where=_shown(one.where, stages), reason=_shown(one.reason, stages)) for one in tally.refused]
        stores = _open_all(folder, None)
        if not stores:
            raise InputError(_shown(_nothing(paths, tally), stages))
        shutil.rmtree(stages)
        report = tally.report() | _totals(stores, is_chemical) | facts
        with progress("checking splits", None):
            report["leakage"] = leakage_report(stores)
        report |= {"bytes_in": size, "seconds": round(time.perf_counter() - began, 3)}
        (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n")
        vocabulary = next(iter(stores.values())).vocabulary
        facts = {"format": 1, "vocabulary": vocabulary.name, "collections": list(stores), "options": options.to_dict()}
        (folder / "corpus.json").write_text(json.dumps(facts, indent=2) + "\n")
        write_run_json(folder, inputs=list(inputs), config=options.to_yaml(), seed=options.seed)
    return report


def _check_place(output: Path, inputs: Sequence[Path | str]) -> None:
    """Raise ConfigError where replacing the output would remove what is no corpus, or an input."""
    if not output.is_dir():
        return
    if any(output.iterdir()) and not (output / "corpus.json").is_file():
        raise ConfigError(f"'{output}' is not empty and holds no corpus, so it is not replaced. Choose another --output.")
    check_outside([path for path in inputs if str(path) != "-"], output)


def _check_column(column: str, paths: Sequence[Path]) -> None:
    """Raise ConfigError where a column is named, but no input has columns."""
    if column and not any(detect(path).is_table for path in paths):
        raise ConfigError(f"column = {column!r} names a column, but no input is a table: CSV, TSV or Parquet. Leave it out.")


def _present(path: Path, stages: Path) -> Path:
    """Return the path of a file that can be read more than once."""
    if str(path) == "-":
        spool = stages / _SPOOL
        with open(spool, "wb") as stream:
            shutil.copyfileobj(sys.stdin.buffer, stream)
        return spool
    if not path.is_file():
        raise InputError(f"'{path}' is {'a folder' if path.is_dir() else 'not there'}. Give the files themselves.")
    return path


def _shown(text: str, stages: Path) -> str:
    """Return a message with the name that the user knows for what came by standard input."""
    return text.replace(str(stages / _SPOOL), "-")


def _totals(stores: Mapping[str, MemberStore], is_chemical: bool) -> dict[str, Any]:
    return {
        "documents": sum(store.num_groups for store in stores.values()),
        "tokens": {
            modality.value: sum(store.total_tokens(modality) for store in stores.values())
            for modality in Modality
            if modality is not Modality.MOLECULE or is_chemical
        },
        "splits": {name: {part: len(store.groups_in(part)) for part in SPLITS} for name, store in stores.items()},
    }


def _nothing(paths: Sequence[Path], tally: Tally) -> str:
    first = f" The first of {len(tally.refused)} refused records: {tally.refused[0].reason}" if tally.refused else ""
    return f"No sequence was found in {', '.join(repr(str(path)) for path in paths[:3])}{' and others' if len(paths) > 3 else ''}.{first}"


def _open_all(folder: Path, vocabulary: Vocabulary | None) -> dict[str, MemberStore]:
    return {
        name: MemberStore.open(folder / "collections" / name, vocabulary)
        for name in COLLECTIONS
        if (folder / "collections" / name).is_dir()
    }


@dataclass(frozen=True)
class Corpus:
    """A prepared corpus. Instances never change, and hold no sequence in memory.

    Attributes:
        collections: Member stores by name, a subset of `COLLECTIONS`.
        options: As it was prepared.
    """

    folder: Path
    collections: dict[str, MemberStore]
    options: PrepareOptions
    vocabulary: Vocabulary

    @classmethod
    def open(cls, folder: Path | str, vocabulary: Vocabulary | None = None) -> Corpus:
        """Open a corpus folder in constant time.

        Raises:
            CheckpointError: If it is no whole corpus, or was made with another vocabulary.
        """
        folder = Path(folder)
        try:
            facts = json.loads((folder / "corpus.json").read_text())
            options = PrepareOptions.from_dict(facts["options"])
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"'{folder}' is no whole corpus ({error}). Make one with biolect prepare.") from None
        stores = _open_all(folder, vocabulary)
        if list(stores) != facts["collections"]:
            raise CheckpointError(
                f"'{folder}' lacks some of its collections: {', '.join(facts['collections'])}. Copy it again, or prepare it."
            )
        return cls(folder, stores, options, next(iter(stores.values())).vocabulary)

    @cached_property
    def report(self) -> dict[str, Any]:
        """What `prepare` returned."""
        return read_json(self.folder / "report.json")


def check_leakage(corpora: Sequence[Corpus], *, allow: bool = False) -> None:
    """Stop if any corpus leaks, or one of them into another; raises LeakageError unless `allow`."""
    for corpus in corpora:
        refuse(corpus.report["leakage"], allow=allow)
    if len(corpora) > 1 and not allow:
        # Opened once more, as written: what is compared must be in the same ids.
        refuse(
            leakage_report({f"{c.folder}/{name}": MemberStore.open(store.folder) for c in corpora for name, store in c.collections.items()})
        )
