"""Weights that come with the package: small, described, and better than counting."""

import json
import re

import numpy as np
import polars
import pytest

from biolect.infer.reader import Reader
from biolect.models import checkpoint
from biolect.models.resolve import shipped
from tests.evaluate.test_fusing import gene

NAMES = sorted(shipped())
ENCODERS = {"dna": "dna-encoder", "rna": "genes-transformer", "protein": "protein-encoder"}
LARGEST, LARGEST_IN_ALL = 9_000_000, 60_000_000


def size(folder) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def test_all_of_them_are_small():
    sizes = {name: size(folder) for name, folder in shipped().items()}

    assert sizes and max(sizes.values()) <= LARGEST and sum(sizes.values()) <= LARGEST_IN_ALL, sizes


@pytest.mark.parametrize("name", NAMES)
def test_a_card_names_data_licence_limits_and_the_command(name):
    card = (shipped()[name] / "README.md").read_text(encoding="utf-8")
    facts = checkpoint.read_facts(shipped()[name])

    assert all(word in card for word in ("Data:", "Limits:", f"--only {name}", "tokens"))
    assert re.search(r"CC BY|no restrictions", card)
    assert facts["corpora"] and all(len(digest) == 64 for digest in facts["corpora"].values())
    # Every gain over the best baseline of letters is above zero, or it would not be shipped; where a partner is worth nothing it says so.
    gains = re.findall(r"^\| ([a-z ]+) \|.*\| -?\d+\.\d+ \[(-?\d+\.\d+), -?\d+\.\d+\] over ([a-zA-Z ]+) \|$", card, flags=re.MULTILINE)
    assert any(over != "alone" for _, _, over in gains)
    assert all(float(low) > 0 or (over == "alone" and f"says: {part} is no better" in card) for part, low, over in gains)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_stored_in_half_precision_and_answers_in_full(name):
    stored = checkpoint.read_tensors(shipped()[name] / checkpoint.WEIGHTS)
    reader = Reader.load(name)

    assert {str(tensor.dtype) for tensor in stored.values() if tensor.is_floating_point()} == {"torch.bfloat16"}
    assert all(weight.isfinite().all() for weight in reader.model.parameters())


@pytest.fixture
def protein(tmp_path):
    path = tmp_path / "protein.fa"
    path.write_text(">wildtype\nMKTAYIAKQRQISFVKSHFSRQ\n")
    return path


def test_verbs_take_shipped_names(biolect_command, protein, tmp_path):
    every = ["-m", "genes-transformer", "--json"]

    scored = biolect_command("score", protein, *every, "-o", tmp_path / "scores.csv")
    varied = biolect_command("variants", protein, *every, "-o", tmp_path / "variants.csv", "--all-single")
    written = biolect_command("generate", *every, "-o", tmp_path / "made.fa", "--modality", "protein", "--count", 2, "--max-residues", 20)
    embedded = biolect_command("embed", protein, "-m", "genes-transformer", "--json", "-o", tmp_path / "vectors")

    assert [one.code for one in (scored, varied, written, embedded)] == [0] * 4, scored.err + varied.err + written.err + embedded.err
    assert varied.result["variants"] == 22 * 19


def test_shipped_encoders_are_fused(biolect_command, tmp_path):
    rng = np.random.default_rng(1)
    genes = [gene(rng) for _ in range(60)]
    path = tmp_path / "table.csv"
    polars.DataFrame([{"id": f"g{i}", "cds": g, "value": g.count("G") / len(g)} for i, g in enumerate(genes)]).write_csv(path)
    words = ["fuse", path, "-o", tmp_path / "fused", "--sequence", "cds", "--target", "value", "--seeds", 1, "--fuser", "concatenation"]
    words += ["--encoders", ",".join(f"{stream}={name}" for stream, name in ENCODERS.items())]
    words += ["--json", "fit.steps=10", "fit.check_steps=5", "fit.width=4"]

    fused = biolect_command(*words)

    assert fused.code == 0, fused.err
    named = json.loads((tmp_path / "fused" / "results.json").read_text())["encoders"]
    assert {stream: one["address"] for stream, one in named.items()} == ENCODERS
