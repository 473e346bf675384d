"""Arms of a fusion table, judged on the same test records: values, differences, modality weights, each with an interval."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from biolect.data.labelled import Labelled
from biolect.data.shards import SPLITS
from biolect.evaluate.arms import Runs, fusions
from biolect.evaluate.composition import judge
from biolect.evaluate.judging import Arm, Panel
from biolect.metrics import drawn_units
from biolect.values import Floats, Ints

LATE, STACKING, ENSEMBLE, COMPOSED = "late", "late, stacked", "best encoder, several seeds", "late, with composition"
DRAWS = 500
"""Of the bootstrap, for every interval."""

_MANY = 10_000
"""Positions from which on their number makes draws dear and intervals smooth."""


@dataclass
class Said:
    """What every arm says of all records.

    Attributes:
        predictions: Seeds by items by classes, or by numbers of targets; items are what `Labelled.judged` returns.
        weights: Seeds by items by streams, of arms that have them.
        deviations: Standard deviation of each prediction, of arms that say how sure they are.
        baselines: What composition says of test items, zero elsewhere; shaped like predictions.
        valid: Mean value of every arm over seeds, on validation items.
        best_single: The single arm that validation likes best.
    """

    predictions: dict[str, Floats] = field(default_factory=dict)
    weights: dict[str, Floats] = field(default_factory=dict)
    deviations: dict[str, Floats] = field(default_factory=dict)
    baselines: dict[str, Floats] = field(default_factory=dict)
    valid: dict[str, float] = field(default_factory=dict)
    best_single: str = ""

    def add(self, data: Labelled, name: str, found: Floats) -> None:
        """Note predictions, and what validation says of them."""
        self.predictions[name], self.valid[name] = found, valid_value(data, found)

    def best(self, names: Iterable[str]) -> str:
        """Return the arm that validation likes best; one without a value is liked least."""
        return max(names, key=lambda name: np.nan_to_num(self.valid[name], nan=-np.inf))


def pooled_folds(every: Sequence[tuple[Labelled, Said]], folds: int) -> tuple[Labelled, Said]:
    """Return what was said of all items by models that saw no relative of them, every repeat beside the others; all are test items then.

    Args:
        every: Items and what was said of them, fold by fold and repeat by repeat.
    """
    data, told = every[0][0], [said for _, said in every]

    def joined(kinds: list[dict[str, Floats]]) -> dict[str, Floats]:
        found: dict[str, Floats] = {}
        for name in [name for name in kinds[0] if all(name in kind for kind in kinds)]:
            out = np.zeros((len(every) // folds, *kinds[0][name].shape))
            for k, (split, _) in enumerate(every):
                out[k // folds][:, split.of("test")] = kinds[k][name][:, split.of("test")]
            found[name] = out.reshape(-1, *out.shape[2:])
        return found

    predictions, weights, baselines = (joined([getattr(said, kind) for said in told]) for kind in ("predictions", "weights", "baselines"))
    valid = {name: float(np.mean([said.valid.get(name, np.nan) for said in told])) for name in told[0].valid}
    said = Said(predictions, weights, {}, baselines, valid)
    said.best_single = said.best({said.best_single for said in told})
    return replace(data, splits=np.full_like(data.splits, SPLITS.index("test"))), said


def valid_value(data: Labelled, predictions: Floats) -> float:
    """Return the mean value of an arm over seeds, on validation items."""
    chosen = data.of("valid")
    return float(_values(_truth(data, chosen), predictions[:, chosen]).mean())


def _truth(data: Labelled, chosen: Ints) -> Floats:
    """Return what `judge` takes."""
    return data.targets[chosen, 0] if data.labels else data.targets[chosen]


def _values(truth: Floats, found: Floats) -> Floats:
    return np.array([judge(truth, one) for one in found])


def compare(runs: Runs, data: Labelled, said: Said) -> dict[str, Any]:
    """Return the table: all arms and baselines on the test items, and how much better the best fusion is.

    Args:
        runs: Of the first split.
    """
    config, best_single, test = runs.config, said.best_single, data.of("test")
    metric, truth, num_seeds = "accuracy" if data.labels else "spearman", _truth(data, test), config.seeds * config.repeats
    drawn, over = drawn_units(data.clusters[test], runs.owners[test])
    panel = Panel("", metric, drawn, num_seeds=num_seeds, draws=DRAWS if len(test) < _MANY else DRAWS // 5)

    def judged(name: str, found: Floats, own: slice = slice(None)) -> Arm:
        values = truth if data.labels else truth[:, own]
        # What has no seeds of its own has one answer in every repeat.
        return panel.add_seeded(name, "model", lambda s, i: float(_values(values[i], found[:, i, own])[s * len(found) // num_seeds].mean()))

    found, base = ({name: one[:, test] for name, one in kind.items()} for kind in (said.predictions, said.baselines))
    ours, known = ({name: judged(name, one) for name, one in kind.items()} for kind in (found, base))
    composed = max((name for name in known if name != "lookup"), key=lambda name: np.nan_to_num(known[name].value, nan=-1))
    learned = [arm.name for arm in fusions(config, best_single) if not arm.is_control]
    best = said.best(learned) if learned else LATE if LATE in ours else None
    gains = {}
    if best is not None:
        rivals = [name for name in (best_single, LATE, ENSEMBLE, f"{best} without contexts") if name in ours and name != best]
        gains = {name: _gain(ours[best], ours[name]) for name in rivals}
        gains["composition"] = _gain(ours[best], known[composed]) | {"baseline": composed}
    shares = {}
    if (weights := said.weights.get("mil")) is not None:
        for k, name in enumerate(sorted(config.encoders | config.contexts)):
            own = weights[:, test, k]
            arm = panel.add_seeded(name, "model", lambda s, i, own=own: float(own[s][:, i].mean()), "weight")
            shares[name] = _facts(arm, "mean") | {"by_seed": own.mean(axis=1).tolist()}
    by_target = {}
    for k, name in enumerate(config.columns.targets if config.columns.also else ()):
        arms = {arm: _facts(judged(arm, one, slice(k, k + 1)), "test") for arm, one in (found | base).items()}
        by_target[name] = {"records": {split: int((~np.isnan(data.targets[data.of(split), k])).sum()) for split in SPLITS}, "arms": arms}
    return {
        "metric": metric,
        "intervals_over": over,
        "arms": {name: _arm(runs, arm, said.valid[name], _values(truth, found[name])) for name, arm in ours.items()},
        "best_single": best_single,
        "published": runs.published,
        "gain": {"arm": best} | gains.get(best_single, {"difference": None, "interval": None}),
        "gains": gains,
        "with_composition": _gain(ours[COMPOSED], known[composed]) | {"baseline": composed},
        "baselines": {name: _facts(arm) for name, arm in known.items()},
        "composition": composed,
        "modality_weights": shares,
    } | ({"targets": by_target} if by_target else {})


def _arm(runs: Runs, arm: Arm, valid: float, by_seed: Floats) -> dict[str, Any]:
    values = {"valid": valid} | _facts(arm, "test") | {"seeds": len(by_seed), "by_seed": by_seed.tolist()}
    if trained := runs.fitted.get(arm.name, []):
        values["trained_weights"] = sum(w.numel() for w in trained[0].model.parameters())
        values["best_steps"] = [one.best_step for one in trained]
    return values


def _gain(arm: Arm, other: Arm) -> dict[str, Any]:
    """Return how much better an arm is than another; both on the same drawn records."""
    return _facts(arm.over(other), "difference")


def _facts(arm: Arm, name: str = "value") -> dict[str, Any]:
    """Return value and interval, NaN where equal guesses for all records have no rank correlation."""
    return {name: arm.value, "interval": arm.facts()["interval"] or [math.nan, math.nan]}


def frame(runs: Runs, data: Labelled, said: Said) -> Any:
    """Return what every arm says of every item beside its `target`, mean over seeds; of classes the most likely one.

    Of several targets every record has a row for each, which says its `name`; of targets per position a row for every `position`.
    """
    import polars

    names = runs.config.columns.targets

    def shown(found: Floats) -> list[Any]:
        return [data.labels[i] for i in found.argmax(axis=1)] if data.labels else found.ravel().tolist()

    truth = [data.labels[int(t)] for t in data.targets[:, 0]] if data.labels else polars.Series(data.targets.ravel()).fill_nan(None)
    owned = np.repeat(np.arange(len(data.records)), len(names))
    columns: dict[str, Any] = {"id": [data.records[i].name for i in owned]}
    columns |= {"name": list(names) * len(data.records)} if len(names) > 1 else {}
    columns |= {"position": runs.places + 1} if data.per_codon else {}
    columns |= {"split": [SPLITS[i] for i in data.splits[owned].tolist()], "target": truth, "cluster": data.clusters[owned].tolist()}
    columns |= {name: shown(found.mean(axis=0)) for name, found in said.predictions.items()}
    return polars.DataFrame(columns | {f"{name}, deviation": found for name, found in said.deviations.items()})
