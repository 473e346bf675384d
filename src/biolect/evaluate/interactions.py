"""Do two sequences interact? Pairs split at random, and with the relatives of either or of both partners kept apart.

Random splits of pairs reward what is known of each partner: a protein that binds everything is known by its name. So beside the
model stands a baseline that sees no sequence, and only the splits that keep partners apart say what sequences give.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from biolect import metrics
from biolect.bio.sequence import Modality, Sequence as Record
from biolect.data.labelled import clusters_of
from biolect.errors import InputError
from biolect.evaluate.composition import Baselines, grouped_folds, judge, ridge
from biolect.evaluate.judging import Outcome
from biolect.evaluate.probing import FOLDS, cut, embeddings, features
from biolect.evaluate.question import Question
from biolect.files import open_input
from biolect.values import Floats, Ints

_MORE, _LEAST = 20, 20
Split = Literal["random", "first apart", "second apart", "both apart"]
SPLITS: tuple[Split, ...] = ("random", "first apart", "second apart", "both apart")
_NOTE = "A value is the mean over splits; look at each by itself."
SUMMARY = "whether two sequences interact, by split; against their names alone, composition, the most frequent answer and no training"


class Source(NamedTuple):
    """A set of pairs: a table of ids and labels without quotes, and FASTA of both sides.

    Attributes:
        of: First column that a row must have; empty takes all rows.
    """

    pairs: str
    first: str
    second: str
    partner: Modality
    of: str = ""


_ECOLI = "interactions/ppi_ecoli_proteins.faa.gz"
SOURCES = {
    "rna-protein": Source(
        "interactions/rpi_pairs.tsv.gz", "interactions/rpi_proteins.faa.gz", "interactions/rpi_rnas.fa.gz", Modality.RNA, "RPI2241"
    ),
    "protein-protein": Source("interactions/ppi_ecoli_pairs.tsv.gz", _ECOLI, _ECOLI, Modality.PROTEIN),
}


def interactions(source: Source, question: Question) -> Outcome:
    """Tell pairs that interact from those that do not, in four splits."""
    first, second = _by_name(question, source.first, Modality.PROTEIN), _by_name(question, source.second, source.partner)
    rows = [row for row in _rows(question, source) if row[0] in first and row[1] in second]
    rows = [rows[i] for i in sorted(question.drawn(len(rows), _MORE * question.config.items))]
    targets = np.array([float(label) for _, _, label in rows])
    if len(rows) < _LEAST or targets.min() == targets.max():
        raise InputError(
            f"'{question.file(source.pairs)}' has {len(rows)} pairs whose sequences are known, {int(targets.sum())} of them true; "
            f"at least {_LEAST} of either kind together are needed."
        )
    named = [np.unique([row[side] for row in rows], return_inverse=True) for side in range(2)]
    owners = [own for _, own in named]
    records = [[known[name] for name in names.tolist()] for (names, _), known in zip(named, (first, second), strict=True)]
    groups = [clusters[own] for clusters, own in zip(_clusters(records, source.partner), owners, strict=True)]
    joined: dict[str, Floats] = {}
    first_vectors, second_vectors = (embeddings(question, side) for side in records)
    for name, vectors in first_vectors.items():
        one, other = np.concatenate(vectors)[owners[0]], np.concatenate(second_vectors[name])[owners[1]]
        joined[name] = np.concatenate([one, other, one * other], axis=1)
    plain = np.concatenate([features(side)["composition"][own] for side, own in zip(records, owners, strict=True)], axis=1)
    composed = Baselines({"composition": plain}, targets, 2, question.config.seed)
    outcome = Outcome("accuracy", [], facts={"pairs": len(rows), "true": int(targets.sum())}, notes=[_NOTE])
    for split in SPLITS:
        said: dict[str, Floats] = {}
        for train, test in _folds(groups, split, question.config.seed):
            if len(np.unique(targets[train])) < 2:
                continue
            found = {name: ridge(values, targets, train, 2)[test] for name, values in joined.items()}
            share = targets[train].mean()
            found["most frequent answer"] = np.tile([1 - share, share], (len(test), 1))
            found["names only"] = _by_names(owners, targets, train, test)
            found |= dict(zip(("composition, ridge", "composition, forest"), composed.predict(train, test).swapaxes(0, 1)[:2], strict=True))
            for name, values in found.items():
                said.setdefault(name, np.full((len(rows), 2), np.nan))[test] = values
        asked = np.flatnonzero(~np.isnan(said["model"][:, 0])) if said else np.zeros(0, dtype=int)
        if len(asked) < _LEAST:
            outcome.notes.append(f"Split '{split}' is left out: it leaves {len(asked)} pairs to ask about.")
            continue
        panel = question.panel(split, "accuracy", groups[0][asked])
        for name, values in said.items():
            kind, truth, own = "model" if name == "model" else "baseline", targets[asked], values[asked]
            panel.add(name, kind, lambda i, own=own, truth=truth: judge(truth[i], own[i]))
            panel.add(name, kind, lambda i, own=own, truth=truth: metrics.auroc(truth[i], own[i, 1]), "auroc")
        outcome.panels.append(panel)
    return outcome


def _by_name(question: Question, file: str, modality: Modality) -> dict[str, Record]:
    return {one.name: cut(one) for one in question.records(question.file(file), modality) if len(one)}


def _rows(question: Question, source: Source) -> Iterator[tuple[str, str, bool]]:
    with open_input(question.file(source.pairs)) as stream:
        for number, line in enumerate(stream, start=1):
            cells = line.decode().strip().split("\t")
            if source.of and cells[0] != source.of:
                continue
            cells = [f"{source.of}|{one}" for one in cells[1:3]] + cells[3:] if source.of else cells
            if len(cells) != 3 or cells[2] not in ("0", "1", "0.0", "1.0"):
                raise InputError(f"'{question.file(source.pairs)}', line {number}, is no pair of ids with 0 or 1. Mend or remove it.")
            yield cells[0], cells[1], float(cells[2]) == 1


def _clusters(records: list[list[Record]], partner: Modality) -> list[Ints]:
    """Return the cluster of every record of both sides; sides of one modality share them."""
    if partner is Modality.PROTEIN:
        found = clusters_of([*records[0], *records[1]]).astype(np.int64)
        return [found[: len(records[0])], found[len(records[0]) :]]
    first, second = (clusters_of(side).astype(np.int64) for side in records)
    return [first, second + first.max() + 1]


def _folds(groups: list[Ints], split: Split, seed: int) -> Iterator[tuple[Ints, Ints]]:
    """Yield training and test pairs; those that would part relatives are in neither."""
    count = len(groups[0])
    folds = grouped_folds(np.concatenate(groups), FOLDS, seed)
    for fold in range(FOLDS):
        if split == "random":
            is_test = grouped_folds(np.arange(count), FOLDS, seed) == fold
            is_train = ~is_test
        elif split == "both apart":
            held = folds == fold
            is_test, is_train = held[:count] & held[count:], ~held[:count] & ~held[count:]
        else:
            side = groups[0] if split == "first apart" else groups[1]
            is_test = grouped_folds(side, FOLDS, seed) == fold
            held = np.unique(side[is_test])
            is_train = ~np.isin(groups[0], held) & ~np.isin(groups[1], held)
        if is_test.any() and is_train.any():
            yield np.flatnonzero(is_train), np.flatnonzero(is_test)


def _by_names(owners: list[Ints], targets: Floats, train: Ints, test: Ints) -> Floats:
    """Return chances from the log-odds of the answers that each partner had in training; no sequence is seen.

    A training pair's own answer is left out of its odds, or names that come once would seem to know it.
    """
    from sklearn.linear_model import LogisticRegression

    yes = targets[train].astype(np.int64)
    odds: list[tuple[Floats, Floats]] = []
    for own in owners:
        counts = np.zeros((own.max() + 1, 2))
        np.add.at(counts, (own[train], yes), 1)
        others = counts[own[train]] - np.eye(2)[yes]
        odds.append((_log_odds(others), _log_odds(counts[own[test]])))
    seen, asked = (np.stack([side[k] for side in odds], axis=1) for k in range(2))
    return np.asarray(LogisticRegression().fit(seen, yes).predict_proba(asked))


def _log_odds(counts: Floats) -> Floats:
    return np.log((counts[:, 1] + 0.5) / (counts[:, 0] + 0.5))
