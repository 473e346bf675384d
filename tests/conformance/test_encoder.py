"""Properties that every encoder keeps. A new one is one more line here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from biolect.bio.sequence import Modality, Sequence
from biolect.embed.encoder import Choice, Encoder
from biolect.embed.families import ESM2, NUCLEOTIDE_TRANSFORMER, RNA_FM
from biolect.embed.native import NativeEncoder
from biolect.embed.plain import CodonFrequencyEncoder, OneHotEncoder
from biolect.embed.published import Family, FamilyEncoder
from biolect.errors import AlphabetError
from biolect.values import Axis
from tests.infer.conftest import build, dna, protein

FLOAT32 = 1e-4
SMALL = {"layers": 2, "width": 16, "heads": 2, "inner": 24}


def published(family: Family, size: str, axis: Axis) -> FamilyEncoder:
    return FamilyEncoder(family.shapes[size].model_copy(update=SMALL).build(seed=0), family, Choice(axis=axis))


ENCODERS: dict[str, Callable[[Axis], Encoder]] = {
    "native": lambda axis: NativeEncoder(build(), Choice(axis=axis)),
    "native xlstm": lambda axis: NativeEncoder(build(backbone="xlstm"), Choice(axis=axis)),
    "ESM-2": partial(published, ESM2, "8M"),
    "RNA-FM": partial(published, RNA_FM, ""),
    "Nucleotide Transformer": partial(published, NUCLEOTIDE_TRANSFORMER, "50m"),
    "one-hot": lambda axis: OneHotEncoder(Modality.PROTEIN, axis=axis),
    "codon frequency": lambda axis: CodonFrequencyEncoder(3, axis=axis),
}
every_encoder = pytest.mark.parametrize("name", ENCODERS)


def some(encoder: Encoder) -> list[Sequence]:
    """Sequences that an encoder reads, of a modality that it knows."""
    make = dna if Modality.DNA in encoder.modalities else protein
    return [make(n, n, str(n)) for n in (33, 3, 90, 12)]


@every_encoder
def test_tokens_cover_every_residue_once_and_special_ones_none(name: str):
    encoder = ENCODERS[name]("sequence")

    for sequence, made in zip(some(encoder), encoder.tokens(some(encoder)), strict=True):
        assert made.name == sequence.name and made.width == encoder.width and len(made.vectors) == len(made.spans)
        assert made.spans[0, 0] == 0 and made.spans[-1, 1] == len(sequence)
        assert (made.spans[1:, 0] == made.spans[:-1, 1]).all() and (made.spans[:, 1] >= made.spans[:, 0]).all()
        assert made.special_mask.sum() == len(encoder.special_tokens)
        assert (encoder.spans(sequence) == made.spans).all()
        assert made.vectors.dtype == np.float32 and np.isfinite(made.vectors).all()


@every_encoder
def test_vectors_do_not_depend_on_neighbours_or_order(name: str):
    encoder = ENCODERS[name]("sequence")
    together, apart = encoder.tokens(some(encoder)), [encoder.tokens([sequence])[0] for sequence in some(encoder)]

    for one, two in zip(together, apart, strict=True):
        np.testing.assert_allclose(one.vectors, two.vectors, atol=FLOAT32)
    assert encoder.tokens([]) == [] and encoder.encode([]) == []


@every_encoder
def test_every_axis_is_made_of_the_tokens(name: str):
    whole = ENCODERS[name]("sequence")
    axes: tuple[Axis, ...] = ("nucleotide", "codon") if Modality.DNA in whole.modalities else ("residue",)
    each = [np.repeat(made.vectors, np.diff(made.spans).ravel(), axis=0) for made in whole.tokens(some(whole))]

    for axis in axes:
        for made, vectors in zip(ENCODERS[name](axis).encode(some(whole)), each, strict=True):
            expected = vectors.reshape(-1, 3, whole.width).mean(axis=1) if axis == "codon" else vectors
            np.testing.assert_allclose(made.vectors, expected, atol=FLOAT32)
    for made, vectors in zip(whole.encode(some(whole)), each, strict=True):
        np.testing.assert_allclose(made.vectors[0], vectors.mean(axis=0), atol=FLOAT32)


@every_encoder
def test_what_is_not_read_is_refused(name: str):
    encoder = ENCODERS[name]("sequence")

    assert "has no residues" in encoder.refusal(Sequence("", encoder.modalities[0], "empty"))
    for modality in {Modality.DNA, Modality.PROTEIN} - set(encoder.modalities):
        with pytest.raises(AlphabetError, match=modality.value):
            encoder.refusal(Sequence("ACG", modality))


@every_encoder
def test_the_description_is_plain_and_digests_repeat(name: str):
    one, two = (ENCODERS[name]("sequence") for _ in range(2))

    assert one.description == two.description and len(one.digest) == 64
    assert one.digest != ENCODERS[name]("residue").digest
