"""A table of fusion arms: what is learned, what is compared with what, and what is not done twice."""

from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest

from biolect.bio.sequence import Modality, Sequence
from biolect.data.labelled import Columns
from biolect.embed.codons import CodonEncoder
from biolect.embed.fused import FusedModel
from biolect.embed.fused_task import embedded
from biolect.errors import ConfigError
from biolect.evaluate.arms import FusionConfig
from biolect.evaluate.comparison import COMPOSED, LATE
from biolect.evaluate.fusing import fuse
from biolect.fusion.fusers import FUSERS
from biolect.train.fusing import Fit

SMALL = Fit(width=8, gate_width=4, head="mlp", steps=100, check_steps=20, learning_rate=1e-2)
ROWS = 120
LETTERS = np.array(list("ACGT"))


def gene(rng: np.random.Generator) -> str:
    """A frame of 20 to 40 codons without a stop inside."""
    codons = ["".join(rng.choice(LETTERS, 3)) for _ in range(int(rng.integers(20, 40)))]
    return "ATG" + "".join("GCC" if codon in ("TAA", "TAG", "TGA") else codon for codon in codons) + "TAA"


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows whose value is the share of codons that end in G or C: codons know it, amino acids do not."""
    rng = np.random.default_rng(0)
    genes = [gene(rng) for _ in range(ROWS)]
    values = [sum(g[i] in "GC" for i in range(2, len(g), 3)) / (len(g) // 3) for g in genes]
    path = tmp_path_factory.mktemp("fusing") / "table.csv"
    polars.DataFrame({"id": [f"g{i}" for i in range(ROWS)], "sequence": genes, "value": values}).write_csv(path)
    return path


def config(table: Path, **changes: Any) -> FusionConfig:
    asked: dict[str, Any] = {"data": str(table), "columns": Columns(target="value"), "fit": SMALL, "seeds": 2}
    return FusionConfig(**(asked | changes))


@pytest.fixture(scope="module")
def run(table: Path, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("run") / "run"
    return folder, fuse(config(table), folder)


def test_every_arm_control_and_baseline_stands_in_one_table(run):
    _, found = run

    assert {"dna", "rna", "protein", *FUSERS, LATE, "late, stacked"} <= set(found["arms"])
    assert {"mil without entropy", "one encoder several times", "shuffled partners"} <= set(found["arms"])
    assert {"ridge on means, rna", "ridge on means, all", "process on means, all"} <= set(found["arms"])
    assert {"length_ridge", "codons_ridge", "amino_acids_forest", "everything_mean", "lookup"} <= set(found["baselines"])
    assert found["metric"] == "spearman" and found["gain"]["arm"] in FUSERS
    assert all(one["interval"][0] <= one["test"] <= one["interval"][1] for one in found["arms"].values())
    assert sum(one["mean"] for one in found["modality_weights"].values()) == pytest.approx(1)
    together, low, high = found["with_composition"]["difference"], *found["with_composition"]["interval"]
    composed = found["baselines"][found["composition"]]["value"]
    assert low <= together <= high and found["arms"][COMPOSED]["test"] - composed == pytest.approx(together)


def test_the_stream_that_carries_the_rule_is_found(run):
    _, found = run

    assert found["best_single"] == "rna" and found["arms"]["rna"]["test"] > 0.8
    assert found["arms"]["rna"]["test"] - found["arms"]["protein"]["test"] > 0.3


def test_what_was_trained_is_not_trained_again_and_no_encoder_is_asked_twice(run, table: Path, monkeypatch: pytest.MonkeyPatch):
    folder, found = run

    def refuse(*words: object, **named: object) -> None:
        raise AssertionError("asked again")

    monkeypatch.setattr(CodonEncoder, "encode", refuse)
    monkeypatch.setattr("biolect.evaluate.arms.fit", refuse)
    again = fuse(config(table), folder, resume=True)

    assert again["arms"] == found["arms"] and again["gain"] == found["gain"]


def test_the_published_model_says_what_the_table_says(run, table: Path, tmp_path: Path):
    folder, found = run
    model = FusedModel.load(folder)
    data = polars.read_csv(folder / "predictions.csv")
    genes = dict(polars.read_csv(table).select("id", "sequence").iter_rows())

    records = [Sequence(genes[name], Modality.DNA, name) for name in data["id"]]
    said = np.stack(model.rows(embedded(model.encoders, records, tmp_path)))

    known = (*model.task.encoders, *FUSERS, LATE)
    best = max((n for n in found["arms"] if n in known), key=lambda n: found["arms"][n]["valid"])
    assert model.task.arm == best
    assert np.allclose(said[:, 0], data[best].to_numpy(), atol=1e-4)


def test_equal_seeds_give_equal_tables_and_naming_order_does_not_count(table: Path, tmp_path: Path):
    one = {"dna": "one-hot:dna", "protein": "one-hot:protein"}
    turned = dict(reversed(one.items()))

    first = fuse(config(table, encoders=one, fuser="mil", seeds=1), tmp_path / "a")
    second = fuse(config(table, encoders=turned, fuser="mil", seeds=1), tmp_path / "b")

    assert first["arms"] == second["arms"]


def test_a_stream_that_names_no_modality_is_refused(table: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match="encoders.peptide names no modality"):
        fuse(config(table, encoders={"peptide": "one-hot:protein"}), tmp_path / "run")


def test_classes_are_fused_too(table: Path, tmp_path: Path):
    frame = polars.read_csv(table)
    frame.with_columns(kind=polars.when(polars.col("value") > 0.5).then(polars.lit("high")).otherwise(polars.lit("low"))).write_csv(
        tmp_path / "t.csv"
    )
    found = fuse(config(tmp_path / "t.csv", columns=Columns(target="kind"), fuser="concatenation", seeds=1), tmp_path / "run")

    assert found["metric"] == "accuracy" and found["labels"] == ["high", "low"]
    assert found["arms"]["concatenation"]["test"] > 0.75
    assert set(polars.read_csv(tmp_path / "run" / "predictions.csv")["concatenation"]) <= {"high", "low"}


def test_where_all_test_rows_are_relatives_intervals_are_over_records(run, table: Path, tmp_path: Path):
    _, apart = run
    rows = polars.read_csv(table).with_columns(split=polars.Series(["train", "train", "valid", "test"] * (ROWS // 4)))
    first = rows.row(0, named=True)["sequence"]
    # Variants of one design: a codon of each is another one.
    variants = [first[:-6] + codon + first[-3:] for codon in ("GCC", "GCA", "AAA", "AAC", "CGT", "GAT", "TTC", "ACA", "GTA", "CTG") * 3]
    kept = rows.filter(polars.col("split") != "test")
    held_out = rows.filter(polars.col("split") == "test").with_columns(sequence=polars.Series(variants))
    polars.concat([kept, held_out]).write_csv(tmp_path / "t.csv")
    found = fuse(
        config(tmp_path / "t.csv", columns=Columns(target="value", split="split"), fuser="late", seeds=1),
        tmp_path / "run",
        allow_leakage=True,
    )

    assert (apart["intervals_over"], found["intervals_over"]) == ("clusters", "records")
    low, high = found["arms"]["late"]["interval"]
    assert low < high
