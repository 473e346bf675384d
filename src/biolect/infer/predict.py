"""Predictions of a finetuned model: one class or number per sequence.

A run folder of `biolect finetune` holds, beside the language model in `model/`:

    head.safetensors    weights of the head
    head.yaml           `Task`: what the outputs mean, and how sequences are read
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pydantic
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from scipy.special import softmax
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from biolect.bio.sequence import Modality, Sequence as Record
from biolect.config import Config
from biolect.data.document import Member
from biolect.data.packing import length_batches, windows
from biolect.errors import AlphabetError, CheckpointError, ConfigError
from biolect.files import atomic_path, sha256, write_pieces
from biolect.infer.prompt import Prompt
from biolect.infer.reader import BATCH_TOKENS, Reader, Strands
from biolect.models import checkpoint
from biolect.models.language_model import LanguageModel

HEAD, TASK, DIGEST = "head.safetensors", "head.yaml", "head_sha256"


class Task(Config):
    """What is predicted, and how a sequence is read for it.

    Attributes:
        target: Name of what is predicted.
        labels: Classes in the order of the outputs, which is that of their text; empty where a number is predicted.
        mean, deviation: Of a number in training; the head speaks in deviations from the mean.
        strands: `both` averages the outputs for DNA and its reverse complement, so that they are equal for both.
        long: Sequences over the model's context are refused, or read in windows that overlap by half; then the mean
            is over all residues, each where it stands furthest inside.
    """

    target: str
    labels: tuple[str, ...] = ()
    mean: float = 0.0
    deviation: float = pydantic.Field(default=1.0, gt=0)
    strands: Strands = "one"
    long: Literal["refuse", "windows"] = "refuse"

    @property
    def outputs(self) -> int:
        """Numbers that the head gives."""
        return len(self.labels) or 1


class Predictor(nn.Module):
    """A language model and a head. Only residues are pooled: neither special tokens nor padding count.

    Where the model shares weights between strands, its hidden states are means over both, so the answer is
    the same for a sequence and its reverse complement.

    Args:
        outputs: Classes, or 1 for a number.
    """

    def __init__(self, model: LanguageModel, outputs: int, seed: int = 0) -> None:
        super().__init__()
        self.model = model
        self.head = nn.Linear(model.backbone.width, outputs)
        nn.init.normal_(self.head.weight, std=0.02, generator=torch.Generator().manual_seed(seed))
        nn.init.zeros_(self.head.bias)

    def forward(
        self,
        token_ids: Int[Tensor, "B T"],
        positions: Int[Tensor, "B T"],
        segment_ids: Int[Tensor, "B T"],
        is_pooled: Bool[Tensor, "B T"],
        owners: Int[Tensor, " B"],
    ) -> Float[Tensor, "N K"]:
        """Return the head's outputs for every record.

        Args:
            is_pooled: Which places count.
            owners: Record that each row belongs to, 0-based; long records have several rows.
        """
        # Sums over places are exact enough in the head's precision only.
        hidden = self.model.hidden(token_ids, positions, segment_ids).to(self.head.weight.dtype)
        kept = is_pooled.unsqueeze(-1).to(hidden.dtype)
        num_records = int(owners.max()) + 1
        sums = hidden.new_zeros(num_records, hidden.shape[-1]).index_add(0, owners, (hidden * kept).sum(1))
        counts = hidden.new_zeros(num_records, 1).index_add(0, owners, kept.sum(1))
        return self.head(sums / counts.clamp_min(1))


class Rows(NamedTuple):
    """Sequences as a predictor reads them; see `Predictor.forward`."""

    token_ids: Tensor
    positions: Tensor
    segment_ids: Tensor
    is_pooled: Tensor
    owners: Tensor


@dataclass(frozen=True)
class Finetuned:
    """A predictor together with its task, and with the reader that writes its documents."""

    contexts = dict[str, Modality]()
    predictor: Predictor
    task: Task
    reader: Reader

    @classmethod
    def load(
        cls,
        folder: Path | str,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        batch_tokens: int = BATCH_TOKENS,
    ) -> Finetuned:
        """Load what `biolect finetune` wrote.

        Raises:
            CheckpointError: If the folder holds no finished finetuning, or a part of it is not what was saved.
        """
        folder = Path(folder)
        if not (folder / TASK).is_file():
            raise CheckpointError(f"'{folder}' holds no finetuned model: it has no {TASK}. Pass the folder that biolect finetune wrote.")
        text = (folder / TASK).read_text()
        task = Task.from_yaml(text)
        # Cut short it would still be read, without the mean and deviation that make numbers of outputs.
        if task.to_yaml() != text:
            raise CheckpointError(
                f"'{folder / TASK}' is not as biolect finetune wrote it, perhaps cut short. Copy the folder again, whole."
            )
        reader = Reader.load(folder, device=device, dtype=dtype, batch_tokens=batch_tokens)
        predictor = Predictor(reader.model, task.outputs)
        weights = checkpoint.read_tensors(folder / HEAD, checkpoint.read_facts(folder / "model").get(DIGEST))
        if {name: t.shape for name, t in weights.items()} != {name: t.shape for name, t in predictor.head.state_dict().items()}:
            raise CheckpointError(f"'{folder / HEAD}' does not fit the model and {TASK} beside it. Copy the folder again, whole.")
        predictor.head.load_state_dict(weights)
        return cls(predictor.to(device).eval(), task, reader)

    @classmethod
    def bare(cls, reader: Reader, task: Task, seed: int = 0) -> Finetuned:
        """Return a predictor that has learned nothing yet, its head drawn from a seed."""
        return cls(Predictor(reader.model, task.outputs, seed).to(reader.model.device), task, reader)

    def save(self, folder: Path, facts: Mapping[str, object]) -> None:
        """Write head, model and task into a run folder; the task comes last, so that what has it is whole."""
        with atomic_path(folder / HEAD) as temporary:
            checkpoint.write_tensors(temporary, self.predictor.head.state_dict())
        checkpoint.save(self.predictor.model, folder / "model", {**facts, DIGEST: sha256(folder / HEAD)})
        write_pieces(folder / TASK, [self.task.to_yaml().encode()])

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """What the model reads of what can be predicted. Raises ConfigError if that is nothing, as it is with molecules."""
        read = tuple(m for m in (Modality.DNA, Modality.RNA, Modality.PROTEIN) if self.reader.model.vocabulary.reads(m))
        if not read:
            raise ConfigError(
                "The model reads molecules, which are not finetuned on. Embed them with biolect embed, and fit to the vectors."
            )
        return read

    def refusal(self, record: Record) -> str:
        """Return why a sequence is not read, as a sentence; empty if it is."""
        if self.task.strands == "both" and record.modality is not Modality.DNA:
            return f"The record is {record.modality}, which has no other strand. Read one strand."
        try:
            self.reader.member(record)
        except AlphabetError as error:
            return str(error)
        if self.reader.room is None or len(record) <= self.reader.room or self.task.long == "windows":
            return ""
        room = f"{self.reader.room:,}"
        return f"The record has {len(record):,} residues, the model reads {room} at once. Shorten it, or finetune with long=windows."

    def rows(self, members: Sequence[Member]) -> Rows:
        """Write sequences out, each as a document of its own; long ones as several rows."""
        lines: list[list[Tensor]] = []
        owners: list[int] = []
        special = self.reader.grammar.overhead(1) - 1
        for owner, member in enumerate(members):
            for window in windows(len(member), self.reader.room, both_sides=not self.reader.model.config.is_causal):
                rendered = self.reader.write(Prompt(), member.slice(window.start, window.stop))
                is_pooled = np.zeros(len(rendered), dtype=bool)
                is_pooled[special + window.first - window.start : special + window.last - window.start] = True
                arrays = (rendered.token_ids, rendered.positions, np.ones(len(rendered)))
                lines.append([*(torch.from_numpy(x.astype(np.int64)) for x in arrays), torch.from_numpy(is_pooled)])
                owners.append(owner)
        device = self.reader.model.device
        padded = (pad_sequence(list(column), batch_first=True).to(device) for column in zip(*lines, strict=True))
        return Rows._make([*padded, torch.tensor(owners, device=device)])

    @torch.inference_mode()
    def outputs(self, members: Sequence[Member]) -> NDArray[np.float64]:
        """Return the head's outputs, records by outputs; equal whatever is read beside a record, up to rounding."""
        found = np.zeros((len(members), self.task.outputs))
        vocabulary = self.reader.model.vocabulary
        for chosen in length_batches([len(member) for member in members], self.reader.batch_tokens):
            some = [members[i] for i in chosen.tolist()]
            strands = [some, *([[member.other_strand(vocabulary) for member in some]] if self.task.strands == "both" else [])]
            found[chosen] = np.mean([self.predictor(*self.rows(strand)).cpu().double().numpy() for strand in strands], axis=0)
        return found

    def predict(self, members: Sequence[Member]) -> NDArray[np.float64]:
        """Return the probability of every class, or the number, of every record."""
        found = self.outputs(members)
        if not self.task.labels:
            return found[:, 0] * self.task.deviation + self.task.mean
        return softmax(found, axis=1)

    def answers(self, records: Sequence[Record]) -> dict[str, list[str] | list[float]]:
        """Return predictions of records; see `columns`."""
        return self.columns([self.reader.member(record) for record in records])

    def columns(self, members: Sequence[Member]) -> dict[str, list[str] | list[float]]:
        """Return predictions as columns of a table: `prediction`, and the probability of every class."""
        found = self.predict(members)
        if not self.task.labels:
            return {"prediction": found.tolist()}
        guesses = [self.task.labels[i] for i in found.argmax(axis=1)]
        return {"prediction": guesses} | {f"probability_{label}": found[:, i].tolist() for i, label in enumerate(self.task.labels)}
