"""Secondary structure: is a residue in a helix, a strand or neither, read linearly off its frozen hidden state?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from biolect.bio.io.tables import read_table
from biolect.bio.sequence import Modality, Sequence as Record
from biolect.data.labelled import clusters_of
from biolect.errors import InputError
from biolect.evaluate.composition import grouped_folds
from biolect.evaluate.judging import Outcome
from biolect.evaluate.probing import FOLDS, embeddings
from biolect.evaluate.question import Question
from biolect.fusion.late import out_of_fold
from biolect.values import Floats

FILE = "protein_corpus/secondary_structure_8class.csv.gz"
STATES = {"H": 0, "G": 0, "I": 0, "E": 1, "B": 1}
"""Letters of DSSP that are helix or strand; all others are neither."""
_LONGEST, _SIDE, _NEITHER = 400, 7, 2
_PENALTY = 100.0
"""With thousands of residues for a few hundred features, any from 1 to 1,000 does."""
Features = Callable[[Record], Floats]


def secondary_structure(question: Question) -> Outcome:
    """Predict three states of every residue, five folds of whole clusters of chains; chains of at most 400 residues."""
    from sklearn.dummy import DummyRegressor
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

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
    ways: dict[str, Sequence[Floats]] = {
        **embeddings(question, chains, "residue"),
        "the letter itself": [around(one, 0, 0) for one in chains],
        "letters on the left": [around(one, 2 * _SIDE, 0) for one in chains],
        "letters on both sides": [around(one, _SIDE, _SIDE) for one in chains],
    }
    lengths, truth = [len(one) for one in chains], np.concatenate(states)
    folds, wanted = np.repeat(grouped_folds(clusters, FOLDS, question.config.seed), lengths), np.eye(3)[truth]

    def add(name: str, model: Any, values: Floats) -> None:
        said = out_of_fold(lambda seen, asked: model.fit(values[seen], wanted[seen]).predict(values[asked]), folds)
        right = np.split(said.argmax(axis=1) == truth, np.cumsum(lengths)[:-1])
        panel.add_ratio(name, "model" if name == "model" else "baseline", [one.sum() for one in right], lengths)

    for name, values in ways.items():
        add(name, make_pipeline(StandardScaler(), Ridge(_PENALTY)), np.concatenate(values))
    add("most frequent state", DummyRegressor(), np.zeros((len(truth), 1)))
    return Outcome("accuracy", [panel], facts={"residues": sum(lengths)})


def around(chain: Record, before: int, after: int) -> Floats:
    """Return the letters around every residue, one-hot; nothing where there is none. Residues by features."""
    one_hot = np.pad(np.eye(len(chain.modality.alphabet))[chain.codes], ((before, after), (0, 0)))
    return np.concatenate([one_hot[i : i + len(chain)] for i in range(before + after + 1)], axis=1)
