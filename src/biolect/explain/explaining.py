"""Why a fused model answers as it does: modalities and codons of every record of a table, and whether to believe it.

modalities.csv    a row per record and stream: Shapley value, what is lost without it, and with that of another record
codons.csv        a row per codon: its letters, its residue, and the share of every stream in the answer
patterns.csv      a row per codon of the genetic code: how often it stands there, and its mean share
results.json      what `explain` returns
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from biolect import metrics
from biolect.bio.io.tables import read_table, write_table
from biolect.bio.sequence import Sequence as Record
from biolect.embed.codons import CodonEncoder
from biolect.embed.fused import FusedModel
from biolect.embed.fused_task import embedded
from biolect.errors import ConfigError
from biolect.explain.attribution import (
    Predict,
    codon_occlusion,
    deletion_curve,
    integrated_gradients,
    modality_occlusion,
    modality_permutation,
    modality_shapley,
)
from biolect.files import write_json
from biolect.fusion.fusers import Masks, Streams, masked_mean
from biolect.fusion.streams import CodonStreams
from biolect.values import Floats

FRACTIONS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)
BINS = 20
"""Stretches of equal length into which every gene is cut for its profile."""
OCCLUDED = 16
"""Records whose codons are also taken away one by one, which asks the model once a codon."""
_BATCH_RECORDS = 16


class Explained(NamedTuple):
    """What was found.

    Attributes:
        streams: All of them, in alphabetical order.
        coding: Those on the codon axis; contexts stay as they are when codons are looked at.
        shapley, occlusion, permutation: Records by streams; nan where no other record was at hand to exchange with.
        codons: Codons by coding streams, one array per record.
        curves: Loss of the answer when codons are deleted by their share, and at random; records by fractions.
        agreement: Of some records, rank correlation of a codon's share with what the answer loses without the codon.
    """

    streams: list[str]
    coding: list[str]
    shapley: Floats
    occlusion: Floats
    permutation: Floats
    codons: list[Floats]
    curves: dict[str, Floats]
    agreement: Floats


def explain(
    model: FusedModel,
    records: Sequence[Record],
    output: Path,
    *,
    target: str | None = None,
    steps: int = 32,
    seed: int = 0,
    advance: Callable[[float], None] = lambda records: None,
) -> dict[str, Any]:
    """Explain a model's answers and write tables; return the report.

    What is explained is the number, in units of the target (of targets per position their mean), or of a class the logarithm of the
    probability of the most likely one.

    Args:
        model: What `biolect fuse` published.
        target: Which of several; the first without it.
        steps: Of integrated gradients.
        seed: Of the random order that deletions are compared with.
        advance: Told of every batch of records.

    Returns:
        `records`; `modalities` by stream: mean absolute `shapley` value, its `interval` over records, mean `occlusion` loss, mean
        `permutation` loss when the stream is that of another record;
        `faithfulness`: how much more the answer moves when codons are deleted by their share than at random, as the area
        between both curves (`gap`), with its interval; and, over some records, the mean rank correlation of the size of a codon's share
        and of what is lost without it (`agreement`, nan if no record has three codons that differ), with its interval; `patterns`, the
        codons with the largest mean shares; `profile`, mean
        absolute share along the gene by stream; `unit` of all these; `map`, the codons of the records whose answers are the largest.

    Raises:
        ConfigError: If nothing on the codon axis is read, or the model has no such target.
    """
    records = list(records)
    streams = model.streams_of(embedded(model.encoders, records, output / "embeddings"))
    names = sorted(streams.widths)
    coding = [name for name in names if name not in model.task.contexts]
    if not coding:
        raise ConfigError(f"The model that was published reads '{names[0]}' alone, which has no codons to explain. Fuse more streams.")
    targets = [model.task.target, *model.task.also]
    if target is not None and target not in targets:
        raise ConfigError(f"The model has no target '{target}'. Pass --target with one of {', '.join(targets)}.")
    target = target or targets[0]
    how = steps, torch.Generator().manual_seed(seed)
    explained = _explained(model, streams, coding, targets.index(target), how, advance)
    grid = next(one for one in model.encoders.values() if isinstance(one, CodonEncoder)).grid
    grids = [grid(record) for record in records]
    letters = [[r.residues[i : i + 3] for i in range(g.start, g.start + 3 * g.num_codons, 3)] for r, g in zip(records, grids, strict=True)]
    patterns = _tables(records, letters, [grid.protein for grid in grids], explained, output)
    result = report(explained, patterns) | {"records": len(records), "arm": model.task.arm, "target": target}
    result["unit"] = "nats" if model.task.labels else f"units of {target}"
    return write_json(output / "results.json", result)


def _explained(
    model: FusedModel,
    streams: CodonStreams,
    coding: list[str],
    column: int,
    how: tuple[int, torch.Generator],
    advance: Callable[[float], None],
) -> Explained:
    """Ask about all records, batch by batch; `how` is the steps of integrated gradients, and what draws random orders."""
    found: dict[int, tuple[Floats, ...]] = {}
    for some in streams.batches(np.arange(len(streams.lengths)), _BATCH_RECORDS):
        asked = (*streams.batch(some.tolist()), coding)
        found |= dict(zip(some.tolist(), _batch(model, asked, column, *how), strict=True))
        advance(len(some))
    shapley, occlusion, permutation, shares, *curves = zip(*(found[index] for index in range(len(found))), strict=True)
    codons = [own[:length] for own, length in zip(shares, streams.lengths, strict=True)]
    losses = {"by share": np.stack(curves[0]), "at random": np.stack(curves[1])}
    some = torch.randperm(len(found), generator=how[1])[:OCCLUDED].tolist()
    agreement = np.array([_agreement(model, (*streams.batch([index]), coding), column, codons[index]) for index in some])
    names = sorted(streams.widths)
    return Explained(names, coding, np.stack(shapley), np.stack(occlusion), np.stack(permutation), codons, losses, agreement)


def _batch(
    model: FusedModel, asked: tuple[Streams, Masks, list[str]], column: int, steps: int, generator: torch.Generator
) -> Iterator[tuple[Floats, ...]]:
    """Yield Shapley values, occlusion, permutation, shares of codons, and both deletion curves of every record."""
    values, masks, _ = asked
    predict, within, own, real = _asking(model, asked, column)
    names = sorted(masks)
    shapley = modality_shapley(predict, values, masks)
    occlusion = modality_occlusion(predict, values, masks)
    count = len(masks[names[0]])
    permutation = modality_permutation(predict, values, masks, torch.arange(count).roll(1))
    if count == 1:
        permutation = {name: torch.full_like(one, torch.nan) for name, one in permutation.items()}
    shares = integrated_gradients(within, own, real, steps=steps)
    strength = shares.sum(-1).abs()
    whole = predict(values, masks).detach()[:, None]
    curves = [
        (deletion_curve(within, own, real, scores, FRACTIONS) - whole).abs()
        for scores in (strength, torch.rand(strength.shape, generator=generator))
    ]
    parts = [torch.stack([part[name] for name in names], dim=1) for part in (shapley, occlusion, permutation)]
    for row in zip(*parts, shares, *curves, strict=True):
        yield tuple(one.detach().double().numpy() for one in row)


def _agreement(model: FusedModel, asked: tuple[Streams, Masks, list[str]], column: int, shares: Floats) -> float:
    """Return the rank correlation, over the codons of one record, of the sizes of shares and of losses; nan where nothing varies."""
    _, within, own, real = _asking(model, asked, column)
    lost = codon_occlusion(within, own, real, together=True)[0, : len(shares), 0].abs().double().numpy()
    return metrics.spearman(np.abs(shares.sum(axis=1)), lost) if len(shares) > 2 else math.nan


def _asking(model: FusedModel, asked: tuple[Streams, Masks, list[str]], column: int) -> tuple[Predict, Predict, Streams, Masks]:
    """Return what answers for all streams, what answers for codons while contexts stay, and the streams on codons with their masks."""
    values, masks, coding = asked
    with torch.no_grad():
        likely = model.ask(values, masks).argmax(1)
    there = torch.stack([masks[name] for name in coding]).any(0)

    def predict(streams: Streams, kept: Masks) -> Float[Tensor, " B"]:
        answers = model.ask(streams, kept)
        if answers.ndim > 2:
            return masked_mean(answers, there).mean(1)
        return answers[torch.arange(len(answers)), likely].clamp_min(1e-12).log() if model.task.labels else answers[:, column]

    def within(streams: Streams, kept: Masks) -> Float[Tensor, " B"]:
        return predict(dict(values) | dict(streams), dict(masks) | dict(kept))

    own, real = ({name: part[name] for name in coding} for part in (values, masks))
    return predict, within, own, real


def _tables(
    records: Sequence[Record], letters: Sequence[Sequence[str]], proteins: Sequence[str], found: Explained, output: Path
) -> list[dict[str, Any]]:
    """Write all tables; return the mean share of every codon of the code, the largest first."""
    import polars

    output.mkdir(parents=True, exist_ok=True)
    names, shares = [record.name for record in records], np.concatenate(found.codons)
    modalities = {"id": np.repeat(names, len(found.streams)), "stream": found.streams * len(records)}
    modalities |= {name: getattr(found, name).ravel() for name in ("shapley", "occlusion", "permutation")}
    write_table(output / "modalities.csv", polars.DataFrame(modalities))
    columns: dict[str, Any] = {"id": np.repeat(names, [len(own) for own in letters])}
    columns["codon_position"] = [i + 1 for own in letters for i in range(len(own))]
    columns["codon"] = [codon.replace("U", "T") for own in letters for codon in own]
    columns["residue"] = list("".join(proteins))
    codons = polars.DataFrame(columns | {name: shares[:, k] for k, name in enumerate(found.coding)})
    write_table(output / "codons.csv", codons)
    patterns = (
        codons.with_columns(share=polars.sum_horizontal(found.coding))
        .group_by("codon", "residue")
        .agg(polars.len().alias("count"), polars.col("share").mean(), *(polars.col(name).mean() for name in found.coding))
        .sort(polars.col("share").abs(), descending=True)
    )
    write_table(output / "patterns.csv", patterns)
    return patterns.to_dicts()


def report(found: Explained, patterns: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what was found over all records, as plain data."""
    shapley, occlusion, permutation = (np.abs(one) for one in (found.shapley, found.occlusion, found.permutation))
    curves, agreement = found.curves, found.agreement[~np.isnan(found.agreement)]
    agreed = {"value": _mean(agreement), "interval": None, "records": len(agreement)}
    gaps = np.asarray(np.trapezoid(curves["by share"] - curves["at random"], FRACTIONS, axis=1))
    items = np.arange(len(shapley))

    def spread(values: Floats) -> list[float]:
        return list(metrics.bootstrap_interval(lambda _, i: float(values[i].mean()), items[: len(values)]))

    modalities = {
        name: {
            "shapley": float(shapley[:, k].mean()),
            "interval": spread(shapley[:, k]),
            "occlusion": float(occlusion[:, k].mean()),
            "permutation": _mean(permutation[:, k]),
        }
        for k, name in enumerate(found.streams)
    }
    faithfulness = {"gap": float(gaps.mean()), "interval": spread(gaps), "fractions": list(FRACTIONS)}
    if len(agreement):
        agreed["interval"] = spread(agreement)
    binned = np.stack([_binned(shares) for shares in found.codons])
    counts = (~np.isnan(binned)).sum(axis=0)
    profile = np.where(counts, np.nansum(binned, axis=0) / np.maximum(counts, 1), np.nan)
    return {
        "modalities": modalities,
        "faithfulness": faithfulness | {"agreement": agreed} | {name: rows.mean(0).tolist() for name, rows in curves.items()},
        "patterns": patterns,
        "profile": {name: profile[:, k].tolist() for k, name in enumerate(found.coding)},
    }


def _mean(values: Floats) -> float:
    """Return the mean of what is a number; nan where nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def _binned(shares: Floats) -> Floats:
    """Return mean absolute shares in stretches of equal length, by streams."""
    places = np.minimum((np.arange(len(shares)) * BINS) // max(len(shares), 1), BINS - 1)
    out = np.full((BINS, shares.shape[1]), np.nan)
    for place in np.unique(places):
        out[place] = np.abs(shares[places == place]).mean(axis=0)
    return out


def largest(folder: Path, count: int) -> Mapping[str, Floats]:
    """Return shares of codons by streams of some records, those whose shares are the largest in sum, by id and place in the table."""
    import polars

    table = read_table(folder / "codons.csv")
    streams = table.columns[4:]
    # Records may share an id; each begins with codon 1.
    table = table.with_columns(record=(polars.col("codon_position") == 1).cum_sum())
    sums = table.group_by("record").agg(polars.sum_horizontal(polars.col(name).abs().sum() for name in streams).alias("sum"))
    found = [table.filter(polars.col("record") == one) for one in sums.sort("sum", "record", descending=[True, False])["record"][:count]]
    return {f"{one['id'][0]} ({one['record'][0]})": one.select(streams).to_numpy() for one in found}
