"""DNA-xLSTM: published sizes and settings, and arms that differ in nothing but what they are named for."""

import pytest
import torch

from biolect.models.language_model import LanguageModel
from biolect.objectives.masked import Masked
from biolect.recipes import named, names
from biolect.recipes.dna_xlstm import ARMS, SIZES, dna_xlstm, dna_xlstm_tiny


@pytest.mark.parametrize(("size", "parameters"), [("500k", 0.523e6), ("2m", 2.10e6), ("4m", 4.20e6)])
def test_sizes_are_those_they_are_named_for(size: str, parameters: float) -> None:
    with torch.device("meta"):
        model = LanguageModel(dna_xlstm(size).model)

    assert model.num_parameters == pytest.approx(parameters, rel=0.02)


def test_the_run_is_the_published_one() -> None:
    config = named("dna-xlstm-2m")
    (phase,) = config.phases

    assert (config.context_tokens, config.batch_tokens, phase.tokens // config.batch_tokens) == (1_024, 1_048_576, 10_000)
    assert phase.rate_at(phase.warmup_tokens) == 8e-3 and phase.rate_at(phase.tokens) == pytest.approx(1e-4)
    assert phase.rate_at((phase.warmup_tokens + phase.tokens) / 2) == pytest.approx((8e-3 + 1e-4) / 2)
    assert isinstance(config.objective, Masked.Config)
    assert (config.objective.kind, config.objective.rate, config.model.vocabulary) == ("masked", 0.15, "dna-12")
    long = named("dna-xlstm-4m-32k")
    assert (long.context_tokens, long.batch_tokens // long.context_tokens) == (32_768, 32)


@pytest.mark.parametrize("size", [*SIZES, "tiny"])
def test_arms_differ_in_strands_and_sides(size: str) -> None:
    arms = {arm: dna_xlstm_tiny(arm) if size == "tiny" else named(f"dna-xlstm-{size}{ending}") for arm, ending in ARMS.items()}

    found = {arm: (c.model.strands, c.model.backbone.direction, c.objective.kind, c.reverse_complement) for arm, c in arms.items()}

    assert found == {
        "augmented": ("single", "bidirectional", "masked", 0.5),
        "shared": ("shared", "bidirectional", "masked", 0.0),
        "causal": ("single", "causal", "causal", 0.5),
    }


def test_the_names_of_the_contract_are_known() -> None:
    assert {"dna-xlstm-500k", "dna-xlstm-2m", "dna-xlstm-4m", "dna-xlstm-tiny"} <= set(names())
