"""`biolect finetune` and `biolect predict`: the keys that scripts read, and refusals in a sentence."""

import re
from pathlib import Path

import numpy as np
import polars
import pytest

from biolect.models import checkpoint
from biolect.models.language_model import LanguageModel
from biolect.models.transformer import Transformer
from tests.infer.conftest import dna, protein
from tests.infer.test_masked import both_ways


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finetune")
    checkpoint.save(both_ways(), folder / "model", {"context_tokens": 60, "grammar": {"tags": False, "positions": "ordinary"}})
    rows = [{"id": f"r{i}", "sequence": dna(30, i).residues, "kind": "ab"[i % 2]} for i in range(40)]
    rows += [{"id": "long", "sequence": dna(80, 99).residues, "kind": "a"}]
    polars.DataFrame(rows).write_csv(folder / "table.csv")
    return folder


def test_a_table_is_learned_and_another_predicted(biolect_command, folder: Path, tmp_path: Path):
    words = ["finetune", folder / "table.csv", "-m", folder / "model", "-o", tmp_path / "run", "--target", "kind", "--json"]
    tuned = biolect_command(*words, "--seed", 3, "epochs=1")
    predicted = biolect_command("predict", folder / "table.csv", "-m", tmp_path / "run", "-o", tmp_path / "p.csv", "--json")

    assert tuned.code == predicted.code == 1
    assert set(tuned.result) >= {"metric", "valid", "test", "interval", "trainable_parameters"}
    assert len(tuned.result["interval"]) == 2 and [one["id"] for one in tuned.result["refused"]] == ["long"]
    assert "has 80 residues, the model reads 58 at once" in predicted.result["refused"][0]["reason"]
    table = polars.read_csv(tmp_path / "p.csv")
    assert predicted.result["records"] == len(table) == 40
    assert table.columns == ["id", "prediction", "probability_a", "probability_b"] and table["id"][0] == "r0"
    again = polars.read_csv(tmp_path / "run" / "predictions.csv")
    assert np.allclose(again["probability_a"], table["probability_a"], atol=1e-5)
    described = biolect_command("info", tmp_path / "run", "--json").result
    assert described["kind"] == "finetuned" and described["labels"] == ["a", "b"] and described["vocabulary"]["name"] == "dna-12"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--lora", "8", "trains=head"], "trains = head leaves the model as it is, so lora has nothing to do"),
        (["--target", "knid"], "has no column 'knid'; it has 'id', 'sequence', 'kind'. Did you mean 'kind'?"),
        (["--split", "id"], "Column 'id' of .* has 'r0', which is no split"),
        (["epohcs=3"], "names no setting|Unknown key 'epohcs'. Did you mean 'epochs'?"),
    ],
)
def test_a_wrong_request_is_one_sentence_and_leaves_nothing(biolect_command, folder: Path, tmp_path: Path, words, message):
    target = [] if "--target" in words else ["--target", "kind"]

    outcome = biolect_command("finetune", folder / "table.csv", "-m", folder / "model", "-o", tmp_path / "run", *target, *words)

    assert outcome.code == 2
    assert re.search(message, outcome.err), outcome.err
    assert not (tmp_path / "run").exists()


def test_a_table_of_another_modality_is_asked_about_by_both_verbs(biolect_command, folder: Path, tmp_path: Path):
    rows = [{"sequence": protein(12, i).residues, "kind": "ab"[i % 2]} for i in range(30)]
    polars.DataFrame(rows).write_csv(tmp_path / "proteins.csv")
    model = LanguageModel.Config(vocabulary="prot-38", backbone=Transformer.Config(layers=1, width=16, heads=2, inner=16)).build(0)
    checkpoint.save(model, tmp_path / "model", {"context_tokens": 60, "grammar": {"tags": False, "positions": "ordinary"}})
    learn = ["-m", tmp_path / "model", "--target", "kind", "--json", "epochs=1"]
    message = "table.csv' holds dna by its letters, but the model reads protein only. Take a model of dna; if it is protein all the same"

    refused = biolect_command("finetune", folder / "table.csv", *learn, "-o", tmp_path / "no")
    tuned = biolect_command("finetune", tmp_path / "proteins.csv", *learn, "-o", tmp_path / "run")
    ask = ["predict", folder / "table.csv", "-m", tmp_path / "run", "-o", tmp_path / "p.csv", "--json"]
    asked, said = biolect_command(*ask), biolect_command(*ask, "--modality", "protein")

    assert tuned.code == 0 and tuned.result["folded"] == {"lower_case": 0, "thymine_uracil": 0, "ambiguity": 0, "unknown": 0}
    assert (
        refused.code == asked.code == 2
        and message in refused.err
        and message in asked.err
        and "say so with --modality protein" in asked.err
    )
    assert said.result["records"] == 40 and not (tmp_path / "no").exists()


def test_molecules_are_not_finetuned_on(biolect_command, folder: Path, tmp_path: Path):
    model = LanguageModel.Config(vocabulary="smiles-176", backbone=Transformer.Config(layers=1, width=16, heads=2, inner=16)).build(0)
    checkpoint.save(model, tmp_path / "model", {"grammar": {"tags": False, "positions": "ordinary"}})

    outcome = biolect_command("finetune", folder / "table.csv", "-m", tmp_path / "model", "-o", tmp_path / "run", "--target", "kind")

    assert outcome.code == 2 and "reads molecules, which are not finetuned on. Embed them with biolect embed" in outcome.err


def test_a_run_that_was_copied_in_part_or_mixed_predicts_nothing(biolect_command, folder: Path, tmp_path: Path):
    run, words = tmp_path / "run", ["predict", folder / "table.csv", "-o", tmp_path / "p.csv"]
    biolect_command("finetune", folder / "table.csv", "-m", folder / "model", "-o", run, "--target", "kind", "epochs=1")
    task = (run / "head.yaml").read_text()

    (run / "head.yaml").write_text(task[: task.index("mean")])
    cut = biolect_command(*words, "-m", run)
    (run / "head.yaml").write_text(task.replace("- b\n", "- b\n- c\n"))
    mixed = biolect_command(*words, "-m", run)

    assert cut.code == mixed.code == 2 and not (tmp_path / "p.csv").exists()
    assert "is not as biolect finetune wrote it, perhaps cut short" in cut.err
    assert "head.safetensors' does not fit the model and head.yaml beside it" in mixed.err
