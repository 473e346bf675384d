"""Pairs of similar sets, exactly and without comparing all pairs: what clusters of molecules are made of.

Two sets with a Tanimoto (Jaccard) similarity of at least t have so many elements in common that they
share one of the rarest of each: of a set of n elements, the rarest n - ceil(t n) + 1. So only sets that
share such an element are compared.

Source: prefix filtering, 10.1145/1242572.1242591.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]

_ROWS = 512


def similar_pairs(sets: Sequence[NDArray[np.int64]], threshold: float) -> Pairs:
    """Return (index, later index) of all pairs with a Tanimoto similarity of at least a threshold.

    Args:
        sets: Distinct numbers each; empty sets are similar to none.
        threshold: Above 0.
    """
    from scipy.sparse import csr_matrix

    sizes = np.array([len(one) for one in sets], dtype=np.int64)
    if not sizes.sum():
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    elements, ids, counts = np.unique(np.concatenate(list(sets)), return_inverse=True, return_counts=True)
    # Elements are numbered by how rare they are, and each row is sorted by that.
    rank = np.empty(len(elements), dtype=np.int64)
    rank[np.argsort(counts, kind="stable")] = np.arange(len(elements))
    starts = np.concatenate([[0], np.cumsum(sizes)])
    rows = np.repeat(np.arange(len(sets)), sizes)
    ids = rank[ids]
    ids = ids[np.lexsort((ids, rows))]
    places = np.arange(len(ids)) - starts[rows]
    is_prefix = places < (sizes - np.ceil(threshold * sizes - 1e-9) + 1)[rows]
    shape = len(sets), len(elements)
    full = csr_matrix((np.ones(len(ids), dtype=np.float32), ids, starts), shape=shape)
    prefix = csr_matrix((np.ones(int(is_prefix.sum()), dtype=np.float32), (rows[is_prefix], ids[is_prefix])), shape=shape)
    left, right = [], []
    for a, b, _ in in_common(prefix):
        smaller, larger = np.minimum(sizes[a], sizes[b]), np.maximum(sizes[a], sizes[b])
        a, b = (side[smaller >= threshold * larger - 1e-9] for side in (a, b))
        shared = np.asarray(full[a].multiply(full[b]).sum(axis=1)).ravel()
        kept = shared >= threshold * (sizes[a] + sizes[b] - shared) - 1e-6
        left.append(a[kept])
        right.append(b[kept])
    return np.concatenate(left), np.concatenate(right)


def in_common(table: Any) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]]:
    """Yield (row, later row, sum of products) of the rows of a sparse table that have a column in common, a few at a time."""
    turned = table.T.tocsr()
    for start in range(0, table.shape[0], _ROWS):
        product = (table[start : start + _ROWS] @ turned).tocoo()
        first, second = product.row.astype(np.int64) + start, product.col.astype(np.int64)
        later = first < second
        yield first[later], second[later], product.data[later]


def chained(labels: NDArray[Any]) -> Pairs:
    """Link each item with a label to the next one that has it."""
    order = np.argsort(labels, kind="stable")
    same = np.flatnonzero(labels[order][1:] == labels[order][:-1])
    return order[same], order[same + 1]


def components(count: int, pairs: Pairs) -> NDArray[np.int32]:
    """Return the number of the connected component of every item."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    links = coo_matrix((np.ones(len(pairs[0]), dtype=bool), pairs), shape=(count, count))
    return connected_components(links, directed=False)[1].astype(np.int32)
