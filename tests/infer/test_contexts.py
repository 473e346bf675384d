"""Contexts on disk: what was read once can be gone on from, by the model that read it and no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from biolect.bio.sequence import Modality
from biolect.data.document import Grammar
from biolect.errors import CheckpointError, InputError
from biolect.infer.generate import Sampling, generate
from biolect.infer.prompt import Prompt
from biolect.infer.prompt_file import load_context, save_context
from biolect.infer.reader import Reader
from biolect.models import checkpoint
from tests.infer.conftest import build, dna, protein


def prompt_of(reader: Reader) -> Prompt:
    return Prompt.of([reader.member(protein(12, 1)), reader.member(dna(9, 2)), reader.member(protein(20, 3))], reader.grammar)


def test_a_saved_context_is_gone_on_from_bit_for_bit(reader: Reader, tmp_path: Path):
    prompt = reader.read(prompt_of(reader))
    save_context(tmp_path / "c.safetensors", reader, prompt, ["a", "b", "c"])

    loaded, names = load_context(tmp_path / "c.safetensors", reader)

    assert names == ["a", "b", "c"] and prompt.read and loaded.read
    assert torch.equal(loaded.read.logits, prompt.read.logits)
    assert loaded.read.num_tokens == prompt.num_tokens(reader.grammar) == loaded.num_tokens(reader.grammar)
    assert [m.token_ids.tolist() for m in loaded.members] == [m.token_ids.tolist() for m in prompt.members]
    drawn = [
        generate(reader, Modality.PROTEIN, 3, Sampling(max_residues=9), prompt=p).sequences for p in (prompt, loaded, prompt_of(reader))
    ]
    assert drawn[0] == drawn[1] == drawn[2]


@pytest.mark.parametrize("change", ["weights", "precision", "grammar"])
def test_another_model_is_refused(reader: Reader, tmp_path: Path, change: str):
    path = tmp_path / "c.safetensors"
    save_context(path, reader, prompt_of(reader), [])
    other = {
        "weights": Reader(build(seed=1), reader.grammar),
        "precision": Reader(build().to(torch.float64), reader.grammar),
        "grammar": replace(reader, grammar=Grammar(positions="member")),
    }

    with pytest.raises(CheckpointError) as caught:
        load_context(path, other[change])

    assert str(caught.value) == (
        f"The context in '{path}' was read by another model, or in another precision, so this one cannot go on from it. "
        "Give the records themselves with --context FILE."
    )


def test_what_is_no_context_gets_one_sentence(reader: Reader, tmp_path: Path):
    path = tmp_path / "c.safetensors"
    checkpoint.write_tensors(path, {"a": torch.zeros(2)})
    with pytest.raises(CheckpointError) as caught:
        load_context(path, reader)
    assert str(caught.value) == f"'{path}' is no saved context. Give one that --save-context wrote, or a file of records."

    save_context(path, reader, prompt_of(reader), [])
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="is damaged or cut short"):
        load_context(path, reader)
    with pytest.raises(InputError, match="There is no file"):
        load_context(tmp_path / "nothing.safetensors", reader)


def test_a_context_with_wrong_bits_is_refused(reader: Reader, tmp_path: Path):
    path = tmp_path / "c.safetensors"
    save_context(path, reader, prompt_of(reader), [])
    data = bytearray(path.read_bytes())
    data[-200] ^= 1
    path.write_bytes(data)

    with pytest.raises(CheckpointError) as caught:
        load_context(path, reader)

    assert str(caught.value) == f"'{path}' is damaged: what it holds is not what was saved. Copy it again, whole."
