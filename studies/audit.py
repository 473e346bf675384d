"""What do relatives, noise and composition say about the shipped tables of mRNA properties?

    python studies/audit.py                     all tables, some twenty minutes on one core
    python studies/audit.py half_life           one of them

Writes studies/audit/NAME.json for every table, and studies/audit/results.md from those that are there.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import polars

from biolect.cli.common import plain
from biolect.data.relatives import KINDS
from biolect.evaluate.audit import audit, best_of
from biolect.evaluate.tables import AuditConfig

DATA = Path(os.environ.get("BIOLECT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")) / "mrna"
OUT = Path(__file__).with_suffix("")
TABLES: dict[str, tuple[str, dict[str, Any]]] = {
    "yeast_abundance": ("yeast_expression_6600", {"target": "log2_fpkm", "split": "split"}),
    "half_life": ("yeast_expression_6600", {"target": "half_life", "split": "split"}),
    "ecoli": ("ecoli_protein_abundance_3627", {"target": "log10_abundance", "split": "split", "code": 11}),
    "openvaccine": ("openvaccine_degradation_3634", {"target": "mean_deg_Mg_50C", "sequence": "core", "split": "split"}),
    "openvaccine_clean": ("openvaccine_degradation_3634", {"target": "mean_deg_Mg_50C", "sequence": "core", "split": "split"}),
    "icodon": ("icodon_stability_test7576", {"target": "decay_rate", "split": "split"}),
    "mrna233": ("mrna233_degradation", {"target": "k_deg_per_hour", "sequence": "RNA_sequence"}),
    "species": ("cds_species_7class", {"target": "species", "split": "split"}),
}


def main() -> None:
    """Audit what was asked for, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", default=list(TABLES), help="some of the tables")
    OUT.mkdir(exist_ok=True)
    for name in parser.parse_args().tables:
        file, asked = TABLES[name]
        frame = polars.read_csv(DATA / f"{file}.csv.gz", infer_schema_length=None)
        if name.endswith("clean"):
            frame = frame.filter((polars.col("sn_filter") != 0) | polars.col("sn_filter").is_null())
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{file}.parquet"
            frame.write_parquet(path)
            result, _ = audit(AuditConfig(data=str(path), **asked))
        result["refused"] = len(result["refused"])
        (OUT / f"{name}.json").write_text(json.dumps(plain(result), indent=1) + "\n")
        print(f"{name}: {result['verdict']}")
    (OUT / "results.md").write_text(table())


def table() -> str:
    """Return the table of all audits that are there."""
    lines = [
        "# Audits of the shipped tables",
        "",
        "Written by `studies/audit.py`. Values are Spearman, or accuracy for `species`, of the best composition baseline out of",
        "fold, where folds keep clusters of relatives together (or sequences, where all are relatives), and of the same one on the",
        "shipped split: all test rows, and those without a relative in training. Intervals: 95 %, bootstrap over clusters.",
        "",
        "| table | rows | clusters | test relatives | best baseline | folds of | out of fold | shipped split | clean rows | ceiling |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in TABLES:
        if (path := OUT / f"{name}.json").is_file():
            result = json.loads(path.read_text())
            leak, best = result["leakage"], best_of(result["baselines"])
            count = f"{sum(leak[kind]['test'] for kind in KINDS):,} of {leak['test_rows']:,}" if "test_rows" in leak else "-"
            one = result["baselines"].get(best, {})
            cells = [_cell(one), *(_cell(one.get(key)) for key in ("split", "split_clean"))]
            ceiling = "-" if result["ceiling"] is None else f"{result['ceiling']:.2f}"
            folds = result["folds_of"]
            lines.append(
                f"| {name} | {result['rows']:,} | {leak['clusters']:,} | {count} | {best} | {folds} | {' | '.join(cells)} | {ceiling} |"
            )
    return "\n".join(lines) + "\n"


def _cell(one: dict[str, Any] | None) -> str:
    if not one or one["value"] is None:
        return "-"
    return f"{one['value']:.3f} [{one['interval'][0]:.3f}, {one['interval'][1]:.3f}]"


if __name__ == "__main__":
    main()
