"""Contexts of a fuser: codons read them, they read nothing, and what stands behind their end is never read."""

import numpy as np
import pytest
import torch

from biolect.fusion.fusers import FUSERS as KNOWN
from biolect.fusion.heads import FusionModel, Perceptron
from biolect.fusion.streams import CodonStreams, drop_streams, outputs_of
from biolect.train.fusing import Fit

INPUTS = {"dna-promoter": 4, "protein": 3, "rna": 5}
AROUND = ("dna-promoter",)
SMALL = Fit(width=8, gate_width=4, key_codons=1)
FUSERS = {kind: SMALL.model(kind, INPUTS, 1, contexts=AROUND).fuser for kind in KNOWN}
LENGTHS, NUCLEOTIDES = (7, 2, 4), (9, 30, 0)
EXACT = 1e-6


def streams(seed: int = 0) -> CodonStreams:
    rng = np.random.default_rng(seed)
    lengths = {"rna": LENGTHS, "protein": LENGTHS, "dna-promoter": NUCLEOTIDES}
    vectors = {name: [rng.normal(size=(n, INPUTS[name])).astype(np.float32) for n in own] for name, own in lengths.items()}
    return CodonStreams.fit(vectors, np.arange(3), AROUND)


every_fuser = pytest.mark.parametrize("fuser", FUSERS.values(), ids=FUSERS)


@every_fuser
def test_a_record_is_answered_alike_alone_and_beside_longer_contexts(fuser):
    model, own = FusionModel.Config(fuser=fuser).build(seed=1).eval(), streams()

    together = outputs_of(model, own).outputs

    assert own.lengths.tolist() == list(LENGTHS)
    for row in range(3):
        assert np.allclose(outputs_of(model, own, np.array([row])).outputs[0], together[row], atol=EXACT)


@every_fuser
def test_codons_read_a_context_and_one_that_is_masked_is_not_there(fuser):
    model, (values, masks) = (
        FusionModel.Config(fuser=fuser, head=Perceptron.Config(pools=False)).build(seed=1).eval(),
        streams().batch([0, 1]),
    )
    changed = values | {"dna-promoter": values["dna-promoter"] + torch.randn_like(values["dna-promoter"])}
    absent = masks | {"dna-promoter": torch.zeros_like(masks["dna-promoter"])}

    asked = values["dna-promoter"].clone().requires_grad_()
    answers, fused = model(values | {"dna-promoter": asked}, masks)
    slopes = [torch.autograd.grad(answers[0, codon].sum(), asked, retain_graph=True)[0][0] for codon in range(LENGTHS[0])]

    assert all(bool((slope[: NUCLEOTIDES[0]].abs().sum(1) > 0).all()) and not slope[NUCLEOTIDES[0] :].any() for slope in slopes)
    assert fused.mask.sum() == 9 and fused.values.shape[1] == 7
    assert not torch.equal(model(changed, masks)[0], model(values, masks)[0])
    assert torch.equal(model(changed, absent)[0], model(values, absent)[0])


def test_attention_reads_nucleotides_one_by_one_where_a_mean_cannot():
    moved = torch.zeros(1, 6, 4)
    moved[0, :2] = torch.eye(4)[:2] * 9
    other = torch.zeros(1, 6, 4)
    other[0, 0] = torch.eye(4)[:2].sum(0) * 9
    masks = {
        "rna": torch.ones(1, 3, dtype=torch.bool),
        "protein": torch.ones(1, 3, dtype=torch.bool),
        "dna-promoter": torch.ones(1, 6, dtype=torch.bool),
    }
    values = {"rna": torch.randn(1, 3, 5), "protein": torch.randn(1, 3, 3)}
    differences = {}
    for kind, fuser in FUSERS.items():
        model = FusionModel.Config(fuser=fuser).build(seed=0).eval()
        both = [model(values | {"dna-promoter": context}, masks)[0] for context in (moved, other)]
        differences[kind] = float((both[0] - both[1]).detach().abs().max())

    assert differences["attention"] > 1e-4 and max(differences["concatenation"], differences["mil"]) < EXACT


def test_a_context_is_dropped_like_any_stream_and_a_codon_stream_always_stays():
    masks = {
        "dna-promoter": torch.ones(500, 4, dtype=torch.bool),
        "rna": torch.ones(500, 3, dtype=torch.bool),
        "protein": torch.ones(500, 3, dtype=torch.bool),
    }

    kept = drop_streams(masks, 0.6, torch.Generator().manual_seed(0), AROUND)

    assert 0.3 < kept["dna-promoter"].any(1).float().mean() < 0.5
    assert (kept["rna"] | kept["protein"]).any(1).all()


def test_a_context_alone_is_a_stream_like_any_other():
    alone = streams().named({"dna-promoter": "dna-promoter"})

    assert alone.lengths.tolist() == list(NUCLEOTIDES) and not alone.around
    assert streams().shuffled("rna", 0).vectors["dna-promoter"][0].shape[1] == 4
