import io
import json
from pathlib import Path

import pytest

from biolect.cli import main
from biolect.data.corpus import Corpus

FASTA = ">a\nMKVLLA\n>b\nMRR7\n>c\nMSTNPKPQRK\n"


@pytest.fixture
def proteins(tmp_path: Path) -> Path:
    (tmp_path / "p.fa").write_text(FASTA)
    return tmp_path / "p.fa"


def test_a_corpus_is_written_and_refused_records_end_with_one(proteins, tmp_path, capsys):
    code = main(["prepare", str(proteins), "-o", str(tmp_path / "c"), "--json", "--test", "0", "valid=0.3"])

    out, err = capsys.readouterr()
    report = json.loads(out)
    assert code == 1
    assert err == (
        "Nothing of 'sequences' is held out for valid: it has too few groups of relatives. "
        "What is learned from it cannot be judged; give more, or other, records.\n"
    )
    assert report["records"] == 2 and [record["id"] for record in report["refused"]] == ["b"]
    assert set(report["leakage"]) >= {"shared_ids", "identical", "near_duplicates", "overlapping"}
    assert Corpus.open(tmp_path / "c").options.valid == 0.3


def test_letters_may_be_masked_by_assignment_and_bad_records_skipped(proteins, tmp_path, capsys):
    assert main(["prepare", str(proteins), "-o", str(tmp_path / "a"), "--json", "unknown=mask"]) == 0
    assert json.loads(capsys.readouterr().out)["folded"]["unknown"] == 1
    assert main(["prepare", str(proteins), "-o", str(tmp_path / "b"), "--quiet", "--skip-bad"]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--kind", "molecules"], "which holds no molecules"),
        (["views=[]"], "views is empty"),
        (["vews=1"], "Did you mean 'views'"),
    ],
)
def test_wrong_requests_end_with_two_and_one_sentence(proteins, tmp_path, capsys, words, message):
    assert main(["prepare", str(proteins), "-o", str(tmp_path / "c"), *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "c").exists()


def test_a_folder_with_other_things_in_it_is_never_replaced(proteins, tmp_path, capsys):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.tex").touch()

    assert main(["prepare", str(proteins), "-o", str(tmp_path / "work"), "--overwrite"]) == 2
    assert "is not empty and holds no corpus" in capsys.readouterr().err
    assert (tmp_path / "work" / "thesis.tex").exists()


def test_a_corpus_with_the_input_in_it_is_not_replaced(proteins, tmp_path, capsys):
    assert main(["prepare", str(proteins), "-o", str(tmp_path / "c"), "--quiet", "--skip-bad"]) == 0
    inside = proteins.rename(tmp_path / "c" / "p.fa")

    assert main(["prepare", str(inside), "-o", str(tmp_path / "c"), "--overwrite"]) == 2
    assert "which would be replaced" in capsys.readouterr().err
    assert inside.exists()


def test_standard_input_goes_by_its_own_name(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(FASTA.encode())))
    main(["prepare", "-", "-o", str(tmp_path / "c"), "--json"])
    assert json.loads(capsys.readouterr().out)["refused"][0]["where"] == "-, record 2"

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert main(["prepare", "-", "-o", str(tmp_path / "d")]) == 2
    assert capsys.readouterr().err == "biolect: '-' is empty. Check how it was made.\n"


def test_a_dry_run_looks_whether_its_inputs_are_there(tmp_path, capsys):
    assert main(["prepare", str(tmp_path / "gone.fa"), "-o", str(tmp_path / "c"), "--dry-run"]) == 2
    assert "There is no file" in capsys.readouterr().err


def test_fasta_alone_holds_no_genes(proteins, tmp_path, capsys):
    assert main(["prepare", str(proteins), "-o", str(tmp_path / "c"), "--kind", "genes"]) == 2
    assert "is FASTA without annotation" in capsys.readouterr().err


def test_nothing_to_read_is_said(tmp_path, capsys):
    assert main(["prepare", "-o", str(tmp_path / "c")]) == 2
    assert "No input was given" in capsys.readouterr().err


def test_a_dry_run_writes_nothing(proteins, tmp_path, capsys):
    assert main(["prepare", str(proteins), "-o", str(tmp_path / "c"), "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["would_read"] == [str(proteins)]
    assert [path.name for path in tmp_path.iterdir()] == ["p.fa"]


def test_molecules_want_a_kind_of_their_own(tmp_path, biolect_command):
    (tmp_path / "x.smi").write_text("CC(C)O a\n")

    outcome = biolect_command("prepare", tmp_path / "x.smi", "-o", tmp_path / "c")

    assert outcome.code == 2 and "'a' is a molecule. Pass --kind molecules" in outcome.err


def test_molecules_are_prepared_by_domain(tmp_path, biolect_command):
    pytest.importorskip("rdkit")
    rows = [f"{name},{'C' * n}{end}" for name, end in (("a", "O"), ("b", "N"), ("c", "S")) for n in range(1, 5)]
    (tmp_path / "x.csv").write_text("target,smiles\n" + "\n".join([*rows, "a,C(C", "b,unnamed compound"]) + "\n")

    outcome = biolect_command("prepare", tmp_path / "x.csv", "-o", tmp_path / "c", "--kind", "molecules", "domain=target", "--json")

    assert outcome.code == 1 and outcome.err == ""
    assert [one["where"] for one in outcome.result["refused"]] == [f"{tmp_path / 'x.csv'}, row 13", f"{tmp_path / 'x.csv'}, row 14"]
    assert outcome.result["splits"]["domains"].keys() == {"train", "valid", "test"} and outcome.result["tokens"]["molecule"] > 0


def test_a_file_without_a_rule_for_its_families_is_said_to_be_one(proteins, tmp_path, capsys):
    assert main(["prepare", str(proteins), "-o", str(tmp_path / "c"), "--kind", "families", "--json", "--skip-bad"]) == 0

    assert "Read as one family each, because no family=RULE says otherwise: p.fa (2 members). If a file" in capsys.readouterr().err
