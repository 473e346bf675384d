"""Any encoder of `transformers` in a folder: SpliceBERT and other BERTs, Evo, and what comes next.

How it cuts sequences is asked of its tokenizer, which must put every residue into exactly one token, written
together or with spaces between letters, with T or with U. Code that lies beside weights is run only if that is allowed.
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from biolect.bio.sequence import Modality, Sequence as BioSequence
from biolect.embed.encoder import DEFAULT, Choice, Licence
from biolect.embed.tokenwise import TokenEncoder
from biolect.errors import AlphabetError, CheckpointError, MissingDependencyError
from biolect.models.language_model import weights_digest

_EXCHANGED = str.maketrans("TU", "UT")


class HuggingFaceEncoder(TokenEncoder):
    """A model of transformers with its tokenizer. Rows are padded to the longest."""

    model: Any

    def __init__(self, model: Any, tokenizer: Any, choice: Choice = DEFAULT, licence: Licence | None = None) -> None:
        if not all(hasattr(model.config, key) for key in ("num_hidden_layers", "hidden_size")):
            raise CheckpointError("The config of this model does not say how many layers it has and how wide they are. It cannot be read.")
        super().__init__(choice, int(model.config.num_hidden_layers))
        self.model, self.tokenizer, self.licence = model.to(choice.device, choice.dtype).eval(), tokenizer, licence
        self.width = int(model.config.hidden_size)
        spellings = {m: self._spelling(m) for m in (Modality.DNA, Modality.RNA, Modality.PROTEIN)}
        self._spellings = {modality: found for modality, found in spellings.items() if found}
        self.modalities = tuple(self._spellings)
        if not self.modalities:
            raise CheckpointError(
                "The tokenizer puts no letters of DNA, RNA or protein into tokens one by one. This encoder cannot be read."
            )
        text = self._written("A", *self._spellings[self.modalities[0]])
        alone, whole = tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer(text)["input_ids"]
        lead = next(i for i in range(len(whole)) if whole[i : i + len(alone)] == alone)
        self._around = (list(whole[:lead]), list(whole[lead + len(alone) :]))
        self.special_tokens = tuple(tokenizer.convert_ids_to_tokens([*self._around[0], *self._around[1]]))
        # Some tables of positions keep two rows for padding.
        limits = (tokenizer.model_max_length, int(getattr(model.config, "max_position_embeddings", 1 << 30)) - 2)
        self.limit_tokens = limit if (limit := min(limits)) < 1 << 24 else None

    @cached_property
    def digest(self) -> str:
        """Sha256 over weights, tokenizer, config and everything that was chosen."""
        known = sorted(self.tokenizer.get_vocab().items())
        return weights_digest(self.model.state_dict(), self.model.config.to_json_string(), known, self.chosen)

    def _spelling(self, modality: Modality) -> tuple[str, bool] | None:
        """Return what stands between letters, and whether T and U are exchanged, so that each has a token; None if nothing helps."""
        letters = modality.alphabet.standard
        ways = [(between, exchanged) for exchanged in (False, True)[: 1 + (modality is not Modality.PROTEIN)] for between in ("", " ")]
        return next((way for way in ways if self._pieces(letters * 3, *way) is not None), None)

    @staticmethod
    def _written(residues: str, between: str, exchanged: bool) -> str:
        return between.join(residues.translate(_EXCHANGED) if exchanged else residues)

    def _pieces(self, residues: str, between: str, exchanged: bool) -> tuple[list[str], list[int]] | None:
        """Return tokens and how many residues each covers; None if they do not cover each residue once."""
        pieces = self.tokenizer.tokenize(self._written(residues, between, exchanged))
        bare = [re.sub("^(##|\u2581|\u0120)", "", piece) for piece in pieces]
        covers = "".join(bare).upper() == self._written(residues, "", exchanged) and self.tokenizer.unk_token not in pieces
        return (pieces, list(map(len, bare))) if covers and all(bare) else None

    def tokenised(self, sequence: BioSequence) -> tuple[Int[np.ndarray, " T"], Int[np.ndarray, " T"]]:
        """Return tokens as the tokenizer makes them; see `TokenEncoder.tokenised`."""
        found = self._pieces(sequence.residues, *self._spellings[sequence.modality])
        if found is None:
            raise AlphabetError(
                f"'{sequence.name}' has letters that this encoder's tokenizer does not know. Remove them, or choose another encoder."
            )
        return np.array(self.tokenizer.convert_tokens_to_ids(found[0]), dtype=np.int64), np.array(found[1], dtype=np.int64)

    def special_ids(self, sequence: BioSequence) -> tuple[list[int], list[int]]:
        """Return what the tokenizer puts around every sequence."""
        return self._around

    def padded(self, token_ids: Int[Tensor, "B T"], real: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """Return hidden states; see `TokenEncoder.padded`."""
        token_ids = token_ids.where(real > 0, self.tokenizer.pad_token_id or 0)
        token_ids, real = (one.to(next(self.model.parameters()).device) for one in (token_ids, real))
        made = self.model(input_ids=token_ids, attention_mask=real, output_hidden_states=self.layer is not None)
        found = getattr(made, "last_hidden_state", None) if self.layer is None else made.hidden_states[self.layer]
        if found is None:
            raise CheckpointError("This model gives no hidden states, so there is nothing to embed with. Choose another encoder.")
        return found


def load(path: Path, choice: Choice = DEFAULT) -> HuggingFaceEncoder:
    """Load a folder that `save_pretrained` wrote, or a hub shows. Nothing is fetched.

    Raises:
        CheckpointError: If the folder is no whole encoder, or needs code of its own.
        ConfigError: If its licence forbids commercial use and was not accepted.
        MissingDependencyError: If transformers is not installed.
    """
    try:
        import transformers
    except ImportError:
        raise MissingDependencyError("Encoders of transformers need the extra 'hf'. Install biolect[hf].") from None
    if not (path / "config.json").is_file():
        raise CheckpointError(f"'{path}' is no model folder of transformers: it has no config.json. Pass the folder as it was published.")
    licence = _licence(path)
    choice.check(licence, f"'{path}'")
    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    given: dict[str, Any] = {"local_files_only": True, "trust_remote_code": choice.allows_remote_code}
    try:
        model, report = transformers.AutoModel.from_pretrained(path, output_loading_info=True, dtype=torch.float32, **given)
        tokenizer = transformers.AutoTokenizer.from_pretrained(path, **given)
    except (OSError, ValueError, TypeError, ImportError, KeyError, RuntimeError) as error:
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
        hint = "Pass --allow-remote-code to run the code beside its weights." if "trust_remote_code" in str(error) else "Check the folder."
        raise CheckpointError(f"transformers cannot load '{path}': {first} {hint}") from None
    finally:
        transformers.logging.set_verbosity(before)
    # A pooler is not read; anything else that is missing was drawn at random in silence.
    if missing := sorted(key for key in report["missing_keys"] if "pooler" not in key):
        raise CheckpointError(f"The weights in '{path}' lack '{missing[0]}' and {len(missing) - 1} others. Copy the folder again, whole.")
    return HuggingFaceEncoder(model, tokenizer, choice, licence)


def _licence(path: Path) -> Licence | None:
    """Read the licence from the head of the model card."""
    card = path / "README.md"
    found = re.search(r"^license: *(\S+)", card.read_text(encoding="utf-8", errors="replace"), re.MULTILINE) if card.is_file() else None
    return Licence(found[1], commercial="-nc" not in found[1].lower()) if found else None
