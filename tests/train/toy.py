"""A corpus of toy genes, written straight into stores, and a run config that trains on it in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from biolect.bio.coordinates import Run
from biolect.bio.sequence import Modality
from biolect.data.document import View
from biolect.data.shards import MemberStore, MemberWriter
from biolect.tokens.vocabulary import Vocabulary
from biolect.train.curriculum import RunConfig

NUM_GENES = 40


def component_tokens(config: RunConfig) -> dict[str, float]:
    """Return the tokens each component of the mixtures will give."""
    totals: dict[str, float] = {}
    for phase in config.phases:
        whole = sum(phase.mixture.values())
        for name, weight in phase.mixture.items():
            totals[name] = totals.get(name, 0.0) + phase.tokens * weight / whole
    return totals


class ToyCorpus:
    """Stores without the checks of a real corpus."""

    def __init__(self, folder: Path, vocabulary: str = Vocabulary.JOINT_NAME) -> None:
        self.vocabulary = Vocabulary.named(vocabulary)
        self.collections = {name: MemberStore.open(folder / name, self.vocabulary) for name in ("genes", "related", "interleaved")}


def write_corpus(folder: Path) -> None:
    """Write genes of three codons (one amino acid each), related proteins and interleaved records."""
    vocabulary, rng = Vocabulary.joint(), np.random.default_rng(7)
    codons = {"A": "gca", "C": "tgc", "D": "gac"}
    for name in ("genes", "related", "interleaved"):
        with MemberWriter(folder / name, vocabulary) as writer:
            for gene in range(NUM_GENES):
                protein = "".join(rng.choice(list(codons), size=int(rng.integers(20, 60))))
                ids = np.array([vocabulary.id_of(letter) for letter in protein], dtype=np.uint8)
                dna = np.array([vocabulary.id_of(base) for letter in protein for base in codons[letter]], dtype=np.uint8)
                writer.begin_group(f"gene{gene}", split="valid" if gene % 5 == 0 else "train", cluster=gene)
                if name == "genes":
                    writer.add(dna, Modality.DNA, View.CDS, (Run(1, 1, len(dna)),))
                    writer.add(ids, Modality.PROTEIN, View.PROTEIN, (Run(3, 3, len(ids)),))
                else:
                    writer.add(ids, Modality.PROTEIN, View.RECORD)
                    writer.add(ids[::-1].copy(), Modality.PROTEIN, View.RECORD)


def toy_config(**changes: Any) -> RunConfig:
    """Return three short phases of a tiny model; `changes` replace fields."""
    fields: dict[str, Any] = {
        "name": "toy",
        "model": {"backbone": {"kind": "transformer", "layers": 2, "width": 32, "heads": 2, "inner": 64}},
        "corpora": {"kind": "folders", "folders": {"main": "toy"}},
        "phases": [
            {"name": "R1", "mixture": {"single": 1.0}, "tokens": 4_000, "learning_rate": [1e-2, 5e-3], "warmup_tokens": 1_000},
            {"name": "R2", "mixture": {"single": 10.0, "genes": 2.0, "related": 1.0}, "tokens": 4_000, "learning_rate": [5e-3, 1e-3]},
            {"name": "R3", "mixture": {"genes": 1.0, "interleaved": 1.0}, "tokens": 2_000, "learning_rate": [1e-3, 0.0]},
        ],
        "context_tokens": 128,
        "batch_tokens": 512,
        "dtype": "float32",
        "log_steps": 2,
        "evaluate_tokens": 2_500,
        "checkpoint_tokens": 1_500,
        "valid_tokens": 2_000,
    }
    return RunConfig.from_dict(fields | changes)
