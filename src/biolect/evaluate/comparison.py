"""Arms of a fusion table, judged on the same test records: values, differences, modality weights, each with an interval."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biolect import metrics
from biolect.data.labelled import Labelled
from biolect.data.shards import SPLITS
from biolect.evaluate.arms import Runs, fusions
from biolect.evaluate.composition import judge

LATE, STACKING, ENSEMBLE, COMPOSED = "late", "late, stacked", "best encoder, several seeds", "late, with composition"


@dataclass
class Said:
    """What every arm says of all records.

    Attributes:
        predictions: Seeds by records by classes, or by one number.
        weights: Seeds by records by streams, of arms that have them.
        deviations: Standard deviation of each prediction, of arms that say how sure they are.
    """

    predictions: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    weights: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    deviations: dict[str, NDArray[np.float64]] = field(default_factory=dict)


def mean_value(data: Labelled, predictions: NDArray[np.float64], split: str) -> float:
    """Return the mean value of an arm over seeds, on the records of a split."""
    chosen = data.of(split)
    return float(np.mean([judge(data.targets[chosen], one[chosen]) for one in predictions]))


@dataclass
class Judged:
    """All arms and baselines on the test records."""

    data: Labelled
    said: Said
    baselines: dict[str, NDArray[np.float64]]

    def report(self, best_single: str, runs: Runs) -> dict[str, Any]:
        """Return the table."""
        truth = self.data.targets[self.data.of("test")]
        values = {name: judge(truth, found) for name, found in self.baselines.items()}
        composed = max((name for name in values if name != "lookup"), key=lambda name: np.nan_to_num(values[name], nan=-1))
        arms = {name: self._valued(name) | self._training(runs, name) for name in self.said.predictions}
        learned = [arm.name for arm in fusions(runs.config, best_single) if not arm.is_control]
        gains, weights = {}, next((name for name in ("mil",) if name in self.said.weights), None)
        best = max(learned, key=lambda name: arms[name]["valid"]) if learned else LATE if LATE in arms else None
        if best is not None:
            others = [name for name in (best_single, LATE, ENSEMBLE) if name in arms and name != best]
            gains = {name: self._difference(best, self.said.predictions[name][:, self.data.of("test")]) for name in others}
            gains["composition"] = self._difference(best, self.baselines[composed][None]) | {"baseline": composed}
        return {
            "metric": "accuracy" if self.data.labels else "spearman",
            "arms": arms,
            "best_single": best_single,
            "published": runs.published,
            "gain": {"arm": best} | gains.get(best_single, {"difference": None, "interval": None}),
            "gains": gains,
            "with_composition": self._difference(COMPOSED, self.baselines[composed][None]) | {"baseline": composed},
            "baselines": {name: {"value": values[name], "interval": self._interval(found[None])} for name, found in self.baselines.items()},
            "composition": composed,
            "modality_weights": {} if weights is None else self._weights(weights, sorted(runs.config.encoders)),
        }

    def _valued(self, name: str) -> dict[str, Any]:
        found, test = self.said.predictions[name], self.data.of("test")
        truth = self.data.targets[test]
        return {
            "valid": mean_value(self.data, found, "valid"),
            "test": mean_value(self.data, found, "test"),
            "interval": self._interval(found[:, test]),
            "seeds": len(found),
            "by_seed": [judge(truth, one[test]) for one in found],
        }

    def _training(self, runs: Runs, name: str) -> dict[str, Any]:
        fitted = runs.fitted.get(name)
        if not fitted:
            return {}
        return {"trained_weights": sum(w.numel() for w in fitted[0].model.parameters()), "best_steps": [one.best_step for one in fitted]}

    def _interval(self, found: NDArray[np.float64]) -> list[float]:
        """Return the interval of the mean value of seeds by test records by outputs."""
        return self._bootstrap(found, lambda part, s, i: float(np.mean([judge(part[i], one[i]) for one in found[s]])))

    def _difference(self, arm: str, other: NDArray[np.float64]) -> dict[str, Any]:
        """Return how much better an arm is than predictions, seeds by test records by outputs; both on the same drawn records."""
        found = self.said.predictions[arm][:, self.data.of("test")]

        def gap(truth: NDArray[np.float64], s: NDArray[np.int64], i: NDArray[np.int64]) -> float:
            ours = np.mean([judge(truth[i], one[i]) for one in found[s]])
            return float(ours - np.mean([judge(truth[i], one[i]) for one in other[s % len(other)]]))

        truth = self.data.targets[self.data.of("test")]
        whole = gap(truth, np.arange(len(found)), np.arange(len(truth)))
        return {"difference": whole, "interval": self._bootstrap(found, gap)}

    def _bootstrap(
        self, found: NDArray[np.float64], statistic: Callable[[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]], float]
    ) -> list[float]:
        test = self.data.of("test")
        truth, clusters = self.data.targets[test], self.data.clusters[test]
        if np.isnan(statistic(truth, np.arange(len(found)), np.arange(len(test)))):
            # Equal guesses for all records have no rank correlation.
            return [math.nan, math.nan]
        return list(metrics.bootstrap_interval(lambda s, i: statistic(truth, s, i), clusters, num_seeds=len(found), draws=500))

    def _weights(self, arm: str, streams: list[str]) -> dict[str, Any]:
        """Return the mean weight of every stream on test records, with its interval over clusters and seeds."""
        test = self.data.of("test")
        found = self.said.weights[arm][:, test]
        return {
            name: {
                "mean": float(found[:, :, k].mean()),
                "interval": self._bootstrap(found, lambda _, s, i, k=k: float(found[s][:, i, k].mean())),
                "by_seed": found[:, :, k].mean(axis=1).tolist(),
            }
            for k, name in enumerate(streams)
        }

    def frame(self) -> Any:
        """Return what every arm says of every record beside its `target`, mean over seeds; of classes the most likely one."""
        import polars

        data = self.data

        def shown(found: NDArray[np.float64]) -> list[Any]:
            return [data.labels[i] for i in found.argmax(axis=1)] if data.labels else found[:, 0].tolist()

        truth = [data.labels[int(t)] for t in data.targets] if data.labels else data.targets.tolist()
        columns = {"id": [r.name for r in data.records], "split": [SPLITS[i] for i in data.splits.tolist()], "target": truth}
        columns |= {"cluster": data.clusters.tolist()}
        columns |= {name: shown(found.mean(axis=0)) for name, found in self.said.predictions.items()}
        return polars.DataFrame(columns | {f"{name}, deviation": found for name, found in self.said.deviations.items()})
