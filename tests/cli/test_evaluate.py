"""`biolect evaluate`: the keys that scripts read, baselines of known value, and refusals in a sentence."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import polars
import pytest

from biolect.bio import chemistry
from biolect.bio.io import write_fasta
from biolect.cli import main
from biolect.data.document import Grammar
from biolect.evaluate.tasks import TASKS
from biolect.models import checkpoint
from biolect.models.language_model import LanguageModel
from biolect.models.transformer import Transformer
from biolect.models.xlstm import XLSTM
from tests.infer.conftest import BACKBONES, build, dna, protein

QUICK = ("draws=20", "--json", "--data")
GENOME = str(files("biolect") / "assets" / "phix174.gff3")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of every modality, one that reads DNA in both directions, and FASTA of proteins."""
    folder = tmp_path_factory.mktemp("evaluate")
    checkpoint.save(build(), folder / "model")
    both = XLSTM.Config(layers=1, width=16, heads=2, pattern="s", inner=24, direction="bidirectional")
    checkpoint.save(LanguageModel.Config(backbone=both).build(0).eval(), folder / "both")
    (folder / "data" / "protein_corpus").mkdir(parents=True)
    proteins = [protein(30 + i, i, f"p{i}") for i in range(40)]
    write_fasta(folder / "data" / "protein_corpus" / "uniref90_sample.faa", proteins)
    write_fasta(folder / "letters.fa", [dna(400, i, f"d{i}") for i in range(30)])
    return folder


def test_bits_per_residue_of_a_file(biolect_command, place: Path, tmp_path: Path):
    asked = ("evaluate", "bits-per-residue", "-m", place / "model", "-o", tmp_path / "out", *QUICK, place / "letters.fa")
    outcome = biolect_command(*asked)

    task = outcome.result["tasks"]["bits-per-residue"]
    rows = polars.read_csv(tmp_path / "out" / "table.csv")
    assert outcome.code == 0 and task["metric"] == "bits_per_residue"
    assert set(task) >= {"metric", "value", "interval", "baselines", "gain"}
    assert task["baselines"]["uniform"] == {"value": 2.0, "interval": [2.0, 2.0]}
    # Letters that were drawn alike have no more to give.
    assert all(1.98 < one["value"] < 2.05 for one in task["baselines"].values())
    assert task["value"] > 2.5 and task["gain"]["difference"] < 0
    assert rows["arm"].to_list() == ["model", "uniform", "composition", "best Markov", "context mixing"]
    assert json.loads((tmp_path / "out" / "run.json").read_text())["seed"] == 0
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == outcome.result


@pytest.mark.skipif(not chemistry.is_there(), reason="needs the extra chem")
def test_bits_per_residue_of_molecules(biolect_command, tmp_path: Path):
    backbone = Transformer.Config(layers=1, width=16, heads=2, inner=32)
    grammar = {"grammar": Grammar(tags=False, positions="ordinary").to_dict()}
    checkpoint.save(LanguageModel.Config(vocabulary="smiles-176", backbone=backbone).build(0), tmp_path / "model", grammar)
    made = biolect_command("simulate", "molecules", "-o", tmp_path / "mol", "--domains", 12, "--seed", 7)
    prepared = biolect_command("prepare", tmp_path / "mol" / "molecules.csv", "-o", tmp_path / "corpus", "--kind", "molecules")
    words = ("-m", tmp_path / "model", "-o", tmp_path / "out", *QUICK, tmp_path / "corpus", "items=20")

    outcome = biolect_command("evaluate", "bits-per-residue", *words)

    assert made.code == prepared.code == outcome.code == 0, outcome.err
    assert set(outcome.result["tasks"]["bits-per-residue"]["baselines"]) == {"uniform", "composition", "best Markov", "context mixing"}


