from pathlib import Path

import numpy as np
import polars
import pytest

from biolect.bio.gene import Gene
from biolect.bio.io import read_genes, write_fasta
from biolect.models import checkpoint
from biolect.models.language_model import LanguageModel
from biolect.models.xlstm import XLSTM
from tests.infer.conftest import build, dna, protein

WILD = protein(24, 5, "wild")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("variants")
    checkpoint.save(build(), folder / "model")
    write_fasta(folder / "wild.fa", [WILD])
    return folder


def test_all_single_substitutions(biolect_command, place: Path, tmp_path: Path):
    outcome = biolect_command("variants", place / "wild.fa", "-m", place / "model", "-o", tmp_path / "out.csv", "--all-single", "--json")

    table = polars.read_csv(tmp_path / "out.csv")
    assert outcome.code == 0
    assert outcome.result["variants"] == len(table) == 24 * 19
    assert outcome.result["spearman"] is None
    assert table.columns == ["mutant", "log_likelihood_ratio"]


def test_a_table_keeps_its_order_and_its_labels_are_compared(biolect_command, place: Path, tmp_path: Path):
    first, tenth = WILD.residues[0], WILD.residues[9]
    other, another = "AC"[first == "A"], "AC"[tenth == "A"]
    mutants = [f"{first}1{other}", f"{tenth}10{another}:{first}1{other}", "X99A", f"{first}1{first}"]
    polars.DataFrame({"mutant": mutants, "effect": [0.5, 2.0, 1.0, None]}).write_csv(tmp_path / "in.csv")

    words = ["variants", place / "wild.fa", "-m", place / "model", "--mutations", tmp_path / "in.csv", "--label", "effect", "--json"]
    outcome = biolect_command(*words, "-o", tmp_path / "out.csv")

    table = polars.read_csv(tmp_path / "out.csv")
    assert outcome.code == 1
    assert outcome.result["refused"][0]["where"].endswith("in.csv, row 3")
    assert table["mutant"].to_list() == [mutants[0], mutants[1], mutants[3]]
    assert table["log_likelihood_ratio"][2] == 0
    assert outcome.result["spearman"] == pytest.approx(1 if table["log_likelihood_ratio"][1] > table["log_likelihood_ratio"][0] else -1)


def test_partner_and_prompt_change_the_scores(biolect_command, place: Path, tmp_path: Path):
    write_fasta(tmp_path / "gene.fa", [dna(72, 1, "gene")])
    write_fasta(tmp_path / "family.fa", [protein(20, 1, "a"), protein(21, 2, "b")])

    found = []
    for extra in ([], ["--given", tmp_path / "gene.fa"], ["--context", tmp_path / "family.fa"]):
        words = ["variants", place / "wild.fa", "-m", place / "model", "-o", tmp_path / "out.csv", "--all-single", "--overwrite", "--json"]
        assert biolect_command(*words, *extra).code == 0
        found.append(polars.read_csv(tmp_path / "out.csv")["log_likelihood_ratio"])

    assert not np.allclose(found[0], found[1], atol=0.01)
    assert not np.allclose(found[0], found[2], atol=0.01)


