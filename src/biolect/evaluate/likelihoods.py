"""Tasks that ask for likelihoods and for translation: bits per residue, conditional gain, exactness.

Source: arXiv:2410.11499 gives none of these; they are what would separate learning to translate from having seen more letters.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from biolect.bio.io.form import Refusal
from biolect.bio.sequence import Modality
from biolect.data.document import Member
from biolect.errors import InputError
from biolect.evaluate.baselines import ContextMixing, Markov, best_markov
from biolect.evaluate.judging import Kind, Outcome, Panel
from biolect.evaluate.question import Letters, Pairs, Question, spelled
from biolect.infer.generate import Sampling, generate
from biolect.infer.prompt import Prompt
from biolect.infer.score import Query, Score, score
from biolect.values import Ints

LETTERS = {
    Modality.PROTEIN: "protein_corpus/uniref90_sample.faa.gz",
    Modality.DNA: "eukaryote_slices/C_elegans/transcripts.fa.gz",
    Modality.RNA: "rna/nrc_ncrna_13class_train.fa.gz",
}
GENES = "genbank/bacteria/Escherichia_coli_K12_MG1655.GCF_000005845.2.gbff.gz"
_CELLS = 5_000_000
"""Numbers that a table of the highest order of a Markov model may have."""
_CODONS = 60
"""Codons of a gene that are translated: letter by letter, each waits for the one before."""
LN2 = math.log(2)


def bits_per_residue(question: Question) -> Outcome:
    """Compare held-out records with what letters give away: composition, Markov models, context mixing."""
    panels = [bits_panel(question, letters) for letters in question.letters(LETTERS)]
    if not panels:
        raise InputError(f"'{question.data}' has no held-out records that the model reads. Give a corpus with a test part, or FASTA.")
    notes = ["Letter models learned from the training part of the data; whether the model has seen its test part is not known."]
    return Outcome("bits_per_residue", panels, largest_is_best=False, notes=notes if question.corpus is None else [])


def letters_panel(question: Question, letters: Letters) -> tuple[Panel, Markov]:
    """Judge the model, beside what letters give away at once: nothing, their shares, and the best Markov model, which is returned."""
    size, lengths = len(letters.symbols), [len(one) for one in letters.test]
    panel = question.panel(letters.modality.value, "bits_per_residue", letters.clusters)
    panel.add_ratio("model", "model", [one.nats / LN2 for one in scores(question, [Query("", m) for m in letters.members])], lengths)
    counts = np.bincount(np.concatenate(letters.train), minlength=size) + 0.5
    composition = -np.log2(counts / counts.sum())
    panel.add_ratio("uniform", "baseline", np.array(lengths) * math.log2(size), lengths)
    panel.add_ratio("composition", "baseline", [composition[one].sum() for one in letters.test], lengths)
    most = int(math.log(_CELLS) / math.log(max(size, 2))) - 1
    markov = best_markov(letters.train, letters.valid, size, range(1, most + 1))
    panel.add_ratio("best Markov", "baseline", [markov.nats(one).sum() / LN2 for one in letters.test], lengths)
    return panel, markov


def bits_panel(question: Question, letters: Letters) -> Panel:
    """Judge the model beside all letter models, context mixing too."""
    panel, _ = letters_panel(question, letters)
    mixing = ContextMixing(len(letters.symbols), _complement(question, letters)).fit(letters.train, letters.valid)
    said = [one.sum() / LN2 for one in mixing.nats(letters.test)]
    panel.add_ratio("context mixing", "baseline", said, [len(one) for one in letters.test])
    return panel


def _complement(question: Question, letters: Letters) -> Ints | None:
    """Return the code of the other strand by code; None where some letter has none among them."""
    if letters.modality not in (Modality.DNA, Modality.RNA):
        return None
    other = question.reader.model.vocabulary.complement_ids[letters.symbols]
    if not np.isin(other, letters.symbols).all():
        return None
    return np.searchsorted(letters.symbols, other)


def scores(question: Question, queries: Sequence[Query], prompt: Prompt | None = None) -> list[Score]:
    """Return the score of every query, after a prompt if there is one. Raises InputError if one is refused."""
    found: list[Score] = []
    for one in score(question.reader, queries, prompt):
        if isinstance(one, Refusal):
            raise InputError(f"'{one.id}' cannot be scored: {one.reason}")
        if isinstance(one, Score):
            found.append(one)
        question.advance(1)
    return found


def conditional_gain(question: Question) -> Outcome:
    """Ask what a partner is worth: a protein after its gene and back; alone, after its own, a foreign and a shuffled one."""
    pairs = question.pairs(GENES, learns=True)
    forward = gain(question, pairs, [(one.gene, one.protein) for one in pairs.asked], "protein given gene")
    back = gain(question, pairs, [(one.protein, one.gene) for one in pairs.asked], "gene given protein")
    _add_codon_usage(question, pairs, back)
    return Outcome("bits_per_residue_gained", [forward, back], facts={"codons": sum(len(one.protein) for one in pairs.asked)})


def gain(question: Question, pairs: Pairs, texts: list[tuple[Member, Member]], part: str) -> Panel:
    """Judge what sources say of their targets, in bits per residue: their own, foreign and shuffled ones, and none."""
    lengths = [len(target) for _, target in texts]
    panel = question.panel(part, "bits_per_residue_gained", pairs.clusters)
    foreign = _strangers(lengths, pairs.clusters)
    rng = question.generator(1)
    partners = {
        "own partner": [source for source, _ in texts],
        "foreign partner": [texts[other][0].slice(0, len(source)) for (source, _), other in zip(texts, foreign, strict=True)],
        "shuffled partner": [replace(source, token_ids=rng.permutation(source.token_ids)) for source, _ in texts],
    }
    for name, sources in partners.items():
        found = scores(question, [Query("", t, s) for s, (_, t) in zip(sources, texts, strict=True)])
        told = np.array([(o.log_likelihood, o.pmi, o.log_likelihood_coordinate_free, o.pmi_coordinate_free) for o in found], dtype=float)
        kind: Kind = "model" if name == "own partner" else "baseline"
        panel.add_ratio(name, kind, told[:, 1] / LN2, lengths)
        panel.add_ratio(name, kind, -told[:, 0] / LN2, lengths, "bits_per_residue")
        if not np.array_equal(told[:, 0], told[:, 2]):
            panel.add_ratio(f"{name}, ordinary positions", "control", told[:, 3] / LN2, lengths)
            panel.add_ratio(f"{name}, ordinary positions", "control", -told[:, 2] / LN2, lengths, "bits_per_residue")
        if kind == "model":
            alone = told[:, 1] - told[:, 0]
            panel.add_ratio("no partner", "baseline", np.zeros(len(lengths)), lengths)
            panel.add_ratio("alone", "control", alone / LN2, lengths, "bits_per_residue")
            if part == "protein given gene":
                panel.add_ratio("genetic code", "reference", alone / LN2, lengths)
    return panel


def _strangers(lengths: Sequence[int], clusters: NDArray[np.integer]) -> list[int]:
    """Return for every item one of another cluster, as close in length as can be; itself where there is none."""
    ranks, found = np.argsort(np.argsort(lengths, kind="stable")), list[int]()
    for item, rank in enumerate(ranks):
        # Of two that are as close, the longer one.
        gaps = np.where(clusters == clusters[item], len(ranks), np.abs(ranks - rank - 0.25))
        found.append(item if gaps.min() == len(ranks) else int(gaps.argmin()))
    return found


def _add_codon_usage(question: Question, pairs: Pairs, panel: Panel) -> None:
    """Add what a gene costs where amino acids are known, and codons are as frequent as in other genes."""
    usage, bits = codon_usage(spelled(question, pairs.others)), []
    for gene, protein in spelled(question, pairs.asked):
        counts = [(usage[amino_acid], codon) for codon, amino_acid in zip(_codons(gene), protein, strict=True)]
        bits.append(-sum(math.log2((of[codon] + 0.1) / (of.total() + 6.4)) for of, codon in counts))
    drawn = panel.add_ratio("codon usage", "baseline", bits, [len(one.gene) for one in pairs.asked], "bits_per_residue")
    alone = next(arm for arm in panel.arms if arm.name == "alone")
    panel.arms.append(replace(alone.over(drawn), name=drawn.name, kind=drawn.kind, metric=panel.metric))


def codon_usage(texts: Sequence[tuple[str, str]]) -> dict[str, Counter[str]]:
    """Return how often each codon stands for each amino acid, in genes and their proteins."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for gene, protein in texts:
        for codon, amino_acid in zip(_codons(gene), protein, strict=True):
            found[amino_acid][codon] += 1
    return found


