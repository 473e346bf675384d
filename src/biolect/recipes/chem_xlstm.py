"""Chem-xLSTM: molecules as SMILES, alone and in the context of their domain.

Source: arXiv:2411.04165, mLSTM blocks only. Sizes, batches, warm-ups and lengths as published; the rate of
molecules alone is 1e-3 instead of 5e-3, which is high without dropout, and the budgets are ours, because
published runs end by patience. Molecules of a domain are joined by a separator of their own, where the
published model uses the dot that also stands between the parts of a salt.
"""

from typing import Any

from biolect.data.document import Grammar
from biolect.data.molecules import VOCABULARY
from biolect.models.language_model import LanguageModel
from biolect.models.xlstm import XLSTM
from biolect.train.curriculum import Folders, Phase, RunConfig, Simulated
from biolect.train.optimizer import AdamW

MOLECULE_TOKENS = 47
"""Mean tokens of a molecule of ChEMBL 31, counted over 50,000."""


def _run(name: str, backbone: XLSTM.Config, mixture: dict[str, float], tokens: int, phase: dict[str, Any], **settings: Any) -> RunConfig:
    return RunConfig(
        name=name,
        model=LanguageModel.Config(vocabulary=VOCABULARY, backbone=backbone),
        phases=(Phase(name="molecules", mixture=mixture, tokens=tokens, decay="cosine", **phase),),
        single_shares={"molecule": 1.0},
        grammar=Grammar(tags=False, positions="ordinary"),
        optimizer=AdamW(betas=(0.9, 0.999), weight_decay=0.0),
        **settings,
    )


def chem_xlstm(in_context: bool = False) -> RunConfig:
    """Return a run of the published size.

    Args:
        in_context: Domains, their molecules in an order of its own every time: rows of 2,048 tokens, 32 to a step.
            Otherwise molecules alone: 20 passes over 1.9 million, some 1,024 of them to a step.
    """
    rows, context = (32, 2_048) if in_context else (512, 100)
    tokens = 1_000_000_000 if in_context else 20 * 1_900_000 * MOLECULE_TOKENS
    warmup = 400 * rows * context if in_context else 4_000 * 1_024 * MOLECULE_TOKENS
    return _run(
        "chem-xlstm-15m-context" if in_context else "chem-xlstm-15m",
        XLSTM.Config.named("chem-15m"),
        {"domains" if in_context else "single": 1.0},
        tokens,
        {"learning_rate": (1e-3, 0.0), "warmup_tokens": warmup},
        corpora=Folders(),
        context_tokens=context,
        batch_tokens=rows * context,
        accumulation=4 if in_context else 1,
        evaluate_tokens=50_000_000,
        checkpoint_tokens=50_000_000,
        valid_tokens=2_500_000,
    )


def chem_xlstm_tiny() -> RunConfig:
    """Return molecules alone and in context on simulated domains, under a minute on two cores; needs RDKit for the splits."""
    return _run(
        "chem-xlstm-tiny",
        XLSTM.Config(layers=2, width=64, heads=2, pattern="m"),
        {"single": 1.0, "domains": 3.0},
        240_000,
        {"learning_rate": (6e-3, 0.0), "warmup_tokens": 20_000},
        corpora=Simulated(what="molecules"),
        context_tokens=512,
        batch_tokens=1_024,
        dtype="float32",
        log_steps=20,
        evaluate_tokens=60_000,
        checkpoint_tokens=120_000,
        valid_tokens=12_000,
    )
