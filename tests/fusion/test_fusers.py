"""Fusers keep what must not change: padding, order of names, absent streams; and have the paper's number of weights."""

import math
from typing import Any, get_args, get_type_hints

import pytest
import torch

from biolect.cli.fuse import fuse
from biolect.errors import ShapeError
from biolect.fusion.fusers import FUSERS as KNOWN, Concatenation, CrossAttention, FuserKind, GatedAttention, _averaged, mean_entropy
from biolect.fusion.heads import AttentionPool, FusionModel, Linear, Perceptron, TextCNN
from biolect.fusion.streams import drop_streams
from biolect.train.fusing import Fit

INPUTS = {"dna": 7, "rna": 5, "protein": 3}
SMALL = Fit(width=8, gate_width=4, key_codons=1)
FUSERS = [
    Concatenation.Config(inputs=INPUTS, projected_width=6),
    CrossAttention.Config(inputs=INPUTS, width=8, heads=2, marks_streams=True),
    *(SMALL.model(kind, INPUTS, 1).fuser for kind in KNOWN),
]
HEADS = [TextCNN.Config(channels=4), AttentionPool.Config(inner=4), Linear.Config(), Perceptron.Config(inner=4)]
EXACT = 1e-6


def test_every_fuser_can_be_named_on_the_command_line():
    words = get_args(get_type_hints(fuse)["fuser"])

    assert set(words) == {*KNOWN, "late", "all"} and get_args(FuserKind) == tuple(KNOWN)


