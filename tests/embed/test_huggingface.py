"""Encoders of transformers in a folder, whatever their tokenizer."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from biolect.bio.sequence import Modality, Sequence
from biolect.embed import huggingface
from biolect.embed.encoder import Choice
from biolect.errors import AlphabetError, CheckpointError, ConfigError, MissingDependencyError
from tests.embed.conftest import TOLERANCE, loud
from tests.infer.conftest import dna, protein

transformers = pytest.importorskip("transformers")
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def write_bert(folder: Path, letters: list[str]) -> Any:
    """Write a small BERT whose tokenizer wants spaces between letters, as SpliceBERT does; return it."""
    words = [*SPECIAL, *letters]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    transformers.BertTokenizer(vocab={word: i for i, word in enumerate(words)}, do_lower_case=False, model_max_length=34).save_pretrained(
        folder
    )
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=40,
        attn_implementation="eager",
    )
    torch.manual_seed(1)
    model = loud(transformers.BertModel(config))
    model.save_pretrained(folder)
    return model


@pytest.mark.parametrize("layer", [None, 1])
def test_a_bert_of_letters_gives_the_vectors_of_transformers(tmp_path: Path, layer: int | None):
    outside = write_bert(tmp_path, list("ACGTN"))
    encoder = huggingface.load(tmp_path, Choice(layer=layer, batch_tokens=40))
    sequences = [dna(n, n, str(n)) for n in (30, 3, 11)]

    assert encoder.modalities == (Modality.DNA, Modality.RNA) and encoder.special_tokens == ("[CLS]", "[SEP]")
    for sequence, made in zip(sequences, encoder.tokens(sequences), strict=True):
        ids = [2, *("ACGT".index(letter) + 5 for letter in sequence.residues), 3]
        with torch.no_grad():
            found = outside(torch.tensor([ids]), output_hidden_states=True)
        expected = (found.last_hidden_state if layer is None else found.hidden_states[layer])[0].numpy()
        np.testing.assert_allclose(made.vectors, expected, atol=TOLERANCE)
        assert made.spans[1:-1].tolist() == [[i, i + 1] for i in range(len(sequence))]
    [one], [two] = encoder.encode([sequences[0]]), encoder.encode([sequences[0].transcribe()])
    np.testing.assert_allclose(one.vectors, two.vectors, atol=TOLERANCE)


def test_long_sequences_are_read_in_windows_of_what_the_tokenizer_allows(tmp_path: Path):
    write_bert(tmp_path, list("ACGTN"))

    [made] = huggingface.load(tmp_path, Choice(axis="nucleotide")).encode([dna(100, 1)])

    assert made.vectors.shape == (100, 16) and huggingface.load(tmp_path).limit_tokens == 34


def test_tokens_of_several_letters_cover_them_once(tmp_path: Path):
    write_bert(tmp_path, [*"ACGTN", *(f"##{x}" for x in "ACGTN"), "ACG", "##ACG"])

    [made] = huggingface.load(tmp_path).tokens([Sequence("ACGTACGN", Modality.DNA)])

    assert made.spans.tolist() == [[0, 0], [0, 3], [3, 4], [4, 7], [7, 8], [8, 8]]


def test_a_modality_or_letter_that_the_tokenizer_does_not_know_is_refused(tmp_path: Path):
    write_bert(tmp_path, list("ACGT"))
    encoder = huggingface.load(tmp_path)

    with pytest.raises(AlphabetError, match="reads dna and rna, not protein"):
        encoder.refusal(protein(3, 1))
    assert "'n' has letters that this encoder's tokenizer does not know" in encoder.refusal(Sequence("ACN", Modality.DNA, "n"))


def test_weights_that_are_not_all_there_are_refused(tmp_path: Path):
    write_bert(tmp_path, list("ACGT"))
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(CheckpointError, match=r"lack 'encoder\.layer\.2.* and 15 others"):
        huggingface.load(tmp_path)

    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="transformers cannot load"):
        huggingface.load(tmp_path)
    with pytest.raises(CheckpointError, match="no model folder of transformers"):
        huggingface.load(tmp_path / "nothing")


def test_code_beside_weights_is_run_only_if_that_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_bert(tmp_path, list("ACGT"))
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"model_type": "strange", "auto_map": {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "own.py").write_text("raise SystemExit('ran')\n")
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "path", list(sys.path))

    with pytest.raises(CheckpointError, match="--allow-remote-code"):
        huggingface.load(tmp_path)
    with pytest.raises(SystemExit, match="ran"):
        huggingface.load(tmp_path, Choice(allows_remote_code=True))


def test_a_model_without_hidden_states_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_bert(tmp_path, list("ACGT"))
    encoder = huggingface.load(tmp_path)
    monkeypatch.setattr(encoder, "model", Silent(encoder.model))
    with pytest.raises(CheckpointError, match="gives no hidden states"):
        encoder.tokens([dna(3, 1)])

    with pytest.raises(CheckpointError, match="does not say how many layers"):
        huggingface.HuggingFaceEncoder(SimpleNamespace(config=SimpleNamespace()), encoder.tokenizer)


class Silent:
    """A model of transformers that gives logits alone."""

    def __init__(self, inner: Any) -> None:
        self.config, self.parameters = transformers.BertConfig(hidden_size=16), inner.parameters

    def __call__(self, **inputs: Any) -> dict[str, Any]:
        return {}


def test_the_licence_is_that_of_the_model_card(tmp_path: Path):
    write_bert(tmp_path, list("ACGT"))
    (tmp_path / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n")

    with pytest.raises(ConfigError, match=r"cc-by-nc-4\.0, which forbids commercial use"):
        huggingface.load(tmp_path)
    licence = huggingface.load(tmp_path, Choice(accepts_licence=True)).licence
    assert licence is not None and not licence.commercial


def test_without_transformers_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "transformers", None)

    with pytest.raises(MissingDependencyError, match=r"biolect\[hf\]"):
        huggingface.load(tmp_path)
