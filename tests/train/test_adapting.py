"""Adapters end to end through a fuser: fresh ones change no bit, all learn, what was learned is saved, and merged says the same."""

from pathlib import Path

import numpy as np
import pytest
import torch

from biolect.bio.sequence import Modality, Sequence
from biolect.embed.codons import CodonEncoder
from biolect.embed.door import load_encoder
from biolect.embed.fused_task import embedded
from biolect.embed.native import NativeEncoder
from biolect.embed.plain import OneHotEncoder
from biolect.errors import ConfigError
from biolect.fusion.fusers import GatedAttention
from biolect.fusion.heads import FusionModel, Linear
from biolect.fusion.streams import CodonStreams, outputs_of
from biolect.models import checkpoint
from biolect.train.adapting import AdaptedFusion
from tests.embed.conftest import outside_esm
from tests.evaluate.test_fusing import gene
from tests.infer.conftest import build

pytest.importorskip("peft")
RECORDS = [Sequence(gene(np.random.default_rng(i))[: 3 * n] + "TAA", Modality.DNA, str(i)) for i, n in enumerate((9, 4, 11))]
HALF_PRECISION = 5e-3


def fusion(folder: Path, scale: CodonStreams | None = None, rank: int | None = None) -> AdaptedFusion:
    """A native model reads DNA and RNA, an ESM-2 in its published layout the protein, which its file under the folder holds."""
    native, published = NativeEncoder(build()), load_encoder(f"esm2:{folder}")
    inner = {"dna": native, "rna": native, "protein": published}
    encoders = {name: CodonEncoder(one, Modality(name)) for name, one in inner.items()}
    if scale is None:
        scale = CodonStreams.fit(embedded(encoders, RECORDS, folder / "cache"), np.arange(3))
    model = FusionModel.Config(fuser=GatedAttention.Config(inputs=scale.widths, width=8, gate_width=4), head=Linear.Config()).build(seed=2)
    return AdaptedFusion(encoders, model.eval(), scale, rank)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("esm2")
    outside_esm(path)
    return path


def test_without_adapters_it_says_what_the_frozen_road_says(folder: Path):
    whole = fusion(folder)

    with torch.no_grad():
        answers = whole(RECORDS).numpy()

    assert np.abs(answers - outputs_of(whole.model, whole.scale).outputs).max() < HALF_PRECISION


def test_fresh_adapters_change_no_bit_and_gradients_reach_every_one_of_them(folder: Path):
    plain = fusion(folder)
    adapted = fusion(folder, plain.scale, rank=2)
    assert torch.equal(adapted(RECORDS), plain(RECORDS))

    adapted(RECORDS).square().sum().backward()

    trained = {name: weight for name, weight in adapted.named_parameters() if weight.requires_grad}
    moved = {name for name, weight in trained.items() if weight.grad is not None and weight.grad.any()}
    ups = [name for name in trained if "lora_B" in name]
    assert {name.split(".")[1] for name in ups} == {"0", "1"} and all(name in moved for name in ups)
    assert all("lora_" in name or name.startswith("model.") for name in trained)


def test_what_was_learned_is_saved_loaded_and_merged(folder: Path, tmp_path: Path):
    adapted = fusion(folder, rank=2)
    optimizer = torch.optim.Adam([weight for weight in adapted.parameters() if weight.requires_grad], lr=1e-2)
    targets, losses = torch.tensor([[1.0], [-1.0], [0.5]]), []
    for _ in range(8):
        losses.append(loss := (adapted(RECORDS) - targets).square().mean())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    with torch.no_grad():
        said = adapted(RECORDS)
    checkpoint.write_tensors(tmp_path / "learned.safetensors", adapted.learned())

    again = fusion(folder, adapted.scale, rank=2)
    missing = again.load_state_dict(checkpoint.read_tensors(tmp_path / "learned.safetensors"), strict=False)
    with torch.no_grad():
        loaded, merged = again(RECORDS), again.merge()(RECORDS)

    assert losses[-1] < losses[0] and not missing.unexpected_keys and not any("lora_" in name for name in missing.missing_keys)
    assert torch.equal(loaded, said) and (merged - said).abs().max() < 1e-4
    assert not any("lora_" in name for name in again.state_dict())


def test_an_encoder_without_weights_is_refused(folder: Path):
    encoders = {"dna": CodonEncoder(OneHotEncoder(Modality.DNA), Modality.DNA)}
    scale = CodonStreams.fit(embedded(encoders, RECORDS, folder / "plain"), np.arange(3))
    model = FusionModel.Config(fuser=GatedAttention.Config(inputs=scale.widths, width=8, gate_width=4)).build()

    with pytest.raises(ConfigError, match="The encoder of dna has no weights that could be adapted"):
        AdaptedFusion(encoders, model, scale, rank=2)
