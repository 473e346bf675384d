"""The one training loop: batches in, weights changed, metrics and checkpoints out."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from biolect.data.loader import Loader
from biolect.errors import ConfigError
from biolect.models.language_model import LanguageModel
from biolect.objectives.loss import token_losses
from biolect.train import checkpoints
from biolect.train.checkpoints import Position
from biolect.train.curriculum import Phase, RunConfig
from biolect.train.log import Losses, LossTable, MetricsLog
from biolect.train.runtime import Runtime
from biolect.values import Batch


@dataclass
class Trainer:
    """A run in progress. Invariant: what happens next depends on config, weights, optimizer state and position alone.

    Attributes:
        loaders: One per phase.
        valid: Fixed validation batches by component.
        advance: Told the tokens of every step.
        should_stop: Asked after every step; true ends the run early, with a checkpoint.
    """

    config: RunConfig
    runtime: Runtime
    model: nn.Module
    optimizer: Any
    loaders: Sequence[Loader]
    valid: Mapping[str, Sequence[Batch]]
    log: MetricsLog
    folder: Path
    position: Position
    table: LossTable
    advance: Callable[[int], None] = lambda tokens: None
    should_stop: Callable[[Position], bool] = lambda position: False
    _clock: tuple[float, int] = field(init=False, default=(0.0, 0))

    @property
    def phase(self) -> Phase:
        """The phase that is running."""
        return self.config.phases[self.position.phase]

    @property
    def is_done(self) -> bool:
        """True when every phase has had its tokens."""
        return self.position.phase >= len(self.config.phases)

    def run(self) -> bool:
        """Train until the curriculum ends; return False if it was stopped before."""
        self._clock = (time.perf_counter(), self.position.tokens)
        with ThreadPoolExecutor(1) as pool:
            while not self.is_done:
                if not self._run_phase(pool):
                    return False
        return True

    def _run_phase(self, pool: ThreadPoolExecutor) -> bool:
        loader, place = self.loaders[self.position.phase], self.position
        upcoming = pool.submit(loader.batch, place.cursor)
        while True:
            batch, cursor = upcoming.result()
            # The next batch is made while this one is learned from; it depends on nothing but the cursor.
            upcoming = pool.submit(loader.batch, cursor)
            tokens, before = batch.num_tokens, place.tokens
            rate = self.phase.rate_at(place.phase_tokens + tokens / 2)
            norm = self.step(batch, rate)
            place.step, place.cursor = place.step + 1, cursor
            place.tokens, place.phase_tokens = before + tokens, place.phase_tokens + tokens
            self.advance(tokens)
            ends, phase = place.phase_tokens >= self.phase.tokens, self.phase.name
            if ends or place.step % self.config.log_steps == 0:
                self._log_training(rate, norm)
            if ends or _crossed(before, place.tokens, self.config.evaluate_tokens):
                self._log_validation(phase, ends=ends)
            if ends:
                place.phase, place.phase_tokens, place.cursor = place.phase + 1, 0, 0
            stops = self.should_stop(place)
            if ends or stops or _crossed(before, place.tokens, self.config.checkpoint_tokens):
                self.save()
            if ends or stops:
                return not stops or self.is_done

    def step(self, batch: Batch, rate: float) -> Tensor:
        """Learn from one batch; return the norm of the gradient before clipping."""
        whole = max(1.0, float(batch.loss_weights.sum()))
        parts = self.config.accumulation
        for index, part in enumerate(self.runtime.rows(batch, parts)):
            losses = self.losses(part)
            self.runtime.backward((losses * part.loss_weights).sum() / whole, self.model, is_last=index == parts - 1)
            self.table.add(losses.detach(), part)
        return self.runtime.step(self.model, self.optimizer, rate, self.config.optimizer.clip_norm)

    def losses(self, part: Batch) -> Float[Tensor, "B T"]:
        """Return the loss of every target. Nats."""
        with self.runtime.autocast():
            logits = self.model(part.token_ids, part.positions, part.segment_ids)
        return token_losses(logits, part.targets)

    def evaluate(self) -> dict[str, Losses]:
        """Return the losses on the validation batches, by component."""
        found = {}
        self.model.eval()
        with torch.no_grad():
            for component, batches in self.valid.items():
                table = LossTable(self.runtime.device)
                for batch in batches:
                    for part in self.runtime.rows(batch, 1):
                        table.add(self.losses(part), part)
                found[component] = Losses(self.runtime.sum(table.sums))
        self.model.train()
        return found

    def save(self) -> None:
        """Write a checkpoint of the position; a matter for all ranks."""
        weights, optimizer = self.runtime.weights(self.model), self.runtime.optimizer_tensors(self.model)
        pending = self.runtime.sum(self.table.sums).tolist()
        if self.runtime.is_main:
            checkpoints.save(self.folder / "checkpoints", whole_model(self.config, weights), optimizer, self.position, pending, self.config)
        self.runtime.wait()

    def _log_training(self, rate: float, norm: Tensor) -> None:
        losses, length = Losses(self.runtime.sum(self.table.sums)), float(norm)
        place, (since, tokens) = self.position, self._clock
        if not math.isfinite(losses.per_token) or not math.isfinite(length):
            raise ConfigError(
                f"Training diverged at step {place.step}: loss {losses.per_token}, gradient norm {length}, learning rate {rate:.3g}. "
                f"Lower the learning rate of phase '{self.phase.name}' or warm up longer."
            )
        now = time.perf_counter()
        self.log.write(
            "train",
            step=place.step,
            phase=self.phase.name,
            tokens=place.tokens,
            loss=losses.per_token,
            bits_per_residue=losses.by_modality,
            by_member=losses.by_member,
            learning_rate=rate,
            gradient_norm=length,
            tokens_per_second=round((place.tokens - tokens) / max(1e-9, now - since), 1),
            memory_bytes=_memory_bytes(self.runtime.device),
        )
        self.table.sums.zero_()
        self._clock = (now, place.tokens)

    def _log_validation(self, phase: str, *, ends: bool) -> None:
        started, place = time.perf_counter(), self.position
        found = self.evaluate()
        self.log.write(
            "valid",
            step=place.step,
            phase=phase,
            tokens=place.tokens,
            ends_phase=ends,
            bits_per_residue=found["single"].by_modality if "single" in found else {},
            by_member={component: losses.by_member for component, losses in found.items() if component != "single"},
        )
        # Time spent looking is not time spent learning.
        self._clock = (self._clock[0] + time.perf_counter() - started, self._clock[1])


def whole_model(config: RunConfig, weights: Mapping[str, Tensor]) -> LanguageModel:
    """Return a model that holds whole weights, whatever the training did to its own."""
    model = config.model.build(seed=None)
    model.load_state_dict(dict(weights), assign=True)
    return model.eval()


def _crossed(before: int, after: int, every: int) -> bool:
    return before // every != after // every


def _memory_bytes(device: torch.device) -> int:
    """Most memory held by tensors on an accelerator; on a CPU, memory of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    import psutil

    return psutil.Process().memory_info().rss
