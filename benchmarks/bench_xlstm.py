"""A recurrent model of 4M parameters: a training step, or a forward pass, beside peers.

Arms: ours (mLSTM blocks, or --pattern); transformers' Llama of 4M parameters; and, with BENCH_PEERS, three of
NX-AI's: the block stack of xlstm 2.0.6 with our shape, as it is (quadratic in the length), the same stack around
NX-AI's native chunkwise cell, and their large model of 4M parameters (other blocks: half as many channels in a
cell), around the same cell. A step is forward, loss, backward and fused AdamW on full rows of --length tokens.
`--memory ARM` takes three steps of one arm and prints what they added to the process at its peak.

    python benchmarks/bench_xlstm.py [--length 2048] [--rows 1] [--rounds 5] [--threads 2] [--dtype bfloat16] [--forward]
        [--only ARM;ARM] [--memory ARM] [--cpu-time]
"""

from __future__ import annotations

import argparse
import json
import resource
from collections.abc import Callable

import torch
from bench_training import VOCABULARY, llama, step_of
from common import PEERS, interleave, join_peers, report
from torch import Tensor, nn
from torch.nn import functional

from biolect.models.compiled import compile_blocks
from biolect.models.language_model import LanguageModel
from biolect.models.xlstm import XLSTM
from biolect.objectives.loss import token_losses

WIDTH, HEADS, INNER = 256, 4, 280


def config(arguments: argparse.Namespace) -> LanguageModel.Config:
    backbone = XLSTM.Config(
        layers=arguments.layers, width=WIDTH, heads=HEADS, pattern=arguments.pattern, inner=INNER, direction=arguments.direction
    )
    return LanguageModel.Config(backbone=backbone)


def ours(arguments: argparse.Namespace, token_ids: Tensor, *, compiled: bool) -> tuple[Callable[[], float], int]:
    model = config(arguments).build(seed=0)
    rows, length = token_ids[:, 1:].shape
    positions, segment_ids = torch.arange(length).expand(rows, -1), torch.ones(rows, length, dtype=torch.long)
    if compiled:
        with autocast_of(arguments):
            print(compile_blocks(model, rows, length))

    def loss() -> Tensor:
        with autocast_of(arguments):
            logits = model(token_ids[:, :-1], positions, segment_ids)
        return token_losses(logits, token_ids[:, 1:]).mean()

    return timed(model, loss, arguments), model.num_parameters


def outside(arguments: argparse.Namespace, token_ids: Tensor, *, chunkwise: bool) -> tuple[Callable[[], float], int]:
    from xlstm.blocks.mlstm.block import mLSTMBlockConfig
    from xlstm.blocks.mlstm.layer import mLSTMLayerConfig
    from xlstm.blocks.slstm.block import sLSTMBlockConfig
    from xlstm.blocks.slstm.layer import sLSTMLayerConfig
    from xlstm.components.feedforward import FeedForwardConfig
    from xlstm.xlstm_block_stack import xLSTMBlockStack, xLSTMBlockStackConfig

    pattern = arguments.pattern
    recurrent = sLSTMLayerConfig(backend="vanilla", num_heads=HEADS, conv1d_kernel_size=4)
    stack = xLSTMBlockStack(
        xLSTMBlockStackConfig(
            mlstm_block=mLSTMBlockConfig(mlstm=mLSTMLayerConfig(num_heads=HEADS, conv1d_kernel_size=4, qkv_proj_blocksize=4)),
            slstm_block=sLSTMBlockConfig(slstm=recurrent, feedforward=FeedForwardConfig(proj_factor=1.1, act_fn="gelu")),
            # The mask of the quadratic cell is as large as the square of this.
            context_length=1 if chunkwise else token_ids.shape[1] - 1,
            num_blocks=arguments.layers,
            embedding_dim=WIDTH,
            slstm_at=[i for i in range(arguments.layers) if pattern[i % len(pattern)] == "s"],
        )
    )
    if chunkwise:
        for module in stack.modules():
            if type(module).__name__ == "mLSTMCell":
                module.backend_fn = _chunkwise_cell()
    model = nn.Sequential(nn.Embedding(VOCABULARY, WIDTH), stack, nn.Linear(WIDTH, VOCABULARY, bias=False))
    return _peer_step(model, lambda ids: model(ids), token_ids, arguments)


def _chunkwise_cell() -> Callable[..., Tensor]:
    from mlstm_kernels.torch import get_mlstm_kernel

    kernel = get_mlstm_kernel("chunkwise--native_autograd")

    def cell(*, queries: Tensor, keys: Tensor, values: Tensor, igate_preact: Tensor, fgate_preact: Tensor, **_: object) -> Tensor:
        return kernel(queries, keys, values, igate_preact[..., 0], fgate_preact[..., 0], chunk_size=64)

    return cell


