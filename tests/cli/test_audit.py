"""`biolect audit`: the keys that scripts read, what it finds, and refusals in a sentence."""

import io
import re
import sys
from pathlib import Path

import numpy as np
import polars
import pytest

QUICK = ("folds=3", "trees=10", "draws=50")
STOPS = ("TAA", "TAG", "TGA")


def gene(codons: int, seed: int, rich: float = 0.5) -> str:
    rng = np.random.default_rng(seed)
    drawn: list[str] = []
    while len(drawn) < codons:
        codon = "".join(rng.choice(list("ACGT"), 3, p=[(1 - rich) / 2, rich / 2, rich / 2, (1 - rich) / 2]))
        drawn += [] if codon in STOPS else [codon]
    return f"ATG{''.join(drawn)}TAA"


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 genes twice, their share of G and C as a noisy label, two bad rows, one without a label."""
    rng = np.random.default_rng(0)
    shares = rng.uniform(0.25, 0.75, 60)
    rows = [
        {"id": f"g{i}.{copy}", "cds": gene(100, i, s), "level": s + 0.05 * rng.normal(), "split": "train" if i < 30 or copy else "test"}
        for i, s in enumerate(shares)
        for copy in range(2)
    ]
    rows += [
        {"id": "cut", "cds": gene(50, 998)[:-1], "level": 0.5, "split": "train"},
        {"id": "stopped", "cds": "ATGTAAGCCTAA", "level": 0.5, "split": "train"},
        {"id": "silent", "cds": gene(50, 999), "level": None, "split": "val"},
    ]
    path = tmp_path_factory.mktemp("audit") / "table.csv"
    polars.DataFrame(rows).write_csv(path)
    return path


def test_a_table_is_audited(biolect_command, table: Path, tmp_path: Path):
    outcome = biolect_command("audit", table, "--target", "level", "--split", "split", "-o", tmp_path / "rows.csv", "--json", *QUICK)

    result = outcome.result
    assert outcome.code == 1 and set(result) >= {"rows", "funnel", "leakage", "ceiling", "baselines", "verdict"}
    assert result["funnel"] == {"raw": 123, "no frame": 2, "no target": 1, "used": 120} and result["rows"] == 120
    reasons = [one["reason"] for one in result["refused"]]
    assert re.search("155 nucleotides, which is not a whole number of codons", reasons[0])
    assert re.search(r"Codon 2 \(1-based\) of 4 is a stop inside the frame", reasons[1])
    assert result["leakage"]["identical"] == {
        "rows": 120,
        "valid": 0,
        "valid_examples": [],
        "test": 30,
        "test_examples": [f"g{i}.0 (test) and g{i}.1 (train)" for i in (30, 31, 32)],
    }
    assert result["leakage"]["clusters"] == 60 and result["conflicts"]["conflicting"] == 60
    assert result["ceiling"] > 0.8
    assert {"value", "interval", "split"} <= set(result["baselines"]["codons_mean"]) and result["baselines"]["codons_mean"]["value"] > 0.7
    assert result["baselines"]["lookup_in_random_rows"]["value"] > 0.5
    assert re.match(
        r"The split leaks: 30 of 30 test rows have a relative in training; composition alone \(\w+\) reaches spearman "
        r"0\.\d\d \[0\.\d\d, \d\.\d\d\] across unrelated sequences, which a model must beat; labels .* to 0\.\d\d\.$",
        result["verdict"],
    )
    rows = polars.read_csv(tmp_path / "rows.csv")
    assert rows.columns == ["row", "id", "cluster", "relative", "fold", "prediction"] and len(rows) == 120
    assert set(rows["relative"]) == {"identical"}


def test_without_a_target_leakage_alone_is_told(biolect_command, table: Path):
    outcome = biolect_command("audit", table, "--json", "--skip-bad", "reading=plain")

    assert outcome.code == 0 and outcome.result["reading"] == "plain"
    assert outcome.result["baselines"] == {} and outcome.result["ceiling"] is None
    assert outcome.result["verdict"] == "120 of 123 rows have relatives, which a split by rows would part."


def test_a_table_of_copies_is_not_judged(biolect_command, tmp_path: Path):
    polars.DataFrame({"sequence": [gene(20, 0)] * 30, "level": np.arange(30.0)}).write_csv(tmp_path / "t.csv")

    result = biolect_command("audit", tmp_path / "t.csv", "--target", "level", "--json").result

    assert result["baselines"] == {} and "too few that differ, to judge baselines" in result["verdict"]


def test_relatives_of_one_family_are_judged_by_sequence(biolect_command, tmp_path: Path):
    family = [gene(60, 0)[: 3 * i] + gene(60, 0) for i in range(1, 31)]
    polars.DataFrame({"sequence": family, "kind": ["a", "b"] * 15}).write_csv(tmp_path / "t.csv")

    result = biolect_command("audit", tmp_path / "t.csv", "--target", "kind", "--json", *QUICK).result

    assert result["folds_of"] == "sequences" and result["metric"] == "accuracy" and "across different sequences" in result["verdict"]


@pytest.mark.parametrize(
    ("column", "values", "words", "message"),
    [
        ("level", [1.0] * 4, [], "Column 'level' of .* is '1.0' everywhere: there is nothing to learn"),
        ("level", [None] * 4, [], "Not one of the 4 rows of .* can be used: .*no target.* Fill in column 'level'"),
        ("level", ["low", "low", "high", "7"], ["task=regression"], "has 'low' in row 1, which is no finite number"),
        ("level", ["low", "low", "low", "high"], [], "Class 'high' in column 'level' of .* has one record only"),
        ("part", ["train", "train", "tset", "test"], ["--split", "part"], "has 'tset', which is no split. Did you mean 'test'"),
        ("level", [1.0, 2.0, 3.0, 4.0], ["--sequence", "sequense"], "has no column 'sequense'; .* Did you mean 'sequence'"),
        ("level", [1.0, 2.0, 3.0, 4.0], ["reading=frame"], "reading"),
        ("level", [], [], "has a header but no rows"),
    ],
)
def test_bad_input_is_one_sentence(biolect_command, tmp_path: Path, column, values, words, message):
    table = {
        "sequence": [gene(20, i) for i in range(len(values))],
        column: values,
        "level": values if column == "level" else [0.5, 1.5, 2.5, 3.5],
    }
    polars.DataFrame(table).write_csv(tmp_path / "t.csv")

    outcome = biolect_command("audit", tmp_path / "t.csv", "--target", "level", *words)

    assert outcome.code == 2 and re.search(message, outcome.err), outcome.err
    assert len(outcome.err.strip().splitlines()) == 1


def test_sequences_shorter_than_any_word_are_audited(biolect_command, tmp_path: Path):
    polars.DataFrame({"sequence": ["ATG", "ATGC", "C", "GATTA"] * 6, "level": np.arange(24.0)}).write_csv(tmp_path / "t.csv")

    outcome = biolect_command("audit", tmp_path / "t.csv", "--target", "level", "--json", *QUICK)

    assert outcome.code == 0 and outcome.result["reading"] == "plain" and outcome.result["leakage"]["identical"]["rows"] == 24


def test_a_table_is_read_from_standard_input(biolect_command, table: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(table.read_bytes())))

    outcome = biolect_command("audit", "-", "--target", "level", "--json", *QUICK)

    assert outcome.code == 1 and outcome.result["rows"] == 120, outcome.err
