"""The table, the intervals and the figures of the translation study, from the runs that have ended."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from translation_arms import ARMS

from biolect.evaluate.baselines import best_markov
from biolect.figures.style import new_figure, save
from biolect.metrics import bootstrap_interval

CONDITIONS = ("protein alone", "gene alone", "given own", "given foreign", "gene given own")
KIND = {"protein alone": 1, "gene alone": 0, "given own": 1, "given foreign": 1, "gene given own": 0}


def report(output: Path) -> None:
    """Write results.json, results.md and the figures beside the scores of the runs."""
    from translation import RESULTS

    runs = {arm: load(RESULTS, arm) for arm in ARMS}
    runs = {arm: found for arm, found in runs.items() if found["final"]}
    table = {arm: {key: summarize(found["final"], key) for key in keys_of(found["final"])} for arm, found in runs.items()}
    results = {
        "seeds": {arm: sorted(found["final"]) for arm, found in runs.items()},
        "precision": {arm: found["precision"] for arm, found in runs.items()},
        "bits": table,
        "reaching": {arm: reaching(arm, found["curves"]) for arm, found in runs.items()},
        "contrasts": contrasts(runs),
        "informative": informative(output, runs),
        "baselines": baselines(output),
        "curves": {arm: found["curves"] for arm, found in runs.items()},
    }
    (RESULTS / "results.json").write_text(json.dumps(results, indent=1))
    (RESULTS / "results.md").write_text(markdown(results))
    figures(runs, RESULTS)
    print((RESULTS / "results.md").read_text())


def load(results: Path, arm: str) -> dict[str, Any]:
    """Return the final scores and the curves of the seeds of an arm that have ended."""
    final, curves, precision = {}, {}, {}
    for path in sorted(results.glob(f"{arm}-?.npz")):
        seed = int(path.stem.rpartition("-")[2])
        with np.load(path) as file:
            final[seed] = {key: file[key].astype(np.float64) for key in file.files if key != "dtype"}
            precision[seed] = str(file["dtype"]) if "dtype" in file.files else "float32"
        curves[seed] = [json.loads(line) for line in path.with_suffix(".jsonl").read_text().splitlines()]
    return {"final": final, "curves": curves, "precision": precision}


def reaching(arm: str, curves: dict[int, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return, per seed, the millions of tokens at the first mark where a protein costs less given its own gene than the bar."""
    bar = 0.3 if ARMS[arm].kind == "flank" else 0.05
    below = {
        seed: next((line["tokens"] / 1e6 for line in curve if line["bits"]["given own"]["protein"] < bar), None)
        for seed, curve in curves.items()
    }
    return {"bar": bar, "millions": below}


def keys_of(final: dict[int, dict[str, np.ndarray]]) -> list[str]:
    """Return the scored conditions of an arm, as `set/condition`."""
    return [key for key in next(iter(final.values())) if not key.endswith("/clusters")]


