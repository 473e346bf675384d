"""The one resolver: from what a user calls a model to the folder that holds it."""

from __future__ import annotations

from pathlib import Path

from biolect.errors import CheckpointError
from biolect.models.checkpoint import WEIGHTS


def resolve(address: str | Path) -> Path:
    """Return the model folder of an address: a model folder, a run folder, or a training checkpoint.

    Raises:
        CheckpointError: If there is no model at the address.
    """
    folder = Path(address)
    for candidate in (folder, folder / "model"):
        if (candidate / WEIGHTS).is_file():
            return candidate
    if folder.is_dir():
        found = sorted(p.name for p in folder.iterdir())[:5]
        held = f"It holds {', '.join(found)}." if found else "It is empty."
        raise CheckpointError(
            f"'{address}' holds no model: there is no {WEIGHTS} in it or in its folder 'model'. {held} Has the run finished?"
        )
    if folder.exists():
        raise CheckpointError(f"'{address}' is a file; a model is a folder. Pass the folder that pretrain or finetune wrote.")
    raise CheckpointError(f"There is no model '{address}'. Pass the folder that pretrain or finetune wrote.")
