"""Pairs that belong together and pairs that do not: the rule of the items, and how they are told apart."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest

from biolect.bio.genetic_code import GeneticCode
from biolect.data.document import Grammar
from biolect.errors import ConfigError
from biolect.evaluate import dogma
from biolect.evaluate.dogma import Item, items_of, threshold
from biolect.evaluate.question import EvaluateConfig, Question
from biolect.infer.reader import Reader
from tests.infer.conftest import build

GENOME = str(files("biolect") / "assets" / "phix174.gff3")
PAIRS = [("ATGGCTTGTGATGAATTTGGTCATATTAAACTG", "MACDEFGHIKL"), ("ATGAAACTGGTTTGTAGATGG", "MKLVCRW")]


def question(positions: str = "shared", **changes: object) -> Question:
    reader = Reader(build(), Grammar(positions=positions), batch_tokens=4_096)  # pyright: ignore[reportArgumentType]
    return Question(reader, EvaluateConfig.from_dict({"tasks": ("x",), "data": GENOME, "draws": 10, "items": 10} | changes))


def test_always_saying_no_is_right_in_two_cases_of_three():
    items = items_of(PAIRS * 30, np.random.default_rng(0))

    assert np.mean([not item.is_true for item in items]) == pytest.approx(2 / 3)
    for true, by_gene, by_protein in zip(items[::3], items[1::3], items[2::3], strict=True):
        assert GeneticCode.by_id(11).translate(true.gene) == true.protein
        assert by_gene.protein == true.protein and by_protein.gene == true.gene
        # Silent edits would make a false pair that is true.
        whole = by_gene.gene[: len(by_gene.gene) // 3 * 3]
        assert GeneticCode.by_id(11).translate(whole, first_is_start=True)[: len(true.protein)] != true.protein
        assert sum(a != b for a, b in zip(true.protein, by_protein.protein, strict=True)) == by_protein.edits > 0
    assert {1, 2, 5, 8} <= {item.edits for item in items} | {5}


def test_coordinates_do_not_betray_which_pair_is_true():
    reader = question().reader
    item = items_of(PAIRS, np.random.default_rng(1))[1]
    gene, protein = dogma.members(reader, item)

    assert gene.coordinates.tolist() == list(range(1, len(item.gene) + 1))
    assert protein.coordinates.tolist() == list(range(3, 3 * len(item.protein) + 1, 3))


def test_what_a_protein_has_alone_says_nothing_of_an_edited_gene():
    items = items_of(PAIRS, np.random.default_rng(2))
    found = dogma.judged(question(), items)

    assert found["alone"][0] == pytest.approx(found["alone"][1]) and found["S2"][0] != pytest.approx(found["S2"][1])
    assert found["S3"] == pytest.approx(found["S2"] - found["alone"])
    assert found["S1"] == pytest.approx(found["S2"] / [len(item.protein) for item in items])


@pytest.mark.parametrize(
    ("truth", "values", "cut"),
    [
        ([1, 1, 0, 0], [4, 3, 2, 1], 2.5),
        ([0, 0, 1], [2, 2, 2], np.inf),
        ([1, 1, 0], [1, 1, 1], -np.inf),
        ([0, 0, 1, 0], [1, 2, 3, 9], np.inf),
    ],
)
def test_a_threshold_is_right_most_often(truth: list[int], values: list[float], cut: float):
    assert threshold(np.array(truth, dtype=bool), np.array(values, dtype=float)) == cut


def test_the_task_knows_its_trivial_answers():
    outcome = dogma.central_dogma(question())
    report = outcome.report()

    assert report["baselines"]["always no"] == {"value": pytest.approx(2 / 3), "interval": [pytest.approx(2 / 3)] * 2}
    assert {"alone", "length", "always no"} == set(report["baselines"]) and {"S1", "S2"} == set(report["arms"])
    rows = {(row["arm"], row["metric"]): row["value"] for row in outcome.panels[0].rows("x")}
    assert rows["length", "auroc"] == 0.5 and rows["translation", "auroc"] > 0.95
    assert {metric for arm, metric in rows if arm == "S3"} == {"accuracy", "auroc", *(f"auroc, {stratum}" for stratum in dogma.STRATA)}
    assert Item("A", "M", True).edits == 0


def test_a_context_without_room_for_a_pair_is_refused():
    asked = question()
    reader = Reader(asked.reader.model, asked.reader.grammar, batch_tokens=4_096, context_tokens=20)

    with pytest.raises(ConfigError, match="too few for a gene and its protein"):
        dogma.central_dogma(Question(reader, asked.config))


@pytest.mark.parametrize("items", [4, 10, 200])
def test_what_is_asked_about_is_never_learned_from(items: int):
    found = question(items=items).pairs("", learns=True)

    asked, others = ({one.name for one in pairs} for pairs in (found.asked, found.others))
    assert asked and others and not asked & others
