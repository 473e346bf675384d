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
    assert outcome.result["context"] == {"records": 2, "tokens": 26, "left_out": 0, "first_left_out": []}
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


def test_a_model_of_one_modality_draws_that_unless_asked(biolect_command, chemist: Path, tmp_path: Path):
    words = ["generate", "-m", chemist, "--count", 2, "--max-residues", 3]

    drawn = biolect_command(*words, "-o", tmp_path / "new.smi")
    misnamed = biolect_command(*words, "-o", tmp_path / "new.fa")

    assert drawn.code == 0 and len((tmp_path / "new.smi").read_text().splitlines()) == 2
    assert misnamed.code == 2 and "End it in .smi or .smi.gz." in misnamed.err


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


@pytest.fixture(scope="module")
def infill_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    facts = {"objective": {"kind": "infill", "modalities": ["protein"]}, "context_tokens": 64}
    folder = tmp_path_factory.mktemp("infill") / "model"
    checkpoint.save(build(), folder, facts)
    return folder


def test_gaps_of_a_template_are_filled(biolect_command, infill_folder: Path, tmp_path: Path):
    words = ["generate", "-m", infill_folder, "-o", tmp_path / "out.fa", "--infill", "MK[3]AY[2]", "--count", 3, "--json"]

    outcome = biolect_command(*words)

    records = [str(r) for r in read_records(tmp_path / "out.fa", modality=Modality.PROTEIN) if isinstance(r, Sequence)]
    assert outcome.code == 0 and outcome.result["count"] == 3
    assert all(len(r) == 9 and r[:2] == "MK" and r[5:7] == "AY" for r in records)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--infill", "MKTAYI"], "The template 'MKTAYI' has no gap to fill. Write a gap as its number of residues in brackets, as in"),
        (["--infill", "MK[2]", "--prefix", "M"], "--prefix and --infill cannot go together. Write the first letters into the template."),
        (["--infill", "AC[2]", "--modality", "dna"], "--infill needs a model trained to fill gaps"),
        (
            ["--save-context", "x.safetensors"],
            "--save-context x.safetensors has nothing to keep. Give the records with --context FILE",
        ),
    ],
)
def test_templates_that_cannot_be_filled_are_refused(biolect_command, infill_folder: Path, tmp_path: Path, words, message):
    outcome = biolect_command("generate", "-m", infill_folder, "-o", tmp_path / "out.fa", *words)

    assert outcome.code == 2
    assert message in outcome.err


def test_a_context_is_kept_and_gone_on_from(biolect_command, model_folder: Path, tmp_path: Path):
    write_fasta(tmp_path / "family.fa", [protein(10, 1, "a"), protein(12, 2, "b")])
    checkpoint.save(build(), tmp_path / "short", {"context_tokens": 64})
    family, kept = tmp_path / "family.fa", tmp_path / "family.safetensors"
    words = ["generate", "--count", 3, "--max-residues", 9, "--json"]

    first = biolect_command(*words, "-m", model_folder, "-o", tmp_path / "a.fa", "--context", family, "--save-context", kept)
    again = biolect_command(*words, "-m", model_folder, "-o", tmp_path / "b.fa", "--context", kept)
    scored = biolect_command("score", family, "-m", model_folder, "-o", tmp_path / "s.csv", "--context", kept, "--json")
    words[4] = 40
    long = biolect_command(*words, "-m", tmp_path / "short", "-o", tmp_path / "c.fa", "--context", kept)
    misnamed = biolect_command(*words, "-m", model_folder, "-o", tmp_path / "d.fa", "--context", kept, "--save-context", tmp_path / "x.pt")

    assert first.code == again.code == scored.code == 0
    assert first.result["context"] == again.result["context"] == scored.result["context"]
    assert first.result["context"] == {"records": 2, "tokens": 26, "left_out": 0, "first_left_out": []}
    assert (tmp_path / "a.fa").read_bytes() == (tmp_path / "b.fa").read_bytes()
    assert long.code == misnamed.code == 2
    assert (
        f"The context in '{kept}' has 26 tokens; 21 are free beside what is asked. Save one of fewer records, or ask for less." in long.err
    )
    assert "x.pt does not end in .safetensors, by which a saved context is known. Rename it." in misnamed.err


def test_training_molecules_that_are_not_there_are_asked_for(biolect_command, chemist: Path, tmp_path: Path):
    pytest.importorskip("rdkit")
    words = ["generate", "-m", chemist, "-o", tmp_path / "new.smi", "--modality", "molecule", "--count", 2, "--max-residues", 2]

    outcome = biolect_command(*words, "--training", tmp_path / "nothing.smi")

    assert outcome.code == 2 and "There is no file" in outcome.err
