"""The finetuning loop: labelled records in, a predictor out, judged after every epoch."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pydantic
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from biolect import metrics
from biolect.config import Config
from biolect.data.document import Member
from biolect.data.labelled import Labelled
from biolect.data.shards import SPLITS
from biolect.data.targets import Columns
from biolect.errors import CheckpointError, ConfigError
from biolect.files import atomic_path
from biolect.infer.predict import Finetuned
from biolect.infer.reader import BATCH_TOKENS, Strands
from biolect.models import checkpoint
from biolect.train import checkpoints
from biolect.train.log import MetricsLog
from biolect.train.lora import add_adapters
from biolect.train.optimizer import AdamW, rate_at
from biolect.train.pretrain import METRICS
from biolect.train.runtime import Runtime


class FinetuneConfig(Config):
    """Everything that decides the weights that come out.

    Attributes:
        data, model: The table, and the language model to begin with.
        trains: All weights, or the head alone on frozen hidden states (a probe).
        lora: Rank of low-rank updates of frozen weights, trained instead of them; merged into them at the end.
        strands: `both`: train on either strand at random, and average the outputs of both when asked; for DNA
            models that do not share weights between strands.
        long: What happens to sequences over the model's context; see `infer.predict.Task`.
        metric: What early stopping and the report look at; `auto` is Matthews correlation or Spearman's.
        epochs: At most; the weights of the best one are kept.
        patience: Epochs without a better validation metric after which training stops.
        batch_records: Records of one step.
        learning_rate: At the top; warmed up over the first hundredth, then cosine down to a tenth.
        batch_tokens: Tokens read side by side when predicting; changes speed and memory only.

    Source: arXiv:2411.04165 for epochs, schedule and optimizer of DNA models; there, padding is pooled, too, and
    metrics are averaged over batches.
    """

    data: str
    model: str
    columns: Columns
    trains: Literal["all", "head"] = "all"
    lora: int | None = pydantic.Field(default=None, gt=0)
    strands: Strands = "one"
    long: Literal["refuse", "windows"] = "refuse"
    metric: Literal["auto", "accuracy", "mcc", "f1", "auroc", "spearman", "r2"] = "auto"
    epochs: int = pydantic.Field(default=10, gt=0)
    patience: int = pydantic.Field(default=3, gt=0)
    batch_records: int = pydantic.Field(default=64, gt=0)
    learning_rate: float = pydantic.Field(default=6e-4, gt=0)
    optimizer: AdamW = AdamW()
    dtype: Literal["auto", "float32", "bfloat16", "float64"] = "auto"
    batch_tokens: int = pydantic.Field(default=BATCH_TOKENS, gt=0)
    seed: int = pydantic.Field(default=0, ge=0, lt=1 << 32)

    @pydantic.model_validator(mode="after")
    def _one_way(self) -> FinetuneConfig:
        if self.lora is not None and self.trains == "head":
            raise ValueError("trains = head leaves the model as it is, so lora has nothing to do. Leave one of them out.")
        return self


@dataclass
class Progress:
    """Where a run is. Invariant: with the weights and the optimizer state, it decides what happens next."""

    data_sha256: str
    model_sha256: str
    epoch: int = 0
    best_epoch: int = 0
    best: float = -math.inf
    is_done: bool = False


@dataclass
class Tuner:
    """A run in progress."""

    config: FinetuneConfig
    runtime: Runtime
    tuned: Finetuned
    data: Labelled
    metric: str
    folder: Path
    progress: Progress
    advance: Callable[[int], None]
    best: dict[str, Tensor] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        predictor = self.tuned.predictor
        if self.config.trains == "head":
            predictor.model.requires_grad_(False)
        if self.config.lora is not None:
            add_adapters(predictor.model, self.config.lora, self.config.seed)
        # The head that says the next token is no part of this.
        predictor.model.head.requires_grad_(False)
        self.members = [self.tuned.reader.member(record) for record in self.data.records]
        self.model, self.optimizer = self.runtime.prepare(predictor, self.config.optimizer.build(predictor))
        self._restore()
        self.log = MetricsLog(self.folder / METRICS)
        self.log.open_at(self.progress.epoch)

    def run(self, should_stop: Callable[[int], bool]) -> None:
        """Train until the epochs are over or nothing gets better; put the best weights in place."""
        place = self.progress
        while not place.is_done:
            loss = self._epoch(place.epoch)
            place.epoch += 1
            value = self._judged(*self._predicted("valid"))[self.metric]
            if value > place.best or not self.best:
                place.best, place.best_epoch, self.best = value if value == value else place.best, place.epoch, self._weights()
            place.is_done = place.epoch >= self.config.epochs or place.epoch - place.best_epoch >= self.config.patience
            self.log.write(
                "epoch",
                step=place.epoch,
                loss=loss,
                metric=self.metric,
                valid=value if value == value else None,
                best_epoch=place.best_epoch,
            )
            self._save()
            if should_stop(place.epoch):
                break
        self.tuned.predictor.load_state_dict(self.best)
        self.tuned.predictor.eval()

    def _epoch(self, epoch: int) -> float:
        """Learn from every training record once; return the mean loss."""
        rng = np.random.default_rng((self.config.seed, epoch))
        order = rng.permutation(self.data.of("train"))
        top, whole, total = self.config.learning_rate, len(order) * self.config.epochs, 0.0
        self.model.train()
        for start in range(0, len(order), self.config.batch_records):
            chosen = order[start : start + self.config.batch_records]
            loss = self._loss([self._drawn(self.members[i], rng) for i in chosen.tolist()], chosen)
            self.runtime.backward(loss, self.model, is_last=True)
            rate = rate_at(epoch * len(order) + start + len(chosen) / 2, (top, top / 10), whole // 100, whole, "cosine")
            self.runtime.step(self.model, self.optimizer, rate, self.config.optimizer.clip_norm)
            total += float(loss.detach()) * len(chosen)
            if not math.isfinite(total):
                raise ConfigError(f"Training diverged in epoch {epoch + 1}. Lower learning_rate = {self.config.learning_rate:g}.")
            self.advance(len(chosen))
        self.model.eval()
        return total / len(order)

    def _drawn(self, member: Member, rng: np.random.Generator) -> Member:
        turns = self.config.strands == "both" and rng.random() < 0.5
        return member.other_strand(self.tuned.reader.model.vocabulary) if turns else member

    def _loss(self, members: list[Member], chosen: NDArray[np.int64]) -> Tensor:
        with self.runtime.autocast():
            outputs = self.model(*self.tuned.rows(members))
        outputs = outputs if outputs.dtype == torch.float64 else outputs.float()
        targets, task = torch.from_numpy(self.data.targets[chosen]), self.tuned.task
        if self.data.labels:
            return functional.cross_entropy(outputs, targets.long().to(outputs.device))
        # Before they go where there may be no float64.
        wanted = ((targets - task.mean) / task.deviation).to(outputs.dtype)
        return functional.mse_loss(outputs[:, 0], wanted.to(outputs.device))

    def _predicted(self, name: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the records of a split, and what is predicted for each."""
        chosen = self.data.of(name)
        return chosen, self.tuned.predict([self.members[i] for i in chosen.tolist()])

    def _judged(self, chosen: NDArray[np.int64], found: NDArray[np.float64], *, with_auroc: bool = True) -> dict[str, float]:
        if self.data.labels:
            return metrics.classification(self.data.targets[chosen], found, with_auroc=with_auroc)
        return metrics.regression(self.data.targets[chosen], found)

    def report(self) -> dict[str, Any]:
        """Return what the run came to, with an interval of the test metric over clusters of relatives."""
        test, found = self._predicted("test")
        values = {"valid": self._judged(*self._predicted("valid")), "test": self._judged(test, found)}
        judge = partial(self._judged, with_auroc=self.metric == "auroc")
        drawn, over = metrics.drawn_units(self.data.clusters[test])
        interval = metrics.bootstrap_interval(lambda _, i: judge(test[i], found[i])[self.metric], drawn)
        return {
            "metric": self.metric,
            **{name: values[name][self.metric] for name in values},
            "interval": list(interval),
            "intervals_over": over,
            "trainable_parameters": sum(w.numel() for w in self.tuned.predictor.parameters() if w.requires_grad),
            "task": "classification" if self.data.labels else "regression",
            "labels": list(self.data.labels),
            "metrics": values,
            "records": {name: len(self.data.of(name)) for name in SPLITS},
            "leakage": self.data.leakage,
            "epochs": self.progress.epoch,
            "best_epoch": self.progress.best_epoch,
        }

    def _weights(self) -> dict[str, Tensor]:
        return {name: weight.detach().cpu().clone() for name, weight in self.tuned.predictor.state_dict().items()}

    def _save(self) -> None:
        with atomic_path(self.folder / "checkpoints" / f"step-{self.progress.epoch:08d}") as folder:
            folder.mkdir(parents=True)
            parts = {"weights": self._weights(), "best": self.best, "optimizer": self.runtime.optimizer_tensors(self.model)}
            for name, tensors in parts.items():
                checkpoint.write_tensors(folder / f"{name}.safetensors", tensors)
            (folder / "state.json").write_text(json.dumps(vars(self.progress)))
        checkpoints.tidy(self.folder / "checkpoints")

    def _restore(self) -> None:
        """Take up the last whole epoch, if there is one."""
        found = sorted((self.folder / "checkpoints").glob("step-*"))
        if found:
            state = Progress(**json.loads((found[-1] / "state.json").read_text()))
            for source, name in ((self.config.data, "data_sha256"), (self.config.model, "model_sha256")):
                if getattr(state, name) != getattr(self.progress, name):
                    raise CheckpointError(f"'{source}' has changed since the run in '{self.folder}' was begun. Start a new run.")
            self.progress = state
            weights, self.best, optimizer = (
                checkpoint.read_tensors(found[-1] / f"{name}.safetensors") for name in ("weights", "best", "optimizer")
            )
            self.tuned.predictor.load_state_dict(weights)
            self.runtime.load_optimizer(self.model, optimizer)
