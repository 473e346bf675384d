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
    assert code == 1 and err == ""
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
        (["--kind", "molecules"], "kind = 'molecules' is not built yet"),
        (["views=[]"], "views is empty"),
        (["vews=1"], "Did you mean 'views'"),
    ],
)
def test_wrong_requests_end_with_two_and_one_sentence(proteins, tmp_path, capsys, words, message):
    assert main(["prepare", str(proteins), "-o", str(tmp_path / "c"), *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "c").exists()


def test_nothing_to_read_is_said(tmp_path, capsys):
    assert main(["prepare", "-o", str(tmp_path / "c")]) == 2
    assert "No input was given" in capsys.readouterr().err


def test_a_dry_run_writes_nothing(proteins, tmp_path, capsys):
    assert main(["prepare", str(proteins), "-o", str(tmp_path / "c"), "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["would_read"] == [str(proteins)]
    assert [path.name for path in tmp_path.iterdir()] == ["p.fa"]
