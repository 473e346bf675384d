"""The mLSTM layer, "pre up-projection": the cell works inside a widened stream that a gate lets through."""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from biolect.devices import cache_folder
from biolect.nn.bidirectional import Direction, doubled, joined
from biolect.nn.parts import EPSILON, BlockDiagonal, CausalConv, HeadNorm
from biolect.ops.mlstm import MLSTMState, empty_state, mlstm_chunkwise, mlstm_step, mlstm_two_sided
from biolect.ops.mlstm.layer_step import StepWeights, is_steppable, kernel, mlstm_layer_step
from biolect.ops.rope import rotate_adjacent

Rotary = Literal["none", "full", "per_head"]
"""No positions; turned across the whole inner width, so that every head has its own frequencies; or head by head."""

Angles = tuple[Tensor, Tensor] | None
CellInput = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
"""Queries, keys and values by head; logits of input and forget gates."""

_SMALL_BLOCK = 4


class MLSTMLayer(nn.Module):
    """Up-projection, convolution, cell, learnable skip, gate, down-projection.

    Biases belong to gates and convolution only. Gates of the cell read queries, keys and values.

    Args:
        inner: Width inside, of all heads together.
        plain_gates: Let gates read queries and keys before they are turned under `full`, too, as they do under
            `per_head`. Published protein models do not; without it, hidden states depend on absolute positions.

    Source: xLSTM, arXiv:2405.04517, figure 10; rotary positions as in arXiv:2411.04165.
    """

    compiled_parts = ("project", "finish")

    def __init__(
        self,
        width: int,
        inner: int,
        heads: int,
        *,
        conv_width: int,
        chunk_length: int,
        direction: Direction,
        rotary: Rotary,
        plain_gates: bool,
    ) -> None:
        super().__init__()
        self.heads, self.chunk_length, self.direction = heads, chunk_length, direction
        self.turned_heads = 1 if rotary == "full" else heads
        self.gates_see_turned = rotary == "full" and not plain_gates
        self.up = nn.Linear(width, 2 * inner, bias=False)
        self.conv = CausalConv(inner, conv_width)
        self.query = BlockDiagonal(inner, inner // _SMALL_BLOCK)
        self.key = BlockDiagonal(inner, inner // _SMALL_BLOCK)
        self.value = BlockDiagonal(inner, inner // _SMALL_BLOCK)
        self.gates = nn.Linear(3 * inner, 2 * heads)
        self.head_norm = HeadNorm(inner)
        self.skip = nn.Parameter(torch.ones(inner))
        self.down = nn.Linear(inner, width, bias=False)

    def initialize_gates(self, generator: torch.Generator, depth: float) -> None:
        """Let gates depend on nothing yet: input gates near 1, forget gates from 0.953 to 0.998 over the heads, at any depth."""
        nn.init.zeros_(self.gates.weight)
        with torch.no_grad():
            self.gates.bias[: self.heads].normal_(std=0.1, generator=generator)
            self.gates.bias[self.heads :] = torch.linspace(3.0, 6.0, self.heads)

    def project(
        self,
        u: Float[Tensor, "B T P"],
        angles: Angles = None,
        segment_ids: Int[Tensor, "B T"] | None = None,
        tail: Float[Tensor, "B L P"] | None = None,
    ) -> tuple[CellInput, Float[Tensor, "B T P"], Float[Tensor, "B L P"]]:
        """Return what the cell reads, the convolved stream, and the tail for the next piece."""
        convolved, last = self.conv(u, tail, segment_ids)
        q, k, v = self.query(convolved), self.key(convolved), self.value(u)
        seen = q, k
        if angles is not None:
            q, k = (rotate_adjacent(x.unflatten(-1, (self.turned_heads, -1)), *angles).flatten(-2) for x in (q, k))
        seen = *((q, k) if self.gates_see_turned else seen), v
        # Three products of few columns are faster than putting what they read side by side. They and the bias are added in
        # float32: in bfloat16, forget gates above 0.99 could not be told apart.
        logits = self.gates.bias
        for part, weight in zip(seen, self.gates.weight.chunk(3, dim=1), strict=True):
            read = functional.linear(part, weight)
            logits = logits + read.to(torch.promote_types(read.dtype, torch.float32))
        input_logit, forget_logit = logits.chunk(2, dim=-1)
        q, k, v = (x.unflatten(-1, (self.heads, -1)) for x in (q, k, v))
        return (q, k, v, input_logit, forget_logit), convolved, last

    def finish(self, h: Float[Tensor, "B T H K"], convolved: Float[Tensor, "B T P"], z: Float[Tensor, "b T P"]) -> Float[Tensor, "b T D"]:
        """Norm heads, add the skip, gate and project down."""
        inside = self.head_norm(h) + self.skip.to(convolved.dtype) * convolved
        inside = joined(inside) if self.direction == "bidirectional" else inside
        return self.down(inside * functional.silu(z))

    def forward(
        self, x: Float[Tensor, "B T D"], angles: Angles = None, segment_ids: Int[Tensor, "b T"] | None = None
    ) -> Float[Tensor, "B T D"]:
        """Return the layer's update of whole rows; angles and segment ids are those of doubled rows where it reads both ways."""
        u, z = self.up(x).chunk(2, dim=-1)
        # Gating and both projections treat positions one by one, so only what is between them goes both ways.
        cell_input, convolved, _ = self.project(doubled(u) if self.direction == "bidirectional" else u, angles, segment_ids)
        if self.direction == "two_sided":
            h = mlstm_two_sided(*cell_input, segment_ids, chunk_length=self.chunk_length)
        else:
            h, _ = mlstm_chunkwise(*cell_input, None, segment_ids, chunk_length=self.chunk_length)
        # Computed again for the gradient: there are five tensors inside and nearly no arithmetic.
        return checkpoint(self.finish, h, convolved, z, use_reentrant=False, preserve_rng_state=False)

    def empty(self, rows: int) -> tuple[Float[Tensor, "N L P"], MLSTMState]:
        """Return tail and cell before the first position."""
        tail = self.conv.empty_tail(rows)
        size = tail.shape[2] // self.heads
        return tail, empty_state(rows, self.heads, size, size, dtype=tail.dtype, device=tail.device)

    def extend(
        self, x: Float[Tensor, "N T D"], angles: Angles, tail: Float[Tensor, "N L P"], cell: MLSTMState
    ) -> tuple[Float[Tensor, "N T D"], Float[Tensor, "N L P"], MLSTMState]:
        """Read more positions; return the update, and tail and cell after them. The given cell may be written over."""
        wide = self.up(x)
        if x.shape[1] == 1 and (stepped := self._stepped(wide[:, 0], angles, tail, cell)):
            inside, tail, cell = stepped
            return self.down(inside[:, None]), tail, cell
        u, z = wide.chunk(2, dim=-1)
        cell_input, convolved, tail = self.project(u, angles, None, tail)
        if x.shape[1] == 1:
            q, k, v, input_logit, forget_logit = (part[:, 0] for part in cell_input)
            step, cell = mlstm_step(q, k, v, input_logit, forget_logit, cell, reuses=_is_writable(cell.memory))
            h = step[:, None]
        else:
            h, cell = mlstm_chunkwise(*cell_input, cell, chunk_length=self.chunk_length)
        return self.finish(h, convolved, z), tail, cell

    def _stepped(
        self, wide: Float[Tensor, "N U"], angles: Angles, tail: Float[Tensor, "N L P"], cell: MLSTMState
    ) -> tuple[Float[Tensor, "N P"], Float[Tensor, "N L P"], MLSTMState] | None:
        """Read one position with the compiled step; None where it cannot be asked."""
        maps = self.conv.weight, self.conv.bias, self.query.weight, self.key.weight, self.value.weight
        weights = StepWeights(*maps, self.gates.weight, self.gates.bias, self.head_norm.weight, self.skip)
        if not (is_steppable(wide, weights, cell) and (functions := kernel(cache_folder()).functions)):
            return None
        cell = cell if _is_writable(cell.memory) else MLSTMState(cell.memory.clone(), *cell[1:])
        turned = None if angles is None else (angles[0].reshape(len(angles[0]), -1), angles[1].reshape(len(angles[1]), -1))
        return mlstm_layer_step(functions, wide, weights, tail, cell, turned, gates_see_turned=self.gates_see_turned, norm_epsilon=EPSILON)


def _is_writable(memory: Tensor) -> bool:
    """Return whether a tensor may be written over: no gradient is wanted, and it was made in the mode that is on."""
    return not torch.is_grad_enabled() and memory.is_inference() == torch.is_inference_mode_enabled()
