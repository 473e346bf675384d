"""Sampling 64 continuations of one 900-token prompt: ours beside transformers' Llama of the same shape.

Both draw from all letters at temperature 1, none may end early. Rounds are interleaved, the order
alternates, and the ratio is taken round by round. `--reuse` gives Llama its best published use as well:
the prompt is read once and its keys and values are copied for every row.

    python benchmarks/bench_sampling.py [--rounds 5] [--count 64] [--prompt 900] [--residues 100] [--threads 2]
"""

import argparse
import copy
import json
import statistics
import time

import numpy as np
import torch

from biolect.bio.sequence import Modality
from biolect.infer.generate import Sampling, generate
from biolect.infer.reader import Reader
from biolect.models.language_model import LanguageModel
from biolect.models.transformer import Transformer

LAYERS, WIDTH, HEADS, INNER, VOCABULARY = 5, 256, 4, 704, 64


def ours(arguments, prefix):
    backbone = Transformer.Config(layers=LAYERS, width=WIDTH, heads=HEADS, inner=INNER)
    reader = Reader(LanguageModel.Config(backbone=backbone).build(seed=0).eval())
    sampling = Sampling(max_residues=arguments.residues, min_residues=arguments.residues, seed=1)
    # <bos> and the tag stand before the prefix.
    text = "".join("ACGT"[i] for i in prefix[: arguments.prompt - 2])

    def run():
        made = generate(reader, Modality.DNA, arguments.count, sampling, prefix=text)
        assert made.num_tokens == arguments.count * arguments.residues
        return made.state_bytes

    return run, reader.model.num_parameters


def llama(arguments, prefix, *, reuse):
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=INNER,
        max_position_embeddings=4096,
        attn_implementation="sdpa",
        tie_word_embeddings=False,
        bos_token_id=1,
        eos_token_id=None,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    model = LlamaForCausalLM(config).eval()
    ids = torch.from_numpy(10 + prefix[: arguments.prompt])[None]
    settings = {"do_sample": True, "top_k": 0, "max_new_tokens": arguments.residues, "min_new_tokens": arguments.residues}

    @torch.inference_mode()
    def run():
        if reuse:
            past = model(ids[:, :-1], use_cache=True).past_key_values
            past = copy.deepcopy(past)
            past.batch_repeat_interleave(arguments.count)
            out = model.generate(ids.expand(arguments.count, -1), past_key_values=past, **settings)
        else:
            out = model.generate(ids, num_return_sequences=arguments.count, **settings)
        assert out.shape == (arguments.count, arguments.prompt + arguments.residues)

    return run, model.num_parameters()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("rounds", 5), ("count", 64), ("prompt", 900), ("residues", 100), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--reuse", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    prefix = np.random.default_rng(0).integers(0, 4, size=arguments.prompt)
    arms = {"biolect": ours(arguments, prefix), "transformers": llama(arguments, prefix, reuse=False)}
    if arguments.reuse:
        arms["transformers, prompt read once"] = llama(arguments, prefix, reuse=True)
    seconds = {name: [] for name in arms}
    for round_number in range(arguments.rounds + 1):
        names = list(arms) if round_number % 2 else list(reversed(arms))
        for name in names:
            wall, cpu = time.perf_counter(), time.process_time()
            arms[name][0]()
            # The first round warms up. CPU time tells how far another process was in the way.
            if round_number:
                seconds[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    tokens = arguments.count * arguments.residues
    result = {"shape": vars(arguments) | {"layers": LAYERS, "width": WIDTH, "heads": HEADS, "inner": INNER}}
    for name, times in seconds.items():
        walls = [wall for wall, _ in times]
        ratios = [wall / base for (wall, _), (base, _) in zip(times, seconds["biolect"], strict=True)]
        result[name] = {
            "parameters": arms[name][1],
            "seconds": round(statistics.median(walls), 3),
            "cpu_seconds": round(statistics.median(cpu for _, cpu in times), 3),
            "tokens_per_second": round(tokens / statistics.median(walls), 1),
            "times_ours": round(statistics.median(ratios), 2),
            "times_ours_range": [round(min(ratios), 2), round(max(ratios), 2)],
        }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
