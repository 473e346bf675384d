"""Training of a fuser and a head on frozen embeddings: one model of one seed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pydantic
import torch
from numpy.typing import NDArray
from torch.nn.utils.rnn import pad_sequence

from biolect.config import Config
from biolect.errors import ConfigError
from biolect.fusion.fusers import FUSERS, FuserKind
from biolect.fusion.heads import AnyHead, AttentionPool, FusionModel, Linear, Perceptron, TextCNN, task_loss
from biolect.fusion.streams import CodonStreams, drop_streams, outputs_of

Rows = Sequence[NDArray[np.float64]]


class Fit(Config):
    """How fusers and heads are built and trained; the defaults suit tables of a few thousand rows and a laptop.

    Attributes:
        width: Of every projected stream.
        gate_width: Of the gate over streams.
        head: `textcnn` takes the largest answer of convolutions over codons; the others pool codons, by a mean or by attention.
        channels: Of the head, for each of its kernels.
        projects_all: Concatenation projects every stream, not DNA alone.
        key_codons: Codons that cross-modal attention averages into one key.
        learning_rate: Divided by 10 after `plateau` checks without a better validation loss.
        steps: Of the optimizer, at most.
        check_steps: Steps between looks at the validation loss; 0 looks once an epoch.
        patience: Looks without a better validation loss, the task's alone, after which training stops.
        entropy_weight: Of the mean entropy of modality weights in the loss; positive sharpens.
        stream_dropout: Chance that a stream of a record is absent in a step.

    Source: arXiv:2506.08936, appendix, for `paper`.
    """

    width: int = pydantic.Field(default=64, gt=0)
    gate_width: int = pydantic.Field(default=16, gt=0)
    head: Literal["textcnn", "attention_pool", "linear", "mlp"] = "textcnn"
    channels: int = pydantic.Field(default=48, gt=0)
    projects_all: bool = True
    key_codons: int = pydantic.Field(default=16, gt=0)
    attention_dropout: float = pydantic.Field(default=0.0, ge=0, lt=1)
    learning_rate: float = pydantic.Field(default=1e-3, gt=0)
    weight_decay: float = pydantic.Field(default=1e-4, ge=0)
    batch_records: int = pydantic.Field(default=32, gt=0)
    steps: int = pydantic.Field(default=600, gt=0)
    check_steps: int = pydantic.Field(default=50, ge=0)
    plateau: int = pydantic.Field(default=2, gt=0)
    patience: int = pydantic.Field(default=4, gt=0)
    entropy_weight: float = 0.01
    stream_dropout: float = pydantic.Field(default=0.1, ge=0, lt=1)

    @classmethod
    def paper(cls) -> Fit:
        """Return the published settings: wide, slow, up to 500 epochs."""
        return cls(
            width=600,
            gate_width=100,
            channels=100,
            projects_all=False,
            key_codons=1,
            attention_dropout=0.1,
            learning_rate=3e-5,
            weight_decay=1e-5,
            steps=1_000_000,
            check_steps=0,
            plateau=5,
            patience=20,
            stream_dropout=0.0,
        )

    def model(
        self, kind: FuserKind, inputs: dict[str, int], outputs: int, *, pools: bool = True, contexts: Collection[str] = ()
    ) -> FusionModel.Config:
        """Return the model of an arm; one that does not pool answers for every codon."""
        chosen: dict[str, Any] = {name: getattr(self, name) for name in ("width", "gate_width", "key_codons")}
        chosen |= {"dropout": self.attention_dropout}
        if self.projects_all:
            chosen |= {"projected": tuple(sorted(inputs)), "projected_width": self.width}
        made = FUSERS[kind]
        fuser = made(inputs=inputs, contexts=tuple(sorted(contexts)), **{n: v for n, v in chosen.items() if n in made.model_fields})
        head: AnyHead = AttentionPool.Config()
        if self.head == "textcnn":
            head = TextCNN.Config(channels=self.channels, pools=pools)
        elif self.head != "attention_pool":
            head = (Linear if self.head == "linear" else Perceptron).Config(pools=pools)
        return FusionModel.Config(fuser=fuser, head=head, outputs=outputs)


@dataclass
class Fitted:
    """A trained model, and how it got there.

    Attributes:
        curve: Step, mean training loss since the look before, and validation loss, the task's alone, of every look.
    """

    model: FusionModel
    curve: list[dict[str, float]] = field(default_factory=list)
    best_step: int = 0


def fit(
    config: FusionModel.Config,
    streams: CodonStreams,
    targets: Rows,
    parts: tuple[NDArray[np.int64], NDArray[np.int64]],
    settings: Fit,
    *,
    classes: bool,
    seed: int,
    advance: Callable[[int], None] = lambda steps: None,
) -> Fitted:
    """Train a model and return it with the weights of its best look.

    Args:
        targets: Of every record, standardised numbers, NaN where there is none, or one class code; see `Labelled.rows`.
        parts: Records of training and of validation.

    Raises:
        ConfigError: If training diverges.
    """
    model, (training, valid) = config.build(seed), parts
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=settings.plateau)
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    fitted, best, best_loss, looks_since, losses = Fitted(model), copy.deepcopy(model.state_dict()), np.inf, 0, []
    step = 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        while step < settings.steps and looks_since < settings.patience:
            batches = list(streams.batches(training, settings.batch_records, rng))
            for number, chosen in enumerate(batches):
                losses.append(_step(model, optimizer, streams, targets, chosen, settings, classes, generator))
                step += 1
                advance(1)
                due = step % settings.check_steps == 0 if settings.check_steps else number == len(batches) - 1
                if not (due or step == settings.steps):
                    continue
                loss = judged_loss(model, streams, targets, valid, classes=classes)
                if not np.isfinite(loss):
                    raise ConfigError(f"Training diverged after {step} steps. Lower fit.learning_rate = {settings.learning_rate:g}.")
                fitted.curve.append({"step": step, "train": float(np.mean(losses)), "valid": loss})
                plateau.step(loss)
                losses, looks_since = [], looks_since + 1
                if loss < best_loss:
                    best, best_loss, looks_since, fitted.best_step = copy.deepcopy(model.state_dict()), loss, 0, step
                if step == settings.steps or looks_since >= settings.patience:
                    break
    model.load_state_dict(best)
    model.eval()
    return fitted


def _step(
    model: FusionModel,
    optimizer: torch.optim.Optimizer,
    streams: CodonStreams,
    targets: Rows,
    chosen: NDArray[np.int64],
    settings: Fit,
    classes: bool,
    generator: torch.Generator,
) -> float:
    model.train()
    values, masks = streams.batch(chosen.tolist())
    if settings.stream_dropout and len(values) > 1:
        masks = drop_streams(masks, settings.stream_dropout, generator, streams.around)
    outputs, fused = model(values, masks)
    rows = [torch.from_numpy(targets[i]).float() for i in chosen.tolist()]
    loss = task_loss(outputs, pad_sequence(rows, batch_first=True, padding_value=torch.nan), classes=classes)
    (loss + settings.entropy_weight * fused.entropy).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return float(loss.detach())


def judged_loss(model: FusionModel, streams: CodonStreams, targets: Rows, chosen: NDArray[np.int64], *, classes: bool) -> float:
    """Return the task's mean loss over records; NaN targets count for nothing."""
    outputs = torch.from_numpy(outputs_of(model, streams, chosen).outputs)
    wanted = np.concatenate([np.atleast_2d(targets[i]) for i in chosen.tolist()])
    return float(task_loss(outputs, torch.from_numpy(wanted), classes=classes))
