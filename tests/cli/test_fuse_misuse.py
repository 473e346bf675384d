"""What goes wrong around `biolect fuse` and its models: one sentence each, nothing mixed, nothing silent."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest

from tests.evaluate.test_fusing import gene

QUICK = ("--fuser", "mil", "--seeds", 1, "fit.steps=4", "fit.check_steps=2", "fit.width=4", "fit.head=mlp", "--json")
ENCODERS = ("--encoders", "rna=one-hot:rna,protein=one-hot:protein")


def rows(count: int = 40) -> dict[str, list[Any]]:
    rng = np.random.default_rng(3)
    genes = [gene(rng) for _ in range(count)]
    return {"id": [f"g{i}" for i in range(count)], "sequence": genes, "late": [g.count("G") / len(g) for g in genes]}


def written(path: Path, **changes: list[object]) -> Path:
    polars.DataFrame(rows() | changes, strict=False).write_csv(path)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run beside its table; the target has the name of an arm, one gene a stop inside, one is in small letters."""
    from biolect.cli import main

    folder = tmp_path_factory.mktemp("misuse")
    genes = rows()["sequence"]
    genes[0], genes[1] = f"{genes[0][:6]}TAA{genes[0][6:]}", genes[1].lower()
    table = written(folder / "table.csv", sequence=genes)
    words = ("fuse", table, "-o", folder / "run", "--target", "late", *ENCODERS, *QUICK, "--quiet")
    assert main([str(word) for word in words]) == 0
    return folder


def test_a_target_named_like_an_arm_stays_what_was_measured(run: Path):
    said = polars.read_csv(run / "run" / "predictions.csv")

    assert said["target"].to_list() == pytest.approx(polars.read_csv(run / "table.csv")["late"].to_list())
    assert not np.allclose(said["late"], said["target"])


def test_what_was_read_otherwise_is_counted_and_forests_are_whole(run: Path, monkeypatch: pytest.MonkeyPatch, biolect_command):
    from biolect.evaluate import fusing

    asked = []
    made = fusing.Baselines
    monkeypatch.setattr(
        fusing, "Baselines", lambda *words, **named: asked.append(made(*words, **named)) or made(*words, threads=1, trees=3)
    )
    words = ("fuse", run / "table.csv", "-o", run / "run", "--target", "late", *ENCODERS, *QUICK, "--resume", "--threads", 3)
    result = biolect_command(*words).result

    assert result["internal_stops"] == ["g0"] and result["folded"]["lower_case"] > 60 and result["unknown_codons"] == 0
    assert "1 have a stop inside the frame" in (run / "run" / "report.html").read_text()
    assert asked[0].trees == 100 and asked[0].threads == 3


def other_weights(folder: Path) -> None:
    shutil.copy(folder / "arms" / "rna" / "seed-0.safetensors", folder / "arms" / "mil" / "seed-0.safetensors")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (other_weights, "seed-0.safetensors' is damaged, or belongs to another arm. Remove that file"),
        (lambda folder: (folder / "arms" / "mil" / "seed-0.safetensors").write_bytes(b"x"), "seed-0.safetensors' is damaged"),
        (lambda folder: written(folder.parent / "table.csv"), "table.csv' is not what the run in .* was started with"),
        (
            lambda folder: next(folder.glob("embeddings/rna-*/encoder.json")).write_text("{"),
            "encoder.json' is damaged .* Remove",
        ),
        (lambda folder: (folder / "inputs.json").write_text("{"), "inputs.json' is damaged .* Pass --overwrite"),
    ],
)
def test_a_run_is_not_resumed_on_something_else(biolect_command, run: Path, tmp_path: Path, harm: Callable[[Path], object], message):
    shutil.copytree(run, tmp_path / "copy")
    folder = tmp_path / "copy" / "run"
    table = tmp_path / "copy" / "table.csv"
    config = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(config.replace(str(run / "table.csv"), str(table)))
    (folder / "inputs.json").write_text((folder / "inputs.json").read_text().replace(str(run / "table.csv"), str(table)))
    harm(folder)

    outcome = biolect_command("fuse", table, "-o", folder, "--target", "late", *ENCODERS, *QUICK, "--resume")

    assert outcome.code == 2 and re.search(message, outcome.err), outcome.err


def changed(old: str, new: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "fused.yaml").write_text((folder / "fused.yaml").read_text().replace(old, new))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda folder: (folder / "fused.yaml").write_bytes(b"\xff"), "The fused model in .* is damaged"),
        (lambda folder: shutil.rmtree(folder / "members"), "The fused model in .* is damaged .*config.yaml"),
        (lambda folder: (folder / "members" / "0" / "seed-x.safetensors").write_text(""), "The fused model in .* is damaged"),
        (changed("members:", "members: []\nlabels:"), "The fused model in .* is damaged|names no members"),
        (changed("one-hot:rna", "codon-frequency:1"), "encoder 'codon-frequency:1' is not the one that .* was trained with"),
    ],
)
def test_a_damaged_model_predicts_nothing(biolect_command, run: Path, tmp_path: Path, harm: Callable[[Path], object], message):
    shutil.copytree(run / "run", tmp_path / "run")
    harm(tmp_path / "run")

    outcome = biolect_command("predict", run / "table.csv", "-m", tmp_path / "run", "-o", tmp_path / "p.csv")

    assert outcome.code == 2 and re.search(message, outcome.err) and "Traceback" not in outcome.err, outcome.err
    assert not (tmp_path / "p.csv").exists()


