import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from biolect.errors import ConfigError
from biolect.models import checkpoint
from biolect.train.log import MetricsLog
from tests.train.toy import toy_config

TIMINGS = ("tokens_per_second", "memory_bytes")


def _lines(folder: Path) -> list[dict[str, Any]]:
    return [{k: v for k, v in line.items() if k not in TIMINGS} for line in MetricsLog(folder / "metrics.jsonl").read()]


def _weights(folder: Path) -> bytes:
    return (folder / "model" / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory, corpus_folder) -> Path:
    """A run from beginning to end, in a process of its own."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    _child(corpus_folder, folder).wait(timeout=120)
    return folder


def _child(corpus: Path, output: Path, *assignments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.train.run_toy", str(corpus), str(output), *assignments]
    return subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, cwd=Path(__file__).parents[2])


def test_a_run_learns_and_reports(run, tmp_path):
    told = []

    result = run(toy_config(), tmp_path / "run", advance=told.append)

    assert sum(told) == result["tokens"] >= 10_000
    assert set(result["bits_per_residue"]) == {"dna", "protein"}
    by_phase = result["bits_per_residue"]["protein"]["by_phase"]
    assert list(by_phase) == ["R1", "R2", "R3"]
    assert by_phase["R1"] > by_phase["R3"] == result["bits_per_residue"]["protein"]["valid"] > 1.58
    model = checkpoint.load(result["model"])
    assert model.num_parameters == toy_config().model.build().num_parameters
    assert checkpoint.read_facts(tmp_path / "run" / "model").items() >= toy_config().reading_facts.items()
    for name in ("config.yaml", "run.json", "learning_curves.png", "learning_curves.svg"):
        assert (tmp_path / "run" / name).stat().st_size > 0


def test_stopping_and_going_on_equals_never_having_stopped(run, tmp_path, whole):
    first = run(toy_config(), tmp_path / "run", stop_after_steps=11)
    assert not first["finished"]

    run(toy_config(), tmp_path / "run", resume=True)

    assert _weights(tmp_path / "run") == _weights(whole)
    assert _lines(tmp_path / "run") == _lines(whole)


@pytest.mark.parametrize("num_lines", [1, 7])
def test_a_run_killed_at_any_moment_goes_on_bit_for_bit(run, tmp_path, whole, corpus_folder, num_lines: int):
    folder = tmp_path / "run"
    child = _child(corpus_folder, folder)
    deadline = time.monotonic() + 60
    while len(_lines(folder)) < num_lines and time.monotonic() < deadline:
        time.sleep(0.002)

    child.send_signal(signal.SIGKILL)
    child.wait(timeout=10)
    assert not (folder / "model").exists()
    run(toy_config(), folder, resume=True)

    assert _weights(folder) == _weights(whole)
    assert _lines(folder) == _lines(whole)


def test_an_interrupted_run_saves_its_state_and_says_so(run, tmp_path, whole):
    def interrupt(tokens: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(toy_config(), tmp_path / "run", advance=interrupt)
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["step-00000001"]
    run(toy_config(), tmp_path / "run", resume=True)

    assert _weights(tmp_path / "run") == _weights(whole)


@pytest.mark.parametrize("change", [{"accumulation": 2}, {"recomputes": True}])
def test_how_a_step_is_computed_does_not_change_what_is_learned(run, tmp_path, whole, change: dict[str, Any]):
    run(toy_config(**change), tmp_path / "run", stop_after_steps=10)

    ours = [line for line in _lines(tmp_path / "run") if line["kind"] == "train"]
    theirs = [line for line in _lines(whole) if line["kind"] == "train"][: len(ours)]
    assert [a["loss"] for a in ours] == pytest.approx([b["loss"] for b in theirs], rel=1e-4)


def test_computing_in_bfloat16_learns_nearly_the_same(run, tmp_path, whole):
    result = run(toy_config(dtype="bfloat16"), tmp_path / "run")

    valid = [line for line in _lines(whole) if line["kind"] == "valid"][-1]
    assert result["bits_per_residue"]["protein"]["valid"] == pytest.approx(valid["bits_per_residue"]["protein"], rel=0.05)


def test_a_folder_that_holds_a_run_is_not_taken(run, tmp_path):
    run(toy_config(), tmp_path / "run", stop_after_steps=1)

    with pytest.raises(ConfigError, match="holds a run already. Pass --resume .* --overwrite"):
        run(toy_config(), tmp_path / "run")
    with pytest.raises(ConfigError, match="started with another config: 'seed' differs"):
        run(toy_config(seed=1), tmp_path / "run", resume=True)
    assert run(toy_config(seed=1), tmp_path / "run", overwrite=True, stop_after_steps=1)["steps"] == 1


def test_a_folder_of_something_else_is_left_alone(run, tmp_path):
    (tmp_path / "thesis.txt").write_text("dear")

    with pytest.raises(ConfigError, match="not empty and holds no run"):
        run(toy_config(), tmp_path, overwrite=True)
    assert (tmp_path / "thesis.txt").read_text() == "dear"


def test_a_run_refused_before_its_first_step_does_not_hold_its_folder(run, tmp_path):
    phase = {"name": "R1", "mixture": {"music": 1.0}, "tokens": 4_000, "learning_rate": [1.0, 1.0]}

    with pytest.raises(ConfigError, match="draws on 'music'"):
        run(toy_config(phases=[phase]), tmp_path / "run")

    assert run(toy_config(), tmp_path / "run", stop_after_steps=1)["steps"] == 1


def test_a_model_folder_is_not_taken_for_a_run(run, tmp_path, whole):
    with pytest.raises(ConfigError, match="not empty and holds no run"):
        run(toy_config(), whole / "model", overwrite=True)


def test_a_run_that_diverges_says_where_and_what_to_change(run, tmp_path):
    phase = {"name": "R1", "mixture": {"single": 1.0}, "tokens": 4_000, "learning_rate": [1e30, 1e30]}

    with pytest.raises(ConfigError, match="Training diverged at step .* Lower the learning rate of phase 'R1'"):
        run(toy_config(phases=[phase]), tmp_path / "run")


def test_a_run_can_start_from_the_weights_of_another(run, tmp_path, whole):
    phase = {"name": "R4", "mixture": {"genes": 1.0}, "tokens": 500, "learning_rate": [0.0, 0.0]}

    result = run(toy_config(phases=[phase], start_from=str(whole / "model")), tmp_path / "run")

    valid = [line for line in _lines(whole) if line["kind"] == "valid"][-1]
    assert result["bits_per_residue"]["protein"]["valid"] == pytest.approx(valid["bits_per_residue"]["protein"], rel=1e-6)


def test_rows_of_validation_may_be_longer_than_a_whole_step(run, tmp_path):
    phase = {"name": "R", "mixture": {"genes": 1.0}, "tokens": 500, "learning_rate": [0.0, 0.0], "context_tokens": 128}

    assert run(toy_config(phases=[phase], context_tokens=1_024), tmp_path / "run", stop_after_steps=1)["steps"] == 1


def test_a_masked_run_learns_what_stands_between_and_ends_alike_when_interrupted(run, tmp_path):
    backbone = {"kind": "transformer", "layers": 2, "width": 32, "heads": 2, "inner": 64, "direction": "bidirectional"}
    phases = [{"name": "R", "mixture": {"single.protein": 1.0}, "tokens": 25_000, "learning_rate": [1e-2, 1e-3], "warmup_tokens": 1_000}]
    config = toy_config(model={"backbone": backbone}, objective={"kind": "masked"}, phases=phases, checkpoint_tokens=20_000)

    result = run(config, tmp_path / "whole")
    run(config, tmp_path / "parts", stop_after_steps=20)
    run(config, tmp_path / "parts", resume=True)

    # Three letters come at random, so log2(3) bits are what can be known of a hidden one; a fresh model needs 6.
    assert 1.3 < result["bits_per_residue"]["protein"]["valid"] < 1.8
    assert _weights(tmp_path / "parts") == _weights(tmp_path / "whole")


@pytest.mark.parametrize("how", [{"resume": True}, {"overwrite": True}, {}])
@pytest.mark.parametrize("name", ["corpus/notes.txt", "simulated/mine.fa", "config.yaml"])
def test_nothing_that_the_program_did_not_write_is_removed(run, tmp_path, name, how):
    mine = tmp_path / "work" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("years of work")

    with pytest.raises(ConfigError, match="not empty and holds no run"):
        run(toy_config(), tmp_path / "work", **how)
    assert mine.read_text() == "years of work"


def test_a_run_is_not_replaced_by_one_that_reads_it(run, tmp_path, whole):
    shutil.copytree(whole, tmp_path / "run")

    with pytest.raises(ConfigError, match="model' lies in .* which would be replaced"):
        run(toy_config(start_from=str(tmp_path / "run" / "model")), tmp_path / "run", overwrite=True)
    assert _weights(tmp_path / "run") == _weights(whole)


def test_toy_data_of_a_killed_run_do_not_hold_its_folder(run, tmp_path):
    config = toy_config(corpora={"kind": "simulated", "what": "genomes"})
    (tmp_path / "run" / "simulated").mkdir(parents=True)
    (tmp_path / "run" / "simulating").touch()
    (tmp_path / "run" / "config.yaml").write_text(config.to_yaml())

    assert run(config, tmp_path / "run", stop_after_steps=1)["steps"] == 1
    assert not (tmp_path / "run" / "simulating").exists()


def test_going_on_with_a_finished_run_keeps_its_account(run, tmp_path, whole):
    shutil.copytree(whole, tmp_path / "run")
    before = (tmp_path / "run" / "run.json").read_bytes()

    assert run(toy_config(), tmp_path / "run", resume=True)["finished"]
    assert (tmp_path / "run" / "run.json").read_bytes() == before
