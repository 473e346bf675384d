"""Explanations keep their laws, and find a rule that was planted."""

from itertools import permutations

import pytest
import torch

from biolect.explain.attribution import (
    codon_occlusion,
    deletion_curve,
    integrated_gradients,
    modality_occlusion,
    modality_permutation,
    modality_shapley,
    without,
)
from biolect.fusion.fusers import Concatenation, GatedAttention, masked_mean
from biolect.fusion.heads import FusionModel, Perceptron, TextCNN
from biolect.fusion.streams import drop_streams

NAMES: tuple[str, ...] = ("dna", "protein", "rna")
ALPHABET = 6
GOOD, BAD = 2, 4


def batch(rows=8, positions=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(positions) < torch.randint(5, positions + 1, (rows, 1), generator=generator)
    streams = {name: torch.randn(rows, positions, 3, generator=generator) for name in NAMES}
    return streams, dict.fromkeys(NAMES, mask)


def rule(streams, masks):
    """A number with an interaction: dna + rna * protein of the mean first channels."""
    dna, protein, rna = (masked_mean(streams[name], masks[name])[:, 0] for name in NAMES)
    return dna + rna * protein


@pytest.fixture(scope="module")
def model():
    return FusionModel.Config(fuser=GatedAttention.Config(inputs=dict.fromkeys(NAMES, 3), width=8, gate_width=4)).build().eval()


def test_shapley_values_equal_the_mean_over_all_orders():
    streams, masks = batch()
    expected = {name: torch.zeros(8) for name in NAMES}
    for order in permutations(NAMES):
        for i, name in enumerate(order):
            after, before = (rule(streams, without(masks, set(order[k:]))) for k in (i + 1, i))
            expected[name] += (after - before) / 6

    found = modality_shapley(rule, streams, masks)

    for name in NAMES:
        torch.testing.assert_close(found[name], expected[name])
    # What two do together is shared evenly.
    torch.testing.assert_close(found["rna"], found["protein"])


def test_shapley_values_of_a_fused_model_add_up(model):
    streams, masks = batch()

    def predict(streams, masks):
        return model(streams, masks)[0][:, 0]

    total = sum(modality_shapley(predict, streams, masks).values())

    nothing = predict(streams, without(masks, set(NAMES)))
    torch.testing.assert_close(total, (predict(streams, masks) - nothing).detach())


def test_a_stream_that_says_nothing_is_worth_nothing_by_every_way_of_asking():
    streams, masks = batch()

    def deaf(streams, masks):
        return rule(streams, masks | {"protein": torch.zeros_like(masks["protein"])})

    for found in (
        modality_shapley(deaf, streams, masks),
        modality_occlusion(deaf, streams, masks),
        modality_permutation(deaf, streams, masks, torch.arange(8).roll(1)),
    ):
        assert found["protein"].abs().max() < 1e-6 and found["dna"].abs().max() > 0.01


def test_integrated_gradients_add_up_and_are_zero_on_padding(model):
    streams, masks = batch()

    def predict(streams, masks):
        return model(streams, masks)[0][:, 0]

    found = integrated_gradients(predict, streams, masks, steps=300)

    zero = predict({name: torch.zeros_like(x) for name, x in streams.items()}, masks)
    torch.testing.assert_close(found.sum((1, 2)), (predict(streams, masks) - zero).detach(), atol=2e-3, rtol=2e-3)
    assert found[~masks["dna"]].abs().max() == 0


def test_occlusion_of_a_codon_equals_the_model_without_it(model):
    streams, masks = batch()

    def predict(streams, masks):
        return model(streams, masks)[0][:, 0]

    found = codon_occlusion(predict, streams, masks)
    hidden = masks["rna"].clone()
    hidden[:, 3] = False

    torch.testing.assert_close(found[:, 3, 2], (predict(streams, masks) - predict(streams, masks | {"rna": hidden})).detach())
    assert found[~masks["dna"]].abs().max() < 1e-6
    assert codon_occlusion(predict, streams, masks, together=True).shape == (8, 12, 1)


@pytest.fixture(scope="module")
def planted():
    """A model that learned a rule of RNA codons: the share of GOOD minus the share of BAD. DNA and protein are noise."""
    generator = torch.Generator().manual_seed(0)
    codons = torch.randint(0, ALPHABET, (256, 20), generator=generator)
    mask = torch.arange(20) < torch.randint(10, 21, (256, 1), generator=generator)
    streams = {name: torch.randn(256, 20, 3, generator=generator) for name in ("dna", "protein")}
    streams["rna"] = torch.nn.functional.one_hot(codons, ALPHABET).float()
    masks = dict.fromkeys(NAMES, mask)
    targets = ((codons == GOOD).float() - (codons == BAD).float()).mul(mask).sum(1) / mask.sum(1)
    inputs = {"dna": 3, "protein": 3, "rna": ALPHABET}
    model = FusionModel.Config(fuser=Concatenation.Config(inputs=inputs, projected_width=4), head=Perceptron.Config(inner=16)).build()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(150):
        outputs, _ = model(streams, drop_streams(masks, 0.2, generator))
        (((outputs[:, 0] - targets) * 5) ** 2).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()
    return lambda s, m: model(s, m)[0][:, 0], streams, masks, codons


def test_a_planted_rule_is_found_in_its_stream(planted):
    predict, streams, masks, _ = planted

    found = {name: values.abs().mean().item() for name, values in modality_shapley(predict, streams, masks).items()}

    assert found["rna"] > 5 * max(found["dna"], found["protein"])


@pytest.mark.parametrize("way", ["gradients", "occlusion"])
def test_planted_codons_rank_first_and_last(planted, way):
    predict, streams, masks, codons = planted

    scores = (integrated_gradients if way == "gradients" else codon_occlusion)(predict, streams, masks)[..., 2]
    means = torch.stack([scores[masks["rna"] & (codons == codon)].mean() for codon in range(ALPHABET)])

    assert means.argmax() == GOOD and means.argmin() == BAD
    assert means[GOOD] > 3 * means[[c for c in range(ALPHABET) if c not in (GOOD, BAD)]].abs().max()


def test_deleting_what_an_explanation_names_lowers_the_answer_faster_than_chance(planted):
    predict, streams, masks, _ = planted
    scores = integrated_gradients(predict, streams, masks)[..., 2]
    chance = torch.rand(scores.shape, generator=torch.Generator().manual_seed(0))

    named, drawn = (deletion_curve(predict, streams, masks, s, (0.0, 0.1, 0.3)).mean(0) for s in (scores, chance))

    torch.testing.assert_close(named[0], drawn[0])
    assert named[1] < drawn[1] - 0.05 and named[2] < named[1]


def test_streams_that_are_spelled_alike_are_explained_alike():
    """A model of proteins alone is unchanged by a synonymous recoding, exactly; only the other streams may change."""
    streams, masks = batch()
    model = FusionModel.Config(fuser=Concatenation.Config(inputs={"protein": 3}), head=TextCNN.Config(channels=4)).build().eval()

    def predict(streams, masks):
        return model({"protein": streams["protein"]}, {"protein": masks["protein"]})[0][:, 0]

    recoded = streams | {"rna": torch.randn_like(streams["rna"]), "dna": torch.randn_like(streams["dna"])}

    assert torch.equal(predict(streams, masks), predict(recoded, masks))
    assert torch.equal(integrated_gradients(predict, streams, masks), integrated_gradients(predict, recoded, masks))
