"""The verbs that ask, with a model that reads both sides: own columns, and refusals in a sentence."""

from pathlib import Path

import polars
import pytest

from biolect.bio.io import write_fasta
from biolect.models import checkpoint
from tests.infer.conftest import dna, protein
from tests.infer.test_masked import both_ways


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("both") / "tiny"
    checkpoint.save(both_ways(), folder, {"context_tokens": 60, "grammar": {"tags": False, "positions": "ordinary"}})
    return folder


def test_scores_and_variants_come_under_their_own_names(biolect_command, model_folder: Path, tmp_path: Path):
    write_fasta(tmp_path / "in.fa", [dna(20, 1, "a"), dna(80, 2, "long")])
    write_fasta(tmp_path / "one.fa", [dna(12, 1, "wild")])

    scored = biolect_command("score", tmp_path / "in.fa", "-m", model_folder, "-o", tmp_path / "s.csv", "--strands", "both", "--json")
    varied = biolect_command("variants", tmp_path / "one.fa", "-m", model_folder, "-o", tmp_path / "v.csv", "--all-single", "--json")

    assert scored.code == varied.code == 0
    columns = ["id", "modality", "num_residues", "num_scored", "pseudo_log_likelihood"]
    assert polars.read_csv(tmp_path / "s.csv").columns == columns
    assert scored.result["bits_per_residue"] == {} and scored.result["pseudo_bits_per_residue"]["dna"] > 0
    assert polars.read_csv(tmp_path / "v.csv").columns == ["mutant", "masked_marginal"] and varied.result["variants"] == 36


@pytest.mark.parametrize("verb", ["score", "variants", "generate"])
def test_prompts_and_drawing_are_refused_with_a_sentence(biolect_command, model_folder: Path, tmp_path: Path, verb: str):
    write_fasta(tmp_path / "one.fa", [dna(12, 1, "wild")])
    words = {"score": [tmp_path / "one.fa"], "variants": [tmp_path / "one.fa", "--all-single"], "generate": ["--modality", "dna"]}[verb]

    outcome = biolect_command(verb, *words, "-m", model_folder, "-o", tmp_path / "out.csv", "--context", tmp_path / "one.fa")

    assert outcome.code == 2
    assert "reads both sides of every residue, so no text can be read in advance or continued" in outcome.err


def test_a_protein_is_no_question_for_a_model_of_dna(biolect_command, model_folder: Path, tmp_path: Path):
    write_fasta(tmp_path / "p.fa", [protein(20, 1, "p")])

    outcome = biolect_command("score", tmp_path / "p.fa", "-m", model_folder, "-o", tmp_path / "s.csv")

    assert outcome.code == 2
    assert "'dna-12' has no protein residues" in outcome.err


def test_info_knows_the_direction_and_that_there_is_no_state(biolect_command, model_folder: Path):
    result = biolect_command("info", model_folder, "--json").result

    assert result["direction"] == "bidirectional"
    assert result["state_bytes"] is None and result["state_bytes_per_token"] is None
