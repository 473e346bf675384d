"""Embedding sequences of mixed lengths: ours beside transformers with the same random weights, in one run.

Two ways of transformers: one by one, padded to 1,024 tokens (as the published examples do), and sorted by
length into batches under the same budget of tokens, at the same precision. All arms tokenise and end in vectors of residues in
memory; where they differ by more than a bound, the run stops. Lengths are log-normal: proteins of 50 to 1,000 residues
around 300, coding sequences of 100 to 1,020 nucleotides (the limit of RNA-FM) around 1,000.

    python benchmarks/bench_embed.py [--shapes esm2-8M esm2-35M rna-fm] [--sequences 16] [--rounds 3] [--dtype bfloat16]
        [--threads 2] [--clock wall] [--batch-tokens 4096]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from common import interleave, report

from biolect.bio.sequence import Modality, Sequence
from biolect.devices import training_dtype
from biolect.embed.encoder import Choice
from biolect.embed.families import ESM2, RNA_FM
from biolect.embed.published import Family, FamilyEncoder
from biolect.models.published import PublishedModel
from biolect.models.weight_maps import to_published

SHAPES: dict[str, tuple[PublishedModel.Config, Family, float]] = {
    "esm2-8M": (ESM2.shapes["8M"], ESM2, 6.0),
    "esm2-35M": (ESM2.shapes["35M"], ESM2, 7.0),
    "rna-fm": (RNA_FM.shapes[""], RNA_FM, 2.0),
}
SORTED_BAR = 1.5
BOUNDS = {torch.float32: 1e-3, torch.bfloat16: 0.3}
"""Largest difference between arms; vectors are of size 1 behind the last norm."""


def sequences(family: Family, count: int) -> list[Sequence]:
    """Draw sequences of the lengths that this family meets."""
    rng, modality = np.random.default_rng(0), family.modalities[0]
    if modality is Modality.PROTEIN:
        lengths = np.clip(rng.lognormal(np.log(300), 0.6, count), 50, 1_000)
    else:
        lengths = np.clip(rng.lognormal(np.log(1_000), 0.75, count), 100, 1_020)
    letters = list(modality.alphabet.standard)
    return [Sequence("".join(rng.choice(letters, int(n))), modality, str(i)) for i, n in enumerate(lengths)]


def twin(shape: PublishedModel.Config, model: PublishedModel, dtype: torch.dtype) -> torch.nn.Module:
    """Return the model of transformers with the same weights."""
    from transformers import EsmConfig, EsmModel

    config = EsmConfig(
        vocab_size=shape.tokens,
        pad_token_id=1,
        mask_token_id=shape.tokens - 1,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.inner,
        position_embedding_type="rotary" if shape.positions == "rotary" else "absolute",
        max_position_embeddings=1_026,
        emb_layer_norm_before=shape.embedding_norm,
        token_dropout=True,
        layer_norm_eps=shape.norm_eps,
    )
    config._attn_implementation = "sdpa"
    made: Any = EsmModel(config, add_pooling_layer=False)
    missing = made.load_state_dict(to_published(model.state_dict(), shape, "transformers"), strict=False)
    assert not missing.unexpected_keys, missing
    return made.eval().to(dtype)


def of_transformers(model: torch.nn.Module, encoder: FamilyEncoder, records: list[Sequence], padded_to: int | None) -> list[np.ndarray]:
    """Embed in batches sorted by length, or one by one padded to a fixed length."""

    def batches(rows: list[np.ndarray]) -> Iterator[list[int]]:
        batch: list[int] = []
        for i in sorted(range(len(rows)), key=lambda i: len(rows[i])):
            if batch and (padded_to or (len(batch) + 1) * len(rows[i]) > encoder.batch_tokens):
                yield batch
                batch = []
            batch.append(i)
        yield batch

    before, behind = encoder.special_ids(records[0])
    rows = [np.concatenate([before, encoder.tokenised(record)[0], behind]) for record in records]
    out = [np.zeros(0)] * len(rows)
    for chosen in batches(rows):
        length = padded_to or max(len(rows[i]) for i in chosen)
        ids = torch.ones(len(chosen), length, dtype=torch.long)
        for line, i in enumerate(chosen):
            ids[line, : len(rows[i])] = torch.from_numpy(rows[i])
        with torch.inference_mode():
            hidden = model(input_ids=ids, attention_mask=(ids != 1).long()).last_hidden_state
        for line, i in enumerate(chosen):
            out[i] = hidden[line, 1 : len(rows[i]) - 1].float().numpy()
    return out


def compare(name: str, arguments: argparse.Namespace, dtype: torch.dtype) -> None:
    """Time all arms of one shape and precision."""
    shape, family, bar = SHAPES[name]
    weights = shape.build(seed=0)
    plain, sorted_one = twin(shape, weights, torch.float32), twin(shape, weights, dtype)
    axis = "residue" if family.modalities[0] is Modality.PROTEIN else "nucleotide"
    encoder = FamilyEncoder(weights, family, Choice(axis=axis, dtype=dtype, batch_tokens=arguments.batch_tokens))
    records = sequences(family, arguments.sequences)
    arms: dict[str, Callable[[], list[np.ndarray]]] = {
        "transformers, padded to 1,024": lambda: of_transformers(plain, encoder, records, 1_024),
        "transformers, sorted by length": lambda: of_transformers(sorted_one, encoder, records, None),
        "ours": lambda: [made.vectors for made in encoder.encode(records)],
    }
    found = [arm() for arm in arms.values()]
    gaps = [max(float(np.abs(a - b).max()) for a, b in zip(found[0], other, strict=True)) for other in found[1:]]
    if max(gaps) > BOUNDS[dtype]:
        raise SystemExit(f"{name}: arms differ by {gaps}, more than {BOUNDS[dtype]}")
    timings = interleave(arms, rounds=arguments.rounds, warmup=0)
    precision = str(dtype).removeprefix("torch.")
    facts = {"sequences": len(records), "tokens": sum(map(len, records)), "dtype": precision, "threads": arguments.threads, "gaps": gaps}
    title = f"{name}, {precision}, {len(records)} sequences of {facts['tokens'] / len(records):.0f} residues"
    report(title, timings, "transformers, padded to 1,024", bars={"ours": bar}, clock=arguments.clock, **facts)
    report(title, timings, "transformers, sorted by length", bars={"ours": SORTED_BAR}, clock=arguments.clock, **facts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    for option, value in (("sequences", 16), ("rounds", 3), ("threads", 2), ("batch-tokens", 4_096)):
        parser.add_argument(f"--{option}", type=int, default=value)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="without it both, where the processor is faster in bfloat16")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu for one thread of a busy machine")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    usual = ["float32", *(["bfloat16"] if training_dtype("auto", "cpu") == "bfloat16" else [])]
    for name in arguments.shapes:
        for dtype in [arguments.dtype] if arguments.dtype else usual:
            compare(name, arguments, getattr(torch, dtype))


if __name__ == "__main__":
    main()