def test_a_file_without_enough_relatives_apart_is_refused(biolect_command, place: Path, tmp_path: Path):
    (tmp_path / "same.fa").write_text("".join(f">r{i}\n{'AAAC' * 50}\n" for i in range(3)))
    outcome = biolect_command("evaluate", "bits-per-residue", "-m", place / "model", "-o", tmp_path / "o.csv", *QUICK, tmp_path / "same.fa")

    assert outcome.code == 2 and "Give more records, or a corpus with larger held-out parts." in outcome.result["error"]


def test_of_a_corpus_the_test_part_is_asked_about(biolect_command, place: Path, tmp_path: Path):
    write_fasta(tmp_path / "in.fa", [dna(300 + i, 100 + i, f"d{i}") for i in range(24)])
    assert biolect_command("prepare", tmp_path / "in.fa", "-o", tmp_path / "corpus", "--valid", "0.2", "--test", "0.3", "--quiet").code == 0
    asked = ("evaluate", "bits-per-residue", "-m", place / "model", "-o", tmp_path / "o.csv", *QUICK, tmp_path / "corpus")
    outcome = biolect_command(*asked)

    rows = polars.read_csv(tmp_path / "o.csv")
    assert outcome.code == 0 and "notes" not in outcome.result["tasks"]["bits-per-residue"]
    assert 4 <= rows["items"][0] <= 10 and set(rows["part"]) == {"dna"}
    refused = biolect_command("evaluate", "translation", "-m", place / "model", "-o", tmp_path / "t.csv", *QUICK, tmp_path / "corpus")
    assert refused.code == 2 and "has no genes. Prepare one with biolect prepare --kind genes." in refused.result["error"]


def test_genes_and_their_proteins(biolect_command, place: Path, tmp_path: Path):
    asked = ("conditional-gain", "translation", "items=6", "-m", place / "model", "-o", tmp_path / "out.parquet", *QUICK, GENOME)
    outcome = biolect_command("evaluate", *asked)

    gain, translation = outcome.result["tasks"].values()
    rows = polars.read_parquet(tmp_path / "out.parquet").filter(polars.col("task") == "conditional-gain")
    values = {(row["part"], row["arm"], row["metric"]): row["value"] for row in rows.iter_rows(named=True)}
    assert outcome.code == 0 and set(gain["baselines"]) == {"no partner", "foreign partner", "shuffled partner"}
    for part in ("protein given gene", "gene given protein"):
        alone = values[part, "alone", "bits_per_residue"]
        for arm in ("own partner", "foreign partner"):
            assert values[part, arm, "bits_per_residue_gained"] == pytest.approx(alone - values[part, arm, "bits_per_residue"], abs=1e-6)
    assert 0 < values["gene given protein", "codon usage", "bits_per_residue"] < 2
    forward = translation["parts"]["gene to protein"]
    assert 0 <= forward["value"] < 0.3 and 0.02 < forward["baselines"]["most frequent letter"]["value"] < 0.3


def test_a_folder_has_files_by_their_published_names(biolect_command, place: Path, tmp_path: Path):
    asked = ("bits-per-residue", "-m", place / "model", "-o", tmp_path / "out.csv", *QUICK, place / "data")
    outcome = biolect_command("evaluate", *asked)

    assert outcome.code == 2
    assert "has no 'eukaryote_slices/C_elegans/transcripts.fa.gz', which this task reads" in outcome.result["error"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "There are\nbits-per-residue: bits per residue of held-out records"),
        (("bits-per-residu",), "There is no task 'bits-per-residu'. Did you mean 'bits-per-residue'?"),
        (("xyz",), "There is no task 'xyz'. There are bits-per-residue, "),
        (("translation", "item=3"), "item"),
        (("translation", "items=1"), "items"),
        (("translation", "--data", "nowhere"), "There is no 'nowhere'. Pass --data FOLDER"),
        (("translation", "--data", "{place}/letters.fa"), "has no annotated genes"),
        (("translation", "--data", "{place}/data"), "has no 'genbank/"),
    ],
)
def test_a_wrong_request_is_refused_in_a_sentence(biolect_command, place: Path, tmp_path: Path, words: tuple[str, ...], said: str):
    words = tuple(word.format(place=place) for word in words)
    outcome = biolect_command("evaluate", *words, "-m", place / "model", "-o", tmp_path / "out.csv")

    assert outcome.code == 2 and said in outcome.err and not (tmp_path / "out.csv").exists()