def _codons(gene: str) -> list[str]:
    return [gene[i : i + 3] for i in range(0, len(gene), 3)]


def translation(question: Question) -> Outcome:
    """Translate genes into proteins and back, always the likeliest letter."""
    pairs = question.pairs(GENES, _CODONS, learns=True)
    usage, texts = codon_usage(spelled(question, pairs.others)), spelled(question, pairs.asked)
    genes, proteins = [_codons(gene) for gene, _ in texts], [protein for _, protein in texts]
    table = {codon: max(usage, key=lambda letter: usage[letter][codon]) for codons in usage.values() for codon in codons}
    preferred = {letter: codons.most_common(1)[0][0] for letter, codons in usage.items()}
    commonest = max(usage, key=lambda letter: usage[letter].total())
    forward = question.panel("gene to protein", "residues_right", pairs.clusters)
    said = greedy(question, [one.gene for one in pairs.asked], Modality.PROTEIN, [len(protein) for protein in proteins])
    add_right(forward, "model", "model", said, proteins)
    add_right(forward, "most frequent letter", "baseline", [commonest * len(protein) for protein in proteins], proteins)
    add_right(forward, "codon table of other genes", "reference", _read(genes, table), proteins)
    back = question.panel("protein to gene", "residues_right", pairs.clusters)
    drawn = greedy(question, [one.protein for one in pairs.asked], pairs.asked[0].gene.modality, [3 * len(protein) for protein in proteins])
    ways: dict[tuple[str, Kind], list[list[str]]] = {
        ("model", "model"): [_codons(text.replace("U", "T")) for text in drawn],
        ("most frequent letter", "baseline"): [[preferred[commonest]] * len(protein) for protein in proteins],
        ("preferred codons", "reference"): [[preferred.get(letter, "NNN") for letter in protein] for protein in proteins],
    }
    for (name, kind), codons in ways.items():
        add_right(back, name, kind, _read(codons, table), proteins)
        add_right(back, name, kind, codons, genes, "codons_right")
    return Outcome("residues_right", [forward, back], facts={"codons": sum(map(len, proteins))})


