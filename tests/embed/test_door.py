"""One door to all encoders."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from biolect.bio.sequence import Modality
from biolect.embed.door import load_encoder
from biolect.embed.encoder import Choice
from biolect.embed.families import ESM2
from biolect.embed.native import NativeEncoder
from biolect.embed.plain import CodonFrequencyEncoder, OneHotEncoder
from biolect.embed.store import EmbeddingStore
from biolect.errors import CheckpointError, ConfigError
from biolect.models import checkpoint
from tests.embed.conftest import TOLERANCE, outside_esm
from tests.infer.conftest import build, protein


def test_an_address_says_which_family(tmp_path: Path):
    outside_esm(tmp_path / "esm", token_dropout=True)
    (tmp_path / "esm" / "vocab.txt").write_text("\n".join(ESM2.vocabulary))
    checkpoint.save(build(), tmp_path / "own")

    # Native code and that of transformers, on one folder.
    one, two = (load_encoder(f"{kind}:{tmp_path / 'esm'}", notify=str).tokens([protein(20, 1)])[0] for kind in ("esm2", "huggingface"))
    np.testing.assert_allclose(one.vectors, two.vectors, atol=TOLERANCE)
    assert (one.spans == two.spans).all()
    assert isinstance(load_encoder(str(tmp_path / "own")), NativeEncoder)
    one_hot, codons = load_encoder("one-hot:protein"), load_encoder("codon-frequency:3")
    assert isinstance(one_hot, OneHotEncoder) and one_hot.modalities == (Modality.PROTEIN,)
    assert isinstance(codons, CodonFrequencyEncoder) and codons.window_codons == 3


def test_wrong_addresses_are_refused():
    for address, words in [
        ("one-hot:clay", "names no modality"),
        ("one-hot", "names no modality"),
        ("codon-frequency:x", "no number of codons"),
    ]:
        with pytest.raises(ConfigError, match=words):
            load_encoder(address)
    for address, words in [("esm3:x", "no model 'esm3:x'"), ("esm2:absent.pt", r"no file 'absent\.pt'")]:
        with pytest.raises(CheckpointError, match=words):
            load_encoder(address)


def test_the_licence_is_told_once_and_kept_with_the_vectors(tmp_path: Path):
    outside_esm(tmp_path / "esm")
    checkpoint.save(build(), tmp_path / "own", {"licence": "Apache-2.0"})
    told: list[str] = []

    for _ in range(2):
        encoder = load_encoder(f"esm2:{tmp_path / 'esm'}", notify=told.append)
        load_encoder(str(tmp_path / "own"), notify=told.append)
    (tmp_path / "store").mkdir()
    EmbeddingStore(tmp_path / "store", encoder)

    assert [line.rpartition(" ")[2] for line in told] == ["MIT.", "Apache-2.0."]
    kept = json.loads((tmp_path / "store" / "encoder.json").read_text())
    assert (kept["licence"], kept["limit_tokens"], kept["special_tokens"]) == ("MIT", 1_024, ["<cls>", "<eos>"])


def test_licences_that_forbid_commercial_use_are_said(tmp_path: Path):
    outside_esm(tmp_path, gated=True, vocab_size=4_107, mask_token_id=2)
    told: list[str] = []

    with pytest.raises(ConfigError, match="--accept-licence"):
        load_encoder(f"nucleotide-transformer:{tmp_path}")
    load_encoder(f"nucleotide-transformer:{tmp_path}", Choice(accepts_licence=True), told.append)

    assert told[0].endswith("CC BY-NC-SA 4.0, not for commercial use.")
