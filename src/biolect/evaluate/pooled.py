"""Linear and Gaussian-process regression on mean embeddings: what frozen encoders give without any training by gradient.

On tables of a hundred rows they are often the best there is, and the process says how sure it is.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from biolect.evaluate.composition import chances_of
from biolect.fusion.streams import CodonStreams
from biolect.values import Floats, Ints

MOST_ROWS = 500
"""Training records up to which a Gaussian process is fitted; its cost grows with their cube."""
_COMPONENTS = 32


def pooled(streams: CodonStreams) -> Floats:
    """Return the mean scaled vector of every record, all streams side by side, by name."""
    out: list[Floats] = []
    for name in sorted(streams.vectors):
        rows = np.zeros((len(streams.lengths), streams.widths[name]))
        for index, vectors in enumerate(streams.vectors[name]):
            said = vectors[vectors.any(axis=1)].astype(np.float64)
            rows[index] = (said.mean(axis=0) - streams.centers[name]) / streams.scales[name] if len(said) else 0
        out.append(rows)
    return np.concatenate(out, axis=1)


def ridge(features: Floats, targets: Floats, training: Ints, num_classes: int) -> Floats:
    """Return predictions about all records, or chances of classes; the penalty is chosen by cross-validation inside training."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    penalties = np.logspace(-1, 5, 13)
    model: Any = RidgeCV(alphas=penalties)
    if num_classes:
        model = GridSearchCV(LogisticRegression(max_iter=1_000), {"C": 1 / penalties[::3]}, cv=3)
    with warnings.catch_warnings():
        # The weakest of the penalties may need more steps than it is worth; cross-validation passes it over.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted: Any = make_pipeline(StandardScaler(), model).fit(features[training], targets[training])
    if not num_classes:
        return np.asarray(fitted.predict(features), dtype=np.float64)[:, None]
    return chances_of(fitted, features, num_classes)


def gaussian_process(features: Floats, targets: Floats, training: Ints, seed: int = 0) -> tuple[Floats, Floats]:
    """Return the mean and the standard deviation of what is predicted about all records, noise included.

    The kernel is a squared exponential and noise, on the first principal components of the features.
    """
    from sklearn.decomposition import PCA
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    count = min(_COMPONENTS, len(training) - 1, features.shape[1])
    reduced = make_pipeline(StandardScaler(), PCA(count, random_state=seed)).fit(features[training]).transform(features)
    reduced = reduced / (reduced[training].std() or 1.0)
    kernel = ConstantKernel(1.0) * RBF(np.sqrt(count), (1e-1, 1e4)) + WhiteKernel(0.5, (1e-4, 1e2))
    process = GaussianProcessRegressor(kernel, normalize_y=True, n_restarts_optimizer=2, random_state=seed)
    with warnings.catch_warnings():
        # A bound that is reached says that there is little to learn, and so do the deviations.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted: Any = process.fit(reduced[training], targets[training])
    mean, deviation = fitted.predict(reduced, return_std=True)
    return mean[:, None], deviation
