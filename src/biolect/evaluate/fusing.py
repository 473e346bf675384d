"""Does fusion help? Every arm and every baseline on one split, several seeds, in one table.

config.yaml        the config
arms/NAME/         a file per seed: weights, outputs for every record, curve; what is there is not trained again
embeddings/        vectors on the codon axis, by encoder; unless another folder was named
predictions.csv    of every record and arm, mean over seeds, with its split
folds/             the other runs of a cross-validation, each with its own arms/; what was said of held-out records is pooled
results.json       the table
fused.yaml         with `members/`, the arm that validation likes best, for biolect predict and explain
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from biolect.bio.io.tables import write_table
from biolect.bio.sequence import Flanked, Modality, Sequence as Record
from biolect.data.labelled import Labelled, checked, read_labelled
from biolect.data.relatives import relatives
from biolect.data.shards import SPLITS
from biolect.devices import keep_freed_memory
from biolect.embed.encoder import DEFAULT, Choice
from biolect.embed.fused_task import codon_encoders, contexts_of, embedded, refusal
from biolect.errors import InputError
from biolect.evaluate.arms import Arm, FusionConfig, Runs, check_inputs, facts, fusions, singles
from biolect.evaluate.comparison import COMPOSED, ENSEMBLE, LATE, STACKING, Said, compare, frame, pooled_folds, valid_value
from biolect.evaluate.composition import (
    MOST_POSITIONS,
    MOST_ROWS,
    Baselines,
    coded,
    composition,
    gaussian_process,
    grouped_folds,
    lookup,
    pooled,
    ridge,
    surroundings,
)
from biolect.evaluate.tables import translated
from biolect.files import write_json, write_run_json
from biolect.fusion.late import MeanFusion, Stacking
from biolect.fusion.streams import CodonStreams
from biolect.train.pretrain import claim
from biolect.values import Floats, Ints

RESULTS = "results.json"
Advance = Callable[[float], None]


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
        choice: How encoders are read; their precision is the config's.
        resume: Go on with what is there; arms that were trained are not trained again.
        overwrite: Remove a run that is there.
        allow_leakage: Go on although splits share sequences.
        advance: Told of records `embedded` and of optimizer `steps`, for progress bars.

    Returns:
        `metric`; `arms` by name with `valid` and `test` value, the 95 % `interval` of the latter over clusters and seeds (over
        records where there are too few clusters; see `intervals_over`), and `seeds`; `best_single`; `gain`, of the learned fusion
        that validation likes best over the best single encoder, and `gains` of it over late fusion and over composition;
        `with_composition`, the gain of both together; `baselines`; `modality_weights`; `funnel`, `refused`, and more. Of several
        targets values are means over them, and `targets` has each one's own; with folds all records are test records, and the
        first fold's model is the one that is published.

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
        contexts=contexts_of(encoders),
        allow_leakage=allow_leakage,
    )
    splits = _splits(config, data)
    claim(config, output, resume=resume, overwrite=overwrite)
    digests = check_inputs(output, config.data, encoders)
    vectors = embedded(encoders, data.records, Path(config.cache or output / "embeddings"), told.get("embedded", lambda _: None))
    homes = [output, *(output / "folds" / f"{k // config.folds + 1}-{k % config.folds + 1}" for k in range(1, len(splits)))]
    scaled = [CodonStreams.fit(vectors, split.of("train"), config.contexts) for split in splits]
    runs = [Runs(config, *own, digests, told.get("steps", lambda _: None)) for own in zip(homes, splits, scaled, strict=True)]
    every = [(one.items, _asked(one, threads)) for one in runs]
    items, said = pooled_folds(every, config.folds) if config.folds else every[0]
    table = compare(runs[0], items, said) | facts(config, splits[0], encoders)
    result: dict[str, Any] = write_json(output / RESULTS, table)
    write_table(output / "predictions.csv", frame(runs[0], items, said))
    used = digests | {f"licence of {name}": one["licence"] for name, one in table["encoders"].items() if one["licence"]}
    write_run_json(output, inputs=[config.data], config=config.to_yaml(), weights=used, seed=config.columns.seed, report=result)
    return result | {"refused": list(data.refused)}


def _splits(config: FusionConfig, data: Labelled) -> list[Labelled]:
    """Return the table as it is split, or a split for every fold of every repeat; the next fold is for validation."""
    if not config.folds:
        return [data]
    if (clusters := len(np.unique(data.clusters))) < config.folds:
        raise InputError(
            f"'{config.data}' has {clusters} clusters of relatives, too few for {config.folds} folds. Take fewer, or add rows."
        )
    drawn = [grouped_folds(data.clusters, config.folds, config.columns.seed + repeat) for repeat in range(config.repeats)]
    behind = [(folds - fold) % config.folds for folds in drawn for fold in range(config.folds)]
    return [
        checked(config.data, config.columns, replace(data, splits=np.select([b == 0, b == 1], [2, 1]).astype(np.uint8))) for b in behind
    ]


def _asked(runs: Runs, threads: int) -> Said:
    """Return what every arm and every baseline says, of one split."""
    data, config, streams = runs.data, runs.config, runs.streams
    said = _train(runs)
    if data.per_codon:
        plain = surroundings(data.records, streams.lengths, data.per_codon)
    else:
        _add_pooled(runs.items, streams, said)
        plain = composition(data.records, [translated(record, config.genetic_code) for record in data.records])
        for view, _, column in (stream.partition("-") for stream in sorted(config.contexts)):
            around = [r.contexts.get(column, Record("", Modality(view))) for r in data.records if isinstance(r, Flanked)]
            # A column may be read as DNA and as RNA.
            name = column if column not in plain else f"{view}-{column}"
            plain[name] = composition(around)["everything"]
            plain["everything"] = np.concatenate([plain["everything"], plain[name]], axis=1)
    models = Baselines(plain, runs.items.targets[:, 0], len(data.labels), config.columns.seed, threads=threads)
    _add_composed(runs, said, models)
    _add_baselines(runs.items, said, models)
    return said


def _train(runs: Runs) -> Said:
    """Train all arms; fuse the single ones late."""
    keep_freed_memory()
    said, items, own, late = Said(), runs.items, singles(runs.config), None
    for arm in own:
        said.add(items, arm.name, runs.run(arm)[0])
    said.best_single = said.best(arm.name for arm in own)
    joint = fusions(runs.config, said.best_single)
    for arm in joint:
        found, weights = runs.run(arm)
        said.add(items, arm.name, found)
        said.weights |= {} if weights is None else {arm.name: weights}
    members = {arm.name: [arm] for arm in [*own, *joint] if not arm.is_control}
    if len(own) > 1:
        parts = np.stack([said.predictions[arm.name] for arm in own])
        late, found = _late(items, parts)
        said.add(items, LATE, found)
        said.add(items, STACKING, _stacked(runs, own, parts))
        if runs.config.seeds >= len(own):
            # Of every seed and those behind it: an ensemble of equal size without a second encoder.
            rolled = np.stack([np.roll(said.predictions[said.best_single], -k, axis=0) for k in range(len(own))])
            said.add(items, ENSEMBLE, _late(items, rolled)[1])
        members[LATE] = own
    chosen = said.best(members)
    runs.publish(chosen, members[chosen], late if chosen == LATE else None)
    return said


def _add_pooled(data: Labelled, streams: CodonStreams, said: Said) -> None:
    """Add regression on mean embeddings, of every encoder and of all; nothing is drawn, so there is one seed."""
    training, everything = data.of("train"), sorted(streams.vectors)
    for label, names in ({name: [name] for name in everything} | ({"all": everything} if len(everything) > 1 else {})).items():
        features, own = pooled(streams.named({name: name for name in names})), f"process on means, {label}"
        linear = _by_target(data, training, partial(ridge, features, num_classes=len(data.labels)))
        said.add(data, f"ridge on means, {label}", linear[None])
        if not data.labels and len(training) <= MOST_ROWS:
            process = partial(gaussian_process, features)
            found = _by_target(data, training, lambda targets, known, process=process: np.column_stack(process(targets, known)))
            said.add(data, own, found[None, :, ::2])
            said.deviations[own] = found[:, 1::2].ravel()


def _late(data: Labelled, parts: Floats) -> tuple[MeanFusion | None, Floats]:
    """Return late fusion of arms by seeds by records by outputs, and what it says, seed by seed; its units are those of all seeds."""
    if data.labels:
        return None, parts.mean(axis=0)
    late = MeanFusion.fit(parts[:, :, data.of("valid")].mean(axis=1), data.targets[data.of("train")])
    return late, np.stack([late(part) for part in parts.swapaxes(0, 1)])


def _stacked(runs: Runs, own: list[Arm], parts: Floats) -> Floats:
    data = runs.items
    known = data.targets[data.of("train")]
    wanted = coded(known[:, 0], len(data.labels)) if data.labels else known
    stacking = Stacking.fit(np.stack([runs.out_of_fold(arm) for arm in own]), wanted)
    return np.stack([stacking(part) for part in parts.swapaxes(0, 1)])


def _add_composed(runs: Runs, said: Said, models: Baselines) -> None:
    """Add late fusion of the arm and the composition baseline that validation likes best: what encoders add to composition."""
    data = runs.items
    found = _composed(data, models, data.of("train"), np.arange(len(data.records)))
    composed = max(found, key=lambda one: np.nan_to_num(valid_value(data, one[None]), nan=-np.inf))
    arms = [arm.name for arm in fusions(runs.config, said.best_single) if not arm.is_control]
    ours = said.predictions[said.best(arms or [said.best_single])]
    said.add(data, COMPOSED, _late(data, np.stack([ours, np.broadcast_to(composed, ours.shape)]))[1])


def _add_baselines(data: Labelled, said: Said, models: Baselines) -> None:
    """Add what composition says of test items; trained on all the others."""
    known, test = np.flatnonzero(data.splits != SPLITS.index("test")), data.of("test")
    found = dict(zip(models.names, _composed(data, models, known, test), strict=True))
    if not data.per_codon:
        found["lookup"] = _by_target(data, known, lambda targets, own: lookup(data.records, targets, models.num_classes, own, test))
    for name, values in found.items():
        said.baselines[name] = np.zeros((1, len(data.records), values.shape[1]))
        said.baselines[name][0, test] = values


def _composed(data: Labelled, models: Baselines, known: Ints, asked: Ints) -> Floats:
    """Return what every composition baseline says, arms by asked items by outputs."""
    if data.per_codon:
        known = np.random.default_rng(models.seed).permutation(known)[:MOST_POSITIONS]
    return _by_target(data, known, lambda targets, own: replace(models, targets=targets).predict(own, asked)).swapaxes(0, 1)


def _by_target(data: Labelled, known: Ints, predict: Callable[[Floats, Ints], Floats]) -> Floats:
    """Return predictions side by side, for each target from known items that have it."""
    return np.concatenate([predict(column, known[~np.isnan(column[known])]) for column in data.targets.T], axis=-1)
