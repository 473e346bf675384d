"""ESM-2, protein language models of six sizes.

One token per residue between `<cls>` and `<eos>`. The vocabulary has the 20 amino acids, X B U Z O, and signs of
alignments, but neither J nor the stop `*`: sequences with one of them are refused, because the published code would
read them as unknown in silence, and drop out of register with a codon axis that has no stop.

Source: 10.1126/science.ade2574; files of fair-esm (`.pt`) and of transformers (a folder).
"""

from __future__ import annotations

from pathlib import Path

from biolect.bio.sequence import Modality
from biolect.embed.encoder import Licence
from biolect.embed.published import DEFAULT, Choice, Family, FamilyEncoder, from_file, from_folder
from biolect.errors import ConfigError
from biolect.models.published import KEPT_SHARE, PublishedModel

SIZES = {
    "8M": (6, 320, 20),
    "35M": (12, 480, 20),
    "150M": (30, 640, 20),
    "650M": (33, 1_280, 20),
    "3B": (36, 2_560, 40),
    "15B": (48, 5_120, 40),
}
"""Layers, width and heads; the feed-forward layers are four times as wide."""

FAMILY = Family(
    name="ESM-2",
    modalities=(Modality.PROTEIN,),
    licence=Licence("MIT"),
    vocabulary=("<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPKQNFYMHWCXBUZO.-", "<null_1>", "<mask>"),
    limit_tokens=1_024,
    behind=("<eos>",),
)


def shape(size: str) -> PublishedModel.Config:
    """Return the shape of a size: 8M, 35M, 150M, 650M, 3B or 15B. Raises ConfigError if there is none."""
    if size not in SIZES:
        raise ConfigError(f"There is no ESM-2 of size '{size}'. Known: {', '.join(SIZES)}.")
    layers, width, heads = SIZES[size]
    tokens = len(FAMILY.vocabulary)
    return PublishedModel.Config(tokens=tokens, layers=layers, width=width, heads=heads, inner=4 * width, embedding_scale=KEPT_SHARE)


def load(path: Path, choice: Choice = DEFAULT) -> FamilyEncoder:
    """Load published weights of any size: a `.pt` file, or a folder with config.json and safetensors.

    Raises:
        CheckpointError: If they are no whole ESM-2.
    """
    model = from_folder(path) if path.is_dir() else from_file(path, heads=20, token_dropout=True)
    return FamilyEncoder(model, FAMILY, choice)
