"""Late fusion: the predictions of single encoders are combined, not what they say about codons.

No learned fusion is worth its weights unless it beats these two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from biolect.errors import ShapeError
from biolect.values import Floats, Ints


@dataclass(frozen=True)
class MeanFusion:
    """The mean of predictions, each in its own standard units, in units of the target again.

    Attributes:
        centers, scales: Mean and standard deviation of each member's predictions.
        mean, deviation: Of the target, or of each of several.
    """

    centers: Float[np.ndarray, "M ..."]
    scales: Float[np.ndarray, "M ..."]
    mean: Float[np.ndarray, " *J"]
    deviation: Float[np.ndarray, " *J"]

    @classmethod
    def fit(cls, predictions: Float[np.ndarray, "M N ..."], targets: Float[np.ndarray, "K ..."]) -> MeanFusion:
        """Take the members' units from records that they were not trained on and nothing is judged on, those of the target from others.

        NaN targets are missing.
        """
        scales, known = predictions.std(axis=1), (np.nanmean(targets, axis=0), np.nanstd(targets, axis=0))
        return cls(predictions.mean(axis=1), np.where(scales > 0, scales, 1), *map(np.asarray, known))

    def __call__(self, predictions: Float[np.ndarray, "M N ..."]) -> Float[np.ndarray, "N ..."]:
        """Return fused predictions."""
        return ((predictions - self.centers[:, None]) / self.scales[:, None]).mean(axis=0) * self.deviation + self.mean


@dataclass(frozen=True)
class Stacking:
    """Ridge regression on the members' predictions; the penalty is the one that leaving records out one by one likes best.

    Classes are stacked by their probabilities, one column each, towards codes of 0 and 1.
    """

    weights: Float[np.ndarray, "F K"]
    intercept: Float[np.ndarray, " K"]

    @classmethod
    def fit(cls, out_of_fold: Float[np.ndarray, "M N K"], targets: Float[np.ndarray, "N K"]) -> Stacking:
        """Learn from predictions about records that each member had not seen, see `out_of_fold`; NaN targets are missing."""
        from sklearn.linear_model import RidgeCV

        there = ~np.isnan(targets)
        if not there.all():
            fitted = [cls.fit(out_of_fold[:, own], column[own, None]) for own, column in zip(there.T, targets.T, strict=True)]
            return cls(np.hstack([one.weights for one in fitted]), np.concatenate([one.intercept for one in fitted]))
        ridge = RidgeCV(alphas=np.logspace(-3, 3, 13)).fit(_columns(out_of_fold), targets)
        return cls(np.asarray(ridge.coef_).reshape(targets.shape[1], -1).T, np.atleast_1d(ridge.intercept_))

    def __call__(self, predictions: Float[np.ndarray, "M N K"]) -> Float[np.ndarray, "N K"]:
        """Return fused predictions; of classes, scores whose largest is the guess."""
        return _columns(predictions) @ self.weights + self.intercept


def out_of_fold(fit_predict: Callable[[Ints, Ints], Floats], folds: Int[np.ndarray, " N"]) -> Floats:
    """Return predictions about every record by a model that was trained without its fold.

    Args:
        fit_predict: Trains on some records and predicts others, both given as indices.
        folds: Fold of every record; relatives must share one.

    Raises:
        ShapeError: If there is one fold only.
    """
    labels = np.unique(folds)
    if len(labels) < 2:
        raise ShapeError("Predictions out of fold need at least two folds. Give more records, or fewer that are relatives.")
    parts = {fold: fit_predict(np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)) for fold in labels.tolist()}
    found = np.zeros((len(folds), *next(iter(parts.values())).shape[1:]))
    for fold, values in parts.items():
        found[folds == fold] = values
    return found


def _columns(predictions: NDArray[Any]) -> NDArray[Any]:
    return predictions.transpose(1, 0, 2).reshape(predictions.shape[1], -1)
