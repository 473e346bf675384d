from pathlib import Path

import pytest

from biolect.bio.io import read_records, write_fasta
from biolect.bio.sequence import Modality, Sequence
from biolect.models import checkpoint
from biolect.models.language_model import LanguageModel
from biolect.models.transformer import Transformer
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


@pytest.fixture(scope="module")
def chemist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generate") / "chemist"
    model = LanguageModel.Config(vocabulary="smiles-176", backbone=Transformer.Config(layers=1, width=16, heads=2, inner=32)).build(3)
    checkpoint.save(model, folder, {"grammar": {"tags": False, "positions": "ordinary"}, "context_tokens": 200})
    return folder


def test_molecules_are_written_as_smiles_and_judged(biolect_command, chemist: Path, tmp_path: Path):
    pytest.importorskip("rdkit")
    (tmp_path / "known.smi").write_text("CCO a\nc1ccccc1 b\n")
    words = ["generate", "-m", chemist, "-o", tmp_path / "new.smi", "--modality", "molecule", "--count", 20, "--max-residues", 2, "--json"]

    outcome = biolect_command(*words, "--context", tmp_path / "known.smi", "--training", tmp_path / "known.smi")

    records = list(read_records(tmp_path / "new.smi", modality="molecule"))
    quality = outcome.result["quality"]
    assert outcome.code == 0 and len(records) == 20
    assert [record.name for record in records if isinstance(record, Sequence)][:1] in ([], ["sample-1"])
    assert {"validity", "uniqueness", "novelty", "scaffolds", "internal_diversity", "circles"} <= quality.keys()
    assert "gc_fraction" not in quality and outcome.result["context"]["records"] == 2


def test_molecules_are_not_written_as_fasta(biolect_command, chemist: Path, tmp_path: Path):
    outcome = biolect_command("generate", "-m", chemist, "-o", tmp_path / "new.fa", "--modality", "molecule")

    assert outcome.code == 2 and "does not say that it holds molecules. End it in .smi or .smi.gz." in outcome.err


def test_molecules_are_scored_after_a_prompt_of_molecules(biolect_command, chemist: Path, tmp_path: Path):
    (tmp_path / "actives.smi").write_text("CCO a\nCCN b\n")
    (tmp_path / "asked.csv").write_text("id,smiles\nx,CC(C)O\ny,CHEMBL25\n")

    outcome = biolect_command(
        "score", tmp_path / "asked.csv", "-m", chemist, "-o", tmp_path / "s.csv", "--context", tmp_path / "actives.smi", "--json"
    )

    assert outcome.code == 1 and [one["id"] for one in outcome.result["refused"]] == ["y"]
    assert outcome.result["context"]["records"] == 2 and "molecule" in outcome.result["bits_per_residue"]
    header, row = (line.split(",") for line in (tmp_path / "s.csv").read_text().splitlines())
    found = dict(zip(header, row, strict=True))
    assert float(found["mean_log_likelihood"]) == pytest.approx(float(found["log_likelihood"]) / 6)
