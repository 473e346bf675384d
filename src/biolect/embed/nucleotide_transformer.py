"""Nucleotide Transformer v2, DNA language models of four sizes, without their remote code.

`<cls>`, then 6-mers from the left; where fewer than six letters are left before an N or the end, single letters. N is
a token by itself, and grouping starts anew behind it. Weights are not for commercial use.

Source: 10.1038/s41592-024-02523-z; folders of transformers with config.json, vocab.txt and weights.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product
from pathlib import Path

from biolect.bio.sequence import Modality
from biolect.embed.encoder import Licence
from biolect.embed.published import DEFAULT, Choice, Family, FamilyEncoder, from_folder
from biolect.errors import ConfigError
from biolect.models.published import PublishedModel

SIZES = {"50m": (12, 512, 2_048), "100m": (22, 512, 2_048), "250m": (24, 768, 3_072), "500m": (29, 1_024, 4_096)}
"""Layers, width, and width inside the gated feed-forward layers; 16 heads each."""


def six_mers(residues: str) -> list[str]:
    """Cut DNA as the family reads it."""
    return re.findall("[ACGT]{6}|.", residues)


FAMILY = Family(
    name="Nucleotide Transformer",
    modalities=(Modality.DNA, Modality.RNA),
    licence=Licence("CC BY-NC-SA 4.0", commercial=False),
    vocabulary=("<unk>", "<pad>", "<mask>", "<cls>", *map("".join, product("ATCG", repeat=6)), *"ATCGN", "<eos>", "<bos>"),
    limit_tokens=2_048,
    cut=six_mers,
)


def shape(size: str) -> PublishedModel.Config:
    """Return the shape of a size: 50m, 100m, 250m or 500m. Raises ConfigError if there is none."""
    if size not in SIZES:
        raise ConfigError(f"There is no Nucleotide Transformer v2 of size '{size}'. Known: {', '.join(SIZES)}.")
    layers, width, inner = SIZES[size]
    tokens = len(FAMILY.vocabulary)
    return PublishedModel.Config(tokens=tokens, layers=layers, width=width, heads=16, inner=inner, feedforward="gated", norm_eps=1e-12)


def load(path: Path, choice: Choice = DEFAULT) -> FamilyEncoder:
    """Load a published folder; the order of tokens is that of its vocab.txt, where it has one.

    Raises:
        ConfigError: If the licence was not accepted.
        CheckpointError: If the folder holds no whole model of the family.
    """
    choice.check(FAMILY.licence, FAMILY.name)
    model, listed = from_folder(path), path / "vocab.txt"
    vocabulary = tuple(listed.read_text(encoding="utf-8").split()) if listed.is_file() else FAMILY.vocabulary
    return FamilyEncoder(model, replace(FAMILY, vocabulary=vocabulary), choice)
