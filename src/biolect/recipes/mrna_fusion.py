"""Fusion of DNA, RNA and protein encoders on tables of coding sequences: whole runs as functions."""

from typing import Any

from biolect.evaluate.arms import FusionConfig
from biolect.train.fusing import Fit


def mrna_fusion(data: str, target: str, **changes: Any) -> FusionConfig:
    """Return the published settings: wide layers, up to 500 epochs, the smallest learning rate.

    Source: arXiv:2506.08936, appendix. Its encoders are Nucleotide Transformer v2 100M, RNA-FM and ESM-2 8M.
    """
    return FusionConfig.from_dict({"data": data, "columns": {"target": target}, "fit": Fit.paper().to_dict()} | changes)


def mrna_fusion_tiny(data: str, target: str, **changes: Any) -> FusionConfig:
    """Return narrow layers and a budget of steps: all arms and seeds of a few thousand rows in minutes."""
    return FusionConfig.from_dict({"data": data, "columns": {"target": target}} | changes)
