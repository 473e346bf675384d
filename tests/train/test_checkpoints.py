import pytest
import torch

from biolect.errors import CheckpointError
from biolect.train import checkpoints
from biolect.train.checkpoints import Position
from tests.train.toy import toy_config

CONFIG = toy_config()


def _save(folder, step: int) -> None:
    model = CONFIG.model.build(seed=step)
    checkpoints.save(folder, model, {"head.weight/step": torch.tensor(float(step))}, Position(step=step), [[0.1]], CONFIG)


def test_the_newest_checkpoint_comes_back_whole(tmp_path):
    _save(tmp_path, 3)

    saved = checkpoints.latest(tmp_path, torch.float32)

    assert saved is not None
    assert saved.position == Position(step=3)
    assert saved.pending == [[0.1]]
    assert saved.optimizer["head.weight/step"] == 3
    expected = CONFIG.model.build(seed=3).state_dict()
    assert all(torch.equal(expected[name], tensor) for name, tensor in saved.weights.items())


def test_only_the_last_two_are_kept_and_leftovers_of_killed_runs_removed(tmp_path):
    (tmp_path / ".step-00000001.99.tmp").mkdir()

    for step in (1, 2, 3):
        _save(tmp_path, step)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000002", "step-00000003"]


def test_a_run_without_checkpoints_has_none(tmp_path):
    assert checkpoints.latest(tmp_path, torch.float32) is None


@pytest.mark.parametrize("name", ["optimizer.safetensors", "state.json", "model/model.safetensors"])
def test_a_checkpoint_cut_short_is_refused(tmp_path, name: str):
    _save(tmp_path, 1)
    path = tmp_path / "step-00000001" / name
    path.write_bytes(path.read_bytes()[:20])

    with pytest.raises(CheckpointError, match="damaged"):
        checkpoints.latest(tmp_path, torch.float32)


@pytest.mark.parametrize("name", ["optimizer.safetensors", "model/model.safetensors"])
def test_a_checkpoint_with_a_changed_bit_is_refused(tmp_path, name: str):
    _save(tmp_path, 1)
    path = tmp_path / "step-00000001" / name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)

    with pytest.raises(CheckpointError, match="is not what was saved"):
        checkpoints.latest(tmp_path, torch.float32)
