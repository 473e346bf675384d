"""Arms of a fusion table, judged on the same test records: values, differences, modality weights, each with an interval."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from biolect import metrics
from biolect.data.labelled import Labelled
from biolect.data.shards import SPLITS
from biolect.evaluate.arms import Runs, fusions
from biolect.evaluate.composition import judge
from biolect.evaluate.judging import Arm, Panel
from biolect.values import Floats

LATE, STACKING, ENSEMBLE, COMPOSED = "late", "late, stacked", "best encoder, several seeds", "late, with composition"


@dataclass
class Said:
    """What every arm says of all records.

    Attributes:
        predictions: Seeds by records by classes, or by one number.
        weights: Seeds by records by streams, of arms that have them.
        deviations: Standard deviation of each prediction, of arms that say how sure they are.
    """

    predictions: dict[str, Floats] = field(default_factory=dict)
    weights: dict[str, Floats] = field(default_factory=dict)
    deviations: dict[str, Floats] = field(default_factory=dict)


def mean_value(data: Labelled, predictions: Floats, split: str) -> float:
    """Return the mean value of an arm over seeds, on the records of a split."""
    chosen = data.of(split)
    return float(_values(data.targets[chosen], predictions[:, chosen]).mean())


def _values(truth: Floats, found: Floats) -> Floats:
    return np.array([judge(truth, one) for one in found])


def compare(runs: Runs, said: Said, baselines: dict[str, Floats], best_single: str) -> dict[str, Any]:
    """Return the table: all arms and baselines on the test records, and how much better the best fusion is.

    Args:
        baselines: Test records by classes, or by one number.
    """
    data, streams = runs.data, sorted(runs.config.encoders)
    test = data.of("test")
    metric, truth = "accuracy" if data.labels else "spearman", data.targets[test]
    panel = Panel("", metric, data.clusters[test], num_seeds=runs.config.seeds, draws=500)

    def judged(name: str, found: Floats) -> Arm:
        return panel.add_seeded(name, "model", lambda s, i: float(_values(truth[i], found[:, i])[s % len(found)].mean()))

    ours = {name: judged(name, found[:, test]) for name, found in said.predictions.items()}
    known = {name: judged(name, found[None]) for name, found in baselines.items()}
    composed = max((name for name in known if name != "lookup"), key=lambda name: np.nan_to_num(known[name].value, nan=-1))
    learned = [arm.name for arm in fusions(runs.config, best_single) if not arm.is_control]
    best = max(learned, key=lambda name: mean_value(data, said.predictions[name], "valid")) if learned else LATE if LATE in ours else None
    gains = {}
    if best is not None:
        gains = {name: _gain(ours[best], ours[name]) for name in (best_single, LATE, ENSEMBLE) if name in ours and name != best}
        gains["composition"] = _gain(ours[best], known[composed]) | {"baseline": composed}
    shares = {}
    if (weights := said.weights.get("mil")) is not None:
        for k, name in enumerate(streams):
            own = weights[:, test, k]
            arm = panel.add_seeded(name, "model", lambda s, i, own=own: float(own[s][:, i].mean()), "weight")
            shares[name] = {"mean": arm.value, "interval": _interval(arm.drawn), "by_seed": own.mean(axis=1).tolist()}
    return {
        "metric": metric,
        "arms": {name: _arm(runs, arm, said.predictions[name]) for name, arm in ours.items()},
        "best_single": best_single,
        "published": runs.published,
        "gain": {"arm": best} | gains.get(best_single, {"difference": None, "interval": None}),
        "gains": gains,
        "with_composition": _gain(ours[COMPOSED], known[composed]) | {"baseline": composed},
        "baselines": {name: {"value": arm.value, "interval": _interval(arm.drawn)} for name, arm in known.items()},
        "composition": composed,
        "modality_weights": shares,
    }


def _arm(runs: Runs, arm: Arm, found: Floats) -> dict[str, Any]:
    test, trained = runs.data.of("test"), runs.fitted.get(arm.name, [])
    values = {"valid": mean_value(runs.data, found, "valid"), "test": arm.value, "interval": _interval(arm.drawn), "seeds": len(found)}
    values |= {"by_seed": _values(runs.data.targets[test], found[:, test]).tolist()}
    if trained:
        values["trained_weights"] = sum(w.numel() for w in trained[0].model.parameters())
        values["best_steps"] = [one.best_step for one in trained]
    return values


def _gain(arm: Arm, other: Arm) -> dict[str, Any]:
    """Return how much better an arm is than another; both on the same drawn records."""
    return {"difference": arm.value - other.value, "interval": _interval(arm.drawn - other.drawn)}


def _interval(drawn: Floats) -> list[float]:
    # Equal guesses for all records have no rank correlation.
    return [math.nan, math.nan] if np.isnan(drawn).all() else list(metrics.central(drawn))


def frame(data: Labelled, said: Said) -> Any:
    """Return what every arm says of every record beside its `target`, mean over seeds; of classes the most likely one."""
    import polars

    def shown(found: Floats) -> list[Any]:
        return [data.labels[i] for i in found.argmax(axis=1)] if data.labels else found[:, 0].tolist()

    truth = [data.labels[int(t)] for t in data.targets] if data.labels else data.targets.tolist()
    columns = {"id": [r.name for r in data.records], "split": [SPLITS[i] for i in data.splits.tolist()], "target": truth}
    columns |= {"cluster": data.clusters.tolist()}
    columns |= {name: shown(found.mean(axis=0)) for name, found in said.predictions.items()}
    return polars.DataFrame(columns | {f"{name}, deviation": found for name, found in said.deviations.items()})
