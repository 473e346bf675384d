"""Late fusion: members in their own units, weights learned from records that members had not seen."""

import numpy as np
import pytest

from biolect import metrics
from biolect.errors import ShapeError
from biolect.fusion.late import MeanFusion, Stacking, out_of_fold


def test_the_mean_is_taken_in_standard_units_and_given_in_units_of_the_target():
    targets = np.array([10.0, 20.0, 30.0])
    members = np.array([[1.0, 2.0, 3.0], [-200.0, 0.0, 200.0], [5.0, 5.0, 5.0]])

    fused = MeanFusion.fit(members[:2], targets)

    np.testing.assert_allclose(fused(members[:2]), targets)
    np.testing.assert_allclose(fused(members[:2] * 0)[:1], 20 + fused.deviation * (-2 / fused.scales[0]) / 2)
    assert np.isfinite(MeanFusion.fit(members, targets)(members)).all()


def test_stacking_finds_the_member_that_knows():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=400)
    members = np.stack([truth + 0.3 * rng.normal(size=400), rng.normal(size=400), 2 * truth + 2 * rng.normal(size=400)])[..., None]

    stacked = Stacking.fit(members[:, :200], truth[:200, None])
    fused = stacked(members[:, 200:])[:, 0]

    assert abs(stacked.weights[0, 0]) > 5 * abs(stacked.weights[1, 0])
    assert metrics.spearman(truth[200:], fused) > metrics.spearman(truth[200:], members[0, 200:, 0]) - 0.01


def test_classes_are_stacked_by_their_probabilities():
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 3, size=300)
    good = np.eye(3)[codes] * 0.5 + rng.dirichlet(np.ones(3), 300) * 0.5
    members = np.stack([rng.dirichlet(np.ones(3), 300), good])

    stacked = Stacking.fit(members[:, :150], np.eye(3)[codes[:150]])

    assert (stacked(members[:, 150:]).argmax(1) == codes[150:]).mean() > 0.9


def test_no_record_is_predicted_by_a_model_that_saw_its_fold():
    folds = np.array([2, 0, 2, 1, 0])

    found = out_of_fold(lambda train, test: np.array([sorted(set(folds[train])) for _ in test], dtype=float), folds)

    assert found.tolist() == [[0, 1], [1, 2], [0, 1], [0, 2], [1, 2]]
    with pytest.raises(ShapeError, match="at least two folds"):
        out_of_fold(lambda train, test: np.zeros(len(test)), np.zeros(3, dtype=int))
