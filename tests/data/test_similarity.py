"""Pairs of similar sets equal those found by comparing all with all."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from biolect.data.similarity import components, similar_pairs


@given(st.lists(st.sets(st.integers(0, 12), max_size=9), max_size=25), st.sampled_from([0.2, 0.5, 2 / 3, 0.7, 0.9, 1.0]))
def test_pairs_are_those_of_the_definition(sets: list[set[int]], threshold: float) -> None:
    left, right = similar_pairs([np.array(sorted(one), dtype=np.int64) for one in sets], threshold)

    expected = {(i, j) for (i, a), (j, b) in combinations(enumerate(sets), 2) if a | b and len(a & b) >= threshold * len(a | b) - 1e-9}
    assert set(zip(left.tolist(), right.tolist(), strict=True)) == expected
    assert len(left) == len(expected)


def test_pairs_of_real_molecules_are_those_of_the_toolkit() -> None:
    pytest.importorskip("rdkit")
    from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator
    from rdkit.DataStructs import BulkTanimotoSimilarity

    from biolect.bio import chemistry

    texts = [f"c1ccc({a}{b})cc1{c}" for a in ("C", "CC", "N", "OC") for b in ("O", "Cl", "C(=O)N") for c in ("", "F", "CC")]
    molecules = [chemistry.parse(text).molecule for text in texts]
    prints = [GetMorganGenerator(radius=2).GetSparseFingerprint(one) for one in molecules]

    left, right = similar_pairs([chemistry.features(one) for one in molecules], 0.6)

    expected = {(i, j) for i in range(len(prints)) for j, s in enumerate(BulkTanimotoSimilarity(prints[i], prints)) if j > i and s >= 0.6}
    assert expected and set(zip(left.tolist(), right.tolist(), strict=True)) == expected


def test_components_are_joined_transitively() -> None:
    labels = components(5, (np.array([0, 1]), np.array([1, 3])))

    assert labels[0] == labels[1] == labels[3] and len(set(labels.tolist())) == 3
