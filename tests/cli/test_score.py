from pathlib import Path

import numpy as np
import polars
import pytest

from biolect.bio.gene import Gene
from biolect.bio.io import read_genes, write_fasta
from biolect.bio.sequence import Modality, Sequence
from biolect.infer.reader import Reader
from biolect.models import checkpoint
from biolect.models.language_model import LanguageModel
from biolect.models.xlstm import XLSTM
from tests.infer.conftest import build, dna, protein


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    checkpoint.save(build(), folder, {"context_tokens": 200, "grammar": {"tags": True}})
    return folder


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from biolect.simulate import genomes

    folder = tmp_path_factory.mktemp("toy") / "toy"
    return next(Path(path) for path in genomes(folder, seed=1, num_genes=6, num_families=3) if str(path).endswith(".gbk"))


def test_the_model_folder_says_how_the_model_reads(model_folder: Path):
    reader = Reader.load(model_folder)

    assert reader.context_tokens == 200
    assert reader.grammar.tags


def test_records_alone_are_scored_in_order_with_duplicate_ids(biolect_command, model_folder: Path, tmp_path: Path):
    write_fasta(tmp_path / "in.fa", [protein(30, 1, "a"), protein(9, 2, "b"), protein(20, 3, "a")])

    outcome = biolect_command("score", tmp_path / "in.fa", "-m", model_folder, "-o", tmp_path / "out.csv", "--json")

    table = polars.read_csv(tmp_path / "out.csv")
    assert outcome.code == 0
    assert table["id"].to_list() == ["a", "b", "a"]
    assert table.columns == ["id", "modality", "num_residues", "log_likelihood", "log_likelihood_coordinate_free", "mean_log_likelihood"]
    assert set(outcome.result) == {"records", "bits_per_residue", "residues_per_second"}
    assert outcome.result["bits_per_residue"]["protein"] > 0


def test_partners_come_from_a_file_by_id(biolect_command, model_folder: Path, tmp_path: Path):
    write_fasta(tmp_path / "proteins.fa", [protein(10, 1, "a"), protein(9, 2, "none"), protein(8, 3, "b")])
    write_fasta(tmp_path / "genes.fa", [dna(24, 3, "b"), dna(30, 1, "a")])

    words = ["score", tmp_path / "proteins.fa", "-m", model_folder, "--given", tmp_path / "genes.fa", "--json"]
    outcome = biolect_command(*words, "-o", tmp_path / "out.parquet")

    table = polars.read_parquet(tmp_path / "out.parquet")
    assert outcome.code == 1
    assert [one["id"] for one in outcome.result["refused"]] == ["none"]
    assert table["id"].to_list() == ["a", "b"]
    assert np.allclose(table["log_likelihood"] - table["log_likelihood_alone"], table["pmi"])
    assert biolect_command(*words, "-o", tmp_path / "again.parquet", "--skip-bad").code == 0


def test_partners_come_from_a_column(biolect_command, model_folder: Path, tmp_path: Path):
    rows = {"id": ["x", "y"], "sequence": ["MKKLY", "MLLFW"], "gene": ["ATGAAACGT", "ATGTTTTTA"]}
    polars.DataFrame(rows).write_csv(tmp_path / "in.csv")

    outcome = biolect_command("score", tmp_path / "in.csv", "-m", model_folder, "-o", tmp_path / "out.tsv", "--given", "gene", "--json")

    assert outcome.code == 0
    assert polars.read_csv(tmp_path / "out.tsv", separator="\t")["id"].to_list() == ["x", "y"]


def test_genes_of_an_annotated_genome_stand_on_their_coordinates(biolect_command, genome: Path, tmp_path: Path):
    checkpoint.save(build(), tmp_path / "model")

    outcome = biolect_command("score", genome, "-m", tmp_path / "model", "-o", tmp_path / "out.csv", "--given", "cds", "--json")

    table = polars.read_csv(tmp_path / "out.csv")
    names = [gene.name for gene in read_genes(genome) if isinstance(gene, Gene)]
    assert outcome.code in (0, 1)
    assert len(table) > 1
    assert table["id"].to_list() == [name for name in names if name in set(table["id"])]
    assert set(table["modality"]) == {"protein"}
    assert not np.allclose(table["log_likelihood"], table["log_likelihood_coordinate_free"], atol=0.01)


