"""Mixture search: short annealing runs over candidate mixes of the second and the third round.

Source: arXiv:2410.11499 anneals for 1,000 and 500 steps with a falling learning rate and judges by
single-modal loss alone, so pairing plays no part in its choice. Here the criterion is the mean over
modalities alone and over members that follow a partner. Grid and criterion are ours.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from biolect.bio.io.tables import write_table
from biolect.devices import DeviceName
from biolect.recipes.bsm import rounds_of
from biolect.train.curriculum import Phase, RunConfig
from biolect.train.pretrain import MODEL, pretrain

Mix = Mapping[str, float]

_PAIRED = ("single", "genes", "related")
_MINED = ("genes", "related", "interleaved")


def _mixes(names: Sequence[str], ratios: Sequence[tuple[int, ...]]) -> tuple[Mix, ...]:
    return tuple({name: float(part) for name, part in zip(names, ratio, strict=True) if part} for ratio in ratios)


SECOND_ROUND = _mixes(_PAIRED, ((1, 0, 0), (10, 1, 1), (10, 2, 1), (10, 1, 2), (5, 2, 1), (2, 1, 1), (0, 2, 1)))
THIRD_ROUND = _mixes(_MINED, ((1, 1, 0), (1, 1, 1), (1, 1, 10), (0, 0, 1), (10, 10, 1)))


def mixture_search(
    base: RunConfig,
    output: Path,
    *,
    steps: tuple[int, int] = (1_000, 500),
    second: Sequence[Mix] = SECOND_ROUND,
    third: Sequence[Mix] = THIRD_ROUND,
    device: DeviceName = "auto",
) -> list[dict[str, Any]]:
    """Try every mix, write `mixtures.csv`, and return its rows, best of each round first.

    The first round is run as the base says; each candidate of the second starts from its end, each of the third
    from the end of the best second. Runs that are there already are gone on with, so a search can be interrupted.

    Args:
        base: A config with rounds R1, R2 and R3.
        steps: Length of the runs of the second and the third round.

    Raises:
        ConfigError: If the base has other phases, or a mix draws on what its corpora lack.
    """
    import polars

    rounds = rounds_of(base)
    start = base.model_copy(update={"phases": (rounds["R1"],)})
    pretrain(start, output / "R1", resume=True, device=device)
    best, rows = output / "R1", []
    for name, length, mixes in (("R2", steps[0], second), ("R3", steps[1], third)):
        tried = []
        for mix in mixes:
            arm = annealing(base, rounds[name], mix, length, best / MODEL)
            folder = output / arm.name.rpartition("/")[2]
            tried.append(_row(name, mix, folder, pretrain(arm, folder, resume=True, device=device)))
        tried.sort(key=lambda row: row["criterion"])
        best = Path(tried[0]["run"])
        rows += tried
    write_table(output / "mixtures.csv", polars.DataFrame(rows, infer_schema_length=None))
    return rows


def annealing(base: RunConfig, phase: Phase, mix: Mix, steps: int, start_from: Path) -> RunConfig:
    """Return a short run of one mix: learning rate straight to 0, sources repeated as often as in the real round."""
    tokens = steps * base.batch_tokens
    name = "-".join([phase.name, *(f"{component}{weight:g}" for component, weight in mix.items())])
    short = Phase(name=phase.name, mixture=dict(mix), tokens=tokens, learning_rate=(phase.learning_rate[0], 0.0))
    unique = {component: max(1, round(count * tokens / phase.tokens)) for component, count in base.unique_tokens.items()}
    changes = {"name": f"{base.name}/{name}", "phases": (short,), "unique_tokens": unique, "start_from": str(start_from)}
    return base.model_copy(update=changes | {"evaluate_tokens": tokens})


def criterion(report: Mapping[str, Any]) -> float:
    """Return the mean of bits per residue over modalities alone and over second members of gene documents."""
    alone = [values["valid"] for values in report["bits_per_residue"].values()]
    paired = [places[1] for places in report["by_member"].get("genes", {}).values() if places[1] is not None]
    return sum(alone + paired) / len(alone + paired)


def _row(name: str, mix: Mix, folder: Path, report: Mapping[str, Any]) -> dict[str, Any]:
    given = report["by_member"].get("genes", {})
    return {
        "round": name,
        **{component: mix.get(component, 0.0) for component in ("single", "genes", "related", "interleaved")},
        "criterion": criterion(report),
        **{f"{modality}_bits": values["valid"] for modality, values in sorted(report["bits_per_residue"].items())},
        **{f"{modality}_given_partner_bits": places[1] for modality, places in sorted(given.items())},
        "run": str(folder),
    }
