"""Labelled tables: what is read, how it is split, and one clear sentence for each that cannot be learned from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest

from biolect.bio.sequence import Modality, Sequence
from biolect.data.labelled import Columns, Labelled, read_labelled
from biolect.errors import ConfigError, InputError, LeakageError

RNG = np.random.default_rng(5)
LETTERS = ["".join(RNG.choice(list("ACGT"), size=60)) for _ in range(40)]


def read(
    tmp_path: Path, target: list[Any], sequences: list[str] | None = None, split: list[Any] | None = None, **settings: Any
) -> Labelled:
    """Write a table and read it again."""
    rows: dict[str, list[Any]] = {"sequence": list(sequences or LETTERS[: len(target)]), "y": target}
    polars.DataFrame(rows | ({"part": split} if split else {}), strict=False).write_csv(tmp_path / "t.csv")
    allow = settings.pop("allow_leakage", False)
    columns = Columns.from_dict({"target": "y", "split": "part" if split else None} | settings)
    return read_labelled(str(tmp_path / "t.csv"), columns, among=[Modality.DNA], allow_leakage=allow)


def test_classes_are_numbered_by_their_text_whatever_their_order(tmp_path: Path) -> None:
    found = read(tmp_path, ["b", "a", "c", "a"] * 10)

    assert found.labels == ("a", "b", "c")
    assert found.targets[:4].tolist() == [1, 0, 2, 0]
    assert read(tmp_path, [10, 9] * 20).labels == ("10", "9")


def test_numbers_are_told_from_classes(tmp_path: Path) -> None:
    assert read(tmp_path, [0.5 * i for i in range(40)]).labels == ()
    assert read(tmp_path, list(range(40))).labels == ()
    assert read(tmp_path, [i % 5 for i in range(40)], kind="regression").targets[:6].tolist() == [0, 1, 2, 3, 4, 0]


def test_relatives_stay_on_one_side_on_either_strand(tmp_path: Path) -> None:
    turned = [Sequence(text, Modality.DNA).reverse_complement().residues for text in LETTERS[:20]]
    near = [text[:50] + "ACGTACGTAC" for text in LETTERS[:20]]

    found = read(tmp_path, ["a", "b", "c"] * 20, [*LETTERS[:20], *turned, *near], valid=0.2, test=0.2)

    homes = found.splits.reshape(3, 20)
    assert (homes == homes[0]).all() and len(set(homes[0])) == 3
    assert found.shared == 0


def test_a_column_may_say_the_split_and_validation_is_drawn_where_it_says_none(tmp_path: Path) -> None:
    whole = read(tmp_path, ["a", "b"] * 20, split=["train"] * 20 + ["validation"] * 10 + ["test"] * 10)
    drawn = read(tmp_path, ["a", "b"] * 20, split=["train"] * 30 + ["test"] * 10)

    assert whole.splits.tolist() == [0] * 20 + [1] * 10 + [2] * 10
    assert set(drawn.splits[:30]) == {0, 1} and drawn.splits[30:].tolist() == [2] * 10


def test_rows_that_cannot_be_used_are_listed_and_the_others_kept(tmp_path: Path) -> None:
    sequences = [*LETTERS[:30], "ACG7", ""]

    found = read(tmp_path, [*["a", "b"] * 14, None, "b", "a", "b"], sequences)

    assert len(found.records) == 29
    assert [refusal.id for refusal in found.refused] == ["29", "31", "32"]
    assert "Its column 'y' is empty" in found.refused[0].reason


@pytest.mark.parametrize(
    ("target", "changes", "message"),
    [
        (["a"] * 12, {}, "Column 'y' of '.*' is 'a' everywhere: there is nothing to learn"),
        (["a", "b"] * 6 + ["c"], {}, "Class 'c' in column 'y' of '.*' has one record only, which cannot be learned and tested"),
        (
            ["1", "2", "x", "2"] * 3,
            {"kind": "regression"},
            "has 'x' in row 3, which is no finite number below 1e30. Mend it or empty it, or pass columns.kind=classif",
        ),
        (["a", "b"] * 6, {"split": ["train", "tets"] * 6}, "Column 'part' of '.*' has 'tets', which is no split. Did you mean 'test'?"),
        (["a", "b"] * 6, {"split": ["train", "valid"] * 6}, "has too few records for test. Write test into column 'part'"),
        (["a", "b"] * 6, {"split": ["train", "test"] * 6}, "Class 'b' in column 'y' of '.*' has no record to train on"),
        (["a", "b"], {}, "Class 'a' .* has one record only"),
        (
            ["a", "b"] * 2,
            {"sequences": LETTERS[:1] * 4},
            "The sequences are too few, too alike or too unequal in length",
        ),
        (["a", "b"], {"sequences": ["A7", "C7"]}, "Not one of the 2 rows of '.*' can be used. The first"),
    ],
)
def test_a_table_that_cannot_be_learned_from_is_refused_in_a_sentence(
    tmp_path: Path, target: list[Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises((InputError, ConfigError), match=message):
        read(tmp_path, target, **changes)


def test_a_missing_column_and_a_table_without_rows_are_refused(tmp_path: Path) -> None:
    polars.DataFrame({"sequence": ["ACGT"], "label": ["a"]}).write_csv(tmp_path / "t.csv")
    with pytest.raises(InputError, match="has no column 'labels'; it has 'sequence', 'label'. Did you mean 'label'?"):
        read_labelled(str(tmp_path / "t.csv"), Columns(target="labels"))

    (tmp_path / "t.csv").write_text("sequence,y\n")
    with pytest.raises(InputError, match="has a header but no rows"):
        read_labelled(str(tmp_path / "t.csv"), Columns(target="y"))


def test_one_sequence_in_training_and_test_is_refused_unless_allowed(tmp_path: Path) -> None:
    turned = Sequence(LETTERS[0], Modality.DNA).reverse_complement().residues
    sequences = [*LETTERS[:11], turned]
    split = ["train"] * 8 + ["valid"] * 2 + ["test"] * 2

    with pytest.raises(LeakageError, match=r"1 sequences of '.*' stand in several splits, .* '1' \(train\) and '12' \(test\)"):
        read(tmp_path, ["a", "b"] * 6, sequences, split)

    assert read(tmp_path, ["a", "b"] * 6, sequences, split, allow_leakage=True).shared == 1
