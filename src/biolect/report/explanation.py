"""The page of an explanation: which modality and which codons an answer came from, and whether to believe it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biolect.figures.panels import bars, heat_maps, lines
from biolect.report.fusion import judged, told
from biolect.report.page import Section, write_page

INTRO = (
    "Shapley values say what each stream adds, averaged over all orders in which streams could be added; they sum to the answer minus "
    "that without any stream. Shares of codons come from integrated gradients and sum to the answer minus that for empty vectors. "
    "They explain the model, not biology: a model that is wrong is explained just as well. Read the section on faithfulness first."
)
_SHOWN = 15


def write_report(output: Path, found: Mapping[str, Any], shares: Mapping[str, NDArray[np.float64]]) -> None:
    """Write `report.html` of an explanation.

    Args:
        found: What `explain.explaining.explain` returned.
        shares: Codons by streams of records to be shown as maps, by their ids.
    """
    faith = found["faithfulness"]
    unit = "change of log probability (nats)" if found["unit"] == "nats" else f"change of {found['target']}"
    words = judged(faith["interval"], "moves more", "moves less", "does not move more")
    findings = [
        f"Deleting the codons with the largest shares, the answer {words} than when codons are deleted at random: "
        f"area between both curves {told(faith['gap'], faith['interval'])} (in {found['unit']}, over the share of codons deleted).",
        *(f"{name}: mean absolute Shapley value {told(one['shapley'], one['interval'])}." for name, one in found["modalities"].items()),
    ]
    deleted = {name: [(faith["fractions"], faith[name])] for name in ("by share", "at random")}
    streams = list(found["modalities"])
    worth = {"Shapley": [(one["shapley"], *one["interval"]) for one in found["modalities"].values()]}
    profile = {name: [(np.linspace(0, 100, len(values)).tolist(), values)] for name, values in found["profile"].items()}
    rows = [("codon", "residue", "count", "mean share", *streams)]
    rows += [
        (one["codon"], one["residue"], f"{one['count']:,}", f"{one['share']:+.4f}", *(f"{one[name]:+.4f}" for name in streams))
        for one in found["patterns"][:_SHOWN]
    ]
    parts = [
        Section(
            "faithfulness",
            "Can it be believed?",
            "If shares are right, deleting the codons with the largest ones moves the answer more than deleting others.",
            lines(deleted, ("Share of codons deleted", f"Mean absolute {unit}")),
            "Mean over records.",
        ),
        Section(
            "modalities",
            "Modalities",
            f"The model is '{found['arm']}', asked about {found['records']:,} records.",
            bars(streams, worth, f"Mean absolute {unit}", "Stream"),
            "Shapley values with intervals over records.",
        ),
        Section("patterns", "Codons of the genetic code", f"The {_SHOWN} with the largest mean shares.", rows=rows),
        Section(
            "profile",
            "Along the gene",
            "Every gene is cut into stretches of equal length.",
            lines(profile, ("Position in the gene (%)", f"Mean absolute {unit} per codon")),
            "Mean absolute share of a codon, by stream.",
        ),
        *_maps(shares, streams, unit),
    ]
    write_page(output / "report.html", f"Why the model predicts {found['target']} as it does", INTRO, findings, parts)


def _maps(shares: Mapping[str, NDArray[np.float64]], streams: list[str], unit: str) -> list[Section]:
    if not shares:
        return []
    longest = max(map(len, shares.values()))
    panels = {name: np.full((len(streams), longest), np.nan) for name in shares}
    for name, values in shares.items():
        panels[name][:, : len(values)] = values.T
    ticks = [str(i + 1) if (i + 1) % max(10, longest // 20 // 10 * 10) == 0 else "" for i in range(longest)]
    marks = np.zeros((len(streams), longest), dtype=bool)
    figure = heat_maps(panels, streams, ticks, ("Codon (1-based)", "Stream", unit), marks, (9.0, 1.5))
    text = "The records whose answers have the largest shares in sum."
    return [Section("map", "Codon by codon", text, figure, "Share of every codon and stream; blue raises the answer, red lowers it.")]
