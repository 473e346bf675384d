"""Finetuning: what is learned, what is kept, and what is refused, each in a sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest
import torch

from biolect.bio.sequence import Modality, Sequence
from biolect.data.document import Grammar
from biolect.errors import CheckpointError, ConfigError
from biolect.infer.predict import Finetuned, Task
from biolect.infer.reader import Reader
from biolect.models import checkpoint
from biolect.models.language_model import LanguageModel
from biolect.train.finetune import finetune
from biolect.train.log import MetricsLog
from biolect.train.tuner import FinetuneConfig
from tests.infer.conftest import dna
from tests.infer.test_masked import both_ways

PLAIN = {"tags": False, "positions": "ordinary"}
TOLERANCE = 1e-4


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, and a table of three kinds of DNA that differ in their letters, and in a number."""
    folder = tmp_path_factory.mktemp("finetune")
    model = LanguageModel.Config.from_dict(both_ways().config.to_dict()).build(0)
    checkpoint.save(model, folder / "model", {"context_tokens": 64, "grammar": PLAIN})
    rng = np.random.default_rng(0)
    rows = []
    for index in range(90):
        share = (0.1, 0.5, 0.9)[index % 3]
        letters = rng.choice(list("ACGT"), size=int(rng.integers(30, 60)), p=[share / 2, (1 - share) / 2, (1 - share) / 2, share / 2])
        text = "".join(letters)
        rows.append({"sequence": text, "kind": ("low", "mid", "high")[index % 3], "share": (text.count("A") + text.count("T")) / len(text)})
    polars.DataFrame(rows).write_csv(folder / "table.csv")
    return folder


def config(folder: Path, target: str = "kind", **changes: Any) -> FinetuneConfig:
    fields = {"data": str(folder / "table.csv"), "model": str(folder / "model"), "columns": {"target": target}}
    return FinetuneConfig.from_dict(fields | {"epochs": 6, "batch_records": 16, "learning_rate": 3e-3} | changes)


@pytest.fixture(scope="module")
def tuned(folder: Path) -> Path:
    finetune(config(folder), folder / "run", device="cpu")
    return folder / "run"


def test_classes_are_learned_and_reported_over_the_whole_set(folder: Path, tuned: Path) -> None:
    report = json.loads((tuned / "run.json").read_text())["report"]
    table = polars.read_csv(tuned / "predictions.csv")

    assert report["metric"] == "mcc" and report["task"] == "classification" and report["labels"] == ["high", "low", "mid"]
    assert report["test"] > 0.6 and report["interval"][0] <= report["test"] <= report["interval"][1]
    assert table["split"].value_counts().sort("split").rows() == sorted((k, v) for k, v in report["records"].items())
    own = table.filter(polars.col("split") == "test")
    assert (own["prediction"] == own["target"]).mean() == pytest.approx(report["metrics"]["test"]["accuracy"])
    assert own.select("probability_high", "probability_low", "probability_mid").sum_horizontal().to_numpy() == pytest.approx(1)
    predictor = Finetuned.load(tuned).predictor
    trained = sum(w.numel() for w in predictor.parameters()) - predictor.model.head.weight.numel()
    assert report["trainable_parameters"] == trained
    assert len(MetricsLog(tuned / "metrics.jsonl").read("epoch")) == report["epochs"] >= report["best_epoch"]


def test_what_is_saved_predicts_what_was_reported_whatever_stands_beside_it(tuned: Path) -> None:
    table = polars.read_csv(tuned / "predictions.csv")
    records = [Sequence(t, Modality.DNA) for t in polars.read_csv(tuned.parent / "table.csv")["sequence"]]

    for batch_tokens in (1, 10_000):
        loaded = Finetuned.load(tuned, batch_tokens=batch_tokens)
        found = loaded.predict([loaded.reader.member(record) for record in records])
        assert found[:, 0] == pytest.approx(table["probability_high"].to_numpy(), abs=TOLERANCE)
    # The language model below is one like any other.
    assert Reader.load(tuned).context_tokens == 64


