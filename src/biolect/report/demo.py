"""The page of the demo: figures of its numbers, and sentences that are computed from them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from biolect.figures.curves import learning_curves
from biolect.figures.panels import bars, heat_maps
from biolect.figures.style import COLORS
from biolect.files import read_json
from biolect.report.page import Section, judged, said, told, write_page
from biolect.train.log import MetricsLog
from biolect.train.pretrain import METRICS, curves

Facts = Mapping[str, Any]

TITLE = "What a small model of DNA, RNA and protein learns in minutes"
SETS = {
    "simulated": "held-out simulated genes",
    "phiX174": "genes of phiX174",
    "packaged": "genes of phiX174, asked of the packaged model",
}
FREE = "_coordinate_free"


def write_report(output: Path, results: Facts) -> dict[str, list[str]]:
    """Write `report.html` of a demo folder, and return the figure files of each section.

    Args:
        results: What the steps of `recipes.demo` returned, by step.
    """
    findings = [_learned(name, found, suffix) for suffix in ("", FREE) for name, found in results["translate"].items()]
    findings += [_against_markov(name, found) for name, found in results["score"].items()]
    parts = [_corpus(results["prepare"]), _training(output, results), _alone(results["score"]), _translation(results["translate"])]
    parts += [_code(results["code"]), _variants(results["variants"]), _samples(results["generate"]), _provenance(output)]
    return write_page(output / "report.html", TITLE, said("demo.intro"), findings, parts)


def _learned(name: str, found: Facts, suffix: str) -> str:
    least = min(found[f"gain{suffix}"][1], found[f"gain_over_foreign{suffix}"][1])
    is_most = found[f"gain{suffix}"][1] > found[f"alone{suffix}"][0] / 2
    learned = "translation was learned" if is_most else "a trace of translation was learned"
    verdict = learned if least > 0 else "translation was not shown to be learned"
    costs = {kind: told(found[kind + suffix]) for kind in ("own", "alone", "foreign")}
    genes = SETS[name][0].upper() + SETS[name][1:]
    return said("demo.learned", genes=genes, how="without" if suffix else "with", verdict=verdict, **costs)


def _against_markov(name: str, found: Facts) -> str:
    words = judged(found["gain"], "the model beats", "the model is worse than", "the model cannot be told from")
    name = name.upper() if name != "protein" else "Protein"
    costs = {kind: told(found[kind], 3) for kind in ("model", "markov")}
    return said("demo.against_markov", name=name, words=words, order=found["order"], **costs)


def _corpus(found: Facts) -> Section:
    report, natural = found["simulated"], found["phiX174"]
    checks, leakage = report["translations"], report["leakage"]
    explained = "; ".join(f"{count} {reason}" for reason, count in checks["explained"].items()) or "none"
    leaks = ", ".join(f"{part['count']} {kind.replace('_', ' ')}" for kind, part in leakage.items() if kind != "clean")
    counts = {"unexplained": len(checks["unexplained"]), "clean": "clean" if leakage["clean"] else "NOT clean"}
    text = said("demo.corpus", report=report, natural=natural, checks=checks, explained=explained, leaks=leaks, **counts)
    splits = report["splits"]
    rows = [("collection", *next(iter(splits.values()))), *((name, *(f"{n:,}" for n in part.values())) for name, part in splits.items())]
    return Section("corpus", "The corpus", text, rows=rows)


def _training(output: Path, results: Facts) -> Section:
    found, scores = results["pretrain"], results["score"]
    alone, by_member, ends = curves(MetricsLog(output / "run" / METRICS).read("valid"))
    figure = learning_curves(alone, by_member, ends)
    for name, values in scores.items():
        label = f"{name}, Markov of order {values['order']}"
        figure.axes[0].axhline(values["markov_valid"], color=COLORS[name], linestyle=":", linewidth=1, label=label)
    figure.axes[0].legend(frameon=False, fontsize=7)
    figure.axes[0].set_ylim(0, 5)
    text = said("demo.training", found=found)
    rounds = list(ends)
    rows = [("alone", *rounds, "Markov")]
    for name, bits in found["bits_per_residue"].items():
        rows.append((name, *(f"{bits['by_phase'][one]:.3f}" for one in rounds), f"{scores[name]['markov_valid']:.3f}"))
    caption = "Validation loss over training. Left: records alone, dotted: Markov models. Right: members of gene documents, by place."
    return Section("pretrain", "Three rounds of training", text, figure, caption, rows)


def _alone(found: Facts) -> Section:
    series = {name: [values[kind] for values in found.values()] for name, kind in (("model", "model"), ("Markov", "markov"))}
    figure = bars([f"{m}\n({v['residues']:,} residues)" for m, v in found.items()], series, "Bits per residue", "Held-out records alone")
    gains = ", ".join(f"{told(values['gain'], 3)} for {name}" for name, values in found.items())
    text = said("demo.alone", gains=gains)
    return Section("score", "Records alone, against counting letters", text, figure, "Bits per residue of the test split; lower is better.")


def _translation(found: Facts) -> Section:
    kinds = {"after its own gene": "own", "alone": "alone", "after a foreign gene": "foreign"}
    keys = [(name, suffix) for name in found for suffix in ("", FREE)]
    groups = [f"{name},\n{'no' if suffix else 'gene'}\ncoordinates" for name, suffix in keys]
    series = {words: [found[name][kind + suffix] for name, suffix in keys] for words, kind in kinds.items()}
    excess = np.subtract(found["phiX174"]["alone"], np.log2(20)).tolist()
    counts = " and ".join(f"{v['genes']} of {v['clusters']} clusters ({SETS[name]})" for name, v in found.items())
    words = judged(excess, "more than", "less than", "about")
    text = said("demo.translation", counts=counts, words=words, guess=np.log2(20))
    figure = bars(groups, series, "Bits per amino acid", "What is scored, and how it is placed")
    return Section("translate", "A protein given its gene", text, figure, "Bits per amino acid, with 95% intervals; lower is better.")


def _code(found: Facts) -> Section:
    letters, true = list(found["amino_acids"]), list(found["true"])
    table = np.array(found["probabilities"]).T
    marks = np.array([[amino == letter for amino in true] for letter in letters])
    order = sorted((i for i in range(len(true)) if true[i] in letters), key=lambda i: (letters.index(true[i]), found["codons"][i]))
    rights = " and ".join(f"{told(found[name], 3)} of the residues ({SETS[name]})" for name in SETS if name in found)
    seen = [i for i in order if np.isfinite(table[:, i]).all()]
    named = [f"{found['codons'][i].upper()} ({found['trained'][i]:,})" for i in seen if letters[int(table[:, i].argmax())] != true[i]]
    told_of = {"seen": len(seen), "right": len(seen) - len(named), "usual": np.median(found["trained"])}
    text = said("demo.code", rights=rights, named=", ".join(named) or "there are none", **told_of)
    panels = {"What the model expects for each codon": table[:, order]}
    labels = ("Codon", "Amino acid", "Probability")
    figure = heat_maps(panels, letters, [found["codons"][i].upper() for i in order], labels, marks[:, order], (10.0, 4.2))
    return Section("code", "The genetic code as learned", text, figure, "Mean probability by codon; dots mark the true genetic code.")


def _variants(found: Facts) -> Section:
    protein, letters = found["protein"], list(found["amino_acids"])
    marks = np.array([[residue == letter for residue in protein] for letter in letters])
    panels = {kind: np.where(marks, np.nan, np.array(found[kind])) for kind in ("given its gene", "alone")}
    kept = {kind: int((np.nanmax(table, axis=0) < 0).sum()) for kind, table in panels.items()}
    mean = {kind: float(np.nanmean(table)) for kind, table in panels.items()}
    text = said("demo.variants", name=found["name"], length=len(protein), kept=kept, mean=mean)
    labels = ("Position (1-based)", "Substituted by", "Log-likelihood ratio (nats)")
    figure = heat_maps(panels, letters, [str(i) if i % 5 == 0 else "" for i in range(1, len(protein) + 1)], labels, marks, (9.0, 3.6))
    return Section("variants", "Every substitution of one protein", text, figure, "Blue favours the variant, red the real residue (dots).")


def _samples(found: Facts) -> Section:
    parts = [(found["exact"][name], found["letters"][name], SETS[name]) for name in found["exact"]]
    rates = " and ".join(f"{told(exact)} of the genes, {told(letters, 3)} of the letters ({name})" for exact, letters, name in parts)
    text = said("demo.samples", rates=rates, found=found, free=len(found["free"]), quality=found["quality"])
    lines = []
    for name, wanted, made in found["shown"]:
        same = "".join("|" if a == b else " " for a, b in zip(wanted, made, strict=False))
        lines += [name, f"  protein  {wanted}", f"           {same}", f"  model    {made}", ""]
    lines += ["drawn from nothing", *(f"  {text[:80]}{'...' * (len(text) > 80)}" for text in found["free"][:3])]
    return Section("generate", "What the model writes", text, letters="\n".join(lines))


def _provenance(output: Path) -> Section:
    run = read_json(output / "run.json")
    shown = {k: run[k] for k in ("version", "git_commit", "command", "seed", "config_sha256", "wall_seconds", "peak_memory_bytes")}
    shown["command"] = " ".join(run["command"])
    shown |= {f"host, {key}": value for key, value in run["host"].items()}
    shown |= {f"seconds of {name}": spent for name, spent in run["seconds"].items()}
    rows = [("what", "value"), *((key.replace("_", " "), str(value)) for key, value in shown.items())]
    rows += [("sha256 of " + name, str(digest)) for name, digest in run["inputs"].items()]
    commands = said("demo.commands", seed=run["seed"], output=output)
    return Section("provenance", "How this page came about", said("demo.provenance"), rows=rows, letters=commands)
