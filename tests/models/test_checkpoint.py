"""Model folders: everything comes back bit for bit, and what is not whole is refused in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from biolect.errors import CheckpointError, ConfigError
from biolect.files import sha256
from biolect.models.checkpoint import DIGEST, WEIGHTS, check_vocabulary, load, read_facts, read_tensors, save, write_tensors
from biolect.models.language_model import LanguageModel
from biolect.models.transformer import Transformer
from biolect.tokens.vocabulary import Vocabulary

CONFIG = LanguageModel.Config(backbone=Transformer.Config(layers=2, width=28, heads=7, inner=41))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(CONFIG.build(seed=5), tmp_path / "model", {"corpus": "toy", "tokens": 7})
    return tmp_path / "model"


def logits(model: LanguageModel) -> torch.Tensor:
    return model(torch.arange(10, 41)[None], torch.arange(31)[None])


def test_a_model_comes_back_bit_for_bit(folder: Path) -> None:
    model, loaded = CONFIG.build(seed=5).eval(), load(folder)

    assert all(torch.equal(weight, loaded.state_dict()[name]) for name, weight in model.state_dict().items())
    torch.testing.assert_close(logits(loaded), logits(model), rtol=0, atol=1e-7)
    assert loaded.config == CONFIG and not loaded.training
    assert all(p.requires_grad and not p.is_meta for p in loaded.parameters())


def test_the_folder_explains_itself(folder: Path) -> None:
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "config.yaml", WEIGHTS, "provenance.json", "vocabulary.json"]
    assert read_facts(folder) == {"corpus": "toy", "tokens": 7, DIGEST: sha256(folder / WEIGHTS)}
    words = json.loads((folder / "vocabulary.json").read_text())
    assert words["name"] == "joint-64" and words["tokens"] == list(Vocabulary.joint().tokens)
    assert "vocabulary joint-64" in (folder / "README.md").read_text()
    assert LanguageModel.Config.from_yaml((folder / "config.yaml").read_text()) == CONFIG


def test_the_card_says_numbers_as_a_reader_wants_them(tmp_path: Path) -> None:
    save(CONFIG.build(seed=5), tmp_path / "model", {"tokens": 44797, "bits_per_residue": {"dna": {"valid": 3.9531612}}})

    card = (tmp_path / "model" / "README.md").read_text()
    assert "- tokens: 44,797\n- bits per residue, dna, valid: 3.953\n" in card and "{" not in card


def test_weights_can_be_stored_and_read_in_another_precision(tmp_path: Path) -> None:
    save(CONFIG.build(seed=5), tmp_path / "half", dtype=torch.bfloat16)

    assert {t.dtype for t in load_file(tmp_path / "half" / WEIGHTS).values()} == {torch.bfloat16}
    assert load(tmp_path / "half").head.weight.dtype == torch.float32
    assert load(tmp_path / "half", dtype=torch.float64).head.weight.dtype == torch.float64


def test_a_saved_model_replaces_the_one_before(folder: Path) -> None:
    save(CONFIG.build(seed=6), folder)

    assert torch.equal(load(folder).head.weight, CONFIG.build(seed=6).head.weight)
    assert list(read_facts(folder)) == [DIGEST]


def test_a_folder_without_a_config_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is no model folder: it has no config.yaml. Pass the folder that pretrain wrote"):
        load(tmp_path)


def flip(path: Path) -> None:
    """Change one bit near the end of a file, so that it is whole and well formed all the same."""
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


def test_one_changed_bit_is_noticed_but_not_missed_where_none_was_noted(folder: Path) -> None:
    flip(folder / WEIGHTS)

    with pytest.raises(CheckpointError, match="model.safetensors' is not what was saved: its sha256 is not .*, as noted. Copy the folder"):
        load(folder)
    (folder / "provenance.json").write_text('{"corpus": "toy"}')
    assert logits(load(folder)).isfinite().all()


@pytest.mark.parametrize("kept_bytes", [0, 7, 1_000, -1])
def test_weights_cut_short_are_refused(folder: Path, kept_bytes: int) -> None:
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[:kept_bytes])

    with pytest.raises(CheckpointError, match=rf"{WEIGHTS}' is damaged or cut short \([\d,]+ bytes\): .* Copy it again, whole"):
        load(folder)


@pytest.mark.parametrize("name", [WEIGHTS, "vocabulary.json"])
def test_missing_files_are_named(folder: Path, name: str) -> None:
    (folder / name).unlink()

    with pytest.raises(CheckpointError, match=f"lacks {name}"):
        load(folder)


def test_another_vocabulary_is_refused_with_both_names(folder: Path) -> None:
    small = Vocabulary.named("dna-12")
    (folder / "vocabulary.json").write_text(json.dumps({"name": small.name, "digest": small.digest, "tokens": small.tokens}))

    with pytest.raises(CheckpointError) as caught:
        load(folder)

    assert str(caught.value) == (
        "This checkpoint was trained with vocabulary 'dna-12' (12 tokens); the model has 'joint-64' (64). "
        "Give it what was made with its own vocabulary."
    )
    check_vocabulary(folder, small)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "{}"])
def test_a_damaged_vocabulary_is_refused(folder: Path, text: str) -> None:
    (folder / "vocabulary.json").write_text(text)

    with pytest.raises(CheckpointError):
        load(folder)


def test_a_config_that_cannot_be_is_refused(folder: Path) -> None:
    (folder / "config.yaml").write_text("vocabulary: dna-13\nbackbone: {kind: transformer, layers: 2, width: 28, heads: 7, inner: 41}\n")

    with pytest.raises(ConfigError, match="There is no vocabulary 'dna-13'. Known: joint-64"):
        load(folder)


@pytest.mark.parametrize("change", ["spare", "missing", "shape"])
def test_weights_that_do_not_fit_the_config_are_named(folder: Path, change: str) -> None:
    tensors = load_file(folder / WEIGHTS)
    name = "backbone.norm.weight"
    if change == "spare":
        tensors["adapter.weight"], name = torch.zeros(3), "adapter.weight"
    elif change == "missing":
        del tensors[name]
    else:
        tensors[name] = torch.zeros(29)
    save_file(tensors, folder / WEIGHTS)
    (folder / "provenance.json").unlink()

    with pytest.raises(CheckpointError, match=f"do not fit its config.yaml: '{name}' is missing, spare or of another shape"):
        load(folder)


def test_tensors_without_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="lacks nothing.safetensors"):
        read_tensors(tmp_path / "nothing.safetensors")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path):
    with pytest.raises(
        CheckpointError, match="nothing/a.safetensors' cannot be written .* Check that its folder is writable and has room."
    ):
        write_tensors(tmp_path / "nothing" / "a.safetensors", {"a": torch.zeros(1)})
