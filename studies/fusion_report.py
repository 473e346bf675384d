"""The tables of `fusion.py`: studies/fusion/results.md and results.json from whatever arms are there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fusion import DIFFERENCES, HERE, TABLES, WHOLE, Scale, encoders_of

from biolect.evaluate.fusing import RESULTS


def report(output: Path, repeats: int, scale: Scale) -> None:
    """Write the tables of everything that is there."""
    results: dict[str, Any] = {}
    for repeat in range(repeats):
        folder = output / f"repeat-{repeat}"
        for path in sorted(folder.glob(f"fused/*/{RESULTS}")):
            results.setdefault(path.parent.name, []).append(json.loads(path.read_text()))
        for path in sorted(folder.glob("explained/*/agreement.json")):
            results.setdefault(f"explained-{path.parent.name}", []).append(json.loads(path.read_text()))
    for path in sorted(output.glob(f"whole/*/{RESULTS}")):
        results[f"whole-{path.parent.name}"] = [json.loads(path.read_text())]
    HERE.mkdir(exist_ok=True)
    # Where the study was run is nobody's business.
    text = json.dumps(results, indent=1).replace(f"{output.resolve()}/", "").replace(f"{output}/", "")
    (HERE / "results.json").write_text(text + "\n")
    lines = [
        "# Fusion of encoders on tables of messengers",
        "",
        "Written by `studies/fusion.py`. Spearman, or accuracy for `species`, on test clusters that neither encoders nor training",
        "saw; 95 % intervals over clusters and seeds. `fusion` is the learned fusion that validation likes best. Differences are",
        "paired: over the best composition baseline of the test split itself, over the best single encoder, over late fusion;",
        "`with composition` is late fusion of the fusion and composition, over composition.",
        "",
        f"Tables of at most {scale.rows:,} rows, encoders of {scale.tokens:,} tokens, head `{scale.fit.head}`, "
        f"{scale.fit.steps} steps at most.",
        "",
        *_head("table, encoders, repeat"),
    ]
    rows = {f"{table}-{label}": results.get(f"{table}-{label}", []) for table in TABLES for label in encoders_of(output)}
    lines += [*_rows(rows), "", *_whole(results), *_explained(results)]
    (HERE / "results.md").write_text("\n".join(lines) + "\n")


def _head(first: str) -> list[str]:
    titles = (first, "seeds", "composition", "best single", "late", "fusion", *DIFFERENCES)
    return [f"| {' | '.join(titles)} |", f"|{'---|' * len(titles)}"]


def _whole(results: dict[str, Any]) -> list[str]:
    """Return the table of letters on all rows."""
    rows = {f"{table}-{label}": results.get(f"whole-{table}-{label}", []) for table in TABLES for label in WHOLE}
    if not any(rows.values()):
        return []
    return [
        "Letters alone on all rows, gated fusion, twice the steps: by five folds of whole clusters, where every record is asked once",
        "(one seed), and on the split that the table came with, relatives and all (three seeds).",
        "",
        *_head("table, split"),
        *_rows(rows),
        "",
    ]


def _rows(found_by_name: dict[str, list[Any]]) -> list[str]:
    lines = []
    for name, repeats in found_by_name.items():
        for repeat, found in enumerate(repeats):
            arms, gains = found["arms"], found["gains"]
            cells = [str(arms[found["gain"]["arm"]]["seeds"])]
            cells += [_value(found["baselines"][found["composition"]]["value"], found["baselines"][found["composition"]]["interval"])]
            cells += [_value(arms[arm]["test"], arms[arm]["interval"]) for arm in (found["best_single"], "late", found["gain"]["arm"])]
            parts = [gains["composition"], found["gain"], gains.get("late"), found["with_composition"]]
            cells += ["-" if one is None else _value(one["difference"], one["interval"]) for one in parts]
            lines.append(f"| {name.replace('-', ', ')}, {repeat} | {' | '.join(cells)} |")
    return lines


def _explained(results: dict[str, Any]) -> list[str]:
    lines = [
        "Shares of codons in the answer against measured degradation, rank correlation within a design, mean over test designs; and",
        "faithfulness: how much more the answer moves when codons are deleted by share than at random.",
        "",
        "| encoders, repeat | dna | rna | protein (control) | sum | faithfulness |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in results.items():
        for repeat, one in enumerate(found if name.startswith("explained-") else []):
            cells = [_value(**one[name]) if name in one else "-" for name in ("dna", "rna", "protein", "sum")]
            cells.append(_value(one["faithfulness"]["gap"], one["faithfulness"]["interval"]))
            lines.append(f"| {name.removeprefix('explained-')}, {repeat} | {' | '.join(cells)} |")
    return lines


def _value(value: float, interval: list[float]) -> str:
    return f"{value:.3f} [{interval[0]:.3f}, {interval[1]:.3f}]"
