"""One table for all tasks: what a model reaches, beside baselines, controls and references on the same items, each with an interval.

All arms of a panel are judged on the same drawn items, so that a difference of two is paired.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from biolect import metrics
from biolect.values import Floats, Ints

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from biolect.bio.io.form import Refusal

Kind = Literal["model", "baseline", "control", "reference"]
"""The model itself; what must be beaten; the model misled on purpose; what cannot be beaten."""


@dataclass(frozen=True, eq=False)
class Arm:
    """One way to answer, judged.

    Attributes:
        drawn: Its value in every draw of the bootstrap.
    """

    name: str
    kind: Kind
    metric: str
    value: float
    drawn: Floats

    def facts(self) -> dict[str, Any]:
        """Return value and interval; None where there is no number."""
        if np.isnan(self.value):
            return {"value": None, "interval": None}
        return {"value": self.value, "interval": None if np.isnan(self.drawn).all() else list(metrics.central(self.drawn))}

    def over(self, other: Arm) -> Arm:
        """Return how much more this arm reaches than another of its panel, draw by draw."""
        return replace(self, value=self.value - other.value, drawn=self.drawn - other.drawn)


_NOTHING = Arm("", "model", "", np.nan, np.zeros(0))


class Panel:
    """One part of a task, such as an assay or a split: its items and every arm on them.

    Args:
        clusters: Of the items; whole clusters are drawn.
        records: Which of them every item is of; drawn instead, where there are too few clusters.
        metric: Of its arms, unless one says otherwise.
        num_seeds: How often arms were asked; see `add_seeded`.
    """

    def __init__(
        self,
        part: str,
        metric: str,
        clusters: ArrayLike,
        *,
        records: ArrayLike | None = None,
        num_seeds: int = 1,
        draws: int = 1_000,
        seed: int = 0,
    ) -> None:
        self.part, self.metric, self.clusters, self.arms = part, metric, np.asarray(clusters), list[Arm]()
        self._drawn, self._over = (self.clusters, "clusters") if records is None else (np.asarray(records), "records")
        self._asked = {"num_seeds": num_seeds, "draws": draws, "seed": seed}

    @cached_property
    def _draws(self) -> list[tuple[Ints, Ints]]:
        return list(metrics.bootstrap_draws(self._drawn, **self._asked))

    def add(self, name: str, kind: Kind, statistic: Callable[[Ints], float], metric: str | None = None) -> Arm:
        """Judge an arm and return it.

        Args:
            statistic: Takes indices of items, with repeats.
        """
        return self.add_seeded(name, kind, lambda _, items: statistic(items), metric)

    def add_seeded(self, name: str, kind: Kind, statistic: Callable[[Ints, Ints], float], metric: str | None = None) -> Arm:
        """Judge an arm that was asked several times, as with other demonstrations; these are drawn, too.

        Args:
            statistic: Takes indices of the times and of items, both with repeats.
        """
        value = float(statistic(np.arange(self._asked["num_seeds"]), np.arange(len(self.clusters))))
        drawn = np.array([np.nan if np.isnan(value) else statistic(seeds, items) for seeds, items in self._draws])
        self.arms.append(Arm(name, kind, metric or self.metric, value, drawn))
        return self.arms[-1]

    def add_ratio(self, name: str, kind: Kind, above: ArrayLike, below: ArrayLike, metric: str | None = None) -> Arm:
        """Judge an arm whose value is a sum over items divided by another: a mean over residues."""
        top, bottom = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
        return self.add(name, kind, lambda i: float(top[i].sum() / bottom[i].sum()) if bottom[i].sum() else np.nan, metric)

    def of(self, metric: str) -> dict[tuple[Kind, str], Arm]:
        """Return the arms of a metric by kind and name."""
        return {(arm.kind, arm.name): arm for arm in self.arms if arm.metric == metric}

    def rows(self, task: str) -> list[dict[str, Any]]:
        """Return the arms as rows of the table."""
        size: dict[str, Any] = {"items": len(self.clusters), "clusters": len(np.unique(self.clusters))}
        size["intervals_over"] = self._over
        rows: list[dict[str, Any]] = []
        for arm in self.arms:
            value, (low, high) = arm.facts()["value"], arm.facts()["interval"] or (None, None)
            named = {"task": task, "part": self.part, "arm": arm.name, "kind": arm.kind, "metric": arm.metric}
            rows.append(named | {"value": value, "low": low, "high": high} | size)
        return rows


@dataclass
class Outcome:
    """What a task found.

    Attributes:
        metric: Its main one; other metrics stand in the table only.
        largest_is_best: Whether a larger value of it is a better one.
        draws_parts: Its mean is one over parts that stand for others, as assays do; they are drawn, too.
        refused: Records that could not be read.
        notes: Sentences for the reader.
    """

    metric: str
    panels: list[Panel]
    largest_is_best: bool = True
    draws_parts: bool = False
    refused: list[Refusal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    figure: Figure | None = None

    def report(self) -> dict[str, Any]:
        """Return `metric`, `value` and `interval` of the model (its first arm), `baselines`, and what else there is.

        A value is the mean over parts; an arm that one part lacks has none, and stands with that part only. `gain` is over the
        best baseline, on the same draws; positive is better.
        """
        means = self._means()
        ours = next((arm for (kind, _), arm in means.items() if kind == "model"), _NOTHING)
        kinds = {"baselines": "baseline", "controls": "control", "references": "reference", "arms": "model"}
        report: dict[str, Any] = {"metric": self.metric} | ours.facts()
        for key, kind in kinds.items():
            some = {arm.name: arm.facts() for (k, _), arm in means.items() if k == kind and arm is not ours}
            report |= {key: some} if some or key == "baselines" else {}
        known = [arm for (kind, _), arm in means.items() if kind == "baseline" and not np.isnan(arm.value)]
        if known and not np.isnan(ours.value):
            best = (max if self.largest_is_best else min)(known, key=lambda arm: arm.value)
            gain = (ours.over(best) if self.largest_is_best else best.over(ours)).facts()
            report["gain"] = {"over": best.name, "difference": gain["value"], "interval": gain["interval"]}
        parts = {panel.part: self._part(panel) for panel in self.panels}
        return report | ({"parts": parts} if len(parts) > 1 else {}) | self.facts | ({"notes": self.notes} if self.notes else {})

    def _part(self, panel: Panel) -> dict[str, Any]:
        arms = panel.of(self.metric)
        first = next((arm for (kind, _), arm in arms.items() if kind == "model"), _NOTHING)
        return first.facts() | {"baselines": {name: arm.facts() for (kind, name), arm in arms.items() if kind == "baseline"}}

    def _means(self) -> dict[tuple[Kind, str], Arm]:
        tables = [panel.of(self.metric) for panel in self.panels]
        found: dict[tuple[Kind, str], Arm] = {}
        for key in tables[0] if tables else ():
            arms = [table[key] for table in tables if key in table]
            if len(arms) < len(tables):
                continue
            drawn, rng = np.stack([one.drawn for one in arms]), np.random.default_rng(0)
            if self.draws_parts and len(arms) > 1:
                # One stream of random numbers for all arms, so that their differences stay paired.
                drawn = np.take_along_axis(drawn, rng.integers(0, len(arms), size=drawn.shape), axis=0)
            found[key] = replace(arms[0], value=float(np.mean([one.value for one in arms])), drawn=drawn.mean(axis=0))
        return found
