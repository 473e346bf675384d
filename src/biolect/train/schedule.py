"""The learning rate, as a pure function of tokens seen in a phase."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """Linear warm-up from 0, then a straight line from `start` to `end`. Tokens, padding not counted.

    Attributes:
        start: Learning rate after the warm-up.
        end: Learning rate when the phase is over.
    """

    start: float
    end: float
    warmup_tokens: int
    total_tokens: int

    def at(self, tokens: float) -> float:
        """Return the learning rate after so many tokens of the phase.

        Ask for the middle of a step: then neither the first step of a warm-up nor the last of a decay to 0 is wasted.
        """
        if tokens < self.warmup_tokens:
            return self.start * tokens / self.warmup_tokens
        passed = (tokens - self.warmup_tokens) / max(1, self.total_tokens - self.warmup_tokens)
        return self.start + (self.end - self.start) * min(1.0, passed)
