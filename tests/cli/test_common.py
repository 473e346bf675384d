import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import biolect.cli as cli
from biolect.cli.common import Common, finish, plain, split_assignments
from biolect.errors import ConfigError, InputError


@dataclass
class Refused:
    id: str
    where: str
    reason: str


BAD = Refused("P1", "proteins.fa:3", "Symbol '7' is not in the protein alphabet.")


def test_json_is_exactly_one_object_on_standard_output(capsys):
    code = finish({"records": np.int64(3), "score": float("nan"), "path": Path("a/b")}, common=Common(as_json=True))

    out, err = capsys.readouterr()
    assert code == 0
    assert json.loads(out) == {"records": 3, "score": None, "path": "a/b"}
    assert out.count("\n") == 1 and err == ""


def test_tables_go_to_standard_error(capsys):
    finish({"records": 12345, "rows": [{"name": "a[b]", "ok": True}]}, common=Common())

    out, err = capsys.readouterr()
    assert out == ""
    assert "12,345" in err and "a[b]" in err and "yes" in err


def test_quiet_says_nothing(capsys):
    finish({"records": 1}, common=Common(quiet=True))

    assert capsys.readouterr() == ("", "")


def test_refused_records_end_with_one_unless_bad_ones_may_be_skipped(capsys):
    assert finish({}, [BAD], Common()) == 1
    assert "refused P1 (proteins.fa:3): Symbol '7'" in capsys.readouterr().err
    assert finish({}, [BAD], Common(skip_bad=True)) == 0
    finish({}, [BAD], Common(as_json=True, skip_bad=True))
    assert json.loads(capsys.readouterr().out)["refused"] == [{"id": "P1", "where": "proteins.fa:3", "reason": BAD.reason}]


def test_assignments_are_told_from_inputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("odd=name.fa").touch()

    inputs, assignments = split_assignments(["genes.gbk", "seed=7", "phases.0.mixture.genes=0.5", "odd=name.fa", "-"])

    assert inputs == ["genes.gbk", "odd=name.fa", "-"]
    assert assignments == ["seed=7", "phases.0.mixture.genes=0.5"]


def test_plain_data_knows_arrays_sets_and_dataclasses():
    assert plain({"a": np.arange(3), "b": {1}, "c": BAD, "d": (np.float32(0.5), np.inf)}) == {
        "a": [0, 1, 2],
        "b": [1],
        "c": {"id": "P1", "where": "proteins.fa:3", "reason": BAD.reason},
        "d": [0.5, None],
    }


def test_an_output_that_exists_is_not_replaced_unasked(tmp_path):
    taken = tmp_path / "scores.csv"
    taken.touch()

    with pytest.raises(ConfigError, match="exists. Pass --overwrite"):
        Common(output=taken).need_output()
    assert Common(output=taken, overwrite=True).need_output() == taken
    assert Common(output=taken, resume=True).need_output() == taken
    (tmp_path / "empty").mkdir()
    assert Common(output=tmp_path / "empty").need_output() == tmp_path / "empty"


def test_a_file_never_takes_the_place_of_a_folder_nor_the_other_way_round(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "inside").touch()
    (tmp_path / "genes.fa").touch()

    with pytest.raises(ConfigError, match="is a folder; this verb writes a file"):
        Common(output=tmp_path / "model").need_file()
    with pytest.raises(ConfigError, match="is a file; this verb writes a folder"):
        Common(output=tmp_path / "genes.fa", overwrite=True).need_folder()
    with pytest.raises(ConfigError, match="writes a folder"):
        Common(output=Path("-")).need_folder()


def test_resume_replaces_nothing(tmp_path):
    taken = tmp_path / "scores.csv"
    taken.touch()

    with pytest.raises(ConfigError, match="nothing in it is left to resume"):
        Common(output=taken, resume=True).need_file()
    with pytest.raises(ConfigError, match="nothing in it is left to resume"):
        Common(output=tmp_path, resume=True).need_folder()
    assert Common(output=tmp_path, resume=True).need_folder(resumes=True) == tmp_path


