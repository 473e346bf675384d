"""Pairs that interact: splits that keep relatives apart, a baseline that sees names only, and tables with faults."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from biolect.bio.io import write_fasta
from biolect.bio.sequence import Modality, Sequence
from biolect.data.document import Grammar
from biolect.errors import InputError
from biolect.evaluate import interactions
from biolect.evaluate.interactions import SPLITS, Source
from biolect.evaluate.question import EvaluateConfig, Question
from biolect.infer.reader import Reader
from tests.infer.conftest import build, protein

SOURCE = Source("pairs.tsv.gz", "proteins.fa", "rnas.fa", Modality.RNA, "SET")
SIZE = 12


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interactions, "Baselines", partial(interactions.Baselines, trees=4))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Every protein with every RNA; the even proteins interact, whatever the RNA."""
    rng = np.random.default_rng(0)
    write_fasta(tmp_path / "proteins.fa", [protein(40, i, f"SET|p{i}") for i in range(SIZE)])
    rnas = [Sequence("".join(rng.choice(list("ACGU"), 50)), Modality.RNA, f"SET|r{i}") for i in range(SIZE)]
    write_fasta(tmp_path / "rnas.fa", rnas)
    rows = [f"SET\tp{i}\tr{j}\t{int(i % 2 == 0)}" for i in range(SIZE) for j in range(SIZE)]
    (tmp_path / "pairs.tsv").write_text("\n".join(["dataset\tprotein\trna\tlabel", *rows, "OTHER\tp0\tr0\t1", "SET\tlost\tr0\t1"]) + "\n")
    return tmp_path


def question(folder: Path) -> Question:
    return Question(Reader(build(), Grammar()), EvaluateConfig(tasks=("x",), data=str(folder), draws=10, items=10))


def test_names_give_a_random_split_away_and_nothing_where_partners_are_apart(folder: Path):
    outcome = interactions.interactions(SOURCE, question(folder))

    values = {(panel.part, arm.name): arm.value for panel in outcome.panels for arm in panel.of("accuracy").values()}
    assert outcome.facts == {"pairs": SIZE * SIZE, "true": SIZE * SIZE // 2}
    assert values["random", "names only"] == values["second apart", "names only"] == 1
    assert values["first apart", "names only"] < 0.7
    assert {arm.name for arm in outcome.panels[0].arms} == {
        "model",
        "untrained model",
        "most frequent answer",
        "names only",
        "composition, ridge",
        "composition, forest",
    }


@pytest.mark.parametrize("split", SPLITS)
def test_no_relative_is_on_both_sides(split: interactions.Split):
    rng = np.random.default_rng(0)
    groups = [rng.integers(0, 15, 200), rng.integers(0, 15, 200)]
    found = list(interactions._folds(groups, split, 0))

    for train, test in found:
        held = {side: set(groups[side][test].tolist()) for side in range(2)}
        known = set(groups[0][train].tolist()) | set(groups[1][train].tolist())
        assert not set(train.tolist()) & set(test.tolist())
        if split != "random":
            apart = held[0] if split == "first apart" else held[1] if split == "second apart" else held[0] | held[1]
            assert not apart & known
    assert len(found) == 5 and (split == "both apart" or sum(len(test) for _, test in found) == 200)


def test_names_that_come_once_say_nothing():
    owners = [np.arange(60), np.arange(60)]
    targets = (np.arange(60) % 3 == 0).astype(float)
    chances = interactions._by_names(owners, targets, np.arange(40), np.arange(40, 60))

    assert np.ptp(chances[:, 1]) == 0 and chances[0, 1] == pytest.approx(targets[:40].mean(), abs=0.02)


def test_faulty_tables_are_refused(folder: Path):
    with (folder / "pairs.tsv").open("a") as table:
        table.write("SET\tp0\tr1\tmaybe\n")
    with pytest.raises(InputError, match=r"line 148, is no pair of ids with 0 or 1"):
        interactions.interactions(SOURCE, question(folder))

    (folder / "pairs.tsv").write_text("".join(f"SET\tp{i}\tr{j}\t1\n" for i in range(SIZE) for j in range(SIZE)))
    with pytest.raises(InputError, match="has 144 pairs whose sequences are known, 144 of them true"):
        interactions.interactions(SOURCE, question(folder))


def test_a_file_is_blamed_for_its_own_records_only(folder: Path):
    with (folder / "proteins.fa").open("a") as proteins:
        proteins.write(">bad\nMK7\n>worse\nM!\n")
    (folder / "rnas.fa").write_text(">SET|r0\nAC7U\n")

    with pytest.raises(InputError, match=r"Not one of the 1 records in .*rnas.fa' can be read. The first: Symbol '7' at index 2"):
        interactions.interactions(SOURCE, question(folder))