def test_a_prompt_is_shared_by_all_and_what_did_not_fit_is_listed(biolect_command, model_folder: Path, tmp_path: Path):
    write_fasta(tmp_path / "in.fa", [protein(30, 1, "a")])
    write_fasta(tmp_path / "family.fa", [protein(40, 4, "p"), protein(41, 5, "q"), protein(42, 6, "r")])

    words = ["score", tmp_path / "in.fa", "-m", model_folder, "-o", tmp_path / "out.csv", "--context", tmp_path / "family.fa"]
    outcome = biolect_command(*words, "--json")

    assert outcome.code == 0
    assert outcome.result["context"] == {"records": 2, "tokens": 2 + 40 + 2 + 41, "left_out": 1, "first_left_out": ["r"]}


def test_demonstrations_are_pairs_where_partners_are_a_column(biolect_command, model_folder: Path, tmp_path: Path):
    for name, seeds in (("in.csv", (1, 2)), ("shown.csv", (3, 4))):
        rows = {
            "id": [str(s) for s in seeds],
            "sequence": [protein(8, s).residues for s in seeds],
            "gene": [dna(24, s).residues for s in seeds],
        }
        polars.DataFrame(rows).write_csv(tmp_path / name)

    words = [
        "score",
        tmp_path / "in.csv",
        "-m",
        model_folder,
        "-o",
        tmp_path / "out.csv",
        "--given",
        "gene",
        "--context",
        tmp_path / "shown.csv",
    ]
    outcome = biolect_command(*words, "--json")

    assert outcome.code == 0
    assert outcome.result["context"]["tokens"] == 2 * (2 + 24 + 2 + 8)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-m", "nowhere", "-o", "out.csv"], "There is no model 'nowhere'"),
        (["-o", "out.csv"], "No model was given"),
        (["-m", "MODEL", "-o", "out.txt"], "does not say which kind of table to write"),
        (["-m", "MODEL", "-o", "out.csv", "--given", "nowhere.fa"], "--given nowhere.fa is neither a file nor a column"),
        (["-m", "MODEL", "-o", "out.csv", "--context", "nowhere.fa"], "nowhere.fa"),
    ],
)
def test_wrong_requests_are_refused_in_one_sentence(biolect_command, model_folder: Path, tmp_path: Path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    write_fasta("in.fa", [Sequence("MKV", Modality.PROTEIN, "a")])

    outcome = biolect_command("score", "in.fa", *(str(model_folder) if word == "MODEL" else word for word in words))

    assert outcome.code == 2
    assert message in outcome.err
    assert not Path("out.csv").exists()


def test_nothing_scored_is_a_wrong_request_and_leaves_no_table(biolect_command, model_folder: Path, tmp_path: Path):
    (tmp_path / "a.fa").write_text(">a\nMKVLEF\n")
    (tmp_path / "b.fa").write_text(">b\nACGT\n")

    outcome = biolect_command(
        "score", str(tmp_path / "a.fa"), "--given", str(tmp_path / "b.fa"), "-m", str(model_folder), "-o", str(tmp_path / "s.csv")
    )

    assert outcome.code == 2
    assert "Not one of the 1 records" in outcome.err
    assert not (tmp_path / "s.csv").exists()


def test_a_letter_without_a_token_costs_one_record_and_not_the_file(biolect_command, tmp_path: Path):
    model = LanguageModel.Config(vocabulary="prot-38", backbone=XLSTM.Config(layers=1, width=16, heads=2, pattern="m")).build()
    checkpoint.save(model, tmp_path / "model", {"grammar": {"tags": False, "positions": "member"}, "context_tokens": 60})
    (tmp_path / "in.fa").write_text(">a\nMKTAYIE\n>b\nMKT*\n>c\nMKTE\n")

    outcome = biolect_command("score", tmp_path / "in.fa", "-m", tmp_path / "model", "-o", tmp_path / "out.csv", "--json")

    assert outcome.code == 1 and outcome.result["records"] == 2
    assert [one["id"] for one in outcome.result["refused"]] == ["b"]
    assert "Symbol '*' at index 3 (0-based) of 'b' has no token" in outcome.result["refused"][0]["reason"]
