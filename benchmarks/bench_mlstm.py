"""The mLSTM cell alone, float32, forward and forward with backward: ours beside NX-AI's native chunkwise cell.

    BENCH_PEERS=FOLDER python benchmarks/bench_mlstm.py [--rounds 9] [--tokens 2048] [--rows 2] [--cpu-time]

Both get queries, keys and values in the layout they like best, contiguous. Outputs are compared before anything is
timed. The bars are ours: as fast as the peer in both.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from common import interleave, join_peers, report
from torch import Tensor

from biolect.ops.mlstm import mlstm_chunkwise

HEADS, KEY, VALUE, CHUNK = 4, 32, 64, 64
CLOSE = 1e-3
"""Of the largest output."""


def draw(rows: int, tokens: int) -> list[Tensor]:
    """Queries, keys, values and the logits of both gates, (B, T, H, ...)."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(rows, tokens, HEADS, KEY)] * 2 + [(rows, tokens, HEADS, VALUE)] + [(rows, tokens, HEADS)] * 2
    q, k, v, log_input, forget = (torch.randn(shape, generator=generator) for shape in shapes)
    return [q, k, v, log_input, forget + 4]


def arms_of(inputs: list[Tensor], ours: Callable[..., Tensor], peer: Callable[..., Tensor]) -> dict[str, dict[str, Callable[[], object]]]:
    mine = [x.clone().requires_grad_() for x in inputs]
    theirs = [x.transpose(1, 2).contiguous().requires_grad_() for x in inputs]
    direction = torch.randn(inputs[2].shape, generator=torch.Generator().manual_seed(1))
    flipped = direction.transpose(1, 2).contiguous()
    difference = (ours(*mine) - peer(*theirs).transpose(1, 2)).abs().max() / ours(*mine).abs().max()
    print(f"Outputs differ by {difference.item():.1e} of the largest one.")
    if difference > CLOSE:
        raise SystemExit("These are not the same cell.")

    def forward(cell: Callable[..., Tensor], tensors: list[Tensor]) -> None:
        with torch.no_grad():
            cell(*tensors)

    return {
        "forward": {"biolect": lambda: forward(ours, mine), "NX-AI": lambda: forward(peer, theirs)},
        "forward and backward": {
            "biolect": lambda: torch.autograd.grad(ours(*mine), mine, direction),
            "NX-AI": lambda: torch.autograd.grad(peer(*theirs), theirs, flipped),
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--tokens", type=int, default=2_048)
    parser.add_argument("--rows", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cpu-time", action="store_true", help="compare CPU time: for one thread on a busy machine")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    join_peers()
    from mlstm_kernels.torch import get_mlstm_kernel

    kernel = get_mlstm_kernel("chunkwise--native_autograd")
    inputs = draw(arguments.rows, arguments.tokens)
    arms = arms_of(
        inputs, lambda *x: mlstm_chunkwise(*x, chunk_length=CHUNK)[0], lambda *x: kernel(*x, return_last_states=False, chunk_size=CHUNK)
    )
    for name, pair in arms.items():
        report(
            f"mLSTM cell, {name}",
            interleave(pair, rounds=arguments.rounds, warmup=2),
            "NX-AI",
            bars={"biolect": 1.0},
            clock="cpu" if arguments.cpu_time else "wall",
            threads=arguments.threads,
            tokens=arguments.rows * arguments.tokens,
            rows=arguments.rows,
            torch=torch.__version__,
        )


if __name__ == "__main__":
    main()
