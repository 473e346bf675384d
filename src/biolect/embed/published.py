"""Encoders of published families: one network, and per family a vocabulary, a way to cut sequences, a limit and a licence."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from biolect.bio.sequence import Modality, Sequence as BioSequence
from biolect.embed.encoder import DEFAULT, Choice, Licence
from biolect.embed.tokenwise import TokenEncoder
from biolect.errors import AlphabetError, CheckpointError
from biolect.models import checkpoint
from biolect.models.language_model import weights_digest
from biolect.models.published import KEPT_SHARE, PublishedModel
from biolect.models.weight_maps import Layout, bare_names, from_published


@dataclass(frozen=True)
class Family:
    """What is true of all models of a family.

    Attributes:
        modalities: What they read; the vocabulary is written in the letters of the first.
        vocabulary: Tokens in the order of their ids.
        before, behind: Special tokens around every sequence.
        cut: Residues to tokens.
        window_unit: Tokens; see `TokenEncoder`.
        shapes: By size.
        forms: How weights were published: as a file in the layout of fair-esm, as a folder in that of transformers, or both.
    """

    name: str
    modalities: tuple[Modality, ...]
    licence: Licence
    vocabulary: tuple[str, ...]
    limit_tokens: int
    shapes: Mapping[str, PublishedModel.Config]
    forms: tuple[Literal["file", "folder"], ...]
    before: tuple[str, ...] = ("<cls>",)
    behind: tuple[str, ...] = ()
    cut: Callable[[str], Sequence[str]] = list
    window_unit: int = 1

    def load(self, path: Path, choice: Choice = DEFAULT) -> FamilyEncoder:
        """Load published weights: a file, or a folder with config.json and safetensors.

        Raises:
            ConfigError: If their licence was not accepted.
            CheckpointError: If they are no whole model of the family.
        """
        choice.check(self.licence, self.name)
        if "folder" not in self.forms or ("file" in self.forms and not path.is_dir()):
            return FamilyEncoder(from_file(path), self, choice)
        model, listed = from_folder(path), path / "vocab.txt"
        vocabulary = tuple(listed.read_text(encoding="utf-8").split()) if listed.is_file() else self.vocabulary
        return FamilyEncoder(model, replace(self, vocabulary=vocabulary), choice)


class FamilyEncoder(TokenEncoder):
    """A model of a published family. On a CPU, sequences are packed into one line without padding."""

    model: PublishedModel

    def __init__(self, model: PublishedModel, family: Family, choice: Choice = DEFAULT) -> None:
        if model.config.tokens != len(family.vocabulary):
            raise CheckpointError(
                f"The weights have {model.config.tokens} tokens, {family.name} has {len(family.vocabulary)}. Choose their family."
            )
        super().__init__(choice, model.config.layers)
        self.model, self.family = model.compute_in(choice.dtype).to(choice.device).eval(), family
        self.width = model.width
        self.modalities, self.licence, self.limit_tokens = family.modalities, family.licence, family.limit_tokens
        self.special_tokens, self.window_unit = (*family.before, *family.behind), family.window_unit
        self.packs = self.model.device.type == "cpu"

    @cached_property
    def digest(self) -> str:
        """Sha256 over weights, their precision, vocabulary and everything that was chosen."""
        own = self.family.name, self.family.vocabulary, (*self.chosen, self.window_unit)
        return weights_digest(self.model.state_dict(), self.model.config.to_yaml(), *own)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {token: number for number, token in enumerate(self.family.vocabulary)}

    def tokenised(self, sequence: BioSequence) -> tuple[Int[np.ndarray, " T"], Int[np.ndarray, " T"]]:
        """Return tokens as the family cuts them; T and U are read as one letter. See `TokenEncoder.tokenised`."""
        own, known = self.modalities[0], self._ids
        if sequence.modality is not own:
            sequence = sequence.transcribe() if own is Modality.RNA else sequence.back_transcribe()
        pieces = self.family.cut(sequence.residues)
        ids = np.array([known.get(piece, -1) for piece in pieces], dtype=np.int64)
        sizes = np.array([len(piece) for piece in pieces], dtype=np.int64)
        if len(wrong := np.flatnonzero(ids < 0)):
            letter, index = pieces[wrong[0]], sizes[: wrong[0]].sum()
            raise AlphabetError(
                f"Symbol {letter!r} at index {index} (0-based) of '{sequence.name}' has no token in {self.family.name}. "
                f"Remove {'the stop' if letter == '*' else 'it'}, or choose another encoder."
            )
        return ids, sizes

    def special_ids(self, sequence: BioSequence) -> tuple[list[int], list[int]]:
        """Return the ids of the family's special tokens."""
        return [self._ids[token] for token in self.family.before], [self._ids[token] for token in self.family.behind]

    def hidden(self, rows: Sequence[Tensor]) -> list[Float[Tensor, "T D"]]:
        """Return hidden states of rows, packed into one line or padded."""
        if not self.packs:
            return super().hidden(rows)
        lengths = [len(row) for row in rows]
        positions = [torch.arange(length) for length in lengths]
        segments = [torch.full((length,), number) for number, length in enumerate(lengths, start=1)]
        packed = (torch.cat(list(parts))[None] for parts in (rows, positions, segments))
        return list(self.model(*packed, self.layer)[0].split(lengths))

    def padded(self, token_ids: Int[Tensor, "B T"], real: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """Return hidden states; see `TokenEncoder.padded`."""
        positions = torch.arange(token_ids.shape[1]).expand_as(token_ids)
        return self.model(*(one.to(self.model.device) for one in (token_ids, positions, real)), self.layer)


_SIZES = dict(tokens="vocab_size", layers="num_hidden_layers", width="hidden_size", heads="num_attention_heads", inner="intermediate_size")
"""Ours, and theirs in the config.json of transformers."""


def from_folder(path: Path) -> PublishedModel:
    """Load a model folder in the layout of transformers' ESM, with or without gates in its feed-forward layers.

    Raises:
        CheckpointError: If something is missing or does not fit.
    """
    config, weights = checkpoint.read_outside(path)
    try:
        sizes: dict[str, Any] = {ours: int(config[theirs]) for ours, theirs in _SIZES.items()}
        learned = config.get("position_embedding_type", "absolute") != "rotary"
        shape = PublishedModel.Config(
            **sizes,
            positions="learned" if learned else "rotary",
            num_positions=int(config["max_position_embeddings"]) if learned else 0,
            first_position=int(config.get("pad_token_id") or 0) + 1,
            # Only the gated variant leaves biases out.
            feedforward="gelu" if any(name.endswith("intermediate.dense.bias") for name in weights) else "gated",
            embedding_norm=bool(config.get("emb_layer_norm_before")),
            embedding_scale=KEPT_SHARE if config.get("token_dropout") else 1.0,
            norm_eps=float(config.get("layer_norm_eps", 1e-12)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"'{path / 'config.json'}' does not describe an ESM model: {error}. Pass the folder as it was published."
        ) from None
    return _filled(shape, weights, "transformers")


def from_file(path: Path) -> PublishedModel:
    """Load a file in the layout of fair-esm: weights, and beside them the settings of their training.

    Without settings there are 20 heads and tokens were zeroed in training, as in ESM-2 and RNA-FM.

    Raises:
        CheckpointError: If something is missing or does not fit.
    """
    found = checkpoint.read_pickled(path)
    inner, config = found.get("model", found), found.get("cfg")
    weights = {name: weight for name, weight in inner.items() if isinstance(weight, Tensor)} if isinstance(inner, Mapping) else {}
    stated: Any = config.get("model") if isinstance(config, Mapping) else found.get("args")
    settings = vars(stated) if isinstance(stated, Namespace) else {}
    bare = bare_names(weights, "fair-esm")
    missing = [name for name in ("embed_tokens.weight", "layers.0.fc1.weight") if name not in bare]
    if missing:
        raise CheckpointError(f"'{path}' is not in the layout of fair-esm: it lacks '{missing[0]}'. Get the published file again.")
    positions = bare.get("embed_positions.weight")
    try:
        shape = PublishedModel.Config(
            tokens=len(bare["embed_tokens.weight"]),
            layers=1 + max(int(name.split(".")[1]) for name in bare if name.startswith("layers.")),
            width=bare["embed_tokens.weight"].shape[1],
            heads=int(settings.get("encoder_attention_heads", settings.get("attention_heads", 20))),
            inner=len(bare["layers.0.fc1.weight"]),
            positions="rotary" if positions is None else "learned",
            num_positions=0 if positions is None else len(positions),
            embedding_norm="emb_layer_norm_before.weight" in bare,
            embedding_scale=KEPT_SHARE if settings.get("token_dropout", True) else 1.0,
        )
    except ValueError as error:
        raise CheckpointError(f"The settings in '{path}' cannot be those of its weights: {error}. Get the published file again.") from None
    return _filled(shape, weights, "fair-esm")


def _filled(shape: PublishedModel.Config, weights: Mapping[str, Tensor], layout: Layout) -> PublishedModel:
    model = shape.build()
    model.load_state_dict(from_published(weights, shape, layout), assign=True)
    return model
