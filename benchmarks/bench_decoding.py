"""A recurrent model of 4.2M parameters, asked: token by token, far into a text, after a long prompt, over a million places.

python benchmarks/bench_decoding.py
    All that follows, each in a process of its own.
python benchmarks/bench_decoding.py growth [--tokens 131072]
    The state is fed text in pieces; at every power of two the next tokens are read one by one. Neither time per
    token nor bytes of the state may grow.
BENCH_PEERS=FOLDER python benchmarks/bench_decoding.py peers [--rows 16]
    One token more: ours beside the block stack of xlstm 2.0.6 in our shape, and NX-AI's large model of 4M. Bar: 2x.
python benchmarks/bench_decoding.py llama [--tokens 32768]
    One token more after so many, really read: ours beside transformers' Llama of 4M with its static cache, whose
    places are filled at random (what they hold changes no time). Bar: 10x.
python benchmarks/bench_decoding.py variants [--tokens 32768]
    1,000 proteins of 60 residues, scored after a prompt of so many tokens, reading it included, and without one. Bar: less than 3x.
python benchmarks/bench_decoding.py streamed --tokens 1048576
    Peak memory of scoring one record of so many places. Run it at 65536 and at 1048576: no more than 1.2x.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from bench_training import VOCABULARY
from bench_xlstm import HEADS, WIDTH, config, large_model
from common import interleave, join_peers, report

from biolect.bio.sequence import Modality, Sequence
from biolect.infer.prompt import Prompt
from biolect.infer.reader import Reader
from biolect.infer.score import Query, score
from biolect.models.language_model import LanguageModel

STEPS = 30


def built() -> LanguageModel:
    return config(argparse.Namespace(layers=10, pattern="m", direction="causal")).build(seed=0).eval()


def text(size: int, seed: int) -> torch.Tensor:
    return torch.randint(10, 43, (1, size), generator=torch.Generator().manual_seed(seed))


def growth(arguments: argparse.Namespace) -> None:
    model = built()
    state, read, mark = model.backbone.new_state(), 0, 1_024
    while mark <= arguments.tokens:
        while read < mark:
            size = min(4_096, mark - read)
            model.backbone.extend(model.embedding(text(size, read)), torch.arange(read, read + size)[None], state)
            read += size
        aside, seconds = state.fork(1), []
        for step in range(STEPS):
            started = time.perf_counter()
            model.step(torch.tensor([10 + step]), torch.tensor([read + step]), aside)
            seconds.append(time.perf_counter() - started)
        fact = {"read_tokens": state.num_tokens, "milliseconds_per_token": 1e3 * statistics.median(seconds), "state_bytes": aside.num_bytes}
        print(json.dumps(fact))
        mark *= 2


def stepper(model: LanguageModel, rows: int, tokens: int) -> Callable[[], None]:
    """Read so many tokens, then a function that reads some more, one by one, in every row."""
    state, read = model.backbone.new_state(), 0
    while read < tokens:
        size = min(4_096, tokens - read)
        model.extend(text(size, read), torch.arange(read, read + size)[None], state)
        read += size
    state = state.fork(rows)

    def run() -> None:
        for place in range(STEPS):
            model.step(torch.full((rows,), 10 + place), torch.full((rows,), tokens + place), state)

    return run


def peers(arguments: argparse.Namespace) -> None:
    join_peers()
    from xlstm.blocks.mlstm.block import mLSTMBlockConfig
    from xlstm.blocks.mlstm.layer import mLSTMLayerConfig
    from xlstm.xlstm_block_stack import xLSTMBlockStack, xLSTMBlockStackConfig

    rows = arguments.rows
    block = mLSTMBlockConfig(mlstm=mLSTMLayerConfig(num_heads=HEADS, conv1d_kernel_size=4, qkv_proj_blocksize=4))
    stack = xLSTMBlockStack(xLSTMBlockStackConfig(mlstm_block=block, context_length=8, num_blocks=10, embedding_dim=WIDTH)).eval()
    embedding, head = torch.nn.Embedding(VOCABULARY, WIDTH), torch.nn.Linear(WIDTH, VOCABULARY, bias=False)
    large = large_model(mode="inference", weight_mode="fused").eval()
    _, large_state = large(torch.full((rows, 8), 10))
    held: dict[str, object] = {}

    def run_stack() -> None:
        for place in range(STEPS):
            hidden, held["stack"] = stack.step(embedding(torch.full((rows, 1), 10 + place)), held.get("stack"))
            head(hidden)

    def run_large() -> None:
        for place in range(STEPS):
            large(torch.full((rows, 1), 10 + place), large_state)

    arms = {"NX-AI stack": run_stack, "NX-AI large": run_large, "biolect": stepper(built(), rows, 8)}
    timings = interleave(arms, rounds=arguments.rounds)
    report("recurrent decoding, 30 tokens", timings, "NX-AI stack", bars={"biolect": 2.0}, rows=rows, threads=arguments.threads)


def llama(arguments: argparse.Namespace) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM, StaticCache

    torch.manual_seed(0)
    sizes = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=704,
        num_hidden_layers=5,
        num_attention_heads=HEADS,
        max_position_embeddings=2 * arguments.tokens,
        attn_implementation="sdpa",
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(sizes).eval()
    cache = StaticCache(config=sizes, max_cache_len=arguments.tokens + 64)
    model(input_ids=text(8, 0), past_key_values=cache, use_cache=True)
    for layer in cache.layers:
        layer.keys.normal_()
        layer.values.normal_()
        # Some versions count what they hold in the layer itself.
        if isinstance(getattr(layer, "cumulative_length", None), torch.Tensor):
            layer.cumulative_length.fill_(arguments.tokens)

    def run() -> None:
        for place in range(STEPS):
            at = torch.tensor([[arguments.tokens + place % 16]])
            model(input_ids=torch.tensor([[10 + place]]), position_ids=at, cache_position=at[0], past_key_values=cache, use_cache=True)
            for layer in cache.layers:
                if isinstance(getattr(layer, "cumulative_length", None), torch.Tensor):
                    layer.cumulative_length.fill_(arguments.tokens)

    timings = interleave({"Llama, static cache": run, "biolect": stepper(built(), 1, arguments.tokens)}, rounds=arguments.rounds)
    report(
        "decoding far into a text, 30 tokens",
        timings,
        "Llama, static cache",
        bars={"biolect": 10.0},
        context=arguments.tokens,
        threads=arguments.threads,
    )


def variants(arguments: argparse.Namespace) -> None:
    reader = Reader(built())
    generator = np.random.default_rng(0)
    draw = lambda size: reader.member(Sequence("".join(generator.choice(list("ACDEFGHIKLMNPQRSTVWY"), size)), Modality.PROTEIN))  # noqa: E731
    queries = [Query(str(index), draw(60)) for index in range(1_000)]
    prompt = Prompt.of([draw(arguments.tokens - 3)], reader.grammar)
    arms = {"with a prompt": lambda: list(score(reader, queries, prompt)), "without": lambda: list(score(reader, queries))}
    timings = interleave(arms, rounds=arguments.rounds)
    size = prompt.num_tokens(reader.grammar)
    report("1,000 proteins of 60 residues", timings, "with a prompt", bars={}, context=size, threads=arguments.threads)


def streamed(arguments: argparse.Namespace) -> None:
    reader = Reader(built())
    letters = np.frombuffer(b"ACGT", dtype=np.uint8)[np.random.default_rng(0).integers(0, 4, arguments.tokens - 3, dtype=np.uint8)]
    member = reader.member(Sequence(letters.tobytes().decode(), Modality.DNA))
    started = time.perf_counter()
    [found] = score(reader, [Query("long", member)])
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
    print(
        json.dumps({"places": arguments.tokens, "peak_mib": round(peak, 1), "places_a_second": round(arguments.tokens / seconds)}),
        found.nats,
    )


def everything(arguments: argparse.Namespace) -> None:
    """One process each, so that none holds the memory of another."""
    for what in ("growth", "llama", "variants --rounds 1", "streamed --tokens 65536", "streamed", "peers", "peers --rows 16"):
        print(f"-- {what}", flush=True)
        subprocess.run([sys.executable, __file__, *what.split(), "--threads", str(arguments.threads)], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    doors = {"all": everything, "growth": growth, "peers": peers, "llama": llama, "variants": variants, "streamed": streamed}
    parser.add_argument("what", choices=tuple(doors), nargs="?", default="all")
    parser.add_argument("--tokens", type=int)
    parser.add_argument("--rows", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    arguments.tokens = arguments.tokens or {"growth": 131_072, "streamed": 1_048_576}.get(arguments.what, 32_768)
    torch.set_num_threads(arguments.threads)
    with torch.inference_mode():
        doors[arguments.what](arguments)


if __name__ == "__main__":
    main()
