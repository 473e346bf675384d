import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from biolect.errors import ConfigError
from biolect.models import checkpoint
from biolect.train.log import MetricsLog
from biolect.train.optimizer import AdamW
from biolect.train.runtime import Runtime
from biolect.values import Batch
from tests.train.toy import toy_config


def _batch(rows: int) -> Batch:
    ids = torch.arange(rows)[:, None].repeat(1, 3)
    return Batch(ids, ids, torch.ones(rows, 3), ids, ids, ids, ids)


def test_rows_are_divided_into_equal_parts_in_order():
    parts = list(Runtime("cpu", "float32").rows(_batch(6), 3))

    assert [part.token_ids[:, 0].tolist() for part in parts] == [[0, 1], [2, 3], [4, 5]]


def test_rows_that_cannot_be_divided_are_refused():
    with pytest.raises(ConfigError, match="5 rows cannot be divided among 1 devices x 2 forward passes"):
        list(Runtime("cpu", "float32").rows(_batch(5), 2))


def test_optimizer_state_goes_there_and_back_without_pickle():
    runtime, config = Runtime("cpu", "float32"), toy_config()
    model = config.model.build()
    model, optimizer = runtime.prepare(model, AdamW().build(model))
    ids = torch.arange(8)[None]
    runtime.backward(model(ids, ids).sum(), model, is_last=True)
    optimizer.step()
    tensors = runtime.optimizer_tensors(model)

    other = config.model.build()
    fresh = Runtime("cpu", "float32")
    other, _ = fresh.prepare(other, AdamW().build(other))
    fresh.load_optimizer(other, tensors)

    assert all(torch.equal(tensor, tensors[name]) for name, tensor in fresh.optimizer_tensors(other).items())


def _launch_two(corpus: Path, output: Path, *words: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", f"--master-port={port}", "-m", "tests.train.run_toy"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([*launch, str(corpus), str(output), *words], check=True, timeout=300, env=environment, cwd=Path(__file__).parents[2])


@pytest.mark.slow
@pytest.mark.parametrize("words", [[], ["accumulation=2"], ["--sharded"]], ids=["replicated", "accumulated", "sharded"])
def test_two_processes_learn_what_one_learns(tmp_path, corpus_folder, run, words: list[str]):
    _launch_two(corpus_folder, tmp_path / "two", *words)

    run(toy_config(), tmp_path / "one")

    one, two = (MetricsLog(tmp_path / name / "metrics.jsonl").read() for name in ("one", "two"))
    assert [line["step"] for line in one] == [line["step"] for line in two]
    assert [line.get("loss", 0) for line in two] == pytest.approx([line.get("loss", 0) for line in one], rel=1e-3)
    assert two[-1]["bits_per_residue"] == pytest.approx(one[-1]["bits_per_residue"], rel=1e-2)
    names = checkpoint.load(tmp_path / "one" / "model").state_dict()
    assert names.keys() == checkpoint.load(tmp_path / "two" / "model").state_dict().keys()


@pytest.mark.slow
def test_a_run_of_two_sharded_processes_goes_on_in_one(tmp_path, corpus_folder, run):
    _launch_two(corpus_folder, tmp_path / "run", "--sharded", "--stop=11")
    assert not (tmp_path / "run" / "model").exists()

    resumed = run(toy_config(), tmp_path / "run", resume=True)
    whole = run(toy_config(), tmp_path / "whole")

    assert resumed["bits_per_residue"]["protein"]["valid"] == pytest.approx(whole["bits_per_residue"]["protein"]["valid"], rel=1e-2)
