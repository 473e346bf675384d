"""Curricula: what a model reads, in which order, how much of it, at which learning rate."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

import pydantic

from biolect.config import Config
from biolect.data.document import Grammar
from biolect.data.pairing import Pairing
from biolect.devices import TrainingDtype
from biolect.models.language_model import LanguageModel
from biolect.objectives.causal import Causal
from biolect.objectives.infill import Infill, check_holes
from biolect.objectives.masked import Masked
from biolect.tokens.vocabulary import Vocabulary
from biolect.train.optimizer import AdamW, Decay, rate_at

NotNegative = Annotated[float, pydantic.Field(ge=0, allow_inf_nan=False)]


class Phase(Config):
    """A stretch of training with one mixture. Tokens are real tokens; padding is not counted.

    Attributes:
        mixture: Shares of tokens by component; they need not sum to 1. See `train.components` for names.
        tokens: Budget of the phase.
        learning_rate: At its start (after the warm-up) and at its end.
        warmup_tokens: Part of the budget in which the learning rate rises from 0.
        decay: How the learning rate goes from start to end.
        context_tokens: Another row length than the run's; None keeps the run's.
    """

    name: str
    mixture: dict[str, float] = pydantic.Field(min_length=1)
    tokens: int = pydantic.Field(gt=0)
    learning_rate: tuple[NotNegative, NotNegative]
    warmup_tokens: int = pydantic.Field(default=0, ge=0)
    decay: Decay = "linear"
    context_tokens: int | None = pydantic.Field(default=None, gt=1)

    @pydantic.model_validator(mode="after")
    def _can_be_trained(self) -> Self:
        for name, weight in self.mixture.items():
            if not (math.isfinite(weight) and weight > 0):
                raise ValueError(f"Mixture weights must be positive and finite; '{name}' in phase '{self.name}' has {weight}.")
        if self.warmup_tokens >= self.tokens:
            raise ValueError(
                f"Phase '{self.name}' warms up for {self.warmup_tokens:,} tokens but has only {self.tokens:,}. Shorten the warm-up."
            )
        return self

    def rate_at(self, tokens: float) -> float:
        """Return the learning rate after so many tokens of the phase; see `train.optimizer.rate_at`."""
        return rate_at(tokens, self.learning_rate, self.warmup_tokens, self.tokens, self.decay)

    def scaled(self, factor: float) -> Phase:
        """Return the phase with its budget and warm-up multiplied, at least one token long."""
        tokens = max(1, round(self.tokens * factor))
        return self.model_copy(update={"tokens": tokens, "warmup_tokens": min(round(self.warmup_tokens * factor), tokens - 1)})


class Folders(Config):
    """Corpora on disk, as `biolect prepare` writes them.

    Attributes:
        folders: By a name of your own, which a mixture may use to tell corpora apart.
    """

    kind: Literal["folders"] = "folders"
    folders: dict[str, str] = {}


class Simulated(Config):
    """Toy data with known truth, simulated and prepared inside the run folder.

    Attributes:
        what: Two organisms, families of proteins, or domains of molecules.
    """

    kind: Literal["simulated"] = "simulated"
    what: Literal["genomes", "families", "molecules"] = "genomes"
    seed: int = pydantic.Field(default=0, ge=0, lt=1 << 32)


class RunConfig(Config):
    """Everything that decides the weights that come out. Written beside every checkpoint.

    Attributes:
        unique_tokens: Most tokens to draw from by component, so that a short run repeats its sources as often as a long one.
        single_shares: How `single` divides its tokens among the modalities that are there.
        reverse_complement: Share of DNA records read from the other strand, drawn anew at every reading.
        batch_tokens: Tokens of one step over all devices, padding counted: rows times `context_tokens`.
        accumulation: Forward passes that make up one step, on each device.
        dtype: Of the computation; weights and optimizer are float32, or float64 when that is asked. `auto` is
            bfloat16 where the processor has it, float32 elsewhere.
        recomputes: Trade a third more work for the memory of activations.
        compiles: Compile the blocks; where no compiler is found, the run goes on without and its metrics say so.
        start_from: Model folder whose weights to begin with; None draws them from the seed.
        log_steps: Steps between two lines of metrics.
        evaluate_tokens: Tokens between two evaluations; each phase ends with one.
        checkpoint_tokens: Tokens between two checkpoints; each phase ends with one.
        valid_tokens: Most validation tokens per component.
    """

    name: str
    model: LanguageModel.Config
    corpora: Folders | Simulated = pydantic.Field(discriminator="kind")
    phases: tuple[Phase, ...] = pydantic.Field(min_length=1)
    unique_tokens: dict[str, pydantic.PositiveInt] = {}
    single_shares: dict[str, NotNegative] = {"dna": 0.35, "rna": 0.15, "protein": 0.5}
    grammar: Grammar = Grammar()
    pairing: Pairing = Pairing()
    objective: Causal.Config | Masked.Config | Infill.Config = pydantic.Field(default=Causal.Config(), discriminator="kind")
    reverse_complement: float = pydantic.Field(default=0.5, ge=0, le=1)
    optimizer: AdamW = AdamW()
    context_tokens: int = pydantic.Field(default=1_024, gt=1)
    batch_tokens: int = pydantic.Field(gt=0)
    accumulation: int = pydantic.Field(default=1, gt=0)
    dtype: TrainingDtype = "auto"
    recomputes: bool = False
    compiles: bool = False
    start_from: str | None = None
    seed: int = pydantic.Field(default=0, ge=0, lt=1 << 32)
    log_steps: int = pydantic.Field(default=20, gt=0)
    evaluate_tokens: int = pydantic.Field(gt=0)
    checkpoint_tokens: int = pydantic.Field(gt=0)
    valid_tokens: int = pydantic.Field(gt=0)

    @pydantic.model_validator(mode="after")
    def _rows_are_whole(self) -> Self:
        names = [phase.name for phase in self.phases]
        if len(set(names)) < len(names):
            raise ValueError(f"Phase names must differ; they are {', '.join(names)}.")
        for phase in self.phases:
            context = self.context_of(phase)
            step = context * self.accumulation
            if self.batch_tokens % step:
                low = self.batch_tokens // step * step
                near = ", ".join(str(tokens) for tokens in (low, low + step) if tokens)
                raise ValueError(
                    f"batch_tokens = {self.batch_tokens} is not a whole number of rows of {context} tokens for each of "
                    f"{self.accumulation} forward passes (phase '{phase.name}'). Nearest valid values: {near}."
                )
        return self

    @pydantic.model_validator(mode="after")
    def _objective_fits_the_model(self) -> Self:
        direction = self.model.backbone.direction
        if self.objective.kind == "masked" and self.model.is_causal:
            raise ValueError(
                "objective.kind = masked guesses residues from both sides, but model.backbone.direction = causal shows one only. "
                "Set model.backbone.direction=bidirectional, or objective.kind=causal."
            )
        if self.objective.kind != "masked" and not self.model.is_causal:
            raise ValueError(
                f"objective.kind = {self.objective.kind} says the next token, which model.backbone.direction = {direction} shows already. "
                "Set objective.kind=masked, or model.backbone.direction=causal."
            )
        return self

    @pydantic.model_validator(mode="after")
    def _vocabulary_can_write_it(self) -> Self:
        vocabulary = Vocabulary.named(self.model.vocabulary)
        if self.grammar.tags and not vocabulary.has_tags:
            raise ValueError(f"Vocabulary '{vocabulary.name}' has no tags to announce members by. Set grammar.tags=false.")
        if self.objective.kind == "infill":
            check_holes(vocabulary)
        if self.model.strands == "shared" and self.reverse_complement:
            raise ValueError(
                f"reverse_complement = {self.reverse_complement} adds nothing to model.strands = shared, which reads both strands of every "
                "record. Set reverse_complement=0."
            )
        return self

    def context_of(self, phase: Phase) -> int:
        """Row length in a phase. Tokens."""
        return phase.context_tokens or self.context_tokens

    @property
    def reading_facts(self) -> dict[str, Any]:
        """What must be known of a model to ask it: how its documents are written, and how long they are."""
        context = max(self.context_of(phase) for phase in self.phases)
        return {"grammar": self.grammar.to_dict(), "objective": self.objective.to_dict(), "context_tokens": context}

    @property
    def total_tokens(self) -> int:
        """Budget of all phases."""
        return sum(phase.tokens for phase in self.phases)

    def scaled(self, tokens: int) -> RunConfig:
        """Return a run over so many tokens in all: equal shares of phases, equal repetition of every source.

        Small sources shrink with the budget, because a short run that saw them fewer times than the long one
        would mislead about mixtures.
        """
        factor = tokens / self.total_tokens
        changes: dict[str, Any] = {name: max(1, round(getattr(self, name) * factor)) for name in ("evaluate_tokens", "checkpoint_tokens")}
        changes["phases"] = tuple(phase.scaled(factor) for phase in self.phases)
        changes["unique_tokens"] = {name: max(1, round(count * factor)) for name, count in self.unique_tokens.items()}
        changes["valid_tokens"] = min(self.valid_tokens, max(self.context_tokens, tokens // 20))
        return self.model_copy(update=changes)