def test_a_model_that_cannot_be_asked_is_refused(biolect_command, place: Path, tmp_path: Path):
    outcome = biolect_command("evaluate", "translation", "-m", place / "both", "-o", tmp_path / "out.csv", *QUICK, GENOME)

    assert outcome.code == 2 and "asks for next letters, and this model reads both sides" in outcome.result["error"]
    checkpoint.save(LanguageModel.Config(backbone=BACKBONES["transformer"], vocabulary="dna-12").build(0).eval(), tmp_path / "dna")
    outcome = biolect_command("evaluate", "translation", "-m", tmp_path / "dna", "-o", tmp_path / "out.csv", *QUICK, GENOME)

    said = "Task 'translation' asks about protein, and the model reads dna. Choose another task or model."
    assert outcome.code == 2 and outcome.result["error"] == said


def test_nothing_is_done_in_a_dry_run(biolect_command, place: Path, tmp_path: Path):
    outcome = biolect_command("evaluate", "translation", "-m", place / "model", "-o", tmp_path / "out.csv", "--dry-run", *QUICK, GENOME)

    assert outcome.code == 0 and outcome.result["would_run"]["tasks"] == ["translation"] and not (tmp_path / "out.csv").exists()


def test_every_task_says_what_it_reads(capsys: pytest.CaptureFixture[str]):
    assert main(["evaluate"]) == 2
    told = capsys.readouterr().err

    assert all(f"{task.name}: {task.summary}. Reads {task.file}." in told for task in TASKS)
    assert len({task.name for task in TASKS}) == len(TASKS)


def test_the_same_seed_gives_the_same_table(biolect_command, place: Path, tmp_path: Path):
    for name in ("a.csv", "b.csv"):
        assert biolect_command("evaluate", "translation", "items=4", "-m", place / "model", "-o", tmp_path / name, *QUICK, GENOME).code == 0

    assert np.array_equal((tmp_path / "a.csv").read_text(), (tmp_path / "b.csv").read_text())


def test_a_table_goes_to_standard_output(biolect_command, place: Path):
    outcome = biolect_command(
        "evaluate", "translation", "items=4", "draws=10", "-m", place / "model", "-o", "-", "--data", GENOME, "--quiet"
    )

    assert outcome.code == 0 and outcome.out.startswith(
        "task,part,arm,kind,metric,value,low,high,items,clusters,intervals_over\ntranslation,"
    )


def test_an_interrupted_evaluation_goes_on_with_the_next_task(biolect_command, place: Path, tmp_path: Path):
    def asked(output: str, *words: str):
        return biolect_command("evaluate", *words, "-m", place / "model", "-o", tmp_path / output, *QUICK, GENOME)

    whole = asked("whole", "translation", "conditional-gain", "items=4")
    asked("out", "translation", "items=4")
    answer = tmp_path / "out" / "answers" / "translation.json"
    written = answer.stat().st_mtime_ns
    resumed = asked("out", "translation", "conditional-gain", "items=4", "--resume")
    other = asked("out", "translation", "items=5", "--resume")

    assert resumed.result == whole.result and resumed.code == whole.code
    assert answer.stat().st_mtime_ns == written, "an answer that is there is not asked for again"
    assert (tmp_path / "out" / "table.csv").read_text() == (tmp_path / "whole" / "table.csv").read_text()
    assert other.code == 2 and "'items' differs" in other.result["error"]
    assert asked("out", "translation", "items=5", "--overwrite").code == 0 and answer.stat().st_mtime_ns > written
