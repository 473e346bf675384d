"""Secondary structure: is a residue in a helix, a strand or neither, read linearly off its frozen hidden state?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biolect.bio.io.tables import read_table
from biolect.bio.sequence import Modality
from biolect.bio.sequence import Sequence as Record
from biolect.data.labelled import clusters_of
from biolect.errors import InputError
from biolect.evaluate.composition import grouped_folds
from biolect.evaluate.judging import Outcome
from biolect.evaluate.probing import FOLDS, embeddings
from biolect.evaluate.question import Question

FILE = "protein_corpus/secondary_structure_8class.csv.gz"
STATES = {"H": 0, "G": 0, "I": 0, "E": 1, "B": 1}
"""Letters of DSSP that are helix or strand; all others are neither."""
_LONGEST, _SIDE, _NEITHER = 400, 7, 2
_PENALTY = 100.0
"""With thousands of residues for a few hundred features, any from 1 to 1,000 does."""
Features = Callable[[Record], NDArray[np.float64]]


def secondary_structure(question: Question) -> Outcome:
    """Predict three states of every residue, five folds of whole clusters of chains; chains of at most 400 residues."""
    frame = read_table(question.file(FILE), ["Sequence", "Secondary_structure"])
    rows = [(str(a), str(b)) for a, b in zip(frame["Sequence"], frame["Secondary_structure"], strict=True)]
    if odd := next((i for i, (a, b) in enumerate(rows) if len(a) != len(b)), None):
        raise InputError(
            f"'{question.file(FILE)}', row {odd + 1}, has {len(rows[odd][0])} residues and {len(rows[odd][1])} states. Mend it."
        )
    rows = [row for row in rows if len(row[0]) <= _LONGEST]
    chosen = [rows[i] for i in question.drawn(len(rows))]
    chains = [Record.read(letters, Modality.PROTEIN, unknown="mask") for letters, _ in chosen]
    states = [np.array([STATES.get(letter, _NEITHER) for letter in text]) for _, text in chosen]
    clusters = clusters_of(chains) if chains else np.zeros(0, dtype=np.int32)
    if len(np.unique(clusters)) < FOLDS or len(np.unique(np.concatenate(states))) < 2:
        raise InputError(f"'{question.file(FILE)}' has too few chains that differ in sequence and structure for {FOLDS} folds. Add more.")
    panel = question.panel("", "accuracy", clusters)
    ways: dict[str, Sequence[NDArray[np.float64]]] = {
        **embeddings(question, chains, "residue"),
        "the letter itself": [around(one, 0, 0) for one in chains],
        "letters on the left": [around(one, 2 * _SIDE, 0) for one in chains],
        "letters on both sides": [around(one, _SIDE, _SIDE) for one in chains],
    }
    folds, lengths = grouped_folds(clusters, FOLDS, question.config.seed), [len(one) for one in chains]
    for name, values in ways.items():
        panel.add_ratio(name, "model" if name == "model" else "baseline", _right(values, states, folds), lengths)
    usual = [np.bincount(np.concatenate([states[i] for i in np.flatnonzero(folds != fold)])).argmax() for fold in range(FOLDS)]
    right = [int((state == usual[fold]).sum()) for state, fold in zip(states, folds.tolist(), strict=True)]
    panel.add_ratio("most frequent state", "baseline", right, lengths)
    return Outcome("accuracy", [panel], facts={"residues": sum(lengths)})


def around(chain: Record, before: int, after: int) -> NDArray[np.float64]:
    """Return the letters around every residue, one-hot; nothing where there is none. Residues by features."""
    one_hot = np.pad(np.eye(len(chain.modality.alphabet))[chain.codes], ((before, after), (0, 0)))
    return np.concatenate([one_hot[i : i + len(chain)] for i in range(before + after + 1)], axis=1)


def _right(values: Sequence[NDArray[np.float64]], states: Sequence[NDArray[np.int64]], folds: NDArray[np.int64]) -> list[int]:
    """Return how many residues of each chain are right, by a ridge that was fitted on the other folds."""
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    right = [0] * len(states)
    for fold in range(FOLDS):
        seen = np.flatnonzero(folds != fold).tolist()
        train = np.concatenate([values[i] for i in seen])
        wanted = np.eye(3)[np.concatenate([states[i] for i in seen])]
        fitted: Any = make_pipeline(StandardScaler(), Ridge(_PENALTY)).fit(train, wanted)
        for i in np.flatnonzero(folds == fold).tolist():
            right[i] = int((fitted.predict(values[i]).argmax(axis=1) == states[i]).sum())
    return right
