"""Secondary structure: letters that say the state are found, and chains with faults are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars
import pytest

from biolect.bio.sequence import Modality, Sequence
from biolect.data.document import Grammar
from biolect.errors import InputError
from biolect.evaluate import probing
from biolect.evaluate.question import EvaluateConfig, Question
from biolect.infer.reader import Reader
from tests.infer.conftest import build, protein

STATE = {letter: "HE~"[i % 3] for i, letter in enumerate("ACDEFGHIKLMNPQRSTVWY")}


def question(folder: Path, states: list[str] | None = None) -> Question:
    chains = [protein(40 + i, i).residues for i in range(24)]
    told = states or ["".join(STATE[letter] for letter in chain) for chain in chains]
    (folder / "protein_corpus").mkdir()
    polars.DataFrame({"Sequence": chains, "Secondary_structure": told}).write_csv(folder / probing.STRUCTURES.removesuffix(".gz"))
    return Question(Reader(build(), Grammar()), EvaluateConfig(tasks=("x",), data=str(folder), draws=10, items=20))


def test_a_state_that_the_letter_says_is_found_by_all_that_see_it(tmp_path: Path):
    values = {arm.name: arm.value for arm in probing.secondary_structure(question(tmp_path)).panels[0].arms}

    assert values["the letter itself"] == values["letters on both sides"] == values["letters on the left"] == 1
    assert values["model"] > 0.8 and 0.3 < values["most frequent state"] < 0.5


def test_a_residue_is_seen_with_its_neighbours():
    chain = Sequence("ACD", Modality.PROTEIN)
    size = len(chain.modality.alphabet)
    found = probing.around(chain, 1, 1).reshape(3, 3, size)

    assert found.sum(axis=2).tolist() == [[0, 1, 1], [1, 1, 1], [1, 1, 0]]
    assert np.array_equal(found[1].argmax(axis=1), chain.codes)


@pytest.mark.parametrize(("row", "told"), [(1, "has 40 residues and 39 states"), (2, "has 41 residues and 40 states")])
def test_states_that_do_not_fit_their_chain_are_refused(tmp_path: Path, row: int, told: str):
    with pytest.raises(InputError, match=f"row {row}, {told}"):
        probing.secondary_structure(question(tmp_path, ["H" * (40 + i - (i == row - 1)) for i in range(24)]))


def test_states_that_are_all_equal_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match="too few chains that differ in sequence and structure"):
        probing.secondary_structure(question(tmp_path, ["H" * (40 + i) for i in range(24)]))
