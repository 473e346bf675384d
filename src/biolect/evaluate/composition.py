"""Regressions without training by gradient: on length and counts of letters, codons and amino acids, and on mean embeddings.

Whoever claims that a model has learned something from sequences must beat those on composition, on the same records in the same
folds. On tables of a hundred rows, those on mean embeddings are often the best there is, and the Gaussian process says how sure it is.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from biolect import metrics
from biolect.bio.sequence import Sequence as Record
from biolect.data.labelled import canonical
from biolect.fusion.streams import CodonStreams
from biolect.values import Floats, Ints

Reading = Literal["coding", "plain", "protein"]
"""Nucleotides in frame, nucleotides without a frame, or amino acids."""

_WORDS = (1, 2, 3)
_NUCLEOTIDES, _AMINO_ACIDS = 4, 20
MOST_ROWS = 500
"""Training records up to which a Gaussian process is fitted; its cost grows with their cube."""
_COMPONENTS = 32
_PENALTIES = np.logspace(-1, 5, 13)
_AROUND = 5
MOST_POSITIONS = 20_000
"""Of targets per position, training positions that baselines are fitted to; more are drawn from."""


def composition(records: Sequence[Record], proteins: Sequence[Record] = ()) -> dict[str, Floats]:
    """Return features by name, records by numbers: length, and shares of words.

    `nucleotides` are shares of words of 1, 2 and 3 letters in every frame; `codons` and `amino_acids` stand in frame, and
    are there where proteins are, or where the records are proteins. `everything` is all of them side by side.

    Args:
        proteins: Translations of coding sequences, one each.
    """
    is_protein = bool(records) and len(records[0].modality.alphabet.standard) == _AMINO_ACIDS
    found = {"length": np.log10([[max(len(record), 1)] for record in records])}
    if is_protein:
        proteins = records
    else:
        found["nucleotides"] = np.array([np.concatenate([_shares(r.codes, k, 1) for k in _WORDS]) for r in records])
    if proteins and not is_protein:
        found["codons"] = np.array([_shares(record.codes, 3, 3) for record in records])
    if proteins:
        found["amino_acids"] = np.array([_shares(protein.codes, 1, 1, _AMINO_ACIDS) for protein in proteins])
    return found | {"everything": np.concatenate(list(found.values()), axis=1)}


def surroundings(records: Sequence[Record], num_codons: Ints, per_codon: int) -> dict[str, Floats]:
    """Return features by name of every position of every record: how far it is from both ends, and the letters around it.

    Args:
        per_codon: Positions of a codon, 1 or 3.
    """
    places: list[Ints] = []
    letters: list[NDArray[np.uint8]] = []
    for record, count in zip(records, num_codons.tolist(), strict=True):
        starts = np.arange(per_codon * count) * (3 // per_codon)
        padded = np.pad(record.codes, _AROUND, constant_values=_NUCLEOTIDES)
        letters.append(np.lib.stride_tricks.sliding_window_view(padded, 2 * _AROUND + 3 // per_codon)[starts])
        places.append(np.stack([starts, len(record) - starts], axis=1))
    found = {"place": np.concatenate(places).astype(np.float64), "letters": np.concatenate(letters)[:, :, None] == np.arange(_NUCLEOTIDES)}
    found["letters"] = found["letters"].reshape(len(found["place"]), -1).astype(np.float64)
    return found | {"everything": np.concatenate(list(found.values()), axis=1)}


def _shares(codes: NDArray[np.uint8], length: int, step: int, symbols: int = _NUCLEOTIDES) -> Floats:
    """Return how often each word comes, among those without an unknown letter."""
    if len(codes) < length:
        return np.zeros(symbols**length)
    words = np.lib.stride_tricks.sliding_window_view(codes.astype(np.int64), length)[::step]
    words = words[(words < symbols).all(axis=1)]
    counts = np.bincount(words @ symbols ** np.arange(length)[::-1], minlength=symbols**length)
    return counts / max(len(words), 1)


@dataclass(frozen=True, eq=False)
class Baselines:
    """Every composition baseline over one table. What is predicted is a number, or the chance of every class.

    Attributes:
        features: See `composition`.
        targets: Numbers, or codes of classes.
        num_classes: 0 where numbers are predicted.
        trees: Of a forest; boosting has half as many more.
        threads: CPU threads of the forests.
    """

    features: dict[str, Floats]
    targets: Floats
    num_classes: int = 0
    seed: int = 0
    trees: int = 100
    threads: int = 1

    @property
    def names(self) -> list[str]:
        """Of all arms, in the order of `predict`."""
        return [f"{name}_{model}" for name in self.features for model in ("ridge", "forest", "boosting", "mean")]

    def predict(self, train: Ints, test: Ints, advance: Callable[[float], None] = lambda fits: None) -> Floats:
        """Return test records by arms by outputs, from models trained on the train records.

        Args:
            advance: Told of every model that was fitted.
        """
        from sklearn.pipeline import Pipeline

        wanted = coded(self.targets, self.num_classes)
        arms: list[Floats] = []
        for values in self.features.values():
            fitted: list[Floats] = []
            for model in self._models():
                known = wanted if isinstance(model, Pipeline) else self.targets
                fitted.append(self._answers(model.fit(values[train], known[train]), values[test]))
                advance(1)
            arms += [*fitted, np.mean(fitted, axis=0)]
        return np.stack(arms, axis=1)

    def _models(self) -> Iterator[Any]:
        from sklearn import ensemble
        from sklearn.linear_model import RidgeCV

        kind = "Classifier" if self.num_classes else "Regressor"
        yield standardised(RidgeCV(alphas=_PENALTIES))
        # A fifth of the features per split is as good as a third on the shipped tables, and faster.
        sizes = {"max_features": 0.2, "min_samples_leaf": 3, "n_jobs": self.threads}
        yield getattr(ensemble, f"RandomForest{kind}")(self.trees, random_state=self.seed, **sizes)
        sizes = {"max_iter": self.trees * 3 // 2, "max_leaf_nodes": 15, "early_stopping": False}
        yield getattr(ensemble, f"HistGradientBoosting{kind}")(learning_rate=0.05, random_state=self.seed, **sizes)

    def _answers(self, model: Any, asked: NDArray[Any]) -> Floats:
        if not self.num_classes:
            return np.asarray(model.predict(asked)).reshape(-1, 1)
        if hasattr(model, "predict_proba"):
            return chances_of(model, asked, self.num_classes)
        # Ridge regression towards codes of 0 and 1, cut to chances.
        chances = model.predict(asked).clip(1e-6, 1)
        return chances / chances.sum(axis=1, keepdims=True)


def coded(targets: Floats, num_classes: int) -> Floats:
    """Return a row for every record: 1 in the column of its class and 0 in the others, or its number where there are no classes."""
    return np.eye(num_classes)[targets.astype(int)] if num_classes else targets[:, None]


def standardised(model: Any) -> Any:
    """Return a model that reads features in standard units."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), model)


