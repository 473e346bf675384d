"""A recurrent model of 4M parameters: a training step beside peers, and decoding far into a text.

Training: ours (mLSTM blocks, or --pattern) beside transformers' Llama of 4M parameters and, where a folder of packages
with xlstm 2.0.6 is given, beside its block stack of the same shape, which is quadratic in the length; all in
float32. A step is forward, loss, backward and fused AdamW on full rows of --length tokens.

Decoding: the state is fed text in pieces, and at every power of two the next tokens are read one by one; time per
token and bytes of the state must not grow.

    python benchmarks/bench_xlstm.py [--length 2048] [--rows 1] [--rounds 5] [--threads 2] [--cpu-time] [--xlstm SITE_PACKAGES]
    python benchmarks/bench_xlstm.py --decode 131072
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable

import torch
from bench_training import VOCABULARY, llama, step_of
from common import interleave, report
from torch import Tensor, nn
from torch.nn import functional

from biolect.models.compiled import compile_blocks
from biolect.models.language_model import LanguageModel
from biolect.models.xlstm import XLSTM
from biolect.objectives.loss import token_losses

WIDTH, HEADS, INNER = 256, 4, 280
STEPS = 30


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
        print(compile_blocks(model, rows, length))
    loss = lambda: token_losses(model(token_ids[:, :-1], positions, segment_ids), token_ids[:, 1:]).mean()  # noqa: E731
    return step_of(model, loss), model.num_parameters


def outside(arguments: argparse.Namespace, token_ids: Tensor) -> tuple[Callable[[], float], int]:
    # Behind our own packages, and after transformers, which would look for parts of it that are not there.
    sys.path.append(arguments.xlstm)
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
            context_length=token_ids.shape[1] - 1,
            num_blocks=arguments.layers,
            embedding_dim=WIDTH,
            slstm_at=[i for i in range(arguments.layers) if pattern[i % len(pattern)] == "s"],
        )
    )
    model = nn.Sequential(nn.Embedding(VOCABULARY, WIDTH), stack, nn.Linear(WIDTH, VOCABULARY, bias=False))
    loss = lambda: functional.cross_entropy(model(token_ids[:, :-1]).flatten(0, 1), token_ids[:, 1:].flatten())  # noqa: E731
    return step_of(model, loss), sum(weight.numel() for weight in model.parameters())


def training(arguments: argparse.Namespace) -> None:
    token_ids = torch.randint(10, 43, (arguments.rows, arguments.length + 1), generator=torch.Generator().manual_seed(0))
    arms = {
        "transformers Llama": llama(token_ids),
        "biolect XLSTM": ours(arguments, token_ids, compiled=False),
        "biolect XLSTM, compiled": ours(arguments, token_ids, compiled=True),
    }
    if arguments.xlstm:
        arms["xlstm block stack"] = outside(arguments, token_ids)
    for name, (_, parameters) in arms.items():
        print(f"{name}: {parameters:,} parameters")
    timings = interleave({name: step for name, (step, _) in arms.items()}, rounds=arguments.rounds, warmup=1)
    facts = {
        "threads": arguments.threads,
        "tokens": arguments.rows * arguments.length,
        "length": arguments.length,
        "pattern": arguments.pattern,
    }
    clock = "cpu" if arguments.cpu_time else "wall"
    report("recurrent training step", timings, "transformers Llama", bars={}, clock=clock, **facts, torch=torch.__version__)


@torch.inference_mode()
def decoding(arguments: argparse.Namespace) -> None:
    model = config(arguments).build(seed=0).eval()
    clock = time.process_time if arguments.cpu_time else time.perf_counter
    state, read, mark = model.backbone.new_state(), 0, 1_024
    while mark <= arguments.decode:
        while read < mark:
            size = min(4_096, mark - read)
            token_ids = torch.randint(10, 43, (1, size), generator=torch.Generator().manual_seed(read))
            model.backbone.extend(model.embedding(token_ids), torch.arange(read, read + size)[None], state)
            read += size
        aside, seconds = state.fork(1), []
        for step in range(STEPS):
            started = clock()
            model.step(torch.tensor([10 + step]), torch.tensor([read + step]), aside)
            seconds.append(clock() - started)
        fact = {"read_tokens": state.num_tokens, "milliseconds_per_token": 1e3 * statistics.median(seconds), "state_bytes": aside.num_bytes}
        print(json.dumps(fact))
        mark *= 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--length", type=int, default=2_048)
    parser.add_argument("--rows", type=int, default=1)
    parser.add_argument("--layers", type=int, default=10)
    parser.add_argument("--pattern", default="m")
    parser.add_argument("--direction", default="causal")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cpu-time", action="store_true", help="compare CPU time: for one thread on a busy machine")
    parser.add_argument("--xlstm", default="", help="site-packages of an environment with xlstm 2.0.6")
    parser.add_argument("--decode", type=int, default=0, help="decode after reading up to so many tokens, instead of training")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    (decoding if arguments.decode else training)(arguments)


if __name__ == "__main__":
    main()
