"""Whatever a table holds, `biolect fuse` says one sentence, or uses what it can and lists the rest: the whole list of issue 4."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest

from biolect.models import checkpoint
from tests.evaluate.test_fusing import gene

QUICK = ("--fuser", "mil", "--seeds", 2, "fit.steps=4", "fit.check_steps=2", "fit.width=4", "--json")
ENCODERS = ("--encoders", "rna=codon-frequency:1,protein=one-hot:protein")
ROWS = 30


def rows() -> dict[str, list[Any]]:
    rng = np.random.default_rng(8)
    genes = [gene(rng) for _ in range(ROWS)]
    return {"id": [f"g{i}" for i in range(ROWS)], "sequence": genes, "y": [g.count("G") / len(g) for g in genes]}


@pytest.fixture
def fuse(biolect_command, tmp_path: Path, few_trees: None) -> Callable[..., Any]:
    """Write a table, changed in some columns, and fuse it with forests of three trees."""

    def run(changes: dict[str, list[Any]], *words: object) -> Any:
        polars.DataFrame(rows() | changes, strict=False).write_csv(tmp_path / "t.csv")
        encoders = () if "--encoders" in words else ENCODERS
        return biolect_command("fuse", tmp_path / "t.csv", "-o", tmp_path / "run", "--target", "y", *encoders, *QUICK, *words)

    return run


def first(column: str, value: Any) -> list[Any]:
    return [value, *rows()[column][1:]]


@pytest.mark.parametrize(
    ("changes", "words", "message"),
    [
        ({"y": [None] * ROWS}, [], "Not one of the 30 rows of .* can be used. The first: Its column 'y' is empty"),
        ({"y": [3.5] * ROWS}, [], "Column 'y' of .* is '3.5' everywhere: there is nothing to learn"),
        ({"y": first("y", "fast")}, ["--task", "regression"], "has 'fast' in row 1, which is no finite number"),
        ({"y": ["lone", *(["a", "b"] * ROWS)[1:ROWS]]}, [], "Class 'lone' in column 'y' of .* has one record only"),
        ({"part": ["train", "tets"] * (ROWS // 2)}, ["--split", "part"], "has 'tets', which is no split. Did you mean 'test'"),
        (
            {"sequence": [rows()["sequence"][0]] * 2 + rows()["sequence"][2:], "part": ["test", "train", "valid"] * (ROWS // 3)},
            ["--split", "part"],
            r"1 sequences of .* stand in several splits, .* 'g1' \(train\) and 'g0' \(test\)|Leave out --split",
        ),
        ({"id": [], "sequence": [], "y": []}, [], "has a header but no rows"),
        ({}, ["--encoders", "dna=one-hot:protein"], "This encoder reads protein, not dna"),
        ({}, ["--encoders", "rna=codon-frequency:2"], "window_codons = 2 is no odd number"),
        ({"sequence": ["ATGC"] * ROWS}, [], "Not one of the 30 rows .* 4 nucleotides, which is not a whole number of codons"),
    ],
)
def test_what_cannot_be_learned_from_is_one_sentence_and_leaves_nothing(fuse, tmp_path: Path, changes, words, message):
    outcome = fuse(changes, *words)

    assert outcome.code == 2 and re.search(message, outcome.err), outcome.err
    assert "Traceback" not in outcome.err and not (tmp_path / "run").exists()


def long_gene() -> str:
    rng = np.random.default_rng(9)
    return f"{''.join(gene(rng)[:-3] for _ in range(260))[:19_995]}TAA"


@pytest.mark.parametrize(
    ("changes", "words", "code", "used", "key", "value"),
    [
        ({"sequence": first("sequence", "ATGGCCA")}, [], 1, ROWS - 1, "internal_stops", []),
        ({"y": first("y", None)}, [], 1, ROWS - 1, "internal_stops", []),
        ({"sequence": first("sequence", "ATGTAAGCCGCCTAA")}, [], 0, ROWS, "internal_stops", ["g0"]),
        ({"sequence": first("sequence", "ATGTAA")}, [], 0, ROWS, "internal_stops", []),
        (
            {"sequence": first("sequence", long_gene()), "part": ["train", "valid", "test"] * (ROWS // 3)},
            ["--split", "part"],
            0,
            ROWS,
            "internal_stops",
            [],
        ),
        (
            {"sequence": [rows()["sequence"][0]] * 2 + rows()["sequence"][2:], "part": ["test", "train", "valid"] * (ROWS // 3)},
            ["--split", "part", "--allow-leakage"],
            0,
            ROWS,
            "leakage",
            {"identical": 1, "clusters_in_several_splits": 1},
        ),
    ],
    ids=["no whole codons", "no target", "stop inside", "shorter than a kernel", "20,000 nucleotides", "leakage that is allowed"],
)
def test_what_can_be_used_is_used_and_the_rest_is_listed(fuse, changes, words, code, used, key, value):
    outcome = fuse(changes, *words)

    assert outcome.code == code, outcome.err
    assert outcome.result["funnel"] == {"raw": ROWS, "used": used, "refused": ROWS - used} and outcome.result[key] == value
    assert [one["id"] for one in outcome.result.get("refused", [])] == ["g0"] * (ROWS - used)


def test_a_folder_that_cannot_be_written_is_one_sentence(fuse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    if os.geteuid() == 0:
        # Nothing is read-only to root.
        def refuse(path: Any, *words: Any, **named: Any) -> None:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(os, "mkdir", refuse)
    else:
        tmp_path.joinpath("run").mkdir(mode=0o500)

    outcome = fuse({})

    assert outcome.code == 2 and "Permission denied at" in outcome.err and "Traceback" not in outcome.err, outcome.err


def test_a_killed_run_goes_on_and_ends_alike(biolect_command, tmp_path: Path):
    polars.DataFrame(rows()).write_csv(tmp_path / "t.csv")
    words = [str(w) for w in ("fuse", tmp_path / "t.csv", "--target", "y", *ENCODERS, *QUICK, "fit.steps=40", "--threads", 1)]
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys; from biolect.cli import main; sys.exit(main())", *words, "-o", str(tmp_path / "killed")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 240
    while len(list((tmp_path / "killed").glob("arms/*/seed-*.safetensors"))) < 4 and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL and not (tmp_path / "killed" / "results.json").exists()

    resumed = biolect_command(*words, "-o", tmp_path / "killed", "--resume")
    whole = biolect_command(*words, "-o", tmp_path / "whole")

    assert resumed.code == whole.code == 0, resumed.err + whole.err
    assert resumed.result == whole.result
    for path in (tmp_path / "whole" / "arms").glob("*/*.safetensors"):
        other = checkpoint.read_tensors(tmp_path / "killed" / path.relative_to(tmp_path / "whole"))
        assert all((tensor == other[name]).all() for name, tensor in checkpoint.read_tensors(path).items())
    assert json.loads((tmp_path / "killed" / "inputs.json").read_text()) == json.loads((tmp_path / "whole" / "inputs.json").read_text())


def synonymous(text: str) -> str:
    """Exchange codons of leucine, serine and arginine behind the start for others."""
    other = {"CTG": "TTA", "TTA": "CTC", "CTC": "CTG", "AGC": "TCA", "TCA": "AGC", "CGT": "AGA", "AGA": "CGT", "GCC": "GCA"}
    return text[:3] + "".join(other.get(text[i : i + 3], text[i : i + 3]) for i in range(3, len(text), 3))


@pytest.mark.parametrize("encoders", ["protein=one-hot:protein", "rna=one-hot:rna,dna=one-hot:dna"])
def test_recoding_and_respelling_change_no_bit_where_nothing_is_said_about_them(fuse, biolect_command, tmp_path: Path, encoders):
    fused = fuse({}, "--encoders", encoders)
    assert fused.code == 0, fused.err
    genes = rows()["sequence"]
    changed = [g.replace("T", "U") for g in genes] if "rna" in encoders else [synonymous(g) for g in genes]
    assert all(one != other for one, other in zip(genes, changed, strict=True))

    said = []
    for name, sequences in (("first", genes), ("second", changed)):
        polars.DataFrame({"id": rows()["id"], "sequence": sequences}).write_csv(tmp_path / f"{name}.csv")
        outcome = biolect_command("predict", tmp_path / f"{name}.csv", "-m", tmp_path / "run", "-o", tmp_path / f"{name}-said.csv")
        assert outcome.code == 0, outcome.err
        said.append((tmp_path / f"{name}-said.csv").read_bytes())

    assert said[0] == said[1]
