from pathlib import Path

import pytest

from biolect.bio.io import read_records, write_fasta
from biolect.bio.sequence import Modality, Sequence
from biolect.models import checkpoint
from tests.infer.conftest import build, protein


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generate") / "model"
    checkpoint.save(build(), folder)
    return folder


def test_samples_are_written_as_fasta(biolect_command, model_folder: Path, tmp_path: Path):
    words = [
        "generate",
        "-m",
        model_folder,
        "--modality",
        "rna",
        "--count",
        7,
        "--max-residues",
        30,
        "--prefix",
        "AUG",
        "--seed",
        3,
        "--json",
    ]

    outcome = biolect_command(*words, "-o", tmp_path / "a.fa")
    biolect_command(*words, "-o", tmp_path / "b.fa")

    records = [r for r in read_records(tmp_path / "a.fa", modality=Modality.RNA) if isinstance(r, Sequence)]
    assert outcome.code == 0
    assert [r.name for r in records] == [f"sample-{i}" for i in range(1, 8)]
    assert all(str(r).startswith("AUG") and 4 <= len(r) <= 33 for r in records)
    assert {"count", "tokens_per_second", "state_bytes", "quality"} <= set(outcome.result)
    assert outcome.result["count"] == 7
    assert outcome.result["state_bytes"] > 0
    assert 0 <= outcome.result["quality"]["gc_fraction"] <= 1
    assert (tmp_path / "a.fa").read_bytes() == (tmp_path / "b.fa").read_bytes()


def test_a_prompt_is_read_before_all_samples(biolect_command, model_folder: Path, tmp_path: Path):
    write_fasta(tmp_path / "family.fa", [protein(10, 1, "a"), protein(12, 2, "b")])

    words = [
        "generate",
        "-m",
        model_folder,
        "-o",
        tmp_path / "out.fa",
        "--context",
        tmp_path / "family.fa",
        "--count",
        3,
        "--max-residues",
        9,
    ]
    outcome = biolect_command(*words, "--top-k", 5, "--top-p", 0.9, "--temperature", 0.8, "--json")

    assert outcome.code == 0
    assert outcome.result["context"] == {"records": 2, "tokens": 26, "left_out": []}
    assert outcome.result["quality"]["copied_fraction"] == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--infill", "MK--L"], "causal models read from left to right only. Use --prefix instead"),
        (["--count", 0], "--count 0 is not a positive number"),
        (["--temperature", "-1"], "temperature = -1"),
        (["--modality", "dna", "--prefix", "MKL"], "is not in the DNA alphabet"),
    ],
)
def test_wrong_requests_are_refused_in_one_sentence(biolect_command, model_folder: Path, tmp_path: Path, words, message):
    outcome = biolect_command("generate", "-m", model_folder, "-o", tmp_path / "out.fa", *words)

    assert outcome.code == 2
    assert message in outcome.err
    assert not (tmp_path / "out.fa").exists()
