import json
from pathlib import Path

import polars
import pytest

from biolect.bio.io import write_fasta
from biolect.bio.sequence import Modality, Sequence
from biolect.models import checkpoint
from tests.embed.conftest import outside_esm
from tests.infer.conftest import build, dna, protein


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("embed") / "model"
    checkpoint.save(build(), folder)
    return folder


def test_one_vector_per_sequence_by_default(biolect_command, model_folder: Path, tmp_path: Path):
    write_fasta(tmp_path / "in.fa", [protein(9, 1, "a"), protein(14, 2, "b"), protein(9, 1, "a")])

    outcome = biolect_command("embed", tmp_path / "in.fa", "-m", model_folder, "-o", tmp_path / "out.parquet", "--json")

    assert outcome.code == 0
    assert set(outcome.result) == {"records", "axis", "width", "sequences_per_second", "padding_fraction"}
    assert (outcome.result["records"], outcome.result["axis"], outcome.result["width"]) == (3, "sequence", 32)
    assert polars.read_parquet(tmp_path / "out.parquet")["id"].to_list() == ["a", "b", "a"]


def test_a_name_without_ending_is_a_folder(biolect_command, model_folder: Path, tmp_path: Path):
    write_fasta(tmp_path / "in.fa", [protein(9, 1, "a")])

    assert biolect_command("embed", tmp_path / "in.fa", "-m", model_folder, "-o", tmp_path / "out", "--pool", "max").code == 0

    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["run.json", "vectors.parquet"]


def test_one_vector_per_codon_as_a_folder_with_provenance(biolect_command, model_folder: Path, tmp_path: Path):
    write_fasta(tmp_path / "in.fa", [dna(9, 1, "a"), dna(10, 2, "odd"), dna(12, 3, "c")])

    words = ["embed", tmp_path / "in.fa", "-m", model_folder, "-o", tmp_path / "out", "--axis", "codon", "--layer", 1, "--json"]
    outcome = biolect_command(*words)
    refused = biolect_command(*words)
    again = biolect_command(*words, "--resume")

    assert outcome.code == 1
    assert outcome.result["refused"][0]["id"] == "odd"
    assert polars.read_parquet(tmp_path / "out" / "index.parquet")["length"].to_list() == [3, 4]
    assert "encoder_sha256" in json.loads((tmp_path / "out" / "run.json").read_text())["weights"]
    assert refused.code == 2
    assert again.result["sequences_per_second"] == 0


def test_published_weights_are_embedded_and_their_licence_is_said(biolect_command, tmp_path: Path):
    outside_esm(tmp_path / "esm")
    write_fasta(tmp_path / "in.fa", [protein(9, 1, "a"), Sequence("MKT*", Modality.PROTEIN, "stop"), protein(60, 2, "b")])
    words = ["embed", tmp_path / "in.fa", "-m", f"esm2:{tmp_path / 'esm'}", "--axis", "residue", "--json"]

    outcome = biolect_command(*words, "-o", tmp_path / "out")
    exact = biolect_command(*words, "-o", tmp_path / "exact", "--dtype", "float32")

    assert (outcome.code, outcome.result["records"], outcome.result["width"], outcome.result["padding_fraction"]) == (1, 2, 16, 0)
    assert "are under the licence MIT." in outcome.err and "Remove the stop" in outcome.result["refused"][0]["reason"]
    assert json.loads((tmp_path / "out" / "run.json").read_text())["weights"]["licence"] == "MIT"
    assert json.loads((tmp_path / "out" / "encoder.json").read_text())["licence"] == "MIT"
    assert exact.code == 1 and "in float32" in exact.err


def test_weights_that_are_not_free_need_consent_and_a_strange_modality_is_an_error(biolect_command, tmp_path: Path):
    outside_esm(tmp_path / "nt", gated=True, vocab_size=4_107, mask_token_id=2)
    write_fasta(tmp_path / "d.fa", [dna(9, 1, "a")])
    write_fasta(tmp_path / "p.fa", [protein(9, 1, "a")])
    words = ["-m", f"nucleotide-transformer:{tmp_path / 'nt'}", "-o"]

    asked = biolect_command("embed", tmp_path / "d.fa", *words, tmp_path / "a.parquet")
    wrong = biolect_command("embed", tmp_path / "p.fa", *words, tmp_path / "b.parquet", "--accept-licence")
    done = biolect_command("embed", tmp_path / "d.fa", *words, tmp_path / "c.parquet", "--accept-licence")

    assert (asked.code, wrong.code, done.code) == (2, 2, 0)
    assert "Pass --accept-licence" in asked.err and "reads dna and rna, not protein" in wrong.err
    assert polars.read_parquet(tmp_path / "c.parquet")["vector"].to_numpy().shape == (1, 16)


def test_features_without_weights_are_embedded(biolect_command, tmp_path: Path):
    write_fasta(tmp_path / "in.fa", [dna(9, 1, "a"), dna(10, 1, "odd")])

    outcome = biolect_command("embed", tmp_path / "in.fa", "-m", "codon-frequency", "-o", tmp_path / "out.parquet", "--json")

    assert (outcome.code, outcome.result["width"], outcome.result["refused"][0]["id"]) == (1, 64, "odd")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "out.csv"], "End it in .parquet"),
        (["-o", "out.parquet", "--layer", "9"], "layer = 9 does not exist: the model has layers 1 to 2"),
    ],
)
def test_wrong_requests_are_refused_in_one_sentence(biolect_command, model_folder: Path, tmp_path: Path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    write_fasta("in.fa", [protein(9, 1, "a")])

    outcome = biolect_command("embed", "in.fa", "-m", model_folder, *words)

    assert outcome.code == 2
    assert message in outcome.err
    assert not Path("out.csv").exists()
