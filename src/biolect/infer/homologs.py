"""Homologs of an alignment as a prompt: each drawn the less, the more there are like it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NEIGHBORHOOD = 0.2
"""Rows that differ in no more than this share of the columns are neighbours."""


def columns_of(rows: Sequence[str]) -> NDArray[np.uint8]:
    """Return the columns of an A3M, one row each, gaps included and insertions left out; rows must have equally many."""
    kept = ["".join(letter for letter in row if not (letter.islower() or letter == ".")) for row in rows]
    return np.frombuffer("".join(kept).encode("latin-1"), dtype=np.uint8).reshape(len(rows), -1)


def sampling_weights(columns: NDArray[np.uint8], neighborhood: float = NEIGHBORHOOD) -> NDArray[np.float64]:
    """Return one over the number of neighbours of each row, itself counted.

    Takes the square of the number of rows: 4,500 rows of 286 columns take two seconds.

    Source: arXiv:2411.04165, sampling of homologs for fitness prediction.
    """
    count, length = columns.shape
    neighbors = np.ones(count)
    for index in range(count - 1):
        is_near = np.count_nonzero(columns[index + 1 :] != columns[index], axis=1) <= neighborhood * length
        neighbors[index] += is_near.sum()
        neighbors[index + 1 :] += is_near
    return 1 / neighbors
