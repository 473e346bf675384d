"""Toy families of proteins: members drawn from random profiles, as alignments (A3M) with the truth beside them.

A profile has a distribution of residues for every column, some nearly certain, most of a few residues
that replace each other; members lose and gain residues here and there. So a member says little about
itself, and much once other members were read: the more, the better the profile is known.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biolect.errors import ConfigError
from biolect.simulate.toy_genomes import AMINO_ACIDS, write_texts

_CONSERVED = 0.3
_LOST, _GAINED = 0.02, 0.01


@dataclass(frozen=True)
class ToyFamily:
    """A family with what only its maker knows.

    Attributes:
        profile: Probability of each amino acid, one row per column.
        rows: Members as rows of an A3M: capitals and `-` in columns, what was gained in lower case.
    """

    name: str
    profile: NDArray[np.float64]
    rows: tuple[str, ...]

    @property
    def members(self) -> tuple[str, ...]:
        """Members as sequences."""
        return tuple(row.replace("-", "").upper() for row in self.rows)

    @property
    def column_bits(self) -> float:
        """Mean entropy of a column: what a residue costs him who knows profile and alignment. Bits per residue."""
        return float(-(self.profile * np.log2(self.profile)).sum(axis=1).mean())


def draw_families(*, seed: int = 0, num_families: int = 40, num_members: int = 24, lengths: tuple[int, int] = (40, 100)) -> list[ToyFamily]:
    """Return families that have nothing in common.

    Args:
        num_members: Of every family; the first has every column and nothing else.
        lengths: Fewest and most columns.

    Raises:
        ConfigError: If a number is not positive.
    """
    if num_families < 1 or num_members < 1:
        raise ConfigError(f"num_families = {num_families} and num_members = {num_members} must both be at least 1.")
    return [
        _family(np.random.default_rng((seed, 3, number)), f"family_{number + 1:03d}", num_members, lengths)
        for number in range(num_families)
    ]


def _family(rng: np.random.Generator, name: str, num_members: int, lengths: tuple[int, int]) -> ToyFamily:
    length = int(rng.integers(lengths[0], lengths[1] + 1))
    # Few residues share a column: a concentration of 0.1 leaves about two bits.
    profile = rng.dirichlet(np.full(len(AMINO_ACIDS), 0.1), size=length)
    conserved = rng.random(length) < _CONSERVED
    profile[conserved] = 0.05 * profile[conserved] + 0.95 * np.eye(len(AMINO_ACIDS))[rng.integers(0, 20, size=int(conserved.sum()))]
    profile = (profile + 1e-4) / (1 + 1e-4 * len(AMINO_ACIDS))
    rows = tuple("".join(_row(rng, profile, changes=number > 0)) for number in range(num_members))
    return ToyFamily(name, profile, rows)


def _row(rng: np.random.Generator, profile: NDArray[np.float64], *, changes: bool) -> Iterator[str]:
    for column in profile:
        if changes and rng.random() < _GAINED:
            yield "".join(rng.choice(list(AMINO_ACIDS.lower()), size=int(rng.integers(1, 5))))
        yield "-" if changes and rng.random() < _LOST else AMINO_ACIDS[rng.choice(len(AMINO_ACIDS), p=column)]


def families(folder: Path | str, *, seed: int = 0, num_families: int = 40, num_members: int = 24) -> list[Path]:
    """Write every family as an A3M, and `truth.json`: what a residue costs him who knows its profile.

    Returns:
        The files of families, as `prepare` takes them; the truth lies beside them.

    Raises:
        ConfigError: See `draw_families`.
    """
    drawn = draw_families(seed=seed, num_families=num_families, num_members=num_members)
    texts = {f"{family.name}.a3m": "".join(f">{family.name}_{n:02d}\n{row}\n" for n, row in enumerate(family.rows, 1)) for family in drawn}
    truth = {"seed": seed, "column_bits": {family.name: family.column_bits for family in drawn}}
    return write_texts(folder, texts, truth)
