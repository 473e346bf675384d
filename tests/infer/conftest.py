"""A small model with opinions: random weights, drawn large enough for its letters to differ in likelihood."""

import numpy as np
import pytest
import torch

from biolect.bio.sequence import Modality, Sequence
from biolect.data.document import Grammar
from biolect.infer.reader import Reader
from biolect.models.language_model import LanguageModel
from biolect.models.transformer import Transformer
from biolect.models.xlstm import XLSTM

AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"


BACKBONES = {
    "transformer": Transformer.Config(layers=2, width=32, heads=2, inner=48),
    "xlstm": XLSTM.Config(layers=2, width=32, heads=2, pattern="ms", inner=48, rotary="per_head", chunk_length=16),
}


def build(seed: int = 0, scale: float = 6.0, backbone: str = "transformer") -> LanguageModel:
    model = LanguageModel.Config(backbone=BACKBONES[backbone]).build(seed).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight *= scale
    return model


@pytest.fixture(scope="session", params=list(BACKBONES))
def reader(request: pytest.FixtureRequest) -> Reader:
    return Reader(build(backbone=request.param), Grammar(), batch_tokens=256)


def protein(length: int, seed: int, name: str = "") -> Sequence:
    return Sequence("".join(np.random.default_rng(seed).choice(list(AMINO_ACIDS), length)), Modality.PROTEIN, name)


def dna(length: int, seed: int, name: str = "") -> Sequence:
    return Sequence("".join(np.random.default_rng(seed).choice(list("ACGT"), length)), Modality.DNA, name)
