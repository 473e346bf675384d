"""The page of a fusion run: does fusion help, by how much, and what was it compared with."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from biolect.bio.io.tables import read_table
from biolect.figures.panels import bars, cloud, forest, lines
from biolect.figures.style import COLORS
from biolect.report.page import Section, write_page

Facts = Mapping[str, Any]

INTRO = (
    "Every arm below was trained on the same training rows, stopped by the same validation rows and judged on the same test rows, none "
    "of which has a relative among the others unless the table says so below. Brackets are 95% intervals over clusters of related "
    "sequences and over seeds. Composition means counts of letters, codons and amino acids: a model that does not beat it has not "
    "been shown to read sequences."
)
_MOST_BASELINES = 12


def write_report(output: Path, found: Facts, curves: Mapping[str, list[list[dict[str, float]]]], target: str) -> None:
    """Write `report.html` of a run folder.

    Args:
        found: What `evaluate.fusing.fuse` returned.
        curves: Looks at the losses, by arm and seed.
        target: Name of what is predicted.
    """
    parts = [_table(found), _gains(found), _training(found, curves), _weights(found), _predictions(output, found, target), _rows(found)]
    title = f"Predicting {target} from DNA, RNA and protein views of coding sequences"
    write_page(output / "report.html", title, INTRO, _findings(found), [part for part in parts if part is not None])


def told(value: float, interval: Any, digits: int = 3) -> str:
    """Return a value with its interval in brackets."""
    return f"{value:.{digits}f} [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]"


def judged(interval: Any, better: str, worse: str, unclear: str) -> str:
    """Return the words that the interval of a difference allows."""
    return better if interval[0] > 0 else worse if interval[1] < 0 else unclear


def _findings(found: Facts) -> list[str]:
    arm, metric = found["gain"]["arm"], found["metric"]
    best = max(found["arms"], key=lambda name: found["arms"][name]["valid"])
    values = found["arms"][best]
    lines_ = [
        f"Validation likes '{best}' best; on test rows its {metric} is {told(values['test'], values['interval'])}. "
        f"`biolect predict` uses '{found['published']}', the best that was trained by gradient, or late fusion of such."
    ]
    composed = found["baselines"][found["composition"]]
    lines_.append(f"The best composition baseline ({found['composition']}) has {told(composed['value'], composed['interval'])}.")
    names = {"composition": "composition", "late": "late fusion", found["best_single"]: f"the best single encoder ({found['best_single']})"}
    for name, gain in found["gains"].items():
        words = judged(gain["interval"], "beats", "is worse than", "cannot be told from")
        lines_.append(f"The fusion '{arm}' {words} {names.get(name, name)}: difference {told(gain['difference'], gain['interval'])}.")
    gain = found["with_composition"]
    words = judged(gain["interval"], "beats composition", "is worse than composition", "cannot be told from composition alone")
    lines_.append(f"Fused late with composition, it {words}: difference {told(gain['difference'], gain['interval'])}.")
    return lines_


def _table(found: Facts) -> Section:
    estimates = {name: (one["test"], *one["interval"]) for name, one in found["arms"].items()}
    known = {name: one for name, one in found["baselines"].items() if one["value"] is not None}
    best = sorted(known.items(), key=lambda pair: -pair[1]["value"])[:_MOST_BASELINES]
    estimates |= {f"{name} (baseline)": (one["value"], *one["interval"]) for name, one in best}
    colors = {name: COLORS[name.partition("-")[0]] for name in found["arms"] if name.partition("-")[0] in COLORS}
    figure = forest(estimates, f"{found['metric']} on test rows", colors, found["baselines"][found["composition"]]["value"])
    head = ("arm", "valid", "test", "interval", "seeds", "trained weights")
    rows = [
        head,
        *(
            (name, f"{one['valid']:.3f}", f"{one['test']:.3f}", told(one["test"], one["interval"]).partition(" ")[2], str(one["seeds"]))
            + (f"{one['trained_weights']:,}" if "trained_weights" in one else "-",)
            for name, one in found["arms"].items()
        ),
    ]
    text = (
        "Single encoders, learned fusions, late fusion of the single ones (mean of standardised predictions, and ridge regression on "
        "predictions out of fold), and controls: one encoder several times has as many weights and nothing to fuse; shuffled partners "
        "come from other rows; several seeds of the best encoder are an ensemble of the same size as late fusion. Regression on means "
        "(ridge, and on small tables a Gaussian process, whose deviations stand in predictions.csv) sees no order of codons."
    )
    return Section("arms", "All arms", text, figure, "Test values with intervals. Dotted: the best composition baseline.", rows)


def _gains(found: Facts) -> Section | None:
    if not found["gains"]:
        return None
    estimates = {f"over {name}": (gain["difference"], *gain["interval"]) for name, gain in found["gains"].items()}
    arm = found["gain"]["arm"]
    figure = forest(estimates, f"difference in {found['metric']} on the same test rows", {}, 0.0)
    text = f"How much better '{arm}', the learned fusion that validation likes best, is than what it must beat, on the same drawn rows."
    return Section("gains", "What fusion adds", text, figure, "Right of the dotted line: fusion is better.")


def _training(found: Facts, curves: Mapping[str, list[list[dict[str, float]]]]) -> Section:
    drawn = {name: [([look["step"] for look in one], [look["valid"] for look in one]) for one in seeds] for name, seeds in curves.items()}
    unit = "nats" if found["task"] == "classification" else "variances of the target"
    figure = lines(drawn, ("Steps of the optimizer", f"Validation loss ({unit})"))
    text = "The loss of the task alone decides when to stop and which weights are kept, so that arms with an entropy term are comparable."
    return Section("training", "Training", text, figure, "Validation loss over training, a line per seed.")


def _weights(found: Facts) -> Section | None:
    weights = found["modality_weights"]
    if not weights:
        return None
    figure = bars(list(weights), {"mil": [(one["mean"], *one["interval"]) for one in weights.values()]}, "Weight (they sum to 1)", "Stream")
    spread = "; ".join(f"{name}: {', '.join(f'{w:.2f}' for w in one['by_seed'])}" for name, one in weights.items())
    text = (
        "How much the gate gives to each stream, mean over test rows. A weight is not importance: a stream may have a large weight and say "
        f"nothing that the others do not. By seed: {spread}."
    )
    return Section("modality_weights", "Modality weights", text, figure, "Mean weights of gated attention on test rows, with intervals.")


def _predictions(output: Path, found: Facts, target: str) -> Section | None:
    import polars

    if found["task"] != "regression":
        return None
    best = max(found["arms"], key=lambda name: found["arms"][name]["valid"])
    table = read_table(output / "predictions.csv").filter(polars.col("split") == "test")
    figure = cloud(table["target"].to_numpy(), table[best].to_numpy(), (f"Measured {target}", f"Predicted {target}"), best)
    text = f"Test rows only; predictions of '{best}', mean over seeds."
    return Section("predictions", "Predicted against measured", text, figure, "One point per test row; dotted: equal.")


def _rows(found: Facts) -> Section:
    leak, records = found["leakage"], found["records"]
    text = (
        f"{found['funnel']['raw']:,} rows, of which {found['funnel']['used']:,} are used: "
        + ", ".join(f"{count:,} {name}" for name, count in records.items())
        + f". {leak['identical']} sequences stand in several splits; {leak['clusters_in_several_splits']} clusters of relatives do."
    )
    if found["internal_stops"]:
        text += f" {len(found['internal_stops'])} have a stop inside the frame, which the protein stream reads as X: check frame and code."
    rows = [("why rows were refused", "rows"), *((reason, f"{count:,}") for reason, count in found["reasons"].items())]
    encoders = json.dumps(found["encoders"], indent=1)
    return Section("rows", "Rows and encoders", text, rows=rows if len(rows) > 1 else (), letters=encoders)
