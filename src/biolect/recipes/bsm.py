"""BSM: small decoders over DNA, RNA and protein in one context, pretrained in three rounds.

Source: arXiv:2410.11499. Sizes, budgets, mixtures and learning rates as published; optimizer, warm-up,
feed-forward and everything else the paper leaves open are ours. The published step counts fit the token
budgets only if a step holds twice the stated batch; the tokens are taken as true.
"""

from typing import Literal

from biolect.errors import ConfigError
from biolect.models.language_model import LanguageModel
from biolect.models.transformer import Transformer
from biolect.train.curriculum import Folders, Phase, RunConfig, Simulated

BILLION = 10**9
UNIQUE_TOKENS = {"single": 220 * BILLION, "genes": 9_200_000_000, "related": 8_300_000_000, "interleaved": 33_000_000}
"""Published sizes of the sources; with the budgets they make 1.0, 2.75, 1.60 and 403 passes."""

TUNED = 30
"""The published learning rates are 20 to 30 times below what is usual at this size; the tuned arm multiplies them."""

_ROWS = {"nano": 16, "micro": 128, "mini": 256, "110m": 8_192, "270m": 2_048}
_PASSES = {"nano": 1, "micro": 4, "mini": 8, "110m": 128, "270m": 64}
_CONTEXT = 1_024


def bsm(size: str, arm: Literal["published", "tuned"] = "published") -> RunConfig:
    """Return the three rounds in full, 271.9 billion tokens; `scaled` makes them shorter.

    Args:
        size: nano, micro, mini, 110m or 270m.
        arm: Learning rates as published, or 30 times that.

    Raises:
        ConfigError: If there is no such size.
    """
    backbone = Transformer.Config.named(size)
    factor = 1 if arm == "published" else TUNED
    rows = _ROWS[size]
    rounds = (
        ("R1", {"single": 100.0}, (2e-5, 1e-5), BILLION),
        ("R2", {"single": 120.0, "genes": 24.0, "related": 12.0}, (1e-5, 1e-7), 0),
        ("R3", {"genes": 1.3, "related": 1.3, "interleaved": 13.3}, (1e-6, 0.0), 50 * rows * _CONTEXT),
    )
    phases: list[Phase] = []
    for name, mixture, rates, warmup in rounds:
        tokens, (first, last) = round(sum(mixture.values()) * BILLION), (round(rate * factor, 12) for rate in rates)
        phases.append(Phase(name=name, mixture=mixture, tokens=tokens, learning_rate=(first, last), warmup_tokens=warmup))
    return RunConfig(
        name=f"bsm-{size}",
        model=LanguageModel.Config(backbone=backbone),
        corpora=Folders(),
        phases=tuple(phases),
        unique_tokens=UNIQUE_TOKENS,
        context_tokens=_CONTEXT,
        batch_tokens=rows * _CONTEXT,
        accumulation=_PASSES[size],
        evaluate_tokens=5 * BILLION,
        checkpoint_tokens=5 * BILLION,
        valid_tokens=20_000_000,
    )


def bsm_small(size: Literal["nano", "micro", "mini"]) -> RunConfig:
    """Return a size of ours on the tuned arm, over as many tokens as such a model is worth.

    Shares of rounds and repetition of sources are those of the full run.
    """
    return bsm(size, "tuned").scaled({"nano": 20_000_000, "micro": 4 * BILLION, "mini": 4 * BILLION}[size])


def bsm_tiny() -> RunConfig:
    """Return three rounds on a simulated organism, under a minute on two cores.

    The organism has no related or interleaved records, so pairs of views stand for all paired data.
    """
    single, paired = {"single": 1.0}, {"single": 10.0, "genes": 3.0}
    return RunConfig(
        name="bsm-tiny",
        model=LanguageModel.Config(backbone=Transformer.Config(layers=2, width=64, heads=2, inner=256)),
        corpora=Simulated(seed=0),
        phases=(
            Phase(name="R1", mixture=single, tokens=120_000, learning_rate=(3e-3, 1.5e-3), warmup_tokens=20_000),
            Phase(name="R2", mixture=paired, tokens=190_000, learning_rate=(1.5e-3, 3e-4)),
            Phase(name="R3", mixture={"genes": 1.0}, tokens=20_000, learning_rate=(3e-4, 0.0)),
        ),
        context_tokens=512,
        batch_tokens=4_096,
        dtype="float32",
        log_steps=5,
        evaluate_tokens=40_000,
        checkpoint_tokens=40_000,
        valid_tokens=15_000,
    )


def rounds_of(config: RunConfig) -> dict[str, Phase]:
    """Return the phases of a config by name.

    Raises:
        ConfigError: If it does not have the three rounds.
    """
    phases = {phase.name: phase for phase in config.phases}
    if list(phases) != ["R1", "R2", "R3"]:
        raise ConfigError(f"Three rounds R1, R2 and R3 are needed; '{config.name}' has {', '.join(phases)}. Start from a bsm recipe.")
    return phases
