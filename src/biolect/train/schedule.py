"""The learning rate, as a pure function of tokens seen in a phase."""

import math
from dataclasses import dataclass
from typing import Literal

Decay = Literal["linear", "cosine"]


@dataclass(frozen=True)
class Schedule:
    """Linear warm-up from 0, then a way from `start` to `end`. Tokens, padding not counted.

    Attributes:
        start: Learning rate after the warm-up.
        end: Learning rate when the phase is over.
        decay: A straight line, or half a wave of the cosine, which stays longer near both ends.
    """

    start: float
    end: float
    warmup_tokens: int
    total_tokens: int
    decay: Decay = "linear"

    def at(self, tokens: float) -> float:
        """Return the learning rate after so many tokens of the phase.

        Ask for the middle of a step: then neither the first step of a warm-up nor the last of a decay to 0 is wasted.
        """
        if tokens < self.warmup_tokens:
            return self.start * tokens / self.warmup_tokens
        passed = min(1.0, (tokens - self.warmup_tokens) / max(1, self.total_tokens - self.warmup_tokens))
        gone = passed if self.decay == "linear" else (1 - math.cos(math.pi * passed)) / 2
        return self.start + (self.end - self.start) * gone
