"""The columns of a member store: flat files of one dtype each, little-endian, without headers.

A column that counts another one holds where each entry begins there, and one entry more: where the
last one ends. Text is UTF-8.
"""

import mmap
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

SPLITS = ("train", "valid", "test")
SPLIT_WORDS = {"train": "train", "valid": "valid", "validation": "valid", "val": "valid", "test": "test"}
"""What users write for a split, and which that is."""
_BUFFER_BYTES = 1 << 18


class Place(NamedTuple):
    """Where a group lies on a genome record: 0-based, half-open, on the forward strand."""

    record: str
    start: int
    stop: int


class Layout(NamedTuple):
    """Dtype, entries of a row, and the column that it points into."""

    dtype: str
    width: int = 1
    counts: str = ""


COLUMNS: dict[str, Layout] = {
    "tokens": Layout("<u1"),
    "token_starts": Layout("<i8", counts="tokens"),
    "modality": Layout("<u1"),
    "view": Layout("<u1"),
    # (origin, stride, length): shared gene coordinates of a member.
    "runs": Layout("<i4", 3),
    "run_starts": Layout("<i8", counts="runs"),
    "member_names": Layout("<u1"),
    "member_name_starts": Layout("<i8", counts="member_names"),
    "group_starts": Layout("<i8", counts="modality"),
    "split": Layout("<u1"),
    "cluster": Layout("<i4"),
    "names": Layout("<u1"),
    "name_starts": Layout("<i8", counts="names"),
    # (group, record, start, stop): where a group lies on a genome.
    "places": Layout("<i8", 4),
    "record_names": Layout("<u1"),
    "record_name_starts": Layout("<i8", counts="record_names"),
}
# Columns that grow together, one entry per group and one per member.
OF_GROUP = ("group_starts", "split", "cluster", "name_starts")
OF_MEMBER = ("token_starts", "modality", "view", "run_starts", "member_name_starts")


class Column:
    """One flat file that grows at its end; `total` counts its items.

    Args:
        kept: Items of a file that is there already, after which to go on; None begins a new file. Nothing is
            truncated, so whoever has the file mapped goes on reading what was there.
    """

    def __init__(self, folder: Path, name: str, kept: int | None = None) -> None:
        self.dtype, self.total = np.dtype(COLUMNS[name].dtype), kept or 0
        self.file = open(folder / f"{name}.bin", "wb" if kept is None else "r+b", buffering=_BUFFER_BYTES)
        self.file.seek(self.total * self.dtype.itemsize)

    def extend(self, values: ArrayLike | bytes) -> None:
        """Add values; a few of them reach the file in larger pieces."""
        data = values if isinstance(values, bytes) else np.ascontiguousarray(values, dtype=self.dtype).data
        self.total += self.file.write(data) // self.dtype.itemsize


def mapped(folder: Path, name: str, items: int) -> NDArray[Any]:
    """Map one column into memory, in rows where it has a width.

    Raises:
        OSError: If the file is missing or has another length.
    """
    path, (kind, width, _) = folder / f"{name}.bin", COLUMNS[name]
    dtype = np.dtype(kind)
    if path.stat().st_size != items * dtype.itemsize:
        raise OSError(f"{path.name} has {path.stat().st_size} bytes, expected {items * dtype.itemsize}")
    # An empty file cannot be mapped.
    flat = np.asarray(np.memmap(path, dtype=dtype, mode="r")) if items else np.zeros(0, dtype=dtype)
    return flat.reshape(-1, width) if width > 1 else flat


def release(column: NDArray[Any]) -> None:
    """Let go of the pages of a mapped column that were read; they count as memory of the process until then."""
    base = column.base
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)


def assign(folder: Path | str, splits: NDArray[np.integer], clusters: NDArray[np.integer]) -> None:
    """Set the split (index in `SPLITS`) and the cluster of every group of a store that is being made."""
    for name, values in (("split", splits), ("cluster", clusters)):
        np.ascontiguousarray(values, dtype=COLUMNS[name].dtype).tofile(Path(folder) / f"{name}.bin")