def batch(lengths=(11, 2, 6), seed=0, inputs=INPUTS):
    """Streams with zeros behind their ends."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    streams = {n: torch.randn(len(lengths), max(lengths), w, generator=generator) * mask[..., None] for n, w in inputs.items()}
    return streams, dict.fromkeys(inputs, mask)


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.kind)
@pytest.mark.parametrize("fuser", FUSERS, ids=lambda fuser: fuser.kind)
def test_padding_and_neighbours_change_nothing(fuser, head):
    model = FusionModel.Config(fuser=fuser, head=head, outputs=2).build().eval()
    streams, masks = batch()
    together, fused = model(streams, masks)

    for row, length in enumerate((11, 2, 6)):
        alone, _ = model(*({n: x[row : row + 1, :length] for n, x in part.items()} for part in (streams, masks)))
        torch.testing.assert_close(together[row], alone[0], atol=EXACT, rtol=EXACT)
    assert (fused.values[1, 2:] == 0).all() and fused.mask.sum() == 19


@pytest.mark.parametrize("fuser", FUSERS, ids=lambda fuser: fuser.kind)
def test_what_is_written_behind_a_mask_is_never_read(fuser):
    model = FusionModel.Config(fuser=fuser).build().eval()
    streams, masks = batch()
    written = {name: torch.where(masks[name][..., None], x, torch.full_like(x, 9.0)) for name, x in streams.items()}

    torch.testing.assert_close(model(written, masks)[0], model(streams, masks)[0], atol=EXACT, rtol=EXACT)


@pytest.mark.parametrize("fuser", FUSERS, ids=lambda fuser: fuser.kind)
def test_the_order_in_which_encoders_are_named_changes_nothing(fuser):
    turned = fuser.model_copy(update={"inputs": dict(reversed(INPUTS.items()))})
    streams, masks = batch()

    first, second = (FusionModel.Config(fuser=one).build(seed=3).eval() for one in (fuser, turned))

    assert torch.equal(first(streams, masks)[0], second(dict(reversed(streams.items())), masks)[0])


@pytest.mark.parametrize("fuser", FUSERS, ids=lambda fuser: fuser.kind)
def test_an_absent_stream_says_nothing_and_a_masked_codon_of_one_stream_is_no_padding(fuser):
    model = FusionModel.Config(fuser=fuser).build().eval()
    streams, masks = batch()
    absent = masks | {"protein": torch.zeros_like(masks["protein"])}
    no_stop = masks | {"protein": masks["protein"] & (torch.arange(11) < 5)}

    one, fused = model(streams, absent)
    other, _ = model(streams | {"protein": torch.randn_like(streams["protein"])}, absent)

    assert torch.equal(one, other) and torch.equal(fused.mask, masks["dna"])
    assert torch.equal(model(streams, no_stop)[1].mask, masks["dna"])
    if fused.weights is not None:
        assert (fused.weights[:, 1] == 0).all()


def test_equal_streams_under_equal_weights_share_evenly():
    fuser = GatedAttention.Config(inputs=dict.fromkeys("abc", 5), width=8, gate_width=4).build()
    for part in (fuser.project, fuser.value, fuser.gate):
        for name in "bc":
            part[name].load_state_dict(part["a"].state_dict())
    streams, masks = batch(inputs=dict.fromkeys("abc", 5))

    fused = fuser(dict.fromkeys("abc", streams["a"]), masks)

    torch.testing.assert_close(fused.weights, torch.full((3, 3), 1 / 3))
    assert fused.entropy.item() == pytest.approx(math.log(3), abs=EXACT)


def test_permuted_streams_with_their_weights_permute_the_shares():
    inputs = dict.fromkeys("abc", 5)
    first, second = (GatedAttention.Config(inputs=inputs, width=8, gate_width=4).build() for _ in range(2))
    second.load_state_dict(first.state_dict())
    for part in ("project", "value", "gate"):
        for old, new in zip("abc", "bca", strict=True):
            getattr(second, part)[new].load_state_dict(getattr(first, part)[old].state_dict())
    streams, masks = batch(inputs=inputs)

    shares = first(streams, masks).weights
    permuted = second({new: streams[old] for old, new in zip("abc", "bca", strict=True)}, masks).weights

    torch.testing.assert_close(permuted, shares[:, [2, 0, 1]])


@pytest.mark.parametrize("entropy_weight", [0.0, 1.0])
def test_a_positive_entropy_weight_sharpens(entropy_weight):
    fuser = GatedAttention.Config(inputs=INPUTS, width=8, gate_width=4).build()
    streams, masks = batch()
    optimizer = torch.optim.Adam(fuser.parameters(), lr=0.02)
    before = fuser(streams, masks).entropy.item()
    for _ in range(30):
        fused = fuser(streams, masks)
        (0 * fused.values.sum() + entropy_weight * fused.entropy).backward()
        optimizer.step()
        optimizer.zero_grad()

    after = fuser(streams, masks).entropy.item()

    assert after < before - 0.3 if entropy_weight else after == pytest.approx(before, abs=1e-5)


def test_a_clamped_temperature_keeps_its_gradient():
    fuser: Any = GatedAttention.Config(inputs=INPUTS, temperature=50.0).build()
    streams, masks = batch()

    fuser(streams, masks).entropy.backward()

    assert fuser.temperature.item() == pytest.approx(20) and fuser.theta.grad.abs() > 0


def test_no_gradient_is_broken_by_a_weight_of_zero():
    weights: Any = torch.tensor([[1.0, 0.0]], requires_grad=True)

    mean_entropy(weights).backward()

    assert weights.grad.isfinite().all()


@pytest.mark.parametrize(
    ("dna", "build", "parameters"),
    [
        (4_107, GatedAttention.Config, 3_402_701),
        (512, GatedAttention.Config, 1_245_701),
        (4_107, CrossAttention.Config, 8_454_600),
        (512, CrossAttention.Config, 6_297_600),
        (4_107, Concatenation.Config, 4_107 * 512 + 512),
    ],
)
def test_weights_are_as_many_as_the_paper_has(dna, build, parameters):
    with torch.device("meta"):
        fuser = build(inputs={"dna": dna, "rna": 640, "protein": 320}).build()

    assert sum(p.numel() for p in fuser.parameters()) == parameters


def test_streams_are_dropped_at_a_rate_and_never_all_of_them():
    masks = {name: torch.ones(2_000, 2, dtype=torch.bool) for name in INPUTS}
    masks["rna"][:1_000] = False

    dropped = drop_streams(masks, 0.5, torch.Generator().manual_seed(0))

    assert torch.stack(list(dropped.values())).any(2).any(0).all()
    assert not dropped["rna"][:1_000].any()
    # Of three, one eighth would lose all and gets one back: 1/2 + 1/8 * 1/3.
    assert dropped["dna"][1_000:, 0].float().mean().item() == pytest.approx(0.5 + 1 / 24, abs=0.05)
    assert all(torch.equal(drop_streams(masks, 0.0, torch.Generator())[name], masks[name]) for name in masks)


def test_streams_of_another_name_are_refused():
    with pytest.raises(ShapeError, match="This fuser reads dna, protein, rna, not dna, rna"):
        streams, masks = batch(inputs={"dna": 7, "rna": 5})
        FUSERS[0].build()(streams, masks)


def test_keys_of_one_codon_are_the_codons_and_averages_skip_what_is_masked():
    values, mask = torch.arange(12.0).reshape(1, 6, 2), torch.tensor([[True, True, False, True, False, False]])

    assert _averaged(values, mask, 1)[0] is values
    found, there = _averaged(values, mask, 4)

    assert torch.equal(found[0, 0], values[0, [0, 1, 3]].mean(0)) and there.tolist() == [[True, False]]