def _read(genes: Sequence[Sequence[str]], table: dict[str, str]) -> list[str]:
    return ["".join(table.get(codon, "X") for codon in gene) for gene in genes]


def add_right(
    panel: Panel, name: str, kind: Kind, said: Sequence[Sequence[str]], truth: Sequence[Sequence[str]], metric: str = "residues_right"
) -> None:
    """Add the share of places that are right; what was not said is wrong."""
    right = [sum(a == b for a, b in zip(one, other, strict=False)) for one, other in zip(said, truth, strict=True)]
    panel.add_ratio(name, kind, right, [len(one) for one in truth], metric)
    if metric == panel.metric:
        whole = [list(one) == list(other) for one, other in zip(said, truth, strict=True)]
        panel.add_ratio(name, kind, whole, np.ones(len(whole)), "sequences_right")


def greedy(question: Question, sources: Sequence[Member], modality: Modality, lengths: Sequence[int]) -> list[str]:
    """Return the likeliest next letters after each source, until it ends or is as long as it should be."""
    found: list[str] = []
    for source, length in zip(sources, lengths, strict=True):
        sampling = Sampling(temperature=0, max_residues=length)
        found.append(generate(question.reader, modality, 1, sampling, prompt=Prompt((source,))).sequences[0].residues)
        question.advance(1)
    return found
