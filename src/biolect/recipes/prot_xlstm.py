"""Prot-xLSTM: a recurrent model of proteins that reads homologs before the protein in question.

Source: arXiv:2411.04165. Vocabulary, sizes, positions, objective, learning rate and the growth of the
context are as published; where the published curves only hint at a number (tokens at which the context of
the larger model doubles), it is read off them. Ours are the number of tokens per step, the same from first to
last (published: 2^17, growing to 2^21), weight decay of matrices only, and families instead of clusters.
"""

import numpy as np

from biolect.data.document import Grammar
from biolect.models.language_model import LanguageModel
from biolect.models.xlstm import XLSTM
from biolect.objectives.infill import Infill
from biolect.train.curriculum import Folders, Phase, RunConfig, Simulated

MILLION = 10**6
_STEP = 1 << 18
VOCABULARY = "prot-38"
GRAMMAR = Grammar(tags=False, positions="member", last_position=2_047, coordinate_dropout=0.0)

_GROWTH = {
    "26m": {1 << 11: 20_700, 1 << 17: 30_000},
    "102m": dict(zip((1 << n for n in range(11, 19)), (7_900, 13_800, 20_600, 29_700, 34_700, 45_900, 60_000, 115_900), strict=True)),
}
"""Contexts, and after how many million tokens each ends."""


def prot_xlstm(size: str) -> RunConfig:
    """Return a published run in full; `scaled` makes it shorter.

    Args:
        size: 26m or 102m.

    Raises:
        ConfigError: If there is no such size.
    """
    backbone = XLSTM.Config.named(f"prot-{size}")
    ends = _GROWTH[size]
    lengths = np.diff([0, *ends.values()]).tolist()
    warmups = [500 * _STEP, *[0] * (len(ends) - 1)]
    phases = [_phase(*plan, 6e-4) for plan in zip(ends, lengths, warmups, strict=True)]
    return RunConfig(
        name=f"prot-xlstm-{size}",
        model=LanguageModel.Config(vocabulary=VOCABULARY, backbone=backbone),
        corpora=Folders(),
        phases=tuple(phases),
        grammar=GRAMMAR,
        objective=Infill.Config(),
        context_tokens=1 << 11,
        batch_tokens=_STEP,
        recomputes=True,
        evaluate_tokens=500 * MILLION,
        checkpoint_tokens=500 * MILLION,
        valid_tokens=10 * MILLION,
    )


def _phase(context: int, millions: float, warmup: int, rate: float) -> Phase:
    return Phase(
        name=f"context {context}",
        mixture={"families": 1.0},
        tokens=round(millions * MILLION),
        learning_rate=(rate, rate),
        warmup_tokens=warmup,
        context_tokens=context,
    )


def prot_xlstm_tiny() -> RunConfig:
    """Return a run on simulated families whose context grows once, under a minute on two cores."""
    return RunConfig(
        name="prot-xlstm-tiny",
        model=LanguageModel.Config(
            vocabulary=VOCABULARY, backbone=XLSTM.Config(layers=2, width=64, heads=2, pattern="m", rotary="full", chunk_length=64)
        ),
        corpora=Simulated(what="families"),
        phases=(_phase(256, 0.1, 20_000, 4e-3), _phase(1_024, 0.1, 0, 2e-3)),
        grammar=GRAMMAR,
        objective=Infill.Config(),
        context_tokens=512,
        batch_tokens=4_096,
        dtype="float32",
        log_steps=5,
        evaluate_tokens=50_000,
        checkpoint_tokens=50_000,
        valid_tokens=6_000,
    )
