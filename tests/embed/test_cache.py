"""Vectors of tokens are computed once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from biolect.bio.sequence import Modality
from biolect.bio.sequence import Sequence as BioSequence
from biolect.embed import cache
from biolect.embed.cache import TokenCache
from biolect.embed.encoder import Encoder
from biolect.embed.native import NativeEncoder
from biolect.embed.plain import CodonFrequencyEncoder, OneHotEncoder
from biolect.errors import CheckpointError
from biolect.values import TokenEmbedding
from tests.infer.conftest import build, dna, protein


class Counting(NativeEncoder):
    """Counts the sequences that it is asked for."""

    asked = 0

    def tokens(self, sequences: Sequence[BioSequence]) -> list[TokenEmbedding]:
        self.asked += len(sequences)
        return super().tokens(sequences)


def test_a_second_run_calls_no_encoder_and_gives_the_same_in_half_precision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cache, "SHARD_RESIDUES", 20)
    sequences = [dna(9, 1, "a"), protein(30, 2, "b"), dna(9, 1, "again"), protein(50, 3, "c")]
    first, second = Counting(build()), Counting(build())

    assert TokenCache(tmp_path, first).fill(sequences) == 3
    kept = TokenCache(tmp_path, second)

    assert (kept.fill(sequences), first.asked, second.asked) == (0, 3, 0)
    assert len(list(tmp_path.glob("shard-*"))) == 2
    for sequence, made in zip(sequences, first.tokens(sequences), strict=True):
        found = kept[sequence]
        assert found.name == sequence.name and found.vectors.dtype == np.float16
        np.testing.assert_allclose(found.vectors, made.vectors, rtol=1e-3, atol=1e-3)
        assert (found.spans == made.spans).all()


def test_a_folder_belongs_to_one_encoder(tmp_path: Path):
    TokenCache(tmp_path, CodonFrequencyEncoder()).fill([dna(9, 1)])

    with pytest.raises(CheckpointError, match="made by another encoder"):
        TokenCache(tmp_path, OneHotEncoder(Modality.DNA))


def test_numbers_too_large_for_half_precision_are_kept_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    encoder, sequence = OneHotEncoder(Modality.DNA), dna(3, 1)
    monkeypatch.setattr(OneHotEncoder, "vectors", lambda self, sequence: np.full((3, 5), 1e5))
    kept: TokenCache = TokenCache(tmp_path, encoder)

    kept.fill([sequence])

    assert kept[sequence].vectors.dtype == np.float32 and isinstance(kept.encoder, Encoder)
    assert kept[sequence].vectors.max() == np.float32(1e5)
