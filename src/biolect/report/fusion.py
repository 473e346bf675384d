"""The page of a fusion run: does fusion help, by how much, and what was it compared with."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from biolect.bio.io.tables import read_table
from biolect.figures.panels import bars, cloud, forest, lines
from biolect.figures.style import COLORS
from biolect.report.page import Section, judged, number, said, told, write_page

Facts = Mapping[str, Any]

_MOST_BASELINES, _MOST_POINTS = 12, 5_000


def write_report(output: Path, found: Facts, curves: Mapping[str, list[list[dict[str, float]]]], target: str) -> None:
    """Write `report.html` of a run folder.

    Args:
        found: What `evaluate.fusing.fuse` returned.
        curves: Looks at the losses, by arm and seed.
        target: Name of what is predicted.
    """
    parts = [
        _table(found),
        _targets(found),
        _gains(found),
        _training(found, curves),
        _weights(found),
        _predictions(output, found, target),
        _rows(found),
    ]
    title = f"Predicting {target} from DNA, RNA and protein views of coding sequences"
    write_page(output / "report.html", title, said("fusion.intro"), _findings(found), [part for part in parts if part is not None])


def _findings(found: Facts) -> list[str]:
    arm = found["gain"]["arm"]
    best = _best(found)
    composed = found["baselines"][found["composition"]]
    findings = [
        said("fusion.best", best=best, found=found, value=told(_estimate(found["arms"][best], "test"), 3)),
        f"The best composition baseline ({found['composition']}) has {told(_estimate(composed, 'value'), 3)}.",
    ]
    names = {"composition": "composition", "late": "late fusion", found["best_single"]: f"the best single encoder ({found['best_single']})"}
    for name, gain in found["gains"].items():
        difference = _estimate(gain, "difference")
        words = judged(difference, "beats", "is worse than", "cannot be told from")
        findings.append(f"The fusion '{arm}' {words} {names.get(name, name)}: difference {told(difference, 3)}.")
    difference = _estimate(found["with_composition"], "difference")
    words = judged(difference, "beats composition", "is worse than composition", "cannot be told from composition alone")
    return [*findings, f"Fused late with composition, it {words}: difference {told(difference, 3)}."]


def _best(found: Facts) -> str:
    """Return the arm that validation likes best; one without a value is liked least."""
    values = {name: one["valid"] for name, one in found["arms"].items()}
    return max(values, key=lambda name: -math.inf if values[name] is None else values[name])


def _estimate(one: Facts, name: str) -> tuple[float, float, float]:
    return (one[name], *one["interval"])


def _known(some: Mapping[str, Facts], name: str) -> dict[str, tuple[float, float, float]]:
    """Return estimates that have a value: equal guesses for all records have no rank correlation."""
    return {label: _estimate(one, name) for label, one in some.items() if one[name] is not None}


def _table(found: Facts) -> Section:
    best = sorted(_known(found["baselines"], "value").items(), key=lambda pair: -pair[1][0])[:_MOST_BASELINES]
    estimates = _known(found["arms"], "test") | {f"{name} (baseline)": one for name, one in best}
    colors = {name: COLORS[name.partition("-")[0]] for name in found["arms"] if name.partition("-")[0] in COLORS}
    figure = forest(estimates, f"{found['metric']} on test rows", colors, found["baselines"][found["composition"]]["value"])
    rows: list[tuple[str, ...]] = [("arm", "valid", "test", "interval", "seeds", "trained weights")]
    for name, one in found["arms"].items():
        interval = told(_estimate(one, "test"), 3).partition(" ")[2]
        weights = f"{one['trained_weights']:,}" if "trained_weights" in one else "-"
        rows.append((name, number(one["valid"], 3), number(one["test"], 3), interval, str(one["seeds"]), weights))
    caption = f"Test values with intervals over {found['intervals_over']}. Dotted: the best composition baseline."
    return Section("arms", "All arms", said("fusion.arms"), figure, caption, rows)


def _targets(found: Facts) -> Section | None:
    if "targets" not in found:
        return None
    names, every = list(found["targets"]), list(found["targets"].values())
    rows: list[tuple[str, ...]] = [("arm", *names)]
    for arm in every[0]["arms"]:
        cells = [one["arms"][arm] for one in every]
        rows.append((arm, *("-" if one["test"] is None else told(_estimate(one, "test"), 3) for one in cells)))
    measured = "; ".join(f"{name}: {found['targets'][name]['records']['test']:,}" for name in names)
    return Section("targets", "Target by target", said("fusion.targets", measured=measured), rows=rows)


def _gains(found: Facts) -> Section | None:
    if not found["gains"]:
        return None
    estimates = {f"over {name}": one for name, one in _known(found["gains"], "difference").items()}
    figure = forest(estimates, f"difference in {found['metric']} on the same test rows", {}, 0.0)
    text = said("fusion.gains", arm=found["gain"]["arm"])
    return Section("gains", "What fusion adds", text, figure, "Right of the dotted line: fusion is better.")


def _training(found: Facts, curves: Mapping[str, list[list[dict[str, float]]]]) -> Section:
    drawn = {name: [([look["step"] for look in one], [look["valid"] for look in one]) for one in seeds] for name, seeds in curves.items()}
    unit = "nats" if found["task"] == "classification" else "variances of the target"
    figure = lines(drawn, ("Steps of the optimizer", f"Validation loss ({unit})"))
    return Section("training", "Training", said("fusion.training"), figure, "Validation loss over training, a line per seed.")


def _weights(found: Facts) -> Section | None:
    weights = found["modality_weights"]
    if not weights:
        return None
    figure = bars(list(weights), {"mil": [_estimate(one, "mean") for one in weights.values()]}, "Weight (they sum to 1)", "Stream")
    spread = "; ".join(f"{name}: {', '.join(f'{w:.2f}' for w in one['by_seed'])}" for name, one in weights.items())
    text = said("fusion.weights", spread=spread)
    return Section("modality_weights", "Modality weights", text, figure, "Mean weights of gated attention on test rows, with intervals.")


def _predictions(output: Path, found: Facts, target: str) -> Section | None:
    import polars

    if found["task"] != "regression":
        return None
    best = _best(found)
    table = read_table(output / "predictions.csv").filter((polars.col("split") == "test") & polars.col("target").is_not_null())
    if "name" in table.columns:
        # Several targets have several units; the first one's is drawn.
        target = next(iter(found["targets"]))
        table = table.filter(polars.col("name") == target)
    # Of a number per position there are too many to draw.
    table = table.gather_every(len(table) // _MOST_POINTS + 1)
    figure = cloud(table["target"].to_numpy(), table[best].to_numpy(), (f"Measured {target}", f"Predicted {target}"), best)
    text = f"Test rows only; predictions of '{best}', mean over seeds."
    return Section("predictions", "Predicted against measured", text, figure, "One point per test row; dotted: equal.")


def _rows(found: Facts) -> Section:
    records = ", ".join(f"{count:,} {name}" for name, count in found["records"].items())
    text = said("fusion.rows", funnel=found["funnel"], records=records, leak=found["leakage"])
    if "cross_validation" in found:
        text += " " + said("fusion.folds", **found["cross_validation"])
    if found["internal_stops"]:
        text += " " + said("fusion.stops", count=len(found["internal_stops"]))
    rows = [("why rows were refused", "rows"), *((reason, f"{count:,}") for reason, count in found["reasons"].items())]
    encoders = json.dumps(found["encoders"], indent=1)
    return Section("rows", "Rows and encoders", text, rows=rows if len(rows) > 1 else (), letters=encoders)
