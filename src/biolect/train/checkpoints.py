"""Checkpoints: folders that a run can go on from, bit for bit.

    step-00001000/
        model/                  a model folder like any other
        optimizer.safetensors   the optimizer's state
        state.json              where the run is

A folder is written under another name and renamed when whole, so that a process killed at any moment
leaves only whole ones behind. Nothing is pickled.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from biolect.errors import CheckpointError
from biolect.files import atomic_path, sha256
from biolect.models import checkpoint
from biolect.models.language_model import LanguageModel
from biolect.train.curriculum import RunConfig

KEPT = 2
_OPTIMIZER = "optimizer.safetensors"
_STATE = "state.json"
_DIGEST = "optimizer_sha256"


@dataclass
class Position:
    """Where a run is. `cursor` is the whole state of the loader of the phase."""

    step: int = 0
    phase: int = 0
    phase_tokens: int = 0
    tokens: int = 0
    cursor: int = 0


class Saved(NamedTuple):
    """A checkpoint as read: weights by name, optimizer state by name, position, and the loss sums not yet logged."""

    folder: Path
    weights: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    position: Position
    pending: list[list[float]]


def save(
    folder: Path, model: LanguageModel, optimizer: Mapping[str, Tensor], position: Position, pending: list[list[float]], config: RunConfig
) -> None:
    """Write the checkpoint of a position and keep the last two."""
    path = folder / f"step-{position.step:08d}"
    if not path.exists():
        with atomic_path(path) as temporary:
            checkpoint.save(model, temporary / "model", {"tokens": position.tokens, "step": position.step} | config.reading_facts)
            checkpoint.write_tensors(temporary / _OPTIMIZER, optimizer)
            (temporary / "config.yaml").write_text(config.to_yaml())
            state = {"position": asdict(position), "pending": pending, _DIGEST: sha256(temporary / _OPTIMIZER)}
            (temporary / _STATE).write_text(json.dumps(state))
    tidy(folder)


def tidy(folder: Path) -> None:
    """Remove all but the last two checkpoints, and what killed runs left half done."""
    for old in _whole(folder)[:-KEPT]:
        # Renamed first: a kill while it is being removed must not leave half of it under a good name.
        old.rename(old.with_name(f".{old.name}.old"))
    for leftover in folder.glob(".step-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def latest(folder: Path, dtype: torch.dtype) -> Saved | None:
    """Read the newest checkpoint of a run; None where there is none yet.

    Raises:
        CheckpointError: If it is damaged.
    """
    found = _whole(folder)
    if not found:
        return None
    path = found[-1]
    model = checkpoint.load(path / "model", dtype=dtype)
    try:
        state: dict[str, Any] = json.loads((path / _STATE).read_text())
        position = Position(**state["position"])
        pending = state["pending"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"'{path / _STATE}' is damaged ({error}). Remove that folder to resume from the one before it.") from None
    return Saved(path, model.state_dict(), checkpoint.read_tensors(path / _OPTIMIZER, state.get(_DIGEST)), position, pending)


def _whole(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"))
