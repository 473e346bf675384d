"""Our readers of ESM-2 and RNA-FM files give the tokens and vectors of fair-esm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from biolect.bio.sequence import Modality, Sequence
from biolect.embed.encoder import Choice
from biolect.embed.families import ESM2, RNA_FM
from tests.golden.forward.fair_esm import SEQUENCES, SETTINGS, path_of

FLOAT32 = 1e-5
LOADERS = {"esm2": (ESM2.load, Modality.PROTEIN), "rna_fm": (RNA_FM.load, Modality.RNA)}


def published(name: str, folder: Path) -> Path:
    """Write the golden weights as the file that was published: prefixes, settings, and a head that is not read."""
    weights = {k.removeprefix("weights."): w for k, w in load_file(path_of(name)).items() if k.startswith("weights.")}
    prefixed = {("encoder." if k.startswith("lm_head") else "encoder.sentence_encoder.") + k: w for k, w in weights.items()}
    settings = {"cfg": {"model": SETTINGS[name]}} if name == "esm2" else {"args": SETTINGS[name]}
    path = folder / f"{name}.pt"
    torch.save({**settings, "model": prefixed}, path)
    return path


@pytest.mark.parametrize("name", LOADERS)
def test_the_golden_file_says_who_made_it_and_is_small(name: str) -> None:
    with safe_open(path_of(name), "pt") as file:
        assert file.metadata()["project"] == "fair-esm"
    assert path_of(name).stat().st_size < 100_000


@pytest.mark.parametrize("name", LOADERS)
def test_our_vectors_of_a_published_file_are_those_of_the_golden_one(name: str, tmp_path: Path) -> None:
    golden, (load, modality) = load_file(path_of(name)), LOADERS[name]
    path = published(name, tmp_path)
    sequences = [Sequence(text, modality, str(i)) for i, text in enumerate(SEQUENCES[name])]

    # The second model ends behind the first block; fair-esm calls that layer 1, and its layer 2 is after the norm.
    for key, layer in (("last", None), ("first", 1)):
        encoder = load(path, Choice(layer=layer))
        for i, made in enumerate(encoder.tokens(sequences)):
            expected = golden[key][i, : len(made.vectors)].numpy()
            before, behind = encoder.special_ids(sequences[i])
            ids = [*before, *encoder.tokenised(sequences[i])[0], *behind]

            assert golden["tokens"][i, : len(ids)].tolist() == ids
            np.testing.assert_allclose(made.vectors, expected, rtol=0, atol=FLOAT32 * float(np.abs(expected).max()))