def test_the_gene_is_found_in_an_annotated_genome(biolect_command, place: Path, tmp_path: Path):
    from biolect.simulate import genomes

    written = genomes(tmp_path / "toy", seed=1, num_genes=3, num_families=2)
    genome = next(Path(path) for path in written if str(path).endswith(".gbk"))
    gene = next(g for g in read_genes(genome) if isinstance(g, Gene) and 10 < len(g.protein) < 400)
    write_fasta(tmp_path / "own.fa", [gene.protein])
    write_fasta(tmp_path / "other.fa", [WILD])

    words = ["-m", place / "model", "-o", tmp_path / "out.csv", "--all-single", "--given", genome, "--json"]
    assert biolect_command("variants", tmp_path / "own.fa", *words).code == 0
    refused = biolect_command("variants", tmp_path / "other.fa", *words, "--overwrite")

    assert refused.code == 2
    assert "has exactly the protein 'wild'" in refused.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "either --mutations TABLE"),
        (["--all-single", "--mutations", "in.csv"], "either --mutations TABLE"),
        (["--mutations", "in.csv"], "Not one of the 1 variants in 'in.csv' fits the reference. The first: Variant A99G is at position 99"),
        (["--mutations", "in.csv", "--label", "effekt"], "has no column 'effekt'"),
        (["--mutations", "odd.csv"], "has no column 'mutant'"),
        (["--mutations", "own.csv", "--label", "log_likelihood_ratio"], "stands in the output already, so it cannot be the label"),
    ],
)
def test_wrong_requests_are_refused_in_one_sentence(biolect_command, place: Path, tmp_path: Path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    Path("in.csv").write_text("mutant,effect\nA99G,1\n")
    Path("own.csv").write_text(f"mutant,log_likelihood_ratio\n{WILD.residues[0]}1{'AC'[WILD.residues[0] == 'A']},1\n")
    Path("odd.csv").write_text("variant\nA1G\n")

    outcome = biolect_command("variants", place / "wild.fa", "-m", place / "model", "-o", "out.csv", *words)

    assert outcome.code == 2
    assert message in outcome.err
    assert not Path("out.csv").exists()


def test_only_one_wild_type_is_taken(biolect_command, place: Path, tmp_path: Path):
    write_fasta(tmp_path / "two.fa", [WILD, WILD])

    outcome = biolect_command("variants", tmp_path / "two.fa", "-m", place / "model", "-o", tmp_path / "out.csv", "--all-single")

    assert outcome.code == 2
    assert "holds several records; exactly one is wanted" in outcome.err


def test_homologs_are_drawn_from_an_alignment_and_never_the_wild_type(biolect_command, place: Path, tmp_path: Path):
    (tmp_path / "family.a3m").write_text("".join(f">{i}\n{protein(24, 10 + i) if i else WILD}\n" for i in range(6)))
    facts = {"objective": {"kind": "infill", "modalities": ["protein"]}, "context_tokens": 24 + 3 + 5 + 2 * 26}
    checkpoint.save(build(), tmp_path / "infill", facts)
    words = ["variants", place / "wild.fa", "-o", tmp_path / "out.csv", "--all-single", "--overwrite", "--json"]
    drawn = ["--context", tmp_path / "family.a3m", "-m", tmp_path / "infill"]

    found = {}
    ways = {"one": [], "three": ["--draws", 3], "second": ["--seed", 1], "third": ["--seed", 2], "causal": ["--by", "causal"]}
    for name, extra in ways.items():
        outcome = biolect_command(*words, *drawn, *extra)
        assert outcome.code == 0, outcome.err
        assert outcome.result["context"]["sampled_from"] == 5
        # From left to right there is no need of holes, and room for what they would take, but for no third homolog.
        assert outcome.result["context"]["records"] == 2
        assert outcome.result.get("by") == (None if name == "causal" else "infill")
        found[name] = polars.read_csv(tmp_path / "out.csv")["log_likelihood_ratio"].to_numpy()

    assert np.allclose(found["three"], (found["one"] + found["second"] + found["third"]) / 3, atol=1e-4)
    assert not np.allclose(found["one"], found["second"], atol=0.01)
    assert not np.allclose(found["one"], found["causal"], atol=0.01)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--by", "infill"], "Scoring by infill needs a model trained to fill holes of protein; this one was not. Ask it causal."),
        (["--draws", 2], "--draws 2 needs a --context to draw from, an alignment (A3M). Give one, or leave out --draws."),
    ],
)
def test_what_the_model_or_the_context_cannot_give_is_refused(biolect_command, place: Path, tmp_path: Path, extra, message):
    outcome = biolect_command("variants", place / "wild.fa", "-m", place / "model", "-o", tmp_path / "out.csv", "--all-single", *extra)

    assert outcome.code == 2
    assert message in outcome.err


def test_an_alignment_of_rows_of_unequal_length_is_refused(biolect_command, place: Path, tmp_path: Path):
    (tmp_path / "bad.a3m").write_text(">q\nMKVLF\n>r\nM-VaaL\n")
    words = ["-m", place / "model", "-o", tmp_path / "out.csv", "--all-single", "--context", tmp_path / "bad.a3m"]

    outcome = biolect_command("variants", place / "wild.fa", *words)

    assert outcome.code == 2
    assert "(line 3) has 4 columns, but the first row has 5." in outcome.err


@pytest.mark.parametrize("infills", [{}, {"objective": {"kind": "infill", "modalities": ["protein"]}}])
def test_a_variant_whose_letter_has_no_token_is_refused(biolect_command, tmp_path: Path, infills: dict[str, object]):
    model = LanguageModel.Config(vocabulary="prot-38", backbone=XLSTM.Config(layers=1, width=16, heads=2, pattern="m")).build()
    checkpoint.save(model, tmp_path / "model", {"grammar": {"tags": False, "positions": "member"}, **infills})
    write_fasta(tmp_path / "wild.fa", [WILD])
    first = WILD.residues[0]
    (tmp_path / "in.csv").write_text(f"mutant,effect\n{first}1*,1\n{first}1W,2\n")
    words = ["variants", tmp_path / "wild.fa", "-m", tmp_path / "model", "--mutations", tmp_path / "in.csv", "--label", "effect", "--json"]

    outcome = biolect_command(*words, "-o", tmp_path / "out.csv")

    table = polars.read_csv(tmp_path / "out.csv")
    assert outcome.code == 1 and table["mutant"].to_list() == [f"{first}1W"] and table["effect"].to_list() == [2.0]
    assert outcome.result["refused"][0]["reason"] == (
        f"Variant {first}1* puts in '*', which has no token in vocabulary 'prot-38'. Remove it, or use another model."
    )
