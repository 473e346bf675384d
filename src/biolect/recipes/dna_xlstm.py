"""DNA-xLSTM: small models of DNA that read both strands, by hiding nucleotides and guessing them.

Source: arXiv:2411.04165; sizes and settings after the published scripts, which leave the layers of each size open
(ours: 6 or 12). There, intervals of the genome are lengthened and overlap across splits, models are chosen on the
test split, and random letters come from the whole vocabulary; here they do not.
"""

from typing import Literal

from biolect.data.document import Grammar
from biolect.models.language_model import LanguageModel
from biolect.models.xlstm import XLSTM
from biolect.objectives.causal import Causal
from biolect.objectives.masked import Masked
from biolect.train.curriculum import Folders, Phase, RunConfig, Simulated

Arm = Literal["augmented", "shared", "causal"]

SIZES = ("500k", "2m", "4m")
ARMS: dict[Arm, str] = {"augmented": "", "shared": "-shared", "causal": "-causal"}
"""Endings of the recipes' names. `augmented` sees either strand at random, and both may be asked of it (`--strands
both`, post-hoc conjoining); `shared` reads both with the same weights; `causal` says the next nucleotide."""

_STEP_TOKENS, _STEPS, _PASSES = 1 << 20, 10_000, 8


def dna_xlstm(size: str, arm: Arm = "augmented", context_tokens: int = 1_024) -> RunConfig:
    """Return the published run, 10.5 billion tokens; `scaled` makes it shorter.

    Args:
        size: 500k, 2m or 4m.
        context_tokens: 1,024, or 32,768 for the long variant.

    Raises:
        ConfigError: If there is no such size.
    """
    return _of(
        f"dna-xlstm-{size}{ARMS[arm]}{'-32k' if context_tokens == 32_768 else ''}",
        XLSTM.Config.named(f"dna-{size}"),
        arm,
        _STEPS * _STEP_TOKENS,
        corpora=Folders(),
        context_tokens=context_tokens,
        batch_tokens=_STEP_TOKENS,
        accumulation=_PASSES,
        evaluate_tokens=200 * _STEP_TOKENS,
        checkpoint_tokens=200 * _STEP_TOKENS,
        valid_tokens=4 * _STEP_TOKENS,
    )


def dna_xlstm_tiny(arm: Arm = "augmented") -> RunConfig:
    """Return a run on a simulated organism, under a minute on two cores; of mLSTM blocks, whose chunks are quick without an accelerator."""
    return _of(
        f"dna-xlstm-tiny{ARMS[arm]}",
        XLSTM.Config(layers=2, width=64, heads=4, pattern="m", direction="bidirectional"),
        arm,
        120_000,
        corpora=Simulated(seed=0),
        context_tokens=256,
        batch_tokens=4_096,
        dtype="float32",
        log_steps=5,
        evaluate_tokens=40_000,
        checkpoint_tokens=40_000,
        valid_tokens=15_000,
    )


def _of(name: str, backbone: XLSTM.Config, arm: Arm, tokens: int, **settings: object) -> RunConfig:
    """Return a run of one arm: what strands and sides a model reads, and what it is asked."""
    rates, warmup = (8e-3, 1e-4), tokens // 10
    phase = Phase(name="R1", mixture={"single.dna": 1.0}, tokens=tokens, learning_rate=rates, warmup_tokens=warmup, decay="cosine")
    if arm == "causal":
        backbone = backbone.model_copy(update={"direction": "causal"})
    model = LanguageModel.Config(vocabulary="dna-12", backbone=backbone, strands="shared" if arm == "shared" else "single")
    return RunConfig(
        name=name,
        model=model,
        phases=(phase,),
        grammar=Grammar(tags=False, positions="ordinary"),
        objective=Causal.Config() if arm == "causal" else Masked.Config(),
        reverse_complement=0.0 if arm == "shared" else 0.5,
        **settings,  # pyright: ignore[reportArgumentType] -- fields of the same class
    )
