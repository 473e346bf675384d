"""Does fusion help? Every arm and every baseline on one split, several seeds, in one table.

config.yaml        the config
arms/NAME/         a file per seed: weights, outputs for every record, curve; what is there is not trained again
embeddings/        vectors on the codon axis, by encoder; unless another folder was named
predictions.csv    of every record and arm, mean over seeds, with its split
results.json       the table
fused.yaml         with `members/`, the arm that validation likes best, for biolect predict and explain
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biolect import metrics
from biolect.bio.io.tables import write_table
from biolect.bio.sequence import Modality
from biolect.data.labelled import Labelled, read_labelled
from biolect.data.relatives import relatives
from biolect.data.shards import SPLITS
from biolect.embed.codons import CodonEncoder
from biolect.embed.fused import codon_encoders, embedded, refusal
from biolect.embed.published import DEFAULT, Choice
from biolect.evaluate.arms import Arm, FusionConfig, Runs, fusions, singles
from biolect.evaluate.composition import Baselines, composition, judge, lookup
from biolect.evaluate.tables import translated
from biolect.files import write_run_json
from biolect.fusion.late import MeanFusion, Stacking, mean_of_chances
from biolect.fusion.streams import CodonStreams
from biolect.train.log import MetricsLog
from biolect.train.pretrain import METRICS, claim

RESULTS, LATE, STACKING, ENSEMBLE = "results.json", "late", "late, stacked", "best encoder, several seeds"
Advance = Callable[[float], None]


@dataclass
class Said:
    """What every arm says of all records.

    Attributes:
        predictions: Seeds by records by classes, or by one number.
        weights: Seeds by records by streams, of arms that have them.
    """

    predictions: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    weights: dict[str, NDArray[np.float64]] = field(default_factory=dict)


def fuse(
    config: FusionConfig,
    output: Path | str,
    *,
    choice: Choice = DEFAULT,
    resume: bool = False,
    overwrite: bool = False,
    allow_leakage: bool = False,
    threads: int = 1,
    advance: Mapping[str, Advance] | None = None,
) -> dict[str, Any]:
    """Embed, train every arm, judge all of them beside the baselines, write the table; return it.

    Args:
        output: Run folder.
        choice: How encoders are read.
        resume: Go on with what is there; arms that were trained are not trained again.
        overwrite: Remove a run that is there.
        allow_leakage: Go on although splits share sequences.
        advance: Told of records `embedded` and of optimizer `steps`, for progress bars.

    Returns:
        `metric`; `arms` by name with `valid` and `test` value, the 95 % `interval` of the latter over clusters and seeds, and
        `seeds`; `best_single`; `gain`, of the learned fusion that validation likes best over the best single encoder, and
        `gains` of it over late fusion and over composition; `baselines`; `modality_weights`; `funnel`, `refused`, and more.

    Raises:
        ConfigError: If the folder holds another run, or an encoder cannot be used so.
        InputError: If nothing can be learned from the table.
        LeakageError: If splits share sequences.
    """
    output, told = Path(output), advance or {}
    encoders = codon_encoders(config.task(), choice)
    data = read_labelled(
        config.data,
        config.columns,
        lambda record: refusal(encoders, record),
        clustering=lambda records: relatives(records, [translated(r, config.genetic_code) for r in records]).clusters,
        among=(Modality.DNA, Modality.RNA),
        allow_leakage=allow_leakage,
    )
    claim(config, output, resume=resume, overwrite=overwrite)
    log = MetricsLog(output / METRICS)
    log.open_at(0)
    log.write("table", step=0, records={name: len(data.of(name)) for name in SPLITS})
    vectors = embedded(encoders, data.records, Path(config.cache or output / "embeddings"), told.get("embedded", lambda _: None))
    streams = CodonStreams.fit(vectors, data.of("train"))
    runs = Runs(config, output, data, streams, log, told.get("steps", lambda _: None))
    said = Said()
    best_single = _train(runs, said)
    table = Judged(data, said, _baselines(config, data, threads))
    result = table.report(best_single, runs) | _facts(config, data, encoders)
    # What is no number has no place in JSON.
    result = json.loads(json.dumps(result, default=float), parse_constant=lambda name: None)
    (output / RESULTS).write_text(json.dumps(result, indent=1))
    write_table(output / "predictions.csv", table.frame(config.columns.target))
    write_run_json(output, inputs=[config.data], config=config.to_yaml(), seed=config.columns.seed, report=result)
    return result | {"refused": list(data.refused)}


def _train(runs: Runs, said: Said) -> str:
    """Train all arms; fuse the single ones late. Returns the single arm that validation likes best."""
    own = singles(runs.config)
    for arm in own:
        said.predictions[arm.name], _ = runs.run(arm)
    best = max(own, key=lambda arm: _mean_value(runs.data, said.predictions[arm.name], "valid"))
    joint = fusions(runs.config, best.name)
    for arm in joint:
        said.predictions[arm.name], weights = runs.run(arm)
        said.weights |= {} if weights is None else {arm.name: weights}
    late = None
    if len(own) > 1:
        parts = np.stack([said.predictions[arm.name] for arm in own])
        late, said.predictions[LATE] = _late(runs.data, parts)
        said.predictions[STACKING] = _stacked(runs, own, parts)
        if runs.config.seeds >= len(own):
            said.predictions[ENSEMBLE] = _rolled(runs.data, said.predictions[best.name], len(own))
    members = {arm.name: [arm] for arm in [*own, *joint] if not arm.is_control} | ({LATE: own} if len(own) > 1 else {})
    chosen = max(members, key=lambda name: _mean_value(runs.data, said.predictions[name], "valid"))
    runs.publish(chosen, members[chosen], late if chosen == LATE else None)
    return best.name


def _late(data: Labelled, parts: NDArray[np.float64]) -> tuple[MeanFusion | None, NDArray[np.float64]]:
    """Return late fusion of arms by seeds by records by outputs, and what it says, seed by seed; its units are those of all seeds."""
    if data.labels:
        return None, np.stack([mean_of_chances(part) for part in parts.swapaxes(0, 1)])
    valid, train = data.of("valid"), data.targets[data.of("train")]
    means = parts[..., 0].mean(axis=1)
    scales = means[:, valid].std(axis=1)
    late = MeanFusion(means[:, valid].mean(axis=1), np.where(scales > 0, scales, 1), float(train.mean()), float(train.std()))
    return late, np.stack([late(part[..., 0])[:, None] for part in parts.swapaxes(0, 1)])


def _stacked(runs: Runs, own: list[Arm], parts: NDArray[np.float64]) -> NDArray[np.float64]:
    data = runs.data
    known = data.targets[data.of("train")]
    wanted = np.eye(len(data.labels))[known.astype(int)] if data.labels else known[:, None]
    stacking = Stacking.fit(np.stack([runs.out_of_fold(arm) for arm in own]), wanted)
    return np.stack([stacking(part) for part in parts.swapaxes(0, 1)])


def _rolled(data: Labelled, predictions: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Return, for every seed, the late fusion of it and the seeds behind it: an ensemble of equal size without a second encoder."""
    rolled = np.stack([np.roll(predictions, -k, axis=0) for k in range(size)])
    return _late(data, rolled)[1]


