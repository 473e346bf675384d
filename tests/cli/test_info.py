import pytest

from biolect.models import checkpoint
from biolect.models.language_model import LanguageModel
from biolect.models.transformer import Transformer
from biolect.models.xlstm import XLSTM


def test_without_an_argument_weights_and_recipes_are_listed(biolect_command):
    result = biolect_command("info", "--json").result

    assert isinstance(result["weights"], list)
    assert {"bsm-tiny", "bsm-nano", "bsm-micro", "bsm-mini", "bsm-110m", "bsm-270m"} <= set(result["recipes"])


@pytest.mark.parametrize(("name", "parameters"), [("bsm-110m", 109_824_768), ("bsm-270m", 270_815_104)])
def test_published_shapes_are_counted_without_making_weights(biolect_command, name, parameters):
    result = biolect_command("info", name, "--json").result

    assert result["parameters"] == parameters
    assert result["context_tokens"] == 1_024
    assert result["vocabulary"]["name"] == "joint-64"
    assert result["state_bytes"] == 1_024 * result["state_bytes_per_token"]


def test_a_model_folder_says_what_it_is(biolect_command, tmp_path):
    model = LanguageModel.Config(backbone=Transformer.Config(layers=3, width=8, heads=2, inner=16)).build()
    checkpoint.save(model, tmp_path / "model", {"context_tokens": 32, "licence": "CC0-1.0"})

    result = biolect_command("info", tmp_path / "model", "--json").result

    assert result["kind"] == "model"
    assert result["parameters"] == model.num_parameters
    # Keys and values of three layers, eight wide, in float32.
    assert result["state_bytes_per_token"] == 2 * 3 * 8 * 4
    assert result["state_bytes"] == 32 * 2 * 3 * 8 * 4
    assert result["licence"] == "CC0-1.0"


@pytest.mark.parametrize("context_tokens", [32, 100_000])
def test_the_state_of_a_recurrent_model_has_one_size(biolect_command, tmp_path, context_tokens):
    model = LanguageModel.Config(backbone=XLSTM.Config(layers=1, width=24, heads=4, pattern="m")).build()
    checkpoint.save(model, tmp_path / "model", {"context_tokens": context_tokens})

    result = biolect_command("info", tmp_path / "model", "--json").result

    # Four heads of a matrix of 16 x 16, a vector and a number; three inputs of the convolution, 64 wide; in float32.
    assert (result["state_bytes"], result["state_bytes_per_token"]) == (4 * (4 * (16**2 + 16 + 1) + 3 * 64), 0)


def test_a_file_is_counted_and_what_it_refuses_is_listed(biolect_command, tmp_path):
    path = tmp_path / "proteins.fa"
    path.write_text(">good\nMKVLAW\n>bad\nMK7LAW\n")

    outcome = biolect_command("info", path, "--json")

    assert outcome.code == 1
    assert (outcome.result["format"], outcome.result["records"]) == ("fasta", 1)
    assert outcome.result["residues"] == {"protein": 6}
    assert outcome.result["refused"][0]["id"] == "bad"


def test_a_corpus_and_a_run_say_what_they_are(biolect_command, tmp_path):
    biolect_command("simulate", "genomes", "-o", tmp_path / "toy", "--genes", 12, "--families", 4, "--quiet")
    prepared = biolect_command("prepare", tmp_path / "toy" / "bacterium.gbk", "-o", tmp_path / "corpus", "--json")
    assert prepared.code == 0, prepared.err

    result = biolect_command("info", tmp_path / "corpus", "--json").result

    assert result["kind"] == "corpus"
    assert result["collections"]["genes"]["groups"] == 12
    assert result["collections"]["genes"]["tokens"]["protein"] > 700


@pytest.mark.parametrize(("name", "message"), [("bsm-111m", "is no file, folder or known name"), (".", "is no model, run or corpus")])
def test_what_is_nothing_is_refused(biolect_command, tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)

    outcome = biolect_command("info", name)

    assert outcome.code == 2
    assert message in outcome.err


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_a_damaged_record_of_a_run_is_named(biolect_command, tmp_path, text):
    (tmp_path / "run.json").write_text(text)

    outcome = biolect_command("info", str(tmp_path))

    assert outcome.code == 2
    assert "run.json' is damaged" in outcome.err


@pytest.mark.parametrize(("name", "message"), [("corpus.json", "is no whole corpus"), ("report.json", "report.json' is damaged")])
def test_a_damaged_corpus_is_named(biolect_command, tmp_path, name, message):
    (tmp_path / "a.fa").write_text(">a\nMKVLEF\n")
    biolect_command("prepare", str(tmp_path / "a.fa"), "-o", str(tmp_path / "c"))
    (tmp_path / "c" / name).write_text("[1]")

    outcome = biolect_command("info", str(tmp_path / "c"))

    assert outcome.code == 2
    assert message in outcome.err
