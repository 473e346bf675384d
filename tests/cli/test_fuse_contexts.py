"""`biolect fuse --contexts`: promoters and untranslated ends beside coding sequences, learned from, explained, refused where wrong."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest

from biolect.evaluate.arms import Runs, fusions, singles
from tests.evaluate.test_fusing import gene

ROWS = 80
QUICK = ("--seeds", 1, "fit.steps=150", "fit.check_steps=30", "fit.width=8", "fit.head=linear", "fit.learning_rate=0.01", "--json")
AROUND = ("--contexts", "dna-promoter=one-hot:dna,rna-utr5=one-hot:rna")
ENCODERS = ("--encoders", "rna=codon-frequency:1")


pytestmark = pytest.mark.usefixtures("few_trees")


@pytest.fixture(scope="module")
def columns() -> dict[str, list[Any]]:
    """Genes whose value is the share of A in their promoter, of which the coding sequence knows nothing; some have no untranslated end."""
    rng = np.random.default_rng(11)
    shares = rng.uniform(0.1, 0.9, ROWS)
    promoters = ["".join(rng.choice(list("ACGT"), int(rng.integers(20, 40)), p=[s, *[(1 - s) / 3] * 3])) for s in shares]
    ends = ["".join(rng.choice(list("ACGU"), 12)) if i % 4 else "" for i in range(ROWS)]
    value = [p.count("A") / len(p) for p in promoters]
    return {
        "id": [f"g{i}" for i in range(ROWS)],
        "sequence": [gene(rng) for _ in range(ROWS)],
        "promoter": promoters,
        "utr5": ends,
        "y": value,
    }


def test_what_only_the_promoter_knows_is_learned_and_worth_its_own_gain(biolect_command, columns, tmp_path: Path):
    polars.DataFrame(columns).write_csv(tmp_path / "t.csv")
    found = biolect_command(
        "fuse", tmp_path / "t.csv", "-o", tmp_path / "run", "--target", "y", *ENCODERS, *AROUND, *QUICK, "--fuser", "concatenation"
    )
    assert found.code == 0, found.err

    arms, gain = found.result["arms"], found.result["gains"]["concatenation without contexts"]
    assert arms["concatenation"]["test"] > 0.7 and arms["dna-promoter"]["test"] > 0.7
    assert gain["interval"][0] > 0 and found.result["best_single"] == "dna-promoter"
    assert found.result["baselines"]["promoter_ridge"]["value"] > 0.8 > found.result["baselines"]["codons_ridge"]["value"]
    assert found.result["encoders"]["rna-utr5"]["address"] == "one-hot:rna"

    predicted = biolect_command("predict", tmp_path / "t.csv", "-m", tmp_path / "run", "-o", tmp_path / "p.csv", "--json")
    assert predicted.code == 0, predicted.err
    said = polars.read_csv(tmp_path / "run" / "predictions.csv")[found.result["published"]]
    assert np.allclose(polars.read_csv(tmp_path / "p.csv")["prediction"], said, atol=1e-3)


@pytest.mark.parametrize("fuser", ["mil", "attention"])
def test_contexts_are_part_of_the_explanation(biolect_command, columns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fuser):
    polars.DataFrame(columns).write_csv(tmp_path / "t.csv")
    publish = Runs.publish
    monkeypatch.setattr(Runs, "publish", lambda runs, *chosen: publish(runs, fuser, fusions(runs.config, "rna")[:1], None))
    quick = ("--seeds", 1, "fit.steps=10", "fit.check_steps=5", "fit.width=8", "--json", "--fuser", fuser)
    found = biolect_command("fuse", tmp_path / "t.csv", "-o", tmp_path / "run", "--target", "y", *ENCODERS, *AROUND, *quick)
    explained = biolect_command("explain", tmp_path / "t.csv", "-m", tmp_path / "run", "-o", tmp_path / "why", "--steps", 1, "--json")

    assert found.code == explained.code == 0, found.err + explained.err
    assert set(explained.result["modalities"]) == {"dna-promoter", "rna", "rna-utr5"}
    assert polars.read_csv(tmp_path / "why" / "codons.csv").columns[4:] == ["rna"]
    assert set(found.result["modality_weights"]) == ({"dna-promoter", "rna", "rna-utr5"} if fuser == "mil" else set())
    monkeypatch.setattr(Runs, "publish", lambda runs, *chosen: publish(runs, "dna-promoter", singles(runs.config)[:1], None))
    again = biolect_command("fuse", tmp_path / "t.csv", "-o", tmp_path / "run", "--target", "y", *ENCODERS, *AROUND, *quick, "--resume")
    refused = biolect_command("explain", tmp_path / "t.csv", "-m", tmp_path / "run", "-o", tmp_path / "other")
    assert again.code == 0 and refused.code == 2 and "'dna-promoter' alone, which has no codons to explain" in refused.err


@pytest.mark.parametrize(
    ("changes", "words", "code", "message"),
    [
        ({"promoter": "ACGTZ7"}, AROUND, 1, "In its column 'promoter': Symbol .* of 'promoter' is not in the DNA alphabet"),
        ({}, ["--contexts", "dna-upstream=one-hot:dna"], 2, "has no column 'upstream'"),
        ({}, ["--contexts", "promoter=one-hot:dna"], 2, "contexts.promoter names no column of its own"),
        ({}, ["--contexts", "protein-utr5=one-hot:protein"], 2, "contexts.protein-utr5 names no column of its own"),
        ({}, ["--contexts", "dna-promoter=one-hot:rna"], 2, "This encoder reads rna, not dna"),
        ({}, ["--contexts", "dna-promoter"], 2, "--contexts has 'dna-promoter', which is not stream=address"),
    ],
)
def test_a_wrong_context_is_one_sentence(biolect_command, columns, tmp_path: Path, changes, words, code, message):
    polars.DataFrame(columns | {name: [text, *columns[name][1:]] for name, text in changes.items()}).write_csv(tmp_path / "t.csv")
    quick = ("--seeds", 1, "fit.steps=2", "fit.check_steps=1", "fit.width=4", "--fuser", "late")

    outcome = biolect_command("fuse", tmp_path / "t.csv", "-o", tmp_path / "run", "--target", "y", *ENCODERS, *words, *quick)

    assert outcome.code == code and re.search(message, outcome.err), outcome.err
    assert "Traceback" not in outcome.err
