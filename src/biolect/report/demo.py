"""The page of the demo: figures of its numbers, and sentences that are computed from them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from biolect.figures.curves import learning_curves
from biolect.figures.panels import bars, heat_maps
from biolect.figures.style import COLORS
from biolect.report.page import Section, write_page
from biolect.train.log import MetricsLog
from biolect.train.pretrain import METRICS, curves

Facts = Mapping[str, Any]

TITLE = "What a small model of DNA, RNA and protein learns in minutes"
INTRO = (
    "Simulated genes, with a known truth, are prepared as a corpus; a language model is trained on it from nothing, in three "
    "rounds; then it is asked what it learned, on held-out simulated genes and on the genes of the phage phiX174, the first "
    "genome ever sequenced, of which no letter was trained on. Every number and every judgement below is computed from this run. "
    "Brackets are 95% intervals, drawn over clusters of related genes; they speak of this one model, not of other seeds. "
    "Translation is called learned where an amino acid costs less than half as much after its gene as alone, less than after a "
    "foreign gene, and the intervals agree; a trace of it, where it costs less than in both cases, but more than that half."
)
SETS = {"simulated": "held-out simulated genes", "phiX174": "genes of phiX174"}
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
    return write_page(output / "report.html", TITLE, INTRO, findings, parts)


def told(estimate: Sequence[float], digits: int = 2) -> str:
    """Return a value with its interval in brackets."""
    value, low, high = (f"{number:.{digits}f}" for number in estimate)
    return f"{value} [{low}, {high}]"


def judged(estimate: Sequence[float], above: str, below: str, unclear: str) -> str:
    """Return the words that the interval of a difference allows."""
    return above if estimate[1] > 0 else below if estimate[2] < 0 else unclear


def _learned(name: str, found: Facts, suffix: str) -> str:
    least = min(found[f"gain{suffix}"][1], found[f"gain_over_foreign{suffix}"][1])
    is_most = found[f"gain{suffix}"][1] > found[f"alone{suffix}"][0] / 2
    verdict = (
        "translation was not shown to be learned"
        if least <= 0
        else "translation was learned"
        if is_most
        else "a trace of translation was learned"
    )
    own, alone, foreign = (told(found[kind + suffix]) for kind in ("own", "alone", "foreign"))
    how = "without" if suffix else "with"
    return (
        f"{SETS[name][0].upper()}{SETS[name][1:]}, {how} gene coordinates: {verdict}. An amino acid costs {own} bits after its own gene, "
        f"{alone} alone, {foreign} after a foreign gene."
    )


def _against_markov(name: str, found: Facts) -> str:
    words = judged(found["gain"], "the model beats", "the model is worse than", "the model cannot be told from")
    return (
        f"{name.upper() if name != 'protein' else 'Protein'} alone: {words} the best Markov model (order {found['order']}), "
        f"{told(found['model'], 3)} against {told(found['markov'], 3)} bits per residue."
    )


def _corpus(found: Facts) -> Section:
    report, natural = found["simulated"], found["phiX174"]
    checks, leakage = report["translations"], report["leakage"]
    explained = "; ".join(f"{count} {reason}" for reason, count in checks["explained"].items()) or "none"
    leaks = ", ".join(f"{part['count']} {kind.replace('_', ' ')}" for kind, part in leakage.items() if kind != "clean")
    text = (
        f"A simulated bacterium and a simulated eukaryote with introns give {report['genes']:,} genes. Where the annotation has a "
        f"translation, it was derived again from the genome: {checks['checked']} checked, {checks['equal']} equal, explained: {explained}, "
        f"unexplained: {len(checks['unexplained'])}. Splits are whole clusters of related genes, so no relative of a held-out gene is "
        f"trained on. The leakage report, made with other words than the clusters, is {'clean' if leakage['clean'] else 'NOT clean'} "
        f"({leaks}). The {natural['genes']} genes of phiX174 lie in a corpus of their own that training never opens."
    )
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
    text = (
        f"{found['tokens']:,} tokens in {found['steps']:,} steps. The first round reads records alone, the second joins the views of "
        "a gene in one context, gene before protein, the third reads little else. The table gives validation bits per residue of "
        "records alone at the end of each round, beside a Markov model fitted on the same training split whose order suits validation "
        "best; the right panel shows what a second or third view costs once the views before it were read. Kinds of documents that "
        "were not yet trained on can cost more than 5 bits; there the lines leave the panel."
    )
    rounds = list(ends)
    rows = [
        ("alone", *rounds, "Markov"),
        *(
            (name, *(f"{v['by_phase'][r]:.3f}" for r in rounds), f"{scores[name]['markov_valid']:.3f}")
            for name, v in found["bits_per_residue"].items()
        ),
    ]
    caption = "Validation loss over training. Left: records alone, dotted: Markov models. Right: members of gene documents, by place."
    return Section("pretrain", "Three rounds of training", text, figure, caption, rows)


def _alone(found: Facts) -> Section:
    series = {name: [values[kind] for values in found.values()] for name, kind in (("model", "model"), ("Markov", "markov"))}
    figure = bars([f"{m}\n({v['residues']:,} residues)" for m, v in found.items()], series, "Bits per residue", "Held-out records alone")
    gains = ", ".join(f"{told(values['gain'], 3)} for {name}" for name, values in found.items())
    text = (
        "Records of the test split on their own, letter by letter. A uniform guess costs 2 bits per nucleotide and 4.32 per amino acid. "
        f"The model saves, in bits per residue against the Markov model: {gains}. An interval below 0 means the Markov model is better. "
        "Families of test proteins were never seen, so apart from the chain that all families share there is little to know about them."
    )
    return Section("score", "Records alone, against counting letters", text, figure, "Bits per residue of the test split; lower is better.")


def _translation(found: Facts) -> Section:
    kinds = {"after its own gene": "own", "alone": "alone", "after a foreign gene": "foreign"}
    keys = [(name, suffix) for name in found for suffix in ("", FREE)]
    groups = [f"{name},\n{'no' if suffix else 'gene'} coordinates" for name, suffix in keys]
    series = {words: [found[name][kind + suffix] for name, suffix in keys] for words, kind in kinds.items()}
    excess = np.subtract(found["phiX174"]["alone"], np.log2(20)).tolist()
    counts = " and ".join(f"{v['crops']} stretches of {v['clusters']} clusters ({SETS[name]})" for name, v in found.items())
    text = (
        "The same stretches of protein are read alone, after the gene that makes them, and after a foreign gene of equal length: "
        f"{counts}. The foreign gene tells whether the letters of a gene count, or only that there is one. With gene coordinates, a "
        "codon and its amino acid stand at a constant distance; without, the model has to count. The verdicts stand at the top of this "
        "page. PhiX174 has few clusters, because its genes overlap, so its intervals are rough. Its proteins are real ones: alone, "
        f"an amino acid of them costs {judged(excess, 'more than', 'less than', 'about')} the {np.log2(20):.2f} bits of a uniform guess."
    )
    figure = bars(groups, series, "Bits per amino acid", "What is scored, and how it is placed")
    return Section("translate", "A protein given its gene", text, figure, "Bits per amino acid, with 95% intervals; lower is better.")


def _code(found: Facts) -> Section:
    letters, true = list(found["amino_acids"]), list(found["true"])
    table = np.array(found["probabilities"]).T
    marks = np.array([[amino == letter for amino in true] for letter in letters])
    order = sorted((i for i in range(len(true)) if true[i] in letters), key=lambda i: (letters.index(true[i]), found["codons"][i]))
    rights = " and ".join(f"{told(found[name], 3)} of the residues ({SETS[name]})" for name in SETS)
    seen = [i for i in order if np.isfinite(table[:, i]).all()]
    named = [f"{found['codons'][i].upper()} ({found['trained'][i]:,})" for i in seen if letters[int(table[:, i].argmax())] != true[i]]
    text = (
        "No table of the genetic code was given to the model. For every codon, averaged over both sets of genes, this is what it expects "
        f"where the amino acid stands. Its first guess is right at a share of {rights}. Of {len(seen)} codons that occur, the likeliest "
        f"amino acid is the true one for {len(seen) - len(named)}. In brackets, how often the training genes have the others (a codon "
        f"does so {np.median(found['trained']):,.0f} times in the median): {', '.join(named) or 'there are none'}."
    )
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
    text = (
        f"Every single substitution in protein {found['name'].split()[0]} of phiX174 ({len(protein)} residues), as the change of the "
        f"log-likelihood of the whole protein. After its gene, every substitution is worse than the real residue at "
        f"{kept['given its gene']} of {len(protein)} positions (mean {mean['given its gene']:.1f} nats); alone, at {kept['alone']} "
        f"(mean {mean['alone']:.1f}). The first map asks whether a residue fits its codon, not whether the protein would work; the "
        "second asks a model that never saw a real protein. Neither predicts fitness."
    )
    labels = ("Position (1-based)", "Substituted by", "Log-likelihood ratio (nats)")
    figure = heat_maps(panels, letters, [str(i) if i % 5 == 0 else "" for i in range(1, len(protein) + 1)], labels, marks, (9.0, 3.6))
    return Section("variants", "Every substitution of one protein", text, figure, "Blue favours the variant, red the real residue (dots).")


def _samples(found: Facts) -> Section:
    parts = [(found["exact"][name], found["letters"][name], SETS[name]) for name in SETS]
    rates = " and ".join(f"{told(exact)} of the stretches, {told(letters, 3)} of the letters ({name})" for exact, letters, name in parts)
    size = found["quality"]["residues"]
    text = (
        "When it always takes the likeliest letter, the model writes the protein of a stretch of gene, to the letter and to its end, for a "
        f"share of {rates}. The first three of each set are shown. Proteins drawn from nothing: {found['ended']} of {len(found['free'])} "
        f"ended by themselves, mean length {size['mean']:.0f} residues, {found['quality']['unique_fraction']:.0%} of them different. "
        "The model saw simulated proteins only; nothing here says that these would fold."
    )
    lines = []
    for name, wanted, made in found["shown"]:
        same = "".join("|" if a == b else " " for a, b in zip(wanted, made, strict=False))
        lines += [name, f"  protein  {wanted}", f"           {same}", f"  model    {made}", ""]
    lines += ["drawn from nothing", *(f"  {text[:80]}{'...' * (len(text) > 80)}" for text in found["free"][:3])]
    return Section("generate", "What the model writes", text, letters="\n".join(lines))


def _provenance(output: Path) -> Section:
    run = json.loads((output / "run.json").read_text())
    shown = {k: run[k] for k in ("version", "git_commit", "command", "seed", "config_sha256", "wall_seconds", "peak_memory_bytes")}
    shown["command"] = " ".join(run["command"])
    shown |= {f"host, {key}": value for key, value in run["host"].items()}
    shown |= {f"seconds of {name}": spent for name, spent in run["seconds"].items()}
    rows = [("what", "value"), *((key.replace("_", " "), str(value)) for key, value in shown.items())]
    rows += [("sha256 of " + name, str(digest)) for name, digest in run["inputs"].items()]
    text = (
        "The same version with the same seed makes the same choices; numbers can differ in their last digits between machines. All numbers "
        "are in results.json, the trained model in run/model, its config in run/config.yaml. To run it all again, or to ask the model more:"
    )
    commands = f"biolect demo -o again --seed {run['seed']}\nbiolect pretrain {output}/run/config.yaml -o longer --tokens 3000000\n"
    commands += f"biolect generate -m {output}/run/model -o designs.fa --modality protein --count 10"
    return Section("provenance", "How this page came about", text, rows=rows, letters=commands)
