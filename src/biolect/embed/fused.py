"""Fused models: what `biolect fuse` leaves behind, asked about new coding sequences.

fused.yaml                     `FusedTask`: what is predicted, from which encoders
members/0/config.yaml          a fusion model; several members are fused late
members/0/seed-0.safetensors   its weights, and the scale of the vectors that it reads
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from biolect.bio.sequence import Modality, Sequence as Record
from biolect.embed.codons import CodonEncoder, ContextEncoder
from biolect.embed.encoder import DEFAULT, Choice
from biolect.embed.fused_task import FusedTask, codon_encoders, contexts_of, embedded, refusal
from biolect.errors import CheckpointError
from biolect.files import atomic_path
from biolect.fusion.fusers import Masks, Streams
from biolect.fusion.heads import FusionModel
from biolect.fusion.streams import CodonStreams, Vectors
from biolect.models import checkpoint
from biolect.values import Floats

TASK = "fused.yaml"


@dataclass(frozen=True, eq=False)
class Member:
    """One model in several seeds.

    Attributes:
        streams: The task's stream behind every name that the model knows.
        scale: Vectors of no record; what they are read with.
    """

    streams: Mapping[str, str]
    models: tuple[FusionModel, ...]
    scale: CodonStreams


@dataclass(frozen=True, eq=False)
class FusedModel:
    """Encoders, members and what they predict.

    Attributes:
        modalities: What coding sequences may be written in.
    """

    modalities = (Modality.DNA, Modality.RNA)
    task: FusedTask
    encoders: Mapping[str, CodonEncoder | ContextEncoder]
    members: tuple[Member, ...]

    @classmethod
    def load(cls, folder: Path | str, choice: Choice = DEFAULT) -> FusedModel:
        """Load what `biolect fuse` wrote.

        Raises:
            CheckpointError: If the folder holds no finished fusion, a part of it is missing, or an encoder is not the one it was.
        """
        folder, task = Path(folder), cls.task_in(folder)
        with _whole(folder):
            members = tuple(_read_member(folder / "members" / str(i), streams) for i, streams in enumerate(task.members))
        encoders = codon_encoders(task, choice)
        if not members or not {*task.digests, *(source for streams in task.members for source in streams.values())} <= set(encoders):
            raise CheckpointError(f"'{folder / TASK}' names no members, or streams without an encoder. Copy the folder again, whole.")
        if changed := next((name for name, digest in task.digests.items() if encoders[name].digest != digest), None):
            raise CheckpointError(
                f"The encoder '{(task.encoders | task.contexts)[changed]}' is not the one that '{folder}' was trained with: "
                "its sha256 differs. Put back the weights that it had, or fuse again."
            )
        return cls(task, encoders, members)

    @staticmethod
    def task_in(folder: Path | str) -> FusedTask:
        """Read what a folder's model predicts, and from what. Raises CheckpointError like `load`."""
        folder = Path(folder)
        if not FusedModel.is_in(folder):
            raise CheckpointError(f"'{folder}' holds no fused model: it has no {TASK}. Pass the folder that biolect fuse wrote.")
        with _whole(folder):
            return FusedTask.from_yaml((folder / TASK).read_text())

    def save(self, folder: Path) -> None:
        """Write members and task; the task comes last, so that what has it is whole."""
        with atomic_path(folder / "members") as temporary:
            for index, member in enumerate(self.members):
                place, scale = temporary / str(index), member.scale
                place.mkdir(parents=True)
                (place / "config.yaml").write_text(member.models[0].config.to_yaml())
                units = [(f"{kind}.{name}", array) for kind in ("centers", "scales") for name, array in getattr(scale, kind).items()]
                for seed, model in enumerate(member.models):
                    tensors = model.state_dict() | {name: torch.from_numpy(array) for name, array in units}
                    checkpoint.write_tensors(place / f"seed-{seed}.safetensors", tensors)
        with atomic_path(folder / TASK) as temporary:
            temporary.write_text(self.task.to_yaml())

    @property
    def contexts(self) -> dict[str, Modality]:
        """Columns that are read beside the coding sequences, and what they hold."""
        return contexts_of(self.encoders)

    @staticmethod
    def is_in(folder: Path | str) -> bool:
        """Whether a folder is one that `biolect fuse` wrote."""
        return (Path(folder) / TASK).is_file()

    def refusal(self, record: Record) -> str:
        """Return why a record cannot be predicted, as a sentence; empty if it can."""
        return refusal(self.encoders, record)

    def answers(self, records: Sequence[Record]) -> dict[str, list[str] | list[float]]:
        """Return predictions as columns of a table: `prediction`, and the probability of every class.

        Of several targets there is a column `prediction_NAME` for each; of targets per position, a list joined by `;`.
        """
        with tempfile.TemporaryDirectory() as folder:
            rows = self.rows(embedded(self.encoders, records, Path(folder)))
        if self.task.per_codon:
            return {"prediction": [";".join(f"{number:.6g}" for number in row.ravel()) for row in rows]}
        found, labels = np.stack(rows), self.task.labels
        if self.task.also:
            return {f"prediction_{name}": found[:, k].tolist() for k, name in enumerate((self.task.target, *self.task.also))}
        if not labels:
            return {"prediction": found[:, 0].tolist()}
        guesses = [labels[i] for i in found.argmax(axis=1)]
        return {"prediction": guesses} | {f"probability_{label}": found[:, i].tolist() for i, label in enumerate(labels)}

    def streams_of(self, vectors: Mapping[str, Vectors]) -> CodonStreams:
        """Return vectors of records by stream, see `embedded`, with the scale of training."""
        read = [(source, member.scale, name) for member in self.members for name, source in member.streams.items()]
        centers = {source: scale.centers[name] for source, scale, name in read}
        scales = {source: scale.scales[name] for source, scale, name in read}
        return CodonStreams({source: vectors[source] for source in centers}, centers, scales, frozenset(self.task.contexts))

    def ask(self, streams: Streams, masks: Masks) -> Float[Tensor, "B *P K"]:
        """Return the probability of every class, or a number per target, of every record, or of every codon; gradients pass.

        A member has no say about a record of which all its streams but contexts are masked; where none has one, it is the mean of
        training.
        """
        said, heard = [], []
        for member in self.members:
            values = {name: streams[source] for name, source in member.streams.items()}
            kept = {name: masks[source] for name, source in member.streams.items()}
            answers = torch.stack([model(values, kept)[0] for model in member.models])
            mean, deviation = answers.new_tensor(self.task.mean), answers.new_tensor(self.task.deviation)
            said.append((answers.softmax(-1) if self.task.labels else answers * deviation + mean).mean(0))
            contexts = member.models[0].fuser.contexts
            heard.append(torch.stack([mask.any(1) for name, mask in kept.items() if name not in contexts]).any(0))
        return self._together(torch.stack(said), torch.stack(heard))

    def _together(self, said: Float[Tensor, "M B *P K"], heard: Bool[Tensor, "M B"]) -> Float[Tensor, "B *P K"]:
        task, spread = self.task, (1,) * (said.ndim - 2)
        mean, deviation = said.new_tensor(1 / len(task.labels) if task.labels else task.mean), said.new_tensor(task.deviation)
        if len(said) > 1 and not task.labels:
            centers, scales = (said.new_tensor(units).view(len(said), *spread, -1) for units in (task.centers, task.scales))
            said = (said - centers) / scales * deviation + mean
        heard = heard.view(*heard.shape, *spread)
        counts = heard.sum(0)
        return torch.where(counts > 0, (said * heard).sum(0) / counts.clamp_min(1), mean)

    @torch.inference_mode()
    def rows(self, vectors: Mapping[str, Vectors]) -> list[Floats]:
        """Return what `ask` returns, for all records of vectors by stream, see `embedded`, without padding."""
        streams, found = self.streams_of(vectors), dict[int, Floats]()
        for some in streams.batches(np.arange(len(streams.lengths))):
            answers = self.ask(*streams.batch(some.tolist())).double().numpy()
            found |= {i: own[: streams.lengths[i]] if self.task.per_codon else own for i, own in zip(some.tolist(), answers, strict=True)}
        return [found[i] for i in range(len(found))]


@contextmanager
def _whole(folder: Path) -> Iterator[None]:
    """Raise CheckpointError for what reading a folder trips over."""
    try:
        yield
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        why = " ".join(str(error).split()).rstrip(".")
        raise CheckpointError(f"The fused model in '{folder}' is damaged ({why}). Copy the folder again, whole.") from None


def _read_member(folder: Path, streams: Mapping[str, str]) -> Member:
    config = FusionModel.Config.from_yaml((folder / "config.yaml").read_text())
    models: list[FusionModel] = []
    scale: dict[str, dict[str, NDArray[np.float32]]] = {"centers": {}, "scales": {}}
    for path in sorted(folder.glob("seed-*.safetensors"), key=lambda path: int(path.stem.partition("-")[2])):
        weights = checkpoint.read_tensors(path)
        scale = {kind: {name: weights.pop(f"{kind}.{name}").numpy() for name in streams} for kind in scale}
        models.append(config.build().eval())
        models[-1].load_state_dict(weights)
    if not models:
        raise CheckpointError(f"'{folder}' holds no weights. Copy the folder again, whole.")
    return Member(streams, tuple(models), CodonStreams({}, scale["centers"], scale["scales"]))
