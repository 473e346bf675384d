"""Encoders that read tokens: windows of long sequences, batches of like lengths, and the way back to residues."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from biolect.bio.sequence import Sequence as BioSequence
from biolect.data.packing import Window, length_batches, windows
from biolect.embed.encoder import Choice, Encoder
from biolect.errors import AlphabetError, ConfigError
from biolect.values import Ints, TokenEmbedding


class TokenEncoder(Encoder):
    """An encoder with a vector for every token that it reads.

    A sequence longer than the limit is read in windows that overlap by half; of every token the vector is kept that
    comes from the window in which it stands furthest inside. Nothing is ever cut off.

    Attributes:
        model: The network, as a module of torch.
        layer, batch_tokens: See `Choice`.
        window_unit: Tokens; windows begin and end at multiples of it, but for the last one's end.
        reads_both_sides: Else a token is taken from the window where most stands before it.
        packs: Rows of a batch stand in one line without padding; else they are padded to the longest.
    """

    model: torch.nn.Module
    window_unit: int = 1
    reads_both_sides: bool = True
    packs: bool = False

    def __init__(self, choice: Choice, num_layers: int) -> None:
        if choice.layer is not None and not 1 <= choice.layer <= num_layers:
            raise ConfigError(f"layer = {choice.layer} does not exist: the model has layers 1 to {num_layers}.")
        self.axis, self.pool, self.layer, self.batch_tokens = choice.axis, choice.pool, choice.layer, choice.batch_tokens

    @property
    def chosen(self) -> tuple[object, ...]:
        """What was chosen that vectors depend on."""
        return self.axis, self.pool if self.axis == "sequence" else "", self.layer, self.limit_tokens

    @abstractmethod
    def tokenised(self, sequence: BioSequence) -> tuple[Int[np.ndarray, " T"], Int[np.ndarray, " T"]]:
        """Return the ids of a sequence's tokens, special ones left out, and how many residues each covers.

        Raises:
            AlphabetError: If a letter has no token.
        """

    @abstractmethod
    def special_ids(self, sequence: BioSequence) -> tuple[list[int], list[int]]:
        """Return the special tokens before and behind those of a sequence, or of a window of it."""

    def hidden(self, rows: Sequence[Tensor]) -> list[Float[Tensor, "T D"]]:
        """Return one vector per token of every row of ids; the only step that a gradient could pass."""
        lengths = [len(row) for row in rows]
        padded, real = (pad_sequence(list(parts), batch_first=True) for parts in (rows, map(torch.ones_like, rows)))
        return [line[:length] for line, length in zip(self.padded(padded, real), lengths, strict=True)]

    @abstractmethod
    def padded(self, token_ids: Int[Tensor, "B T"], real: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """Return vectors of rows that were padded on the right.

        Args:
            token_ids: On the CPU; 0 is padding.
            real: 1 where a token stands, 0 behind them.
        """

    def unreadable(self, sequence: BioSequence) -> str:
        """Return why a sequence cannot be read; see `Encoder.unreadable`. A letter without a token is a reason."""
        if reason := super().unreadable(sequence):
            return reason
        try:
            self.tokenised(sequence)
        except AlphabetError as error:
            return str(error)
        return ""

    def spans(self, sequence: BioSequence) -> Int[np.ndarray, "T 2"]:
        """Return which residues every token covers, special ones among them; see `Encoder.spans`."""
        before, behind = self.special_ids(sequence)
        ends = np.cumsum(np.concatenate([np.zeros(len(before), np.int64), self.tokenised(sequence)[1], np.zeros(len(behind), np.int64)]))
        return np.stack([np.concatenate([[0], ends[:-1]]), ends], axis=1)

    def tokens(self, sequences: Sequence[BioSequence]) -> list[TokenEmbedding]:
        """Return the vectors of all tokens; see `Encoder.tokens`."""
        if reason := next(filter(None, map(self.unreadable, sequences)), ""):
            raise AlphabetError(reason)
        pieces, rows = self._rows(sequences)
        spans = [self.spans(sequence) for sequence in sequences]
        made = [np.empty((len(span), self.width), np.float32) for span in spans]
        for chosen in map(np.ndarray.tolist, self._batches([len(row) for row in rows])):
            with torch.inference_mode():
                found = self.hidden([rows[k] for k in chosen])
            for (index, start, first, last), vectors in zip([pieces[k] for k in chosen], found, strict=True):
                made[index][first:last] = vectors[first - start : last - start].float().cpu().numpy()
        return [TokenEmbedding(s.name, vectors, span) for s, vectors, span in zip(sequences, made, spans, strict=True)]

    def learnable(self, sequences: Sequence[BioSequence]) -> list[Float[Tensor, "T D"]]:
        """Return the vectors of `tokens` as tensors, read in one batch, through which gradients reach the network."""
        pieces, rows = self._rows(sequences)
        parts: list[list[Tensor]] = [[] for _ in sequences]
        for (index, start, first, last), vectors in zip(pieces, self.hidden(rows), strict=True):
            parts[index].append(vectors[first - start : last - start])
        return [torch.cat(part) for part in parts]

    def count_tokens(self, sequences: Sequence[BioSequence]) -> tuple[int, int]:
        """Return tokens computed and tokens that are no padding, for sequences encoded in one call."""
        lengths = [len(row) for row in self._rows(sequences)[1]]
        computed = sum(len(chosen) * max(lengths[k] for k in chosen) for chosen in self._batches(lengths))
        return sum(lengths) if self.packs else computed, sum(lengths)

    def _rows(self, sequences: Sequence[BioSequence]) -> tuple[list[tuple[int, int, int, int]], list[Tensor]]:
        """Return what is read, and of each row the sequence, the place where it starts there, and the places [first, last) kept."""
        pieces: list[tuple[int, int, int, int]] = []
        rows: list[Tensor] = []
        for index, sequence in enumerate(sequences):
            ids, (before, behind) = self.tokenised(sequence)[0], self.special_ids(sequence)
            for start, stop, first, last in self._windows(len(ids), len(before) + len(behind)):
                # Special tokens are kept of the windows that touch the ends.
                ahead, after = (0 if start == 0 else len(before)), (len(behind) if stop == len(ids) else 0)
                pieces.append((index, start, first + ahead, last + len(before) + after))
                rows.append(torch.from_numpy(np.concatenate([before, ids[start:stop], behind]).astype(np.int64)))
        return pieces, rows

    def _windows(self, length: int, num_special: int) -> Iterator[Window]:
        unit = self.window_unit
        room = None if self.limit_tokens is None else (self.limit_tokens - num_special) // unit
        if room is None or length <= room * unit:
            return windows(length, None)
        found = windows(-(-length // unit), room, both_sides=self.reads_both_sides)
        return (Window(*(min(place * unit, length) for place in window)) for window in found)

    def _batches(self, lengths: Sequence[int]) -> list[Ints]:
        if not self.packs:
            return length_batches(lengths, self.batch_tokens)
        order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
        before = np.cumsum(np.asarray(lengths, dtype=np.int64)[order]) - 1
        return np.split(order, np.flatnonzero(np.diff(before // self.batch_tokens)) + 1) if len(order) else []
