"""Contexts on disk: a prompt as a model read it, to ask again without reading again.

One safetensors file: the state, the logits after it, the prompt's own tokens, and which model read it.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from biolect.bio.sequence import Modality
from biolect.data.document import Member
from biolect.errors import CheckpointError, ConfigError
from biolect.files import atomic_path, open_input
from biolect.infer.prompt import Context, Prompt
from biolect.infer.reader import Reader
from biolect.models import checkpoint
from biolect.models.language_model import weights_digest

ENDING = ".safetensors"
_KEY, _DIGEST = "biolect context", "sha256"


def save_context(path: Path | str, reader: Reader, prompt: Prompt, names: list[str]) -> None:
    """Write a prompt, read first if it was not yet; the file appears under its name when it is whole.

    Gene coordinates are not kept: what is asked later has ordinary positions.

    Args:
        names: Of what was put into the prompt, to be reported with it.

    Raises:
        ConfigError: If the prompt is empty.
    """
    read = reader.read(prompt).read
    if read is None:
        raise ConfigError("Nothing can be kept of a prompt without members. Give it some.")
    tensors = {f"state/{name}": tensor for name, tensor in read.state.tensors().items()}
    tensors |= {"logits": read.logits, "token_ids": torch.from_numpy(np.concatenate([member.token_ids for member in prompt.members]))}
    facts = {
        "model": reader.model.digest(reader.grammar.to_yaml()),
        "members": [(member.modality.value, len(member)) for member in prompt.members],
        "labels": sorted(prompt.labels.items()),
        "names": names,
    }
    text = json.dumps(facts)
    with atomic_path(path) as temporary:
        checkpoint.write_tensors(temporary, tensors, {_KEY: text, _DIGEST: weights_digest(tensors, text)})


def load_context(path: Path | str, reader: Reader) -> tuple[Prompt, list[str]]:
    """Return a prompt as `save_context` wrote it, and the names of what is in it.

    Raises:
        InputError: If there is no such file.
        CheckpointError: If the file is damaged, no context, or was read by another model.
    """
    open_input(path, text=False).close()
    tensors, metadata = checkpoint.read_tensors(Path(path)), checkpoint.read_metadata(Path(path))
    if _KEY not in metadata:
        raise CheckpointError(f"'{path}' is no saved context. Give one that --save-context wrote, or a file of records.")
    if metadata.get(_DIGEST) != weights_digest(tensors, metadata[_KEY]):
        raise CheckpointError(f"'{path}' is damaged: what it holds is not what was saved. Copy it again, whole.")
    facts = json.loads(metadata[_KEY])
    if facts["model"] != reader.model.digest(reader.grammar.to_yaml()):
        raise CheckpointError(
            f"The context in '{path}' was read by another model, or in another precision, so this one cannot go on from it. "
            "Give the records themselves with --context FILE."
        )
    sizes = [size for _, size in facts["members"]]
    pieces = np.split(tensors.pop("token_ids").numpy(), np.cumsum(sizes)[:-1])
    members = tuple(Member(ids, Modality(kind)) for ids, (kind, _) in zip(pieces, facts["members"], strict=True))
    prompt = Prompt(members, dict(facts["labels"]))
    logits = tensors.pop("logits").to(reader.model.device)
    state = reader.model.backbone.state_of({name.removeprefix("state/"): tensor for name, tensor in tensors.items()})
    return replace(prompt, read=Context(state, logits, prompt.num_tokens(reader.grammar))), facts["names"]
