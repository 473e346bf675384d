"""The audit of a labelled table: what can be said about it before any model is trained.

Which rows can be used, which are relatives of each other, whether a split leaks, how noisy the labels are, and how far
length and composition get when relatives are kept apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from biolect.data.labelled import num_mixed
from biolect.data.relatives import KINDS, Relatives, relatives
from biolect.data.shards import SPLITS
from biolect.evaluate.composition import Baselines, coded, composition, grouped_folds, judge, lookup
from biolect.evaluate.judging import Panel
from biolect.evaluate.tables import AuditConfig, Table, read
from biolect.fusion.late import out_of_fold
from biolect.values import Floats, Ints

if TYPE_CHECKING:
    import polars

_EXAMPLES = 3
_LEAST_ROWS = 20
_LEAST_SEQUENCES = 50
"""Fewer repeated sequences say nothing about noise: those of yeast, 26 subtelomeric genes, are all hardly expressed."""


def audit(
    config: AuditConfig, *, threads: int = 1, advance: Callable[[float], None] = lambda units: None
) -> tuple[dict[str, Any], polars.DataFrame]:
    """Return the report, and a table of the used rows.

    Args:
        advance: Told of every model that was fitted.

    Returns:
        `rows`, `funnel`, `leakage`, `conflicts`, `ceiling`, `baselines` (`value` and `interval` over clusters, out of fold;
        with a split also `split` and `split_clean`, on its test rows and on those without relatives in training), `verdict`. By
        row: cluster, nearest relative, and what the best baseline predicts out of fold.

    Raises:
        InputError: If the table cannot be read, or nothing can be learned from the target.
    """
    import polars

    table = read(config)
    found = relatives(table.records, table.proteins)
    result: dict[str, Any] = {"rows": len(table.records), "reading": table.reading, "funnel": table.funnel, "refused": table.refused}
    result |= {"leakage": leakage(table, found), "conflicts": None, "ceiling": None, "baselines": {}}
    everyone, names = np.ones(len(table.records), dtype=bool), [record.name for record in table.records]
    columns: dict[str, Any] = {"row": [row + 1 for row in table.rows], "id": names, "cluster": found.clusters}
    columns["relative"] = [KINDS[kind] if kind >= 0 else "" for kind in found.kinds(everyone, everyone).tolist()]
    if len(table.targets):
        noise = replicates(table.targets, found.sequences, found.clusters, len(table.labels))
        result |= {"metric": "accuracy" if table.labels else "spearman", "conflicts": noise, "ceiling": noise["ceiling"]}
        result["baselines"], result["folds_of"], columns["fold"], columns["prediction"] = _baselines(config, table, found, threads, advance)
    return result | {"verdict": verdict(result)}, polars.DataFrame(columns)


def leakage(table: Table, found: Relatives) -> dict[str, Any]:
    """Return how many rows have relatives, by the strongest kind: anywhere, and of held-out rows in training."""
    everyone = np.ones(len(table.records), dtype=bool)
    anywhere = found.kinds(everyone, everyone)
    sizes = np.bincount(found.clusters)
    result: dict[str, Any] = {"clusters": len(sizes), "largest_cluster": int(sizes.max())}
    for number, kind in enumerate(KINDS):
        result[kind] = {"rows": int((anywhere == number).sum())}
    if table.splits is None:
        return result
    train = table.splits == 0
    for code, name in enumerate(SPLITS[1:], 1):
        asked = np.flatnonzero(table.splits == code)
        kinds = found.kinds(table.splits == code, train)
        result[f"{name}_rows"] = len(asked)
        for number, kind in enumerate(KINDS):
            rows = asked[kinds == number]
            examples = [
                f"{table.records[i].name} ({name}) and {table.records[found.partner(i, number, train)].name} (train)"
                for i in rows[:_EXAMPLES].tolist()
            ]
            result[kind] |= {name: len(rows), f"{name}_examples": examples}
    return result | {"clusters_in_several_splits": num_mixed(found.clusters, table.splits)}


def _baselines(config: AuditConfig, table: Table, found: Relatives, threads: int, advance: Callable[[float], None]) -> tuple[Any, ...]:
    """Return values of baselines, what folds are made of, folds of rows, and what the best baseline predicts."""
    size = len(table.records)
    groups, folds_of = found.clusters, "clusters"
    if np.bincount(groups).max() > size / 2 or len(np.unique(groups)) < config.folds:
        groups, folds_of = found.sequences, "sequences"
    if size < _LEAST_ROWS or len(np.unique(groups)) < config.folds:
        return {}, "none", np.zeros(size, dtype=np.int64), np.full(size, np.nan)
    features = composition(table.records, table.proteins)
    models = Baselines(features, table.targets, len(table.labels), config.seed, config.trees, threads)
    folds = grouped_folds(groups, config.folds, config.seed)
    predicted = out_of_fold(lambda train, test: models.predict(train, test, advance), folds)
    everyone = np.arange(size)
    values = {name: _valued(table, predicted[:, arm], everyone, groups, config.draws) for arm, name in enumerate(models.names)}
    # By clusters nothing is ever found again, so this one is asked about rows drawn at random: what leakage would give.
    drawn = grouped_folds(everyone, config.folds, config.seed)
    again = out_of_fold(lambda train, test: lookup(table.records, table.targets, len(table.labels), train, test), drawn)
    if len(np.unique(found.sequences)) < size:
        values["lookup_in_random_rows"] = _valued(table, again, everyone, groups, config.draws)
    _add_split(table, found, models, values, config.draws, advance)
    best = predicted[:, models.names.index(best_of(values) or models.names[0])]
    guesses = [table.labels[i] for i in best.argmax(axis=1)] if table.labels else best[:, 0]
    return values, folds_of, folds, np.array(guesses)


def _valued(table: Table, predicted: NDArray[Any], rows: Ints, groups: NDArray[Any], draws: int) -> dict[str, Any]:
    truth = table.targets[rows]
    return Panel("", "", groups[rows], draws=draws).add("", "baseline", lambda i: judge(truth[i], predicted[i])).facts()


def _add_split(
    table: Table, found: Relatives, models: Baselines, values: dict[str, dict[str, Any]], draws: int, advance: Callable[[float], None]
) -> None:
    """Add what baselines reach on the table's own test rows, all of them and those without relatives in training."""
    if table.splits is None:
        return
    is_test = table.splits == 2
    train, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    clean = found.kinds(is_test, ~is_test) < 0
    if len(train) < _LEAST_ROWS or len(test) < _LEAST_ROWS:
        return
    predicted = models.predict(train, test, advance)
    again = lookup(table.records, table.targets, len(table.labels), train, test)
    for name, found_here in zip([*models.names, "lookup"], [*predicted.swapaxes(0, 1), again], strict=True):
        values.setdefault(name, {"value": None, "interval": None})
        for key, kept in (("split", np.ones(len(test), dtype=bool)), ("split_clean", clean)):
            if kept.sum() >= _LEAST_ROWS:
                values[name][key] = _valued(table, found_here[kept], test[kept], found.clusters, draws)


