"""Model folders: weights, config, vocabulary, provenance and card, enough to rebuild the model anywhere.

model.safetensors   the weights
config.yaml         `LanguageModel.Config`
vocabulary.json     name, digest and tokens in id order
provenance.json     what it was trained on, by whom the data may be used, and the digest of the weights
README.md           the model card
"""

import pickle
import warnings
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from biolect.errors import CheckpointError
from biolect.files import atomic_path, read_json, sha256, write_json
from biolect.models.language_model import LanguageModel
from biolect.tokens.vocabulary import Vocabulary

WEIGHTS = "model.safetensors"
DIGEST = "weights_sha256"


def save(
    model: LanguageModel, folder: Path, facts: Mapping[str, Any] | None = None, card: str = "", dtype: torch.dtype | None = None
) -> None:
    """Write a model folder; what stands under the final name is whole.

    Args:
        facts: Provenance, plain data.
        card: Markdown text of the model card.
        dtype: Store weights in this precision; None keeps theirs.
    """
    with atomic_path(folder) as temporary:
        temporary.mkdir(parents=True, exist_ok=True)
        write_tensors(temporary / WEIGHTS, {k: v.to(dtype or v.dtype) for k, v in model.state_dict().items()})
        (temporary / "config.yaml").write_text(model.config.to_yaml())
        words = model.vocabulary
        write_json(temporary / "vocabulary.json", {"name": words.name, "digest": words.digest, "tokens": words.tokens})
        write_json(temporary / "provenance.json", dict(facts or {}) | {DIGEST: sha256(temporary / WEIGHTS)})
        (temporary / "README.md").write_text(card or _plain_card(model, facts or {}))


def empty(folder: Path) -> LanguageModel:
    """Return the model of a folder without its weights. Raises like `load` for a config.yaml that is missing or cannot be."""
    if not (folder / "config.yaml").is_file():
        raise CheckpointError(f"'{folder}' is no model folder: it has no config.yaml. Pass the folder that pretrain wrote.")
    return LanguageModel.Config.from_yaml((folder / "config.yaml").read_text()).build(seed=None)


