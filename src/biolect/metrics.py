"""Numbers that say how good a model is. Pure numpy: no model, no tensor, no file."""

import math
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from biolect.errors import ShapeError

FEWEST_CLUSTERS = 5
"""Drawing fewer clusters anew says next to nothing, and of one nothing at all: then records are drawn; see `drawn_units`."""


class Interval(NamedTuple):
    """A central bootstrap interval."""

    low: float
    high: float


def bits_per_residue(nats: float, num_residues: float) -> float:
    """Return bits per residue; NaN over no residues.

    Args:
        nats: Total negative log-likelihood of the scored residues; special tokens belong in neither argument.
    """
    return float(nats) / math.log(2) / float(num_residues) if num_residues else math.nan


def perplexity(nats: float, num_tokens: float) -> float:
    """Return exp of the mean negative log-likelihood per token; comparable only within one tokenizer."""
    return math.exp(float(nats) / float(num_tokens)) if num_tokens else math.nan


def spearman(first: ArrayLike, second: ArrayLike) -> float:
    """Return the rank correlation; ties share their mean rank. NaN where either side is constant.

    Raises:
        ShapeError: If the two differ in length, or hold fewer than two values.
    """
    a, b = _paired(first, second)
    if a.min() == a.max() or b.min() == b.max():
        return math.nan
    return float(np.corrcoef(stats.rankdata(a), stats.rankdata(b))[0, 1])


def auroc(is_positive: ArrayLike, scores: ArrayLike) -> float:
    """Return the chance that a positive scores above a negative; ties count half. NaN with one class only.

    Raises:
        ShapeError: If the two differ in length, or hold fewer than two values.
    """
    labels, values = _paired(is_positive, scores)
    positive = labels.astype(bool)
    count, others = int(positive.sum()), int((~positive).sum())
    if not count or not others:
        return math.nan
    return float((stats.rankdata(values)[positive].sum() - count * (count + 1) / 2) / (count * others))


def ks(first: ArrayLike, second: ArrayLike) -> float:
    """Return the Kolmogorov-Smirnov statistic of two samples, the largest gap between their distributions; 0 is equal, 1 is disjoint."""
    result: Any = stats.ks_2samp(np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64))
    return float(result.statistic)


def bootstrap_interval(
    statistic: Callable[[NDArray[np.int64], NDArray[np.int64]], float],
    clusters: ArrayLike,
    *,
    num_seeds: int = 1,
    draws: int = 1_000,
    seed: int = 0,
) -> Interval:
    """Return a 95 % interval over clusters of items and over training seeds, both drawn anew each time.

    Whole clusters are drawn, because items of one cluster are not independent; seeds and clusters are
    crossed, because every seed is judged on the same items.

    Args:
        statistic: Takes drawn seed indices and drawn item indices, both with repeats.
        clusters: One cluster label per item.

    Example:
        losses = np.array([[1.0, 2.0, 6.0], [1.5, 2.5, 6.5]])  # two seeds, three items
        bootstrap_interval(lambda s, i: losses[np.ix_(s, i)].mean(), clusters=[0, 0, 1], num_seeds=2)

    Raises:
        ShapeError: If there is no item.
    """
    return central([statistic(*drawn) for drawn in bootstrap_draws(clusters, num_seeds=num_seeds, draws=draws, seed=seed)])


def bootstrap_draws(
    clusters: ArrayLike, *, num_seeds: int = 1, draws: int = 1_000, seed: int = 0
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield drawn seed indices and drawn item indices, whole clusters, both with repeats; see `bootstrap_interval`.

    Raises:
        ShapeError: If there is no item.
    """
    labels = np.asarray(clusters)
    if not len(labels):
        raise ShapeError("A bootstrap needs at least one item. Check that the table it is drawn from is not empty.")
    _, owner = np.unique(labels, return_inverse=True)
    order = np.argsort(owner, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(owner))[:-1])
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        seeds = rng.integers(0, num_seeds, size=num_seeds)
        drawn = rng.integers(0, len(members), size=len(members))
        yield seeds, np.concatenate([members[i] for i in drawn])


def drawn_units(clusters: ArrayLike, records: ArrayLike | None = None) -> tuple[NDArray[np.int64], Literal["clusters", "records"]]:
    """Return what a bootstrap draws, clusters or, where there are too few, records; and which of them it is.

    Args:
        clusters: Of every item.
        records: Which record every item is of; each of its own unless given.
    """
    labels = np.asarray(clusters, dtype=np.int64)
    if len(np.unique(labels)) >= FEWEST_CLUSTERS:
        return labels, "clusters"
    return np.arange(len(labels)) if records is None else np.asarray(records, dtype=np.int64), "records"


def central(values: ArrayLike) -> Interval:
    """Return the central 95 % interval of drawn values; NaN among them are left out."""
    low, high = np.nanpercentile(np.asarray(values, dtype=np.float64), [2.5, 97.5])
    return Interval(float(low), float(high))


def _paired(first: ArrayLike, second: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1 or len(a) < 2:
        raise ShapeError(f"Two equally long lists of at least 2 values are needed, not {a.shape} and {b.shape}.")
    return a, b


def classification(truth: ArrayLike, probabilities: ArrayLike, *, with_auroc: bool = True) -> dict[str, float]:
    """Return accuracy, Matthews correlation, F1 and AUROC over all items at once.

    With two classes, F1 is that of the second one and AUROC asks for it; with more, both are means over classes
    (for AUROC each class against all others). What cannot be said, because a class is missing, is NaN; the correlation
    is 0 where all items are, or are said to be, of one class.

    Args:
        truth: Class of every item, 0-based.
        probabilities: Items by classes; the largest is the guess.
        with_auroc: AUROC, too, which takes most of the time.
    """
    codes, chances = np.asarray(truth, dtype=np.int64), np.asarray(probabilities, dtype=np.float64)
    num_items, num_classes = chances.shape
    guessed = chances.argmax(axis=1)
    table = np.bincount(codes * num_classes + guessed, minlength=num_classes**2).reshape(num_classes, num_classes).astype(np.float64)
    true, said, right = table.sum(axis=1), table.sum(axis=0), np.diag(table)
    spread = math.sqrt((num_items**2 - (said**2).sum()) * (num_items**2 - (true**2).sum()))
    with np.errstate(invalid="ignore"):
        f1 = 2 * right / (true + said)
    asked = [1] if num_classes == 2 else range(num_classes)
    return {
        "accuracy": float(right.sum() / num_items),
        "mcc": float((right.sum() * num_items - (true * said).sum()) / spread) if spread else 0.0,
        "f1": float(f1[1] if num_classes == 2 else f1.mean()),
        **({"auroc": float(np.mean([auroc(codes == k, chances[:, k]) for k in asked]))} if with_auroc else {}),
    }


def regression(truth: ArrayLike, guesses: ArrayLike) -> dict[str, float]:
    """Return rank correlation and R2 (1 - squared error / variance of the truth) over all items at once."""
    a, b = _paired(truth, guesses)
    spread = float(((a - a.mean()) ** 2).sum()) if a.min() < a.max() else 0.0
    return {"spearman": spearman(a, b), "r2": 1 - float(((a - b) ** 2).sum()) / spread if spread else math.nan}
