"""Intervals of a genome with a split each, as published models come with them: a BED file with a fourth column.

    chr1    0       131072    train
    chr1    131072  262144    valid

Windows are taken inside an interval and never beyond it; what no interval names is not read.

Source: arXiv:2411.04165 trains on such a file, but lengthens every interval to a megabase, across splits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from biolect.data.genome import Region
from biolect.data.shards import MemberStore
from biolect.errors import InputError, LeakageError
from biolect.files import open_input

Intervals = Mapping[str, Sequence[tuple[int, int, str]]]
"""By record: start, stop and split. 0-based, half-open."""

_WORDS = {"train": "train", "valid": "valid", "validation": "valid", "test": "test"}


def is_intervals(path: Path) -> bool:
    """Return whether a file is named as one of intervals; its content is that of many other tables."""
    return path.name.removesuffix(".gz").endswith(".bed")


def read_intervals(paths: Sequence[Path]) -> Intervals:
    """Read the intervals of all files.

    Raises:
        InputError: If a line has no record, whole numbers start < stop, and split.
    """
    found: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for path in paths:
        with open_input(path) as stream:
            for number, line in enumerate(stream, start=1):
                fields = line.decode(errors="replace").split()
                if not fields or fields[0].startswith("#") or fields[0] in ("track", "browser"):
                    continue
                name, start, stop, split = [*fields, *[""] * 4][:4]
                if not (start.isdecimal() and stop.isdecimal() and int(start) < int(stop) and split in _WORDS):
                    rule = "Write record, start, stop (0-based, half-open) and train, valid or test, separated by tabs."
                    raise InputError(f"Line {number} of '{path}' is no interval with a split: '{' '.join(fields)[:80]}'. {rule}")
                found[name].append((int(start), int(stop), _WORDS[split]))
    return found


def place(genome: MemberStore, intervals: Intervals, *, allow_overlaps: bool) -> list[Region]:
    """Return intervals as regions of the genome; those of one split that overlap are joined.

    Raises:
        InputError: If a record is not there, or an interval ends behind it.
        LeakageError: If intervals of different splits overlap and that is not allowed.
    """
    groups = {genome.name_of(group): group for group in range(genome.num_groups)}
    regions: list[Region] = []
    overlaps: list[str] = []
    for name, own in intervals.items():
        size = int(genome.lengths[groups[name]]) if name in groups else 0
        beyond = next((one for one in own if one[1] > size), None)
        if beyond:
            there = f"which has {size:,} residues" if size else "which is not among the inputs"
            raise InputError(f"Interval {name}:{beyond[0]}-{beyond[1]} lies outside record '{name}', {there}. Give the FASTA it speaks of.")
        joined: list[tuple[int, int, str]] = []
        for start, stop, split in sorted(own):
            if joined and start < joined[-1][1] and split == joined[-1][2]:
                start, stop = joined[-1][0], max(stop, joined.pop()[1])
            joined.append((start, stop, split))
        overlaps += [f"{name}:{a[0]}-{a[1]} ({a[2]}) and {name}:{b[0]}-{b[1]} ({b[2]})" for a, b in pairwise(joined) if b[0] < a[1]]
        regions += [Region(groups[name], *one) for one in joined]
    if overlaps and not allow_overlaps:
        raise LeakageError(
            f"Intervals of different splits overlap in {len(overlaps)} places, for example {overlaps[0]}. Take them apart, or pass "
            "allow_overlaps=true to have what is held out cut out of training."
        )
    return regions