def load(folder: Path | str, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> LanguageModel:
    """Rebuild the model of a folder.

    Raises:
        CheckpointError: If the folder is no model, is cut short, was made for another vocabulary, or its weights are not
            those that were saved.
        ConfigError: If its config.yaml was changed to something that cannot be.
    """
    folder, model = Path(folder), empty(Path(folder))
    check_vocabulary(folder, model.vocabulary)
    tensors = read_tensors(folder / WEIGHTS, read_facts(folder).get(DIGEST))
    wanted = model.state_dict()
    odd = sorted(set(tensors) ^ set(wanted)) or sorted(k for k in wanted if tensors[k].shape != wanted[k].shape)
    if odd:
        raise CheckpointError(
            f"The weights in '{folder}' do not fit its config.yaml: '{odd[0]}' is missing, spare or of another shape. "
            "Copy the folder again, whole."
        )
    model.load_state_dict({k: v.to(dtype) for k, v in tensors.items()}, assign=True)
    return model.to(device).eval()


def read_facts(folder: Path) -> dict[str, Any]:
    """Return the provenance of a model folder; empty where none was written."""
    path = Path(folder) / "provenance.json"
    return read_json(path) if path.is_file() else {}


def check_vocabulary(folder: Path, vocabulary: Vocabulary) -> None:
    """Check that what lies in a folder was made with a vocabulary.

    Raises:
        CheckpointError: If it was made with another one.
    """
    path = folder / "vocabulary.json"
    if not path.is_file():
        raise CheckpointError(f"'{folder}' lacks vocabulary.json, so its token ids cannot be trusted. Copy the folder again, whole.")
    found = read_json(path)
    if found.get("digest") != vocabulary.digest:
        raise CheckpointError(
            f"This checkpoint was trained with vocabulary '{found.get('name')}' ({len(found.get('tokens', ()))} tokens); the model has "
            f"'{vocabulary.name}' ({len(vocabulary)}). Give it what was made with its own vocabulary."
        )


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write tensors by name as safetensors, with texts beside them.

    Raises:
        CheckpointError: If the file cannot be written.
    """
    try:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path, metadata)
    except SafetensorError as error:
        raise CheckpointError(f"'{path}' cannot be written ({error}). Check that its folder is writable and has room.") from None


def read_metadata(path: Path) -> dict[str, str]:
    """Return the texts that stand beside tensors in a whole file."""
    with safe_open(path, "pt") as opened:
        return opened.metadata() or {}


def read_tensors(path: Path, digest: str | None = None) -> dict[str, Tensor]:
    """Read tensors by name.

    Args:
        digest: Sha256 that was noted when the file was written; None where none was, as by older versions.

    Raises:
        CheckpointError: If the file is missing, cut short, or not what was written.
    """
    if not path.is_file():
        raise CheckpointError(f"'{path.parent}' lacks {path.name}. Copy the folder again, whole.")
    try:
        found = load_file(path)
    except SafetensorError as error:
        raise CheckpointError(f"'{path}' is damaged or cut short ({path.stat().st_size:,} bytes): {error}. Copy it again, whole.") from None
    if digest not in (None, sha256(path)):
        raise CheckpointError(
            f"'{path}' is not what was saved: its sha256 is not {str(digest)[:12]}, as noted. Copy the folder again, whole."
        )
    return found


def read_pickled(path: Path) -> dict[str, Any]:
    """Read tensors and plain settings from a `.pt`, `.pth` or `.bin` file; nothing in it is executed.

    Raises:
        CheckpointError: If the file is missing, cut short, or holds anything but tensors and plain settings.
    """
    if not path.is_file():
        raise CheckpointError(f"There is no file '{path}'. Pass the weights as they were published.")
    try:
        # Torch warns of kinds of pickle that it then refuses, or reads well.
        with warnings.catch_warnings(action="ignore"), torch.serialization.safe_globals([Namespace]):
            found = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError) as error:
        first = str(error).strip().splitlines()[0][:150] if str(error).strip() else type(error).__name__
        raise CheckpointError(
            f"'{path}' is no file of plain weights, or is cut short ({first}). Nothing in it was executed. Get the published file again."
        ) from None
    if not isinstance(found, dict):
        raise CheckpointError(f"'{path}' holds a {type(found).__name__}, not weights by name. Get the published file again.")
    return found


def read_outside(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a model folder of transformers: `config.json` and its weights, in one file or several.

    Raises:
        CheckpointError: If either is missing or damaged.
    """
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"'{folder}' is no model folder of transformers: it has no config.json. Pass the folder as it was published.")
    parts = sorted(folder.glob("model*.safetensors"))
    tensors: dict[str, Tensor] = {}
    for part in parts:
        tensors |= read_tensors(part)
    return read_json(folder / "config.json"), tensors or read_pickled(folder / "pytorch_model.bin")


def _plain_card(model: LanguageModel, facts: Mapping[str, Any]) -> str:
    lines = [f"- {name}: {value}" for name, value in _flat(facts)]
    return (
        f"# A biolect model\n\n{model.num_parameters:,} parameters, vocabulary {model.vocabulary.name}.\n\n" + "\n".join(lines) + "\n\n"
        "Bits per residue, where they stand, are of validation records alone; a uniform guess costs 2 for a nucleotide and 4.32 for an\n"
        "amino acid. FOLDER is the one that this file lies in.\n\n"
        "    biolect info FOLDER\n    biolect score INPUT -m FOLDER -o scores.csv\n"
    )


def _flat(facts: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Yield facts as words and readable values, those of nested facts one by one."""
    for key, value in facts.items():
        name = before + str(key).replace("_", " ")
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}, ")
        elif isinstance(value, float):
            yield name, f"{value:.4g}"
        else:
            yield name, f"{value:,}" if type(value) is int else str(value)
