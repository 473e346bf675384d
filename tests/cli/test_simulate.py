import json


def test_files_are_written_with_their_provenance(biolect_command, tmp_path):
    outcome = biolect_command("simulate", "genomes", "-o", tmp_path / "toy", "--genes", 4, "--families", 2, "--seed", 11, "--json")

    assert outcome.code == 0
    names = {path.rsplit("/", 1)[1] for path in outcome.result["files"]}
    assert names == {"bacterium.gbk", "eukaryote.fa", "eukaryote.gff3", "truth.tsv", "truth.json", "run.json"}
    assert json.loads((tmp_path / "toy" / "run.json").read_text())["seed"] == 11


def test_a_dry_run_writes_nothing(biolect_command, tmp_path):
    outcome = biolect_command("simulate", "genomes", "-o", tmp_path / "toy", "--dry-run", "--json")

    assert outcome.code == 0
    assert not (tmp_path / "toy").exists()


def test_the_same_seed_writes_the_same_bytes(biolect_command, tmp_path):
    for name in ("a", "b"):
        biolect_command("simulate", "genomes", "-o", tmp_path / name, "--genes", 3, "--seed", 5, "--quiet")

    assert (tmp_path / "a" / "bacterium.gbk").read_bytes() == (tmp_path / "b" / "bacterium.gbk").read_bytes()


def test_families_are_files_of_their_own(biolect_command, tmp_path):
    outcome = biolect_command("simulate", "families", "-o", tmp_path / "toy", "--families", 2, "--members", 3, "--json")

    names = {path.rsplit("/", 1)[1] for path in outcome.result["files"]}
    assert names == {"family_001.a3m", "family_002.a3m", "truth.json", "run.json"}
    assert (tmp_path / "toy" / "family_001.a3m").read_text().count(">") == 3


def test_molecules_are_a_table_of_domains(biolect_command, tmp_path):
    outcome = biolect_command("simulate", "molecules", "-o", tmp_path / "toy", "--domains", 2, "--members", 3, "--json")

    names = {path.rsplit("/", 1)[1] for path in outcome.result["files"]}
    assert names == {"molecules.csv", "truth.tsv", "truth.json", "run.json"}
    assert (tmp_path / "toy" / "molecules.csv").read_text().startswith("name,domain,smiles\nD001-1,D001,")


def test_expression_is_a_table_with_its_rule(biolect_command, tmp_path):
    outcome = biolect_command("simulate", "expression", "-o", tmp_path / "toy", "--genes", 20, "--families", 4, "--json")

    names = {path.rsplit("/", 1)[1] for path in outcome.result["files"]}
    assert names == {"expression.csv", "truth.tsv", "truth.json", "run.json"}
    assert (tmp_path / "toy" / "expression.csv").read_text().startswith("id,family,sequence,expression\nE0001,")


def test_what_is_made_anew_replaces_what_was_made_before_and_nothing_else(biolect_command, tmp_path):
    words = ("simulate", "families", "-o", tmp_path / "toy", "--members", 3, "--json")
    biolect_command(*words, "--families", 4)
    (tmp_path / "toy" / "notes.txt").write_text("mine")

    outcome = biolect_command(*words, "--families", 2, "--overwrite")

    made = {"family_001.a3m", "family_002.a3m", "truth.json", "run.json"}
    assert {path.rsplit("/", 1)[1] for path in outcome.result["files"]} == made
    assert {path.name for path in (tmp_path / "toy").iterdir()} == made | {"notes.txt"}
