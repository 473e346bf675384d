"""Member stores: token bytes on disk, read by index without being read as a whole.

A store is a folder of flat columns and one small `store.json`. Opening maps the columns into memory
and reads nothing, so it costs the same for a plasmid and for a kingdom. Members are contiguous by
*group* (the views of one gene, related sequences, one text, or one lone record); a group belongs to
one cluster and one split. The columns are listed in `columns.py`.
"""

import json
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from biolect.bio.coordinates import Run
from biolect.bio.sequence import MODALITIES, Modality, Sequence as Record
from biolect.data.columns import COLUMNS, OF_GROUP, OF_MEMBER, SPLITS, Column, Place, assign, mapped, release
from biolect.data.document import VIEWS, Member, View
from biolect.errors import CheckpointError, ConfigError, InputError
from biolect.files import atomic_path
from biolect.tokens.vocabulary import Vocabulary

__all__ = ["SPLITS", "MemberStore", "MemberWriter", "Place", "assign"]

FORMAT = 1
_SETTLE_MEMBERS = 1 << 16
_RELEASE_RESIDUES = 1 << 27


class MemberWriter:
    """Write a store in flat memory; the folder appears under its name only when it is whole.

    Args:
        extends: Add to a store that is there; it is no store until the writer is closed.
        is_staged: The folder lies inside one that appears when it is whole, so it need not do so itself.
    """

    def __init__(self, folder: Path | str, vocabulary: Vocabulary, *, extends: bool = False, is_staged: bool = False) -> None:
        self.folder, self.vocabulary = Path(folder), vocabulary
        if self.folder.exists() != extends:
            rule = "is not there to be extended" if extends else "exists already"
            raise InputError(f"'{self.folder}' {rule}. Choose another folder, or remove it first.")
        self._extends, self._is_staged, self._open = extends, is_staged, ExitStack()
        self._columns: dict[str, Column] = {}
        self._rows: dict[tuple[str, ...], list[int]] = {OF_GROUP: [], OF_MEMBER: []}
        self._records: dict[str, int] = {}
        self._tokens = dict.fromkeys(MODALITIES, 0)
        self.num_members = self.num_groups = 0

    def __enter__(self) -> Self:
        kept = self._reopen() if self._extends else {}
        if not self._extends:
            self._temporary = self.folder if self._is_staged else self._open.enter_context(atomic_path(self.folder))
            self._temporary.mkdir(parents=True)
        for name in COLUMNS:
            self._columns[name] = Column(self._temporary, name, kept.get(name))
            self._open.enter_context(self._columns[name].file)
        return self

    def _reopen(self) -> dict[str, int]:
        """Take up the counts of a store, and return how much of every column stays: all but where the last entry ends."""
        store = MemberStore.open(self.folder, self.vocabulary)
        self.num_groups, self.num_members = store.num_groups, store.num_members
        self._tokens = {modality: store.total_tokens(modality) for modality in MODALITIES}
        self._records = {name: index for index, name in enumerate(store.records)}
        self._temporary = self.folder
        (self.folder / "store.json").unlink()
        names = {"record_names", "record_name_starts"}
        return {name: 0 if name in names else store.column(name).size - bool(COLUMNS[name].counts) for name in COLUMNS}

    def __exit__(self, *error: Any) -> None:
        if error[0] is not None:
            self._open.__exit__(*error)
            return
        with self._open:
            self._finish()

    def begin_group(self, name: str, *, split: str = "train", cluster: int = -1, places: Iterable[Place] = ()) -> int:
        """Open a group; the members added next belong to it. Returns its index."""
        columns = self._columns
        self._rows[OF_GROUP].extend((self.num_members, SPLITS.index(split), cluster, columns["names"].total))
        columns["names"].extend(name.encode())
        for place in places:
            record = self._records.setdefault(place.record, len(self._records))
            columns["places"].extend((self.num_groups, record, place.start, place.stop))
        self.num_groups += 1
        return self.num_groups - 1

    def add(self, token_ids: NDArray[np.uint8], modality: Modality, view: View, runs: Iterable[Run] = (), name: str = "") -> None:
        """Add a member to the open group."""
        columns = self._columns
        starts = columns["tokens"].total, modality.index, view.index, columns["runs"].total // 3, columns["member_names"].total
        self._rows[OF_MEMBER].extend(starts)
        columns["runs"].extend([number for run in runs for number in run])
        columns["member_names"].extend(name.encode())
        self.num_members += 1
        if not self.num_members % _SETTLE_MEMBERS:
            self._settle()
        columns["tokens"].extend(token_ids)
        self._tokens[modality] += len(token_ids)

    def add_block(self, token_ids: NDArray[np.uint8], lengths: NDArray[np.integer], names: Sequence[bytes], modality: Modality) -> None:
        """Add many lone records at once, each a group of one member, without work per record.

        Args:
            token_ids: Residues of all records, joined.
            lengths: Residues of each record; they sum to `len(token_ids)`.
            names: Of each record, in UTF-8.
        """
        self._settle()
        columns, count = self._columns, len(lengths)
        sizes = np.fromiter(map(len, names), dtype=np.int64, count=count)
        columns["group_starts"].extend(self.num_members + np.arange(count))
        columns["token_starts"].extend(columns["tokens"].total + np.cumsum(lengths) - lengths)
        columns["name_starts"].extend(columns["names"].total + np.cumsum(sizes) - sizes)
        columns["names"].extend(b"".join(names))
        for column, value in (
            ("modality", modality.index),
            ("view", View.RECORD.index),
            ("run_starts", columns["runs"].total // 3),
            ("member_name_starts", columns["member_names"].total),
            ("split", 0),
            ("cluster", -1),
        ):
            columns[column].extend(np.full(count, value))
        self.num_members += count
        self.num_groups += count
        columns["tokens"].extend(token_ids)
        self._tokens[modality] += len(token_ids)

    def _settle(self) -> None:
        """Deal the rows of groups and members out to their columns."""
        for names, values in self._rows.items():
            for name, column in zip(names, np.array(values, dtype=np.int64).reshape(-1, len(names)).T, strict=True):
                self._columns[name].extend(column)
            values.clear()

    def _finish(self) -> None:
        self._settle()
        columns = self._columns
        for record in self._records:
            columns["record_name_starts"].extend([columns["record_names"].total])
            columns["record_names"].extend(record.encode())
        for name, (_, _, counted) in COLUMNS.items():
            if counted:
                columns[name].extend([columns[counted].total // COLUMNS[counted].width])
        facts = {
            "format": FORMAT,
            "vocabulary": {"name": self.vocabulary.name, "tokens": len(self.vocabulary), "digest": self.vocabulary.digest},
            "groups": self.num_groups,
            "members": self.num_members,
            "tokens": {modality.value: count for modality, count in self._tokens.items()},
            "columns": {name: column.total for name, column in columns.items()},
        }
        (self._temporary / "store.json").write_text(json.dumps(facts, indent=2) + "\n")


class MemberStore:
    """Read a store by index. Invariant: nothing is read before it is asked for, and nothing is kept."""

    def __init__(self, folder: Path, facts: dict[str, Any], columns: dict[str, NDArray[Any]], *vocabularies: Vocabulary) -> None:
        self.folder, self._facts, self._columns = folder, facts, columns
        self.vocabulary, self.written = vocabularies
        self._handed_out = 0
        self.num_groups, self.num_members = int(facts["groups"]), int(facts["members"])

    @classmethod
    def open(cls, folder: Path | str, vocabulary: Vocabulary | None = None) -> Self:
        """Map a store into memory.

        Args:
            vocabulary: What the reader will use; members are read in its ids. None takes the one the store names.

        Raises:
            CheckpointError: If there is no store, it is cut short, or was written with a vocabulary that is not known.
        """
        folder = Path(folder)
        try:
            facts = json.loads((folder / "store.json").read_text())
            written = facts["vocabulary"]
            columns = {name: mapped(folder, name, facts["columns"][name]) for name in COLUMNS}
        except (OSError, KeyError, json.JSONDecodeError) as error:
            raise CheckpointError(f"'{folder}' is not a whole member store ({error}). Write it again with biolect prepare.") from None
        try:
            own = Vocabulary.named(written["name"])
        except ConfigError as error:
            raise CheckpointError(f"'{folder}': {error}") from None
        if own.digest != written["digest"]:
            raise CheckpointError(f"'{folder}' was written with another '{own.name}' than this version has. Run biolect prepare again.")
        return cls(folder, facts, columns, vocabulary or own, own)

    def member(self, index: int) -> Member:
        """Return one member; its token ids are a view of the file, unless the reader has another vocabulary."""
        columns = self._columns
        start, stop = columns["token_starts"][index : index + 2].tolist()
        first, last = columns["run_starts"][index : index + 2].tolist()
        runs = tuple(Run(*row) for row in columns["runs"][first:last].tolist())
        modality, view = MODALITIES[columns["modality"][index]], VIEWS[columns["view"][index]]
        self._handed_out += stop - start
        if self._handed_out > _RELEASE_RESIDUES:
            release(columns["tokens"])
            self._handed_out = 0
        token_ids = columns["tokens"][start:stop]
        if self.written != self.vocabulary:
            token_ids = self.vocabulary.encode(Record(self.written.decode(token_ids, modality), modality, self.name_of_member(index)))
        return Member(token_ids, modality, runs, view)

    def members_of(self, group: int) -> range:
        """Indices of the members of a group."""
        return range(*self._columns["group_starts"][group : group + 2].tolist())

    def group(self, group: int) -> tuple[Member, ...]:
        """Return the members of a group, in the order in which they were added.

        Raises:
            IndexError: If there is no such group.
        """
        if not 0 <= group < self.num_groups:
            raise IndexError(f"Group {group} (0-based) is outside the store, which has {self.num_groups}.")
        return tuple(self.member(index) for index in self.members_of(group))

    def groups_in(self, split: str) -> NDArray[np.int64]:
        """Return the indices of the groups of a split, ascending."""
        return np.flatnonzero(self._columns["split"] == SPLITS.index(split))

    def split_of(self, group: int) -> str:
        """Return the split of a group."""
        return SPLITS[self._columns["split"][group]]

    def cluster_of(self, group: int) -> int:
        """Return the cluster of a group; -1 where none was computed."""
        return int(self._columns["cluster"][group])

    def name_of(self, group: int) -> str:
        """Return the name of a group as given; not necessarily unique."""
        return self._text("names", "name_starts", group)

    def name_of_member(self, index: int) -> str:
        """Return the name of a member; empty where it has none of its own."""
        return self._text("member_names", "member_name_starts", index)

    def names_in(self, group: int) -> set[str]:
        """Return the name of a group and those of its members; none is empty."""
        return {self.name_of(group), *map(self.name_of_member, self.members_of(group))} - {""}

    def title(self, index: int) -> str:
        """Return the name of a member, or that of its group where it has none of its own."""
        group = int(np.searchsorted(self._columns["group_starts"], index, side="right")) - 1
        return self.name_of_member(index) or self.name_of(group)

    def members_in(self, splits: Iterable[str], modalities: Iterable[Modality] = MODALITIES) -> NDArray[np.int64]:
        """Return the indices of the members of some splits and modalities, ascending."""
        kept = np.isin(self._columns["split"], [SPLITS.index(split) for split in splits])[self.owners]
        return np.flatnonzero(kept & np.isin(self._columns["modality"], [modality.index for modality in modalities]))

    def places(self) -> list[tuple[int, Place]]:
        """Return (group, place) for every group that lies on a genome record."""
        records, rows = self.records, self._columns["places"].tolist()
        return [(group, Place(records[record], start, stop)) for group, record, start, stop in rows]

    @property
    def records(self) -> list[str]:
        """Names of the genome records that places speak of."""
        return [self._text("record_names", "record_name_starts", i) for i in range(len(self.column("record_name_starts")) - 1)]

    def total_tokens(self, modality: Modality) -> int:
        """Residues of a modality in the store."""
        return int(self._facts["tokens"][modality.value])

    def column(self, name: str) -> NDArray[Any]:
        """Return one column as it lies on disk, for work over the whole store at once."""
        return self._columns[name]

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Residues of every member."""
        return np.diff(self._columns["token_starts"])

    @property
    def owners(self) -> NDArray[np.int64]:
        """Group of every member."""
        return np.repeat(np.arange(self.num_groups), np.diff(self._columns["group_starts"]))

    def residues_by_group(self, view: View | None = None) -> NDArray[np.int64]:
        """Return the residues of every group, of one view or of all."""
        lengths = self.lengths if view is None else np.where(self._columns["view"] == view.index, self.lengths, 0)
        return np.diff(np.concatenate([[0], np.cumsum(lengths)])[self._columns["group_starts"]])

    def _text(self, column: str, starts: str, index: int) -> str:
        start, stop = self._columns[starts][index : index + 2].tolist()
        return self._columns[column][start:stop].tobytes().decode()