def test_a_number_is_learned_in_its_own_units_by_a_head_alone(folder: Path, tmp_path: Path) -> None:
    before = checkpoint.read_tensors(folder / "model" / "model.safetensors")

    result = finetune(config(folder, "share", trains="head", learning_rate=0.1, epochs=10, patience=10), tmp_path / "run", device="cpu")

    assert result["metric"] == "spearman" and result["task"] == "regression"
    assert result["test"] > 0.6 and result["trainable_parameters"] == 32 + 1
    predictions = polars.read_csv(tmp_path / "run" / "predictions.csv")["prediction"]
    assert 0 < float(np.mean(predictions.to_numpy())) < 1
    after = checkpoint.read_tensors(tmp_path / "run" / "model" / "model.safetensors")
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_stopping_and_going_on_equals_never_having_stopped(folder: Path, tmp_path: Path, tuned: Path) -> None:
    parts = tmp_path / "run"

    first = finetune(config(folder), parts, device="cpu", stop_after_epochs=2)
    again = finetune(config(folder), parts, device="cpu", resume=True)

    assert not first["finished"] and again["finished"]
    for name in ("head.safetensors", "model/model.safetensors", "predictions.csv"):
        assert (parts / name).read_bytes() == (tuned / name).read_bytes()


def test_a_run_goes_on_with_the_model_that_it_began_with(folder: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(folder, tmp_path / "own"))
    finetune(config(own), tmp_path / "run", device="cpu", stop_after_epochs=1)
    checkpoint.save(checkpoint.load(folder / "model").config.build(1), own / "model", {"context_tokens": 64, "grammar": PLAIN})

    with pytest.raises(CheckpointError, match="model' has changed since the run"):
        finetune(config(own), tmp_path / "run", device="cpu", resume=True)


def test_training_ends_when_nothing_gets_better(folder: Path, tmp_path: Path) -> None:
    # A step of this size changes no answer.
    result = finetune(config(folder, learning_rate=1e-12, patience=2), tmp_path / "run", device="cpu")

    assert (result["epochs"], result["best_epoch"]) == (3, 1)


def test_both_strands_make_a_prediction_of_the_molecule(folder: Path, tmp_path: Path) -> None:
    finetune(config(folder, strands="both", epochs=1), tmp_path / "run", device="cpu")

    loaded = Finetuned.load(tmp_path / "run")
    sequences = [dna(length, length) for length in (31, 40, 57)]
    there = loaded.predict([loaded.reader.member(s) for s in sequences])
    back = loaded.predict([loaded.reader.member(s.reverse_complement()) for s in sequences])

    assert loaded.task.strands == "both"
    assert there == pytest.approx(back, abs=TOLERANCE)


def test_a_long_sequence_is_refused_or_read_in_windows_never_cut() -> None:
    model, long = both_ways(), dna(50, 1)
    reader = Reader(model, Grammar.from_dict(PLAIN), context_tokens=32)
    refusing, reading = (Finetuned.bare(reader, Task(target="y", labels=("a", "b"), long=long)) for long in ("refuse", "windows"))

    assert "has 50 residues, the model reads 30 at once. Shorten it, or finetune with long=windows" in refusing.refusal(long)
    assert reading.refusal(long) == "" and refusing.refusal(dna(30, 1)) == ""
    rows = reading.rows([reading.reader.member(long), reading.reader.member(dna(7, 2))])
    assert rows.owners.tolist() == [0, 0, 0, 1] and rows.is_pooled.sum().item() == 57
    # Every residue stands for itself: the mean over windows is that of the hidden states that embeddings have.
    with torch.no_grad():
        found = reading.predictor(*rows)
        hidden = [model.hidden(rows.token_ids[[i]], rows.positions[[i]])[0][rows.is_pooled[i]] for i in range(3)]
        expected = reading.predictor.head(torch.cat(hidden).mean(0))
    torch.testing.assert_close(found[0], expected, rtol=0, atol=TOLERANCE)


def test_a_changed_bit_of_the_head_is_noticed(tuned: Path, tmp_path: Path) -> None:
    shutil.copytree(tuned, tmp_path / "run")
    data = bytearray((tmp_path / "run" / "head.safetensors").read_bytes())
    data[-2] ^= 1
    (tmp_path / "run" / "head.safetensors").write_bytes(data)

    with pytest.raises(CheckpointError, match="head.safetensors' is not what was saved"):
        Finetuned.load(tmp_path / "run")


