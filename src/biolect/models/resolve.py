"""The one resolver: from what a user calls a model to the folder that holds it."""

from importlib import resources
from pathlib import Path

from biolect.errors import CheckpointError
from biolect.models.checkpoint import WEIGHTS


def shipped() -> dict[str, Path]:
    """Return the model folders that come with the package, by name."""
    folder = Path(str(resources.files("biolect"))) / "assets" / "weights"
    return {path.parent.name: path.parent for path in sorted(folder.glob(f"*/{WEIGHTS}"))}


def resolve(address: str | Path) -> Path:
    """Return the model folder of an address: a shipped name, a model folder, a run folder, or a training checkpoint.

    A folder comes before a shipped name.

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
        raise CheckpointError(f"'{address}' holds no model: neither it nor its folder 'model' has {WEIGHTS}. {held} Has the run finished?")
    if folder.exists():
        raise CheckpointError(f"'{address}' is a file; a model is a folder. Pass the folder that pretrain wrote.")
    names = shipped()
    if str(address) in names:
        return names[str(address)]
    known = f" Shipped names: {', '.join(names)}." if names else ""
    raise CheckpointError(f"There is no model '{address}'. Pass the folder that pretrain wrote.{known}")