def test_what_a_verb_needs_is_named():
    with pytest.raises(ConfigError, match="Pass --output PATH"):
        Common().need_output()
    with pytest.raises(ConfigError, match="Pass --model NAME_OR_FOLDER"):
        Common().need_model()
    with pytest.raises(ConfigError, match="both want standard output"):
        Common(output=Path("-"), as_json=True).need_output()


def test_no_bar_is_shown_where_no_one_looks(capsys):
    with Common().progress("reading", total=3) as advance:
        advance(3)

    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nonsense"], 'Unknown command "nonsense"'),
        (["doctor", "--nonsense"], "Unknown option: --nonsense"),
        (["doctor", "--device", "abacus"], 'Invalid value "abacus" for --device'),
        (["simulate", "genomes"], "No output was given"),
        (["simulate", "weather", "-o", "x"], 'Invalid value "weather"'),
        (["simulate", "genomes", "-o", "x", "--seed", "-1"], 'Invalid value "-1" for --seed. Must be >= 0.'),
        (["simulate", "genomes", "-o", "x", "--genes", "2.7"], "'2.7' is not a whole number"),
        (["simulate", "genomes", "-o", "-"], "this verb writes a folder"),
        (["doctor", "--threads", "0"], 'Invalid value "0" for --threads. Must be >= 1.'),
        (["doctor", "--batch-tokens", "-1"], 'Invalid value "-1" for --batch-tokens'),
        (["pretrain", "bsm-tiny", "-o", "x", "--tokens", "0"], 'Invalid value "0" for --tokens'),
        (["prepare", "x.fa", "-o", "x", "--nonsense"], "Unknown option: --nonsense"),
        (["data", "get", "phix174", "-o", "x", "--server", "nonsense"], "begins with http:// or https://, not 'nonsense'"),
        (["generate", "-o", ".", "-m", "x", "--overwrite"], "'.' is a folder; this verb writes a file"),
    ],
)
def test_a_wrong_request_is_one_message_and_exit_code_two(biolect_command, words, message):
    outcome = biolect_command(*words)

    assert outcome.code == 2
    assert message in outcome.err and "Traceback" not in outcome.err
    assert outcome.err.startswith("biolect: ") and outcome.out == ""


def test_a_wrong_request_under_json_is_still_one_object(biolect_command):
    outcome = biolect_command("simulate", "genomes", "--json")

    assert outcome.code == 2
    assert outcome.result == {"error": "No output was given. Pass --output PATH."}


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (InputError("The file is empty."), 2, "The file is empty."),
        (FileNotFoundError(2, "No such file or directory", "gone.fa"), 2, "No such file or directory at 'gone.fa'"),
        (KeyboardInterrupt(), 130, "Interrupted"),
        (ZeroDivisionError("division by zero"), 70, "a mistake in biolect"),
    ],
)
def test_errors_become_exit_codes(biolect_command, monkeypatch, error, code, message):
    def broken(*words, **options):
        raise error

    monkeypatch.setattr(cli, "build", lambda **options: broken)

    outcome = biolect_command("doctor")

    assert outcome.code == code
    assert message in outcome.err


def test_help_names_every_verb_with_its_summary(biolect_command):
    outcome = biolect_command("--help")

    assert outcome.code == 0
    for verb in cli.VERBS:
        assert f" {verb} " in outcome.out


def test_version_is_the_packages(biolect_command):
    import biolect

    assert biolect_command("--version").out.strip() == biolect.__version__


def test_many_things_of_one_form_are_shown_as_a_table(capsys):
    from biolect.cli.common import finish

    finish({"few": {"a": {"x": 1}}, "many": {f"row{i}": {"value": i / 10, "inner": {"low": 0}} for i in range(9)}})

    shown = capsys.readouterr().err
    assert "few.a.x" in shown and "inner.low" in shown and "row8" in shown and "many.row8.value" not in shown