def stacked(final: dict[int, dict[str, np.ndarray]], key: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return nats (seeds, documents), residues (documents) and clusters of one condition."""
    label, _, name = key.partition("/")
    kind = KIND[name.removesuffix(", coordinate-free")]
    scores = [final[seed][key][:, kind] for seed in sorted(final)]
    return np.stack([s[:, 0] for s in scores]), scores[0][:, 1], next(iter(final.values()))[f"{label}/clusters"]


def mean_bits(nats: np.ndarray, counts: np.ndarray, seeds: np.ndarray, items: np.ndarray) -> float:
    """Return bits per residue over drawn seeds and documents."""
    return float(nats[np.ix_(seeds, items)].mean(axis=0).sum() / counts[items].sum() / math.log(2))


def summarize(final: dict[int, dict[str, np.ndarray]], key: str) -> dict[str, float]:
    """Return the bits of one condition with their interval over clusters and seeds."""
    nats, counts, clusters = stacked(final, key)
    whole = np.arange(nats.shape[1])
    low, high = bootstrap_interval(lambda s, i: mean_bits(nats, counts, s, i), clusters, num_seeds=len(nats))
    return {"bits": mean_bits(nats, counts, np.arange(len(nats)), whole), "low": low, "high": high}


def contrasts(runs: dict[str, Any]) -> dict[str, Any]:
    """Return arm minus matched in unpaired bits at equal tokens, on the same documents, clusters and seeds drawn anew."""
    out: dict[str, Any] = {}
    for arm in ("broken", "single", "ordinary"):
        if arm not in runs or "matched" not in runs:
            continue
        for condition in ("protein alone", "gene alone"):
            for suffix in ("", ", coordinate-free"):
                key = f"test/{condition}{suffix}"
                pair = [runs[name]["final"] for name in (arm, "matched")]
                if not all(key in next(iter(final.values())) for final in pair):
                    continue
                (a, counts, clusters), (b, _, _) = (stacked(final, key) for final in pair)
                seeds = min(len(a), len(b))
                everything = np.arange(a.shape[1])

                def difference(s: np.ndarray, i: np.ndarray, a: np.ndarray = a, b: np.ndarray = b, counts: np.ndarray = counts) -> float:
                    return mean_bits(a, counts, s, i) - mean_bits(b, counts, s, i)

                low, high = bootstrap_interval(difference, clusters, num_seeds=seeds)
                out[f"{arm} minus matched, {condition}{suffix}"] = {
                    "bits": difference(np.arange(seeds), everything),
                    "low": low,
                    "high": high,
                    "seeds": seeds,
                }
    return out


def informative(output: Path, runs: dict[str, Any]) -> dict[str, Any]:
    """Compare unpaired bits at equal informative tokens, by the curves.

    A residue that stands behind its own gene is counted as uninformative, which is what it is once translation
    is learned; `matched` at T tokens is therefore set against the others at the smaller number.
    """
    if "matched" not in runs:
        return {}
    share = uninformative_share(output)
    out: dict[str, Any] = {"share of tokens given away": share}
    for arm in ("broken", "single"):
        if arm not in runs:
            continue
        for condition, kind in (("protein alone", "protein"), ("gene alone", "dna")):
            both = []
            for name in (arm, "matched"):
                values = []
                for lines in runs[name]["curves"].values():
                    tokens = [line["tokens"] for line in lines]
                    target = tokens[-1] * (1 - share) if name == arm else tokens[-1]
                    values.append(float(np.interp(target, tokens, [line["bits"][condition][kind] for line in lines])))
                both.append(np.array(values))
            seeds = min(map(len, both))
            gaps = both[0][:seeds] - both[1][:seeds]
            out[f"{arm} minus matched, {condition}"] = {"bits": float(gaps.mean()), "per_seed": gaps.tolist()}
    return out


def uninformative_share(output: Path) -> float:
    """Return the share of tokens of the matched arm that are residues behind their own gene."""
    from translation import CONTEXT, pairs_of

    from biolect.bio.sequence import Modality
    from biolect.data.corpus import Corpus

    arm = ARMS["matched"]
    source = pairs_of(Corpus.open(output / "seen").collections["genes"], "train", arm.pairing)
    rng = np.random.default_rng(0)
    away = whole = 0
    for item in rng.integers(0, len(source), size=2_000):
        document = source.document(int(item), rng, CONTEXT + 1, arm.grammar)
        whole += len(document) + arm.grammar.overhead(2)
        last = document.members[-1]
        away += len(last) if last.modality is Modality.PROTEIN else 0
    return away / whole


def baselines(output: Path) -> dict[str, float]:
    """Return bits of the best order-k Markov model on the same test crops, fitted on the training genes."""
    from translation import FINAL_GENES, evaluation_pairs, pairs_of

    from biolect.data.corpus import Corpus
    from biolect.data.document import View

    store = Corpus.open(output / "seen").collections["genes"]
    sources = {split: pairs_of(store, split, ARMS["matched"].pairing) for split in ("train", "valid", "test")}
    crops = evaluation_pairs(sources["test"], FINAL_GENES, 2, (20, 300))
    out = {}
    for name, view, lowest, symbols, orders in (
        ("gene alone", View.CDS, 10, 6, (2, 5, 6, 8)),
        ("protein alone", View.PROTEIN, 16, 27, (0, 1, 2, 3)),
    ):
        codes = {
            split: [source.views_of(int(group))[view].token_ids.astype(np.int64) - lowest for group in source.groups]
            for split, source in sources.items()
            if split != "test"
        }
        model = best_markov(codes["train"], codes["valid"], symbols, orders)
        step = 3 if view is View.CDS else 1
        pieces = [views[view].token_ids[step * begin : step * (begin + size)].astype(np.int64) - lowest for _, views, begin, size in crops]
        nats = sum(float(model.nats(piece).sum()) for piece in pieces)
        out[name] = nats / sum(map(len, pieces)) / math.log(2)
        out[f"{name}, order"] = model.order
    return out


def markdown(results: dict[str, Any]) -> str:
    """Return the tables as Markdown."""

    def cell(row: dict[str, Any], key: str) -> str:
        found = row.get(key)
        return f"{found['bits']:.3f} [{found['low']:.3f}, {found['high']:.3f}]" if found else "-"

    planned, done = sum(arm.seeds for arm in ARMS.values()), sum(map(len, results["seeds"].values()))
    state = f"{done} of {planned} runs have ended" + (": interim, single seeds prove little." if done < planned else ".")
    lines = [
        "# Translation study",
        "",
        state,
        "",
        "Bits per residue of the scored member on test clusters; 95 % intervals over clusters and seeds.",
        "",
    ]
    for label, suffix in (("test", ""), ("test", ", coordinate-free"), ("long", ""), ("code 4", ""), ("code 3", "")):
        title = {
            "test": "Test genes, crops of 20 to 300 codons",
            "long": "Crops of 400 codons, a length never seen",
            "code 4": "Mycoplasma (code 4), a code never seen",
            "code 3": "Yeast mitochondrion (code 3), a code never seen",
        }[label]
        lines += [f"## {title}{suffix}", "", f"| arm | seeds | {' | '.join(CONDITIONS)} |", "|---" * 7 + "|"]
        for arm, row in results["bits"].items():
            cells = [cell(row, f"{label}/{condition}{suffix}") for condition in CONDITIONS]
            lines.append(f"| {arm} | {len(results['seeds'][arm])} | {' | '.join(cells)} |")
        lines.append("")
    lines += ["## Protein given its own gene: millions of tokens at the first mark below the bar, each seed", ""]
    lines += ["| arm | bar, bits | seeds | bits at the end of the curve |", "|---|---|---|---|"]
    for arm, row in results["reaching"].items():
        seeds = ", ".join("never" if value is None else f"{value:.2f}" for _, value in sorted(row["millions"].items()))
        last = ", ".join(f"{curve[-1]['bits']['given own']['protein']:.3f}" for _, curve in sorted(results["curves"][arm].items()))
        lines.append(f"| {arm} | {row['bar']} | {seeds} | {last} |")
    used = {arm: sorted(set(found.values())) for arm, found in results["precision"].items()}
    lines += ["", "Trained in: " + "; ".join(f"{arm} {' and '.join(found)}" for arm, found in used.items()) + ".", ""]
    best = results["baselines"]
    lines += [
        f"Markov of the best order, same crops: gene alone {best['gene alone']:.3f} (order {best['gene alone, order']}), "
        f"protein alone {best['protein alone']:.3f} (order {best['protein alone, order']}).",
        "",
        "## Does pairing help what is unpaired? (positive: matched is better)",
        "",
        "| contrast, equal tokens | bits | interval | seeds |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {row['bits']:+.4f} | [{row['low']:+.4f}, {row['high']:+.4f}] | {row['seeds']} |"
        for name, row in results["contrasts"].items()
    ]
    lines += ["", "| contrast, equal informative tokens | bits | each seed |", "|---|---|---|"]
    lines += [
        f"| {name} | {row['bits']:+.4f} | {', '.join(f'{g:+.4f}' for g in row['per_seed'])} |"
        for name, row in results["informative"].items()
        if isinstance(row, dict)
    ]
    return "\n".join(lines) + "\n"


def figures(runs: dict[str, Any], output: Path) -> None:
    """Draw the curves of every arm: protein given its own gene, and both members alone.

    Panels end where the arms that have learned the condition at all do; what runs out of them is in the table.
    """
    panels = (
        ("given own", "protein", "protein given its own gene, up to 4.5 bits", (0.0, 4.5)),
        ("protein alone", "protein", "protein alone, up to 4.5 bits", (4.1, 4.5)),
        ("gene alone", "dna", "gene alone, up to 2.15 bits", (1.85, 2.15)),
    )
    for name, limit in (("curves", 3.2e6), ("curves_flank", 2.1e7)):
        if not any((ARMS[arm].millions > 3) == (limit > 4e6) for arm in runs):
            continue
        figure, axes = new_figure(13.0, 4.0, columns=3)
        for number, (arm, found) in enumerate(runs.items()):
            if (ARMS[arm].millions > 3) != (limit > 4e6):
                continue
            for panel, (condition, kind, title, shown) in zip(axes, panels, strict=True):
                lines = [lines for lines in found["curves"].values() if condition in lines[0]["bits"]]
                if lines:
                    length = min(map(len, lines))
                    values = np.array([[line["bits"][condition][kind] for line in one[:length]] for one in lines])
                    tokens = [line["tokens"] / 1e6 for line in lines[0][:length]]
                    panel.plot(
                        tokens,
                        values.mean(axis=0),
                        color=f"C{number % 10}",
                        linestyle="--" if number > 9 else "-",
                        label=arm,
                        linewidth=1.2,
                    )
                    panel.fill_between(tokens, values.min(axis=0), values.max(axis=0), color=f"C{number % 10}", alpha=0.15, linewidth=0)
                panel.set_title(title, fontsize=10)
                panel.set_ylim(*shown)
                panel.set_xlabel("Tokens seen (millions)")
        axes[0].set_ylabel("Test loss (bits per residue)")
        handles, words = axes[0].get_legend_handles_labels()
        figure.legend(handles, words, frameon=False, fontsize=8, loc="outside right center")
        save(figure, output / name)
