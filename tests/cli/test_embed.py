import json
from pathlib import Path

import polars
import pytest

from biolect.bio.io import write_fasta
from biolect.models import checkpoint
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
