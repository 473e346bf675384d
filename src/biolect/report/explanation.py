"""The page of an explanation: which modality and which codons an answer came from, and whether to believe it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biolect.figures.panels import bars, heat_maps, lines
from biolect.report.page import Section, judged, said, told, write_page

_SHOWN = 15


def write_report(output: Path, found: Mapping[str, Any], shares: Mapping[str, NDArray[np.float64]]) -> None:
    """Write `report.html` of an explanation.

    Args:
        found: What `explain.explaining.explain` returned.
        shares: Codons by streams of records to be shown as maps, by their ids.
    """
    faith = found["faithfulness"]
    unit = "change of log probability (nats)" if found["unit"] == "nats" else f"change of {found['target']}"
    gap = (faith["gap"], *faith["interval"])
    words = judged(gap, "moves more", "moves less", "does not move more")
    findings = [said("explanation.deleted", words=words, gap=told(gap, 3), unit=found["unit"])]
    worth = {name: (one["shapley"], *one["interval"]) for name, one in found["modalities"].items()}
    if (agreed := faith["agreement"])["records"]:
        value = told((agreed["value"], *agreed["interval"]), 2)
        findings.append(said("explanation.agreement", records=f"{agreed['records']:,}", value=value))
    for name, one in found["modalities"].items():
        swapped = "" if one["permutation"] is None else f", with that of another record by {one['permutation']:.3f}"
        moved = f"without it the answer moves by {one['occlusion']:.3f}{swapped}"
        findings.append(f"{name}: mean absolute Shapley value {told(worth[name], 3)}; {moved}.")
    deleted = {name: [(faith["fractions"], faith[name])] for name in ("by share", "at random")}
    streams, coding = list(found["modalities"]), list(found["profile"])
    profile = {name: [(np.linspace(0, 100, len(values)).tolist(), values)] for name, values in found["profile"].items()}
    rows: list[tuple[str, ...]] = [("codon", "residue", "count", "mean share", *coding)]
    for one in found["patterns"][:_SHOWN]:
        rows.append((one["codon"], one["residue"], f"{one['count']:,}", *(f"{one[name]:+.4f}" for name in ("share", *coding))))
    deletion = lines(deleted, ("Share of codons deleted", f"Mean absolute {unit}"))
    added = bars(streams, {"Shapley": list(worth.values())}, f"Mean absolute {unit}", "Stream")
    along = lines(profile, ("Position in the gene (%)", f"Mean absolute {unit} per codon"))
    asked = f"The model is '{found['arm']}', asked about {found['records']:,} records."
    cut = "Every gene is cut into stretches of equal length."
    parts = [
        Section("faithfulness", "Can it be believed?", said("explanation.faithfulness"), deletion, "Mean over records."),
        Section("modalities", "Modalities", asked, added, "Shapley values with intervals over records."),
        Section("patterns", "Codons of the genetic code", f"The {_SHOWN} with the largest mean shares.", rows=rows),
        Section("profile", "Along the gene", cut, along, "Mean absolute share of a codon, by stream."),
        *_maps(shares, coding, unit),
    ]
    write_page(output / "report.html", f"Why the model predicts {found['target']} as it does", said("explanation.intro"), findings, parts)


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