def replicates(targets: Floats, sequences: NDArray[np.integer], clusters: NDArray[np.integer], num_classes: int) -> dict[str, Any]:
    """Return how labels of repeated sequences disagree, and the ceiling that follows.

    The ceiling is what one gets who predicts every row of a repeated sequence by its other rows: the mean, or the most
    frequent class. A perfect model of the sequence may be better, as it averages over more; one that is much better has
    seen labels.

    Returns:
        `repeated_sequences` and their `rows`; `conflicting` sequences, whose labels are not all equal; `spread`, the standard
        deviation within a sequence over that of all rows (of classes, the share of rows that are not of their sequence's
        most frequent one); `ceiling` and its `interval`, None where fewer than 50 sequences are repeated.
    """
    _, labels, counts = np.unique(sequences, return_inverse=True, return_counts=True)
    rows = np.flatnonzero(counts[labels] > 1)
    own, values = labels[rows], targets[rows]
    wanted = coded(values, num_classes)
    sums = np.stack([np.bincount(own, weights=column, minlength=len(counts)) for column in wanted.T], axis=1)
    others = (sums[own] - wanted) / np.maximum(counts[own] - 1, 1)[:, None]
    repeated = np.unique(own)
    result: dict[str, Any] = {"repeated_sequences": len(repeated), "rows": len(rows), "conflicting": num_mixed(own, values)}
    if not len(rows):
        return result | {"spread": None, "ceiling": None, "interval": None}
    if num_classes:
        result["spread"] = float(1 - sums[repeated].max(axis=1).sum() / len(rows))
    else:
        residuals = values - (sums[own, 0] / counts[own])
        within = math.sqrt(float((residuals**2).sum()) / max(len(rows) - len(repeated), 1))
        result["spread"] = within / (float(targets.std()) or 1.0)
    if len(repeated) < _LEAST_SEQUENCES:
        return result | {"ceiling": None, "interval": None}
    ceiling = Panel("", "", clusters[rows], draws=500).add("", "reference", lambda i: judge(values[i], others[i])).facts()
    return result | {"ceiling": ceiling["value"], "interval": ceiling["interval"]}


def best_of(values: dict[str, dict[str, Any]]) -> str:
    """Return the name of the composition baseline with the largest value; empty if none has one."""
    known = {name: one["value"] for name, one in values.items() if not name.startswith("lookup") and one["value"] is not None}
    return max(known, key=lambda name: known[name], default="")


def verdict(result: dict[str, Any]) -> str:
    """Return what all this means, in one line."""
    leak, parts = result["leakage"], []
    if "test_rows" in leak:
        count = sum(leak[kind]["test"] for kind in KINDS)
        ill = f"the split leaks: {count:,} of {leak['test_rows']:,} test rows have a relative in training"
        parts.append(ill if count else "the split is clean: no test row has a relative in training")
    else:
        count = sum(leak[kind]["rows"] for kind in KINDS)
        parts.append(f"{count:,} of {result['rows']:,} rows have relatives, which a split by rows would part")
    if name := best_of(result["baselines"]):
        best, where = result["baselines"][name], "unrelated sequences" if result["folds_of"] == "clusters" else "different sequences"
        low, high = best["interval"] or (math.nan, math.nan)
        reach = f"{result['metric']} {best['value']:.2f} [{low:.2f}, {high:.2f}]"
        parts.append(f"composition alone ({name}) reaches {reach} across {where}, which a model must beat")
    elif result["conflicts"] is not None:
        parts.append("there are too few rows, or too few that differ, to judge baselines")
    if result["ceiling"] is not None:
        parts.append(f"labels of identical sequences predict each other to {result['ceiling']:.2f}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."
