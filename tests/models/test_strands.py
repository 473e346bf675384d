"""Shared strands: a molecule and its reverse complement get one answer, for any weights."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from biolect.errors import AlphabetError, ConfigError
from biolect.infer.predict import Predictor
from biolect.models.backbone import Backbone
from biolect.models.language_model import LanguageModel
from biolect.models.transformer import Transformer
from biolect.models.xlstm import XLSTM
from biolect.tokens.vocabulary import Vocabulary

FLOAT64 = 1e-12
ROUNDING_OF_ANGLES = 1e-9
COMPLEMENT = torch.from_numpy(Vocabulary.named("dna-12").complement_ids.astype("int64"))


def xlstm(pattern: str, heads: int = 2, **settings: object) -> XLSTM.Config:
    sizes = {"layers": 2, "width": 16, "heads": heads, "pattern": pattern, "inner": 24, "chunk_length": 7, "direction": "bidirectional"}
    return XLSTM.Config.model_validate(sizes | settings)


class Apart(torch.nn.Module):
    """A backbone that reads each strand by itself: only rows of equal number are sure to be computed alike to the bit."""

    def __init__(self, whole: Backbone) -> None:
        super().__init__()
        self.whole, self.width = whole, whole.width

    def forward(self, *rows: Tensor | None) -> Tensor:
        here, there = ([None if row is None else row.chunk(2)[strand] for row in rows] for strand in range(2))
        return torch.cat([self.whole(*here), self.whole(*there)])


def build(backbone: XLSTM.Config | Transformer.Config, *, apart: bool) -> LanguageModel:
    """A model in float64, no weight of it zero."""
    model = LanguageModel.Config(vocabulary="dna-12", backbone=backbone, strands="shared").build(seed=1).double()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator, dtype=weight.dtype), alpha=0.3)
    if apart:
        model.add_module("backbone", Apart(model.backbone))
    return model


def rows(length: int, *, packed: bool) -> tuple[Tensor, Tensor, Tensor | None]:
    generator = torch.Generator().manual_seed(length)
    token_ids = torch.randint(0, 12, (3, length), generator=generator)
    cut = length // 3
    layout = [[1] * length, [1] * cut + [2] * (length - cut), [1] * cut + [2] * cut + [0] * (length - 2 * cut)]
    return token_ids, torch.arange(length).repeat(3, 1), torch.tensor(layout) if packed else None


def other_strand(token_ids: Tensor, positions: Tensor, segment_ids: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    return COMPLEMENT[token_ids].flip(1), -positions.flip(1), None if segment_ids is None else segment_ids.flip(1)


def worst(model: LanguageModel, length: int, *, packed: bool) -> float:
    """Largest difference between what the two strands say of the same places."""
    seen = rows(length, packed=packed)
    with torch.no_grad():
        here, there = model(*seen), model(*other_strand(*seen)).flip(1)[..., COMPLEMENT]
    real = slice(None) if seen[2] is None else seen[2] > 0
    assert here[real].abs().max() > 0.1
    return float((here - there)[real].abs().max())


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("length", [1, 8, 23])
@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize("pattern", ["m", "s", "ms"])
def test_the_other_strand_gives_the_complementary_logits_in_reverse_bit_for_bit(
    pattern: str, heads: int, length: int, packed: bool
) -> None:
    backbone = xlstm(pattern, heads)

    assert worst(build(backbone, apart=True), length, packed=packed) == 0
    assert worst(build(backbone, apart=False), length, packed=packed) < FLOAT64


@pytest.mark.parametrize(
    "backbone",
    [
        xlstm("m", rotary="full"),
        xlstm("ms", rotary="per_head"),
        xlstm("m", direction="two_sided"),
        Transformer.Config(layers=2, width=16, heads=2, inner=24, direction="bidirectional"),
    ],
    ids=["rotary-full", "rotary-per-head", "two-sided", "transformer"],
)
@pytest.mark.parametrize("packed", [False, True])
def test_so_it_is_with_positions_and_other_ways_to_read_both_sides(backbone: XLSTM.Config | Transformer.Config, packed: bool) -> None:
    assert worst(build(backbone, apart=True), 23, packed=packed) == 0
    assert worst(build(backbone, apart=False), 23, packed=packed) < FLOAT64


def test_where_only_distances_matter_both_strands_may_count_from_the_left() -> None:
    model = build(xlstm("ms", rotary="per_head"), apart=True)
    token_ids, positions, _ = rows(23, packed=False)

    here, there = model(token_ids, positions), model(COMPLEMENT[token_ids].flip(1), positions)

    torch.testing.assert_close(there.flip(1)[..., COMPLEMENT], here, rtol=0, atol=ROUNDING_OF_ANGLES)


def test_one_call_over_twice_the_rows_equals_two_calls_gradients_included() -> None:
    models = [build(xlstm("ms"), apart=apart) for apart in (True, False)]
    seen = rows(19, packed=True)
    assert seen[2] is not None

    gradients = []
    for model in models:
        model(*seen)[seen[2] > 0].square().sum().backward()
        gradients.append([weight.grad for weight in model.parameters()])

    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_both_strands_pool_to_the_same_vector_which_is_the_mean_of_the_two() -> None:
    model = build(xlstm("s", 4), apart=True)
    token_ids, positions, segment_ids = rows(22, packed=True)
    assert segment_ids is not None
    there = other_strand(token_ids, positions, segment_ids)

    with torch.no_grad():
        owners, predictor = torch.arange(len(token_ids)), Predictor(model, 3).double()
        pooled, pooled_there = (
            predictor(a, b, c, c > 0, owners) for a, b, c in ((token_ids, positions, segment_ids), there) if c is not None
        )
        strands = [model.backbone(model.embedding(ids), at, segments) for ids, at, segments in ((token_ids, positions, segment_ids), there)]

    real = (segment_ids > 0)[..., None]
    each = [(hidden * mask).sum(1) / mask.sum(1) for hidden, mask in zip(strands, (real, real.flip(1)), strict=True)]
    torch.testing.assert_close(pooled, predictor.head((each[0] + each[1]) / 2), rtol=0, atol=FLOAT64)
    torch.testing.assert_close(pooled_there, pooled, rtol=0, atol=FLOAT64)


def test_shared_strands_have_the_parameters_of_a_single_one() -> None:
    single, shared = (
        LanguageModel.Config(vocabulary="dna-12", backbone=xlstm("s"), strands=strands).build() for strands in ("single", "shared")
    )

    assert shared.num_parameters == single.num_parameters
    assert set(shared.state_dict()) == set(single.state_dict())
    token_ids, positions, _ = rows(8, packed=False)
    assert not torch.equal(single(token_ids, positions), shared(token_ids, positions))


def test_a_causal_backbone_or_letters_without_a_complement_are_refused() -> None:
    with pytest.raises(ConfigError, match="strands = 'shared' needs a backbone that reads both ways: to a causal one"):
        LanguageModel.Config.from_dict({"vocabulary": "dna-12", "strands": "shared", "backbone": xlstm("s", direction="causal").to_dict()})
    with pytest.raises(ConfigError, match="'joint-64' has residues without a complementary strand. Choose another vocabulary"):
        LanguageModel.Config(backbone=xlstm("s"), strands="shared").build()


def test_a_vocabulary_of_another_modality_has_no_complement() -> None:
    assert COMPLEMENT[7:].tolist() == [10, 9, 8, 7, 11] and COMPLEMENT[:7].tolist() == [0, 2, 1, 3, 4, 5, 6]
    with pytest.raises(AlphabetError, match="Vocabulary 'prot-38' has no dna residues"):
        _ = Vocabulary.named("prot-38").complement_ids