def test_requests_that_cannot_be_are_refused_in_a_sentence(folder: Path, tmp_path: Path, tuned: Path) -> None:
    with pytest.raises(ConfigError, match="metric = r2 is not for classes. Choose mcc, accuracy, f1, auroc"):
        finetune(config(folder, metric="r2"), tmp_path / "run", device="cpu")
    with pytest.raises(ConfigError, match="holds a run already. Pass --resume"):
        finetune(config(folder), tuned, device="cpu")
    with pytest.raises(ConfigError, match="started with another config: 'epochs' differs"):
        finetune(config(folder, epochs=7), tuned, device="cpu", resume=True)
    with pytest.raises(CheckpointError, match="holds no finetuned model: it has no head.yaml"):
        Finetuned.load(folder / "model")
    assert not (tmp_path / "run").exists()


def test_adapters_are_learned_merged_and_stopping_does_not_change_them(folder: Path, tmp_path: Path) -> None:
    asked = config(folder, lora=2, epochs=2, learning_rate=1e-2)
    whole = finetune(asked, tmp_path / "whole", device="cpu")
    finetune(asked, tmp_path / "parts", device="cpu", stop_after_epochs=1)
    finetune(asked, tmp_path / "parts", device="cpu", resume=True)
    one, other, before = (
        checkpoint.read_tensors(p / "model" / "model.safetensors") for p in (tmp_path / "whole", tmp_path / "parts", folder)
    )

    assert set(one) == set(before) and all(torch.equal(one[name], other[name]) for name in one)
    table = polars.read_csv(tmp_path / "whole" / "predictions.csv")
    said = Finetuned.load(tmp_path / "whole")
    texts = polars.read_csv(folder / "table.csv")["sequence"][:5]

    assert whole["trainable_parameters"] < sum(w.numel() for w in said.predictor.parameters()) / 2
    assert (
        said.columns([said.reader.member(Sequence(text, Modality.DNA)) for text in texts])["prediction"]
        == table["prediction"][:5].to_list()
    )


def test_a_licence_goes_with_the_weights(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "model", tmp_path / "model")
    facts = tmp_path / "model" / "provenance.json"
    facts.write_text(json.dumps(json.loads(facts.read_text()) | {"licence": "CC BY 4.0"}))

    finetune(config(folder, model=str(tmp_path / "model"), epochs=1, trains="head"), tmp_path / "run", device="cpu")

    weights = json.loads((tmp_path / "run" / "run.json").read_text())["weights"]
    assert weights == {"sha256": Reader.load(tmp_path / "model").model.digest(), "licence": "CC BY 4.0"}
    assert checkpoint.read_facts(tmp_path / "run" / "model")["licence"] == "CC BY 4.0"


def test_validation_records_must_be_able_to_say_which_epoch_is_best(folder: Path, tmp_path: Path) -> None:
    table = polars.read_csv(folder / "table.csv").with_row_index()
    place, is_mid = polars.col("index") % 5, polars.col("kind") == "mid"
    part = polars.when(place == 0).then(polars.lit("test")).when((place == 1) & ~is_mid).then(polars.lit("valid"))
    part = part.otherwise(polars.lit("train"))
    table.with_columns(part.alias("part")).write_csv(tmp_path / "lacking.csv")
    columns = {"target": "kind", "split": "part"}

    with pytest.raises(ConfigError, match="No validation record is 'mid', so metric = auroc says nothing there"):
        finetune(config(folder, data=str(tmp_path / "lacking.csv"), columns=columns, metric="auroc"), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_one_cluster_of_relatives_claims_no_certainty(folder: Path, tmp_path: Path) -> None:
    wild = polars.read_csv(folder / "table.csv")["sequence"][1]
    mutants = [wild[:i] + "ACGT"["ACGT".index(wild[i]) - 1] + wild[i + 1 :] for i in range(28)]
    rows = {"sequence": mutants, "y": [float(i % 7) for i in range(28)], "part": ["train", "train", "valid", "test"] * 7}
    polars.DataFrame(rows).write_csv(tmp_path / "scan.csv")
    own = config(folder, data=str(tmp_path / "scan.csv"), columns={"target": "y", "split": "part"}, epochs=1, trains="head")

    report = finetune(own, tmp_path / "run", device="cpu")

    assert report["intervals_over"] == "records" and report["interval"][0] < report["interval"][1]
