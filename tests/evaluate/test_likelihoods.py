"""What partners are worth: who is foreign to whom."""

import numpy as np

from biolect.evaluate.likelihoods import _strangers


def test_a_stranger_is_of_another_cluster_and_next_in_length():
    found = _strangers([60, 62, 20, 61, 22], np.array([0, 0, 1, 2, 3]))

    assert found == [3, 3, 4, 1, 0]


def test_without_another_cluster_everything_is_its_own_stranger():
    assert _strangers([60, 62, 20], np.zeros(3, dtype=int)) == [0, 1, 2]