@pytest.mark.parametrize(
    ("changes", "words", "message"),
    [
        ({}, ["--encoders", "rna=one-hot:rna,rna=codon-frequency:1"], "names 'rna' twice"),
        ({}, ["--encoders", ""], "--encoders has '', which is not stream=address"),
        ({}, ["--encoders", "rna-a.b=one-hot:rna"], r"encoders.rna-a.b names no modality"),
        ({"late": [*rows()["late"][:-1], "n/a"]}, [], "has 'n/a' in row 40, which is no finite number"),
        ({"late": [*rows()["late"][:-1], "inf"]}, [], "has 'inf' in row 40, which is no finite number"),
        ({"late": [1e300, *rows()["late"][1:]]}, [], "has '1e\\+300' in row 1, which is no finite number below 1e30"),
        ({"part": ["train"] * 39 + [None]}, ["--split", "part"], "has an empty cell, which is no split"),
        ({"sequence": ["MKVLEF"] * 40}, [], "holds protein by its letters.* --modality dna"),
    ],
)
def test_a_messy_table_is_one_sentence(biolect_command, tmp_path: Path, changes, words, message):
    table = written(tmp_path / "t.csv", **changes)

    outcome = biolect_command("fuse", table, "-o", tmp_path / "run", "--target", "late", *QUICK, *words)

    assert outcome.code == 2 and re.search(message, outcome.err), outcome.err
    assert "Traceback" not in outcome.err and not (tmp_path / "run").exists()


def test_rows_that_cannot_be_used_are_named_by_their_place(biolect_command, run: Path, tmp_path: Path):
    table = written(tmp_path / "t.csv", sequence=["ATGG", "MKVLEF", *rows()["sequence"][2:]])

    outcome = biolect_command("predict", table, "-m", run / "run", "-o", tmp_path / "p.csv", "--json")

    assert outcome.code == 1 and [one["where"] for one in outcome.result["refused"]] == [f"{table}, row 1", f"{table}, row 2"]
    assert "4 nucleotides, which is not a whole number of codons" in outcome.result["refused"][0]["reason"]


def test_a_table_on_standard_input_is_refused(biolect_command, tmp_path: Path):
    outcome = biolect_command("fuse", "-", "-o", tmp_path / "run", "--target", "late", *ENCODERS, *QUICK)

    assert outcome.code == 2 and "it cannot be standard input" in outcome.err


def test_a_fused_model_is_asked_in_the_precision_that_it_was_fused_in(biolect_command, run: Path, tmp_path: Path):
    words = (run / "table.csv", "-m", run / "run", "-o", tmp_path / "said.csv", "--json")
    outcome = biolect_command("predict", *words, "--dtype", "bfloat16")

    assert outcome.code == 2 and "was fused in float32. Leave out --dtype" in outcome.err
    assert biolect_command("predict", *words, "--dtype", "float32").code == 0


def test_a_run_that_broke_off_while_embedding_goes_on(biolect_command, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from biolect.evaluate import fusing

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    words = ("fuse", run / "table.csv", "-o", tmp_path / "run", "--target", "late", *ENCODERS, *QUICK)
    with monkeypatch.context() as patch:
        patch.setattr(fusing, "embedded", killed)
        assert biolect_command(*words).code == 130
    assert biolect_command("info", tmp_path / "run", "--json").result["finished"] is False

    assert biolect_command(*words, "--resume").code == 0
    said = biolect_command("info", tmp_path / "run", "--json").result
    assert (said["kind"], said["finished"], said["target"]) == ("fusion", True, "late")


def test_a_precision_that_was_asked_for_goes_with_the_model(biolect_command, run: Path, tmp_path: Path):
    words = ("fuse", run / "table.csv", "-o", tmp_path / "run", "--target", "late", *ENCODERS, *QUICK, "--dtype", "bfloat16")
    fused = biolect_command(*words)
    assert fused.code == 0 and "in bfloat16" in fused.err
    asked = ("predict", run / "table.csv", "-m", tmp_path / "run", "-o", tmp_path / "said.csv")

    said = biolect_command(*asked)

    assert said.code == 0 and "in bfloat16" in said.err, said.err
    assert "was fused in bfloat16" in biolect_command(*asked, "--overwrite", "--dtype", "float32").err