def large_model(**other: object) -> nn.Module:
    """NX-AI's large model of 4M parameters, around operators that need no GPU."""
    from xlstm.xlstm_large.model import xLSTMLarge, xLSTMLargeConfig

    kernels = {"chunkwise_kernel": "chunkwise--native_autograd", "sequence_kernel": "native_sequence__native", "step_kernel": "native"}
    sizes = {"embedding_dim": WIDTH, "num_heads": HEADS, "num_blocks": 5, "vocab_size": VOCABULARY}
    return xLSTMLarge(xLSTMLargeConfig(**sizes, **kernels, return_last_states=True, **other))


def large(arguments: argparse.Namespace, token_ids: Tensor) -> tuple[Callable[[], float], int]:
    model = large_model(autocast_kernel_dtype=arguments.dtype)
    return _peer_step(model, lambda ids: model(ids)[0], token_ids, arguments)


def _peer_step(
    model: nn.Module, read: Callable[[Tensor], Tensor], token_ids: Tensor, arguments: argparse.Namespace
) -> tuple[Callable[[], float], int]:
    def loss() -> Tensor:
        with autocast_of(arguments):
            logits = read(token_ids[:, :-1])
        return functional.cross_entropy(logits.float().flatten(0, 1), token_ids[:, 1:].flatten())

    return timed(model, loss, arguments), sum(weight.numel() for weight in model.parameters())


def autocast_of(arguments: argparse.Namespace) -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16, enabled=arguments.dtype == "bfloat16")


def timed(model: nn.Module, loss: Callable[[], Tensor], arguments: argparse.Namespace) -> Callable[[], float]:
    """What is timed: a step, or the loss alone, without a graph."""
    return torch.no_grad()(lambda: float(loss())) if arguments.forward else step_of(model, loss)


def arms_of(arguments: argparse.Namespace, token_ids: Tensor) -> dict[str, Callable[[], tuple[Callable[[], float], int]]]:
    """What can be run, by name; nothing is built before it is asked for."""
    arms: dict[str, Callable[[], tuple[Callable[[], float], int]]] = {
        "biolect": lambda: ours(arguments, token_ids, compiled=False),
        "biolect, compiled": lambda: ours(arguments, token_ids, compiled=True),
    }
    if not arguments.forward:
        arms["Llama"] = lambda: llama(token_ids, autocast_of(arguments))
    if PEERS:
        arms |= {
            "NX-AI stack, quadratic cell": lambda: outside(arguments, token_ids, chunkwise=False),
            "NX-AI stack, chunkwise cell": lambda: outside(arguments, token_ids, chunkwise=True),
            "NX-AI large": lambda: large(arguments, token_ids),
        }
    asked = [arguments.memory] if arguments.memory else [text for text in arguments.only.split(";") if text]
    return {name: make for name, make in arms.items() if not asked or name in asked}


def training(arguments: argparse.Namespace) -> None:
    token_ids = torch.randint(10, 43, (arguments.rows, arguments.length + 1), generator=torch.Generator().manual_seed(0))
    chosen = arms_of(arguments, token_ids)
    if PEERS:
        join_peers()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    arms = {name: make() for name, make in chosen.items()}
    for name, (_, parameters) in arms.items():
        print(f"{name}: {parameters:,} parameters")
    facts = {
        "threads": arguments.threads,
        "tokens": arguments.rows * arguments.length,
        "length": arguments.length,
        "pattern": arguments.pattern,
        "dtype": arguments.dtype,
    }
    if arguments.memory:
        [(step, _)] = arms.values()
        for _ in range(3):
            step()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps({"arm": arguments.memory, "peak_mib": peak / 1_024, "added_mib": (peak - before) / 1_024} | facts))
        return
    timings = interleave({name: step for name, (step, _) in arms.items()}, rounds=arguments.rounds, warmup=1)
    clock, what = "cpu" if arguments.cpu_time else "wall", "forward" if arguments.forward else "training step"
    base = next(name for name in reversed(arms) if name not in ("NX-AI large", "biolect, compiled"))
    report(f"recurrent {what}", timings, base, bars={}, clock=clock, **facts, torch=torch.__version__)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--length", type=int, default=2_048)
    parser.add_argument("--rows", type=int, default=1)
    parser.add_argument("--layers", type=int, default=10)
    parser.add_argument("--pattern", default="m")
    parser.add_argument("--direction", default="causal")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--forward", action="store_true", help="the loss alone, without a graph")
    parser.add_argument("--only", default="", help="names of arms, ; between them")
    parser.add_argument("--memory", default="", help="peak memory of this arm")
    parser.add_argument("--cpu-time", action="store_true", help="compare CPU time: for one thread on a busy machine")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    training(arguments)


if __name__ == "__main__":
    main()
