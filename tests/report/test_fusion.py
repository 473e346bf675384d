"""The page of a fusion run: it is written whatever could not be judged."""

from pathlib import Path
from typing import Any

from biolect.report.fusion import write_report

NOTHING = [None, None]


def table() -> dict[str, Any]:
    """A table of classes: an arm whose guesses are all equal has no values, so nothing can be said of its gains."""
    arms = {
        "rna": {"valid": None, "test": None, "interval": NOTHING, "seeds": 1, "by_seed": [None]},
        "mil": {"valid": 0.4, "test": 0.5, "interval": [0.4, 0.6], "seeds": 1, "by_seed": [0.5], "trained_weights": 1_000},
    }
    return {
        "metric": "spearman",
        "task": "classification",
        "intervals_over": "clusters",
        "arms": arms,
        "best_single": "rna",
        "published": "mil",
        "gain": {"arm": "mil", "difference": None, "interval": NOTHING},
        "gains": {"rna": {"difference": None, "interval": NOTHING}, "composition": {"difference": 0.2, "interval": [0.1, 0.3]}},
        "with_composition": {"difference": None, "interval": NOTHING},
        "baselines": {"length_ridge": {"value": None, "interval": NOTHING}, "codons_ridge": {"value": 0.3, "interval": [0.2, 0.4]}},
        "composition": "codons_ridge",
        "modality_weights": {},
        "funnel": {"raw": 9, "used": 9, "refused": 0},
        "records": {"train": 5, "valid": 2, "test": 2},
        "leakage": {"identical": 0, "clusters_in_several_splits": 0},
        "internal_stops": [],
        "reasons": {},
        "encoders": {},
    }


def test_an_arm_without_a_value_is_a_dash_and_never_the_best(tmp_path: Path):
    write_report(tmp_path, table(), {"mil": [[{"step": 1, "valid": 0.5}]]}, "level")
    text = (tmp_path / "report.html").read_text()

    assert "Validation likes &#39;mil&#39; best" in text
    assert "<td>rna</td><td>-</td><td>-</td><td>[-, -]</td>" in text
    assert "The fusion &#39;mil&#39; cannot be told from the best single encoder (rna): difference - [-, -]." in text
    assert "The fusion &#39;mil&#39; beats composition: difference 0.200 [0.100, 0.300]." in text