def _mean_value(data: Labelled, predictions: NDArray[np.float64], split: str) -> float:
    chosen = data.of(split)
    return float(np.mean([judge(data.targets[chosen], one[chosen]) for one in predictions]))


def _baselines(config: FusionConfig, data: Labelled, threads: int) -> dict[str, NDArray[np.float64]]:
    """Return what composition says of test records, by baseline; trained on all the others."""
    known, test = np.flatnonzero(data.splits != SPLITS.index("test")), data.of("test")
    proteins = [translated(record, config.genetic_code) for record in data.records]
    models = Baselines(composition(data.records, proteins), data.targets, len(data.labels), config.columns.seed, threads)
    found = dict(zip(models.names, models.predict(known, test).swapaxes(0, 1), strict=True))
    return found | {"lookup": lookup(data.records, data.targets, len(data.labels), known, test)}


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
            "gain": {"arm": best} | gains.get(best_single, {"difference": None, "interval": None}),
            "gains": gains,
            "baselines": {name: {"value": values[name], "interval": self._interval(found[None])} for name, found in self.baselines.items()},
            "composition": composed,
            "modality_weights": {} if weights is None else self._weights(weights, sorted(runs.config.encoders)),
        }

    def _valued(self, name: str) -> dict[str, Any]:
        found, test = self.said.predictions[name], self.data.of("test")
        truth = self.data.targets[test]
        return {
            "valid": _mean_value(self.data, found, "valid"),
            "test": _mean_value(self.data, found, "test"),
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

    def frame(self, target: str) -> Any:
        """Return what every arm says of every record, mean over seeds; of classes the most likely one."""
        import polars

        data = self.data

        def shown(found: NDArray[np.float64]) -> list[Any]:
            return [data.labels[i] for i in found.argmax(axis=1)] if data.labels else found[:, 0].tolist()

        truth = [data.labels[int(t)] for t in data.targets] if data.labels else data.targets.tolist()
        columns = {"id": [r.name for r in data.records], "split": [SPLITS[i] for i in data.splits.tolist()], target: truth}
        columns |= {"cluster": data.clusters.tolist()}
        return polars.DataFrame(columns | {name: shown(found.mean(axis=0)) for name, found in self.said.predictions.items()})


def _facts(config: FusionConfig, data: Labelled, encoders: Mapping[str, CodonEncoder]) -> dict[str, Any]:
    """Return what the table was made from."""
    reasons = Counter(refused.reason.partition(". ")[0] for refused in data.refused)
    homes = {(c, s) for c, s in zip(data.clusters.tolist(), data.splits.tolist(), strict=True)}
    return {
        "task": "classification" if data.labels else "regression",
        "labels": list(data.labels),
        "funnel": {"raw": len(data.records) + len(data.refused), "used": len(data.records)} | {"refused": len(data.refused)},
        "reasons": dict(reasons.most_common(20)),
        "records": {name: len(data.of(name)) for name in SPLITS},
        "leakage": {"identical": data.shared, "clusters_in_several_splits": len(homes) - len(set(data.clusters.tolist()))},
        "encoders": {
            name: {"address": config.encoders[name], "width": one.width, "licence": one.licence and one.licence.name}
            for name, one in encoders.items()
        },
    }
