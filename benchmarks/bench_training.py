"""One training step of 4M parameters at length 1,024: ours beside transformers' Llama of the same shape.

Bars: 1.0x in float32, both uncompiled; 2.2x for our best mode (bfloat16, compiled blocks where there is a
compiler) against Llama in float32; bfloat16 is left out where the CPU only emulates it. A step is forward,
loss, backward and fused AdamW on 4 full rows.

    python benchmarks/bench_training.py [--rounds 9] [--threads 2] [--rows 4] [--cpu-time]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import nullcontext

import torch
from common import interleave, report
from torch import Tensor, nn
from torch.nn import functional

from biolect.devices import training_dtype
from biolect.models.compiled import compile_blocks
from biolect.models.language_model import LanguageModel
from biolect.models.transformer import Transformer
from biolect.objectives.loss import token_losses

LAYERS, WIDTH, HEADS, INNER, VOCABULARY, CONTEXT = 5, 256, 4, 704, 64, 1_024
BARS = {"biolect, float32": 1.0, "biolect, float32, compiled": 1.0, "biolect, bfloat16, compiled": 2.2}


def step_of(model: nn.Module, loss: Callable[[], Tensor]) -> Callable[[], float]:
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def step() -> float:
        value = loss()
        value.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return float(value.detach())

    return step


def llama(token_ids: Tensor, autocast: torch.autocast | None = None) -> tuple[Callable[[], float], int]:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=WIDTH,
            intermediate_size=INNER,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            max_position_embeddings=2 * CONTEXT,
            attn_implementation="sdpa",
            tie_word_embeddings=False,
        )
    )
    model.config.use_cache = False

    def loss() -> Tensor:
        with autocast or nullcontext():
            logits = model(input_ids=token_ids[:, :-1]).logits
        return functional.cross_entropy(logits.float().flatten(0, 1), token_ids[:, 1:].flatten())

    return step_of(model, loss), model.num_parameters()


def ours(token_ids: Tensor, dtype: torch.dtype, *, compiled: bool) -> tuple[Callable[[], float], int]:
    config = LanguageModel.Config(backbone=Transformer.Config(layers=LAYERS, width=WIDTH, heads=HEADS, inner=INNER))
    model = config.build(seed=0)
    rows = len(token_ids)
    positions = torch.arange(CONTEXT).expand(rows, -1)
    # One document a row, as the peer reads it; the loader's segment ids cost what they cost in training.
    segment_ids = torch.ones(rows, CONTEXT, dtype=torch.long)
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16)
    if compiled:
        with autocast:
            print(compile_blocks(model, rows, CONTEXT))

    def loss() -> Tensor:
        with autocast:
            logits = model(token_ids[:, :-1], positions, segment_ids)
        return token_losses(logits, token_ids[:, 1:]).mean()

    return step_of(model, loss), model.num_parameters


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rows", type=int, default=4)
    parser.add_argument("--cpu-time", action="store_true", help="compare CPU time: for one thread on a busy machine")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    token_ids = torch.randint(10, 43, (arguments.rows, CONTEXT + 1), generator=torch.Generator().manual_seed(0))
    arms = {
        "transformers Llama, float32": llama(token_ids),
        "biolect, float32": ours(token_ids, torch.float32, compiled=False),
        "biolect, float32, compiled": ours(token_ids, torch.float32, compiled=True),
    }
    if training_dtype("auto", "cpu") == "bfloat16":
        arms["biolect, bfloat16"] = ours(token_ids, torch.bfloat16, compiled=False)
        arms["biolect, bfloat16, compiled"] = ours(token_ids, torch.bfloat16, compiled=True)
    else:
        print("This CPU is slower in bfloat16: float32, compiled, is the best mode here.")
    for name, (_, parameters) in arms.items():
        print(f"{name}: {parameters:,} parameters")
    timings = interleave({name: step for name, (step, _) in arms.items()}, rounds=arguments.rounds, warmup=2)
    report(
        "training step",
        timings,
        "transformers Llama, float32",
        bars=BARS,
        clock="cpu" if arguments.cpu_time else "wall",
        threads=arguments.threads,
        tokens=arguments.rows * CONTEXT,
        torch=torch.__version__,
    )


if __name__ == "__main__":
    main()