def chances_of(model: Any, asked: NDArray[Any], num_classes: int) -> Floats:
    """Return the chance of every class, also of those that were absent from the training records."""
    chances = np.zeros((len(asked), num_classes))
    known = np.asarray(model.classes_, dtype=np.int64)
    # Of one class alone, trees give two chances.
    chances[:, known] = 1.0 if len(known) == 1 else model.predict_proba(asked)
    return chances


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

    model: Any = RidgeCV(alphas=_PENALTIES)
    if num_classes and len(only := np.unique(targets[training])) == 1:
        return coded(np.repeat(only, len(features)), num_classes)
    if num_classes:
        model = LogisticRegression(max_iter=1_000)
        # Every fold needs two classes to train on.
        folds = min(3, int(np.sort(np.bincount(targets[training].astype(np.int64), minlength=num_classes))[-2]))
        model = GridSearchCV(model, {"C": 1 / _PENALTIES[::3]}, cv=folds) if folds > 1 else model
    with warnings.catch_warnings():
        # The weakest of the penalties may need more steps than it is worth; cross-validation passes it over.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        fitted = standardised(model).fit(features[training], targets[training])
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

    count = min(_COMPONENTS, len(training) - 1, features.shape[1])
    reduced = standardised(PCA(count, random_state=seed)).fit(features[training]).transform(features)
    reduced = reduced / (reduced[training].std() or 1.0)
    kernel = ConstantKernel(1.0) * RBF(np.sqrt(count), (1e-1, 1e4)) + WhiteKernel(0.5, (1e-4, 1e2))
    process = GaussianProcessRegressor(kernel, normalize_y=True, n_restarts_optimizer=2, random_state=seed)
    with warnings.catch_warnings():
        # A bound that is reached says that there is little to learn, and so do the deviations.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted: Any = process.fit(reduced[training], targets[training])
    mean, deviation = fitted.predict(reduced, return_std=True)
    return mean[:, None], deviation


def lookup(records: Sequence[Record], targets: Floats, num_classes: int, train: Ints, test: Ints) -> Floats:
    """Return the mean target of training records with the same residues, on either strand; of all where there are none."""
    wanted = coded(targets, num_classes)
    known: dict[str, list[Floats]] = defaultdict(list)
    for i in train.tolist():
        known[canonical(records[i])].append(wanted[i])
    average = wanted[train].mean(axis=0)
    return np.array([np.mean(known.get(canonical(records[i]), [average]), axis=0) for i in test.tolist()])


def judge(targets: Floats, found: Floats) -> float:
    """Return the rank correlation of numbers, its mean over several targets, or the accuracy of chances of classes.

    Args:
        targets: Numbers or codes; with a second axis numbers of targets, NaN where there is none.
    """
    if targets.ndim == 2:
        there = ~np.isnan(targets)
        pairs = [(targets[own, k], found[own, k]) for k, own in enumerate(there.T)]
        return float(np.mean([metrics.spearman(*pair) if len(pair[0]) > 1 else np.nan for pair in pairs]))
    if found.shape[1] > 1:
        return float((found.argmax(axis=1) == targets).mean())
    return metrics.spearman(targets, found[:, 0])


def grouped_folds(groups: NDArray[np.integer], count: int, seed: int) -> Ints:
    """Return a fold for every record: whole groups, the largest first, each into the fold that is emptiest; ties are drawn."""
    _, labels, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(sizes))
    chosen, room = np.zeros(len(sizes), dtype=np.int64), np.zeros(count)
    for group in order[np.argsort(-sizes[order], kind="stable")].tolist():
        chosen[group] = room.argmin()
        room[chosen[group]] += sizes[group]
    return chosen[labels]
