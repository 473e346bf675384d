"""Protein fitness: do likelihoods rank the variants of deep mutational scans, without any training on them?

Source: ProteinGym (10.1101/2023.12.07.570727) for the form of assays and the signed rank correlation of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from biolect.bio.gene import Gene
from biolect.bio.genetic_code import GeneticCode
from biolect.bio.io import read_genes
from biolect.bio.io.tables import read_table
from biolect.bio.sequence import Modality, Sequence as Record
from biolect.bio.variant import Substitution, Variant
from biolect.data.document import Member, View
from biolect.errors import InputError
from biolect.evaluate.judging import Outcome, Panel
from biolect.evaluate.likelihoods import GENES, scores
from biolect.evaluate.question import Pair, Question
from biolect.infer.infill import ONE_HOLE
from biolect.infer.inputs import Mutations, read_mutations, view_of
from biolect.infer.prompt_file import columns_of, sampling_weights
from biolect.infer.score import Query
from biolect.infer.variants import score_variants
from biolect.metrics import spearman
from biolect.values import Floats

ASSAYS, ALIGNMENTS = "protein_fitness/proteingym", "protein_families/msa"
GENE_FILES = ("genbank/misc/pBAD30.gb.gz", "genbank/virus/SARS-CoV-2.MN908947.3.gb.gz", GENES)
_COLUMNS = ("mutant", "mutated_sequence", "DMS_score")


def protein_fitness(question: Question) -> Outcome:
    """Rank the variants of every assay that the model has room for: by the protein, by the gene, and by both in either order."""
    outcome = Outcome("spearman", [], draws_parts=True)
    assays = {path: _wild_type(path) for path in _assays(question)}
    genes = _genes(question, list(assays.values()))
    for path, wild in assays.items():
        name = path.name.split(".")[0]
        hole = ONE_HOLE * (Modality.PROTEIN in question.reader.infills)
        if (room := question.reader.room) is not None and (excess := len(wild) + hole - room) > 0:
            outcome.notes.append(f"{name} is left out: its protein has {excess:,} tokens too many for the model.")
            continue
        table = _drawn(question, read_mutations(str(path), wild, "DMS_score"), path)
        outcome.refused += table.refused
        places = [variant.substitutions[0].position for variant in table.variants]
        panel = question.panel(name, "spearman", places)
        gene = genes.get(wild.residues)
        _add_model(question, panel, wild, table, gene)
        if gene is None:
            outcome.notes.append(f"No gene of {name} was found among the genomes: it is asked by its protein only.")
        for arm, values in _baselines(question, name, wild, table.variants):
            _add(panel, arm, "baseline", values, table)
        outcome.panels.append(panel)
    if not outcome.panels:
        raise InputError(f"The model has no room for any of the {len(assays)} assays in '{question.data}'. {outcome.notes[0]}")
    return outcome


def _assays(question: Question) -> list[Path]:
    folders = [question.data / ASSAYS, question.data]
    found = [question.data] if question.data.is_file() else next((f for f in (sorted(d.glob("*.csv*")) for d in folders) if f), [])
    if not found:
        raise InputError(f"'{question.data}' has no assays: tables with {', '.join(_COLUMNS)}, in '{ASSAYS}' or in the folder itself.")
    return found


def _wild_type(path: Path) -> Record:
    """Return the protein of an assay: a mutated sequence with its changes undone."""
    frame = read_table(path, _COLUMNS)
    letters = list(str(frame["mutated_sequence"][0]))
    for change in Variant.parse(str(frame["mutant"][0])).substitutions:
        if change.position > len(letters):
            raise InputError(f"'{path}' changes position {change.position} (1-based) of a sequence of {len(letters)}. Check its first row.")
        letters[change.position - 1] = change.before
    return Record("".join(letters), Modality.PROTEIN, path.name.split(".")[0])


def _drawn(question: Question, table: Mutations, path: Path) -> Mutations:
    """Return as many variants with a number as are asked about."""
    known = np.flatnonzero(np.isfinite(table.labels))
    chosen = sorted(known[question.drawn(len(known))].tolist())
    if len({table.labels[i] for i in chosen}) < 2:
        raise InputError(f"Column 'DMS_score' of '{path}' has no two different numbers: there is nothing to rank. Check how it was made.")
    return table.only(chosen)


def _genes(question: Question, wanted: list[Record]) -> dict[str, Pair]:
    """Return the part of a gene that codes for exactly each protein, by its residues."""
    found: dict[str, Pair] = {}
    for path in filter(None, map(question.find, GENE_FILES) if question.data.is_dir() else ()):
        for gene in read_genes(path):
            if not isinstance(gene, Gene):
                continue
            for one in wanted:
                start = gene.protein.residues.find(one.residues)
                if start >= 0 and one.residues not in found:
                    views = (view_of(question.reader, gene, view) for view in (View.CDS, View.PROTEIN))
                    found[one.residues] = Pair(gene.name, *(_part(view, start, start + len(one)) for view in views))
    return found


def _part(member: Member, first: int, last: int) -> Member:
    """Return codons or residues [first, last), 0-based, as if the gene began there."""
    if member.runs:
        return member.between(3 * first, 3 * last, origin=3 * first)
    step = 1 if member.modality is Modality.PROTEIN else 3
    return member.slice(step * first, step * last)


def _add_model(question: Question, panel: Panel, wild: Record, table: Mutations, gene: Pair | None) -> None:
    reader, variants = question.reader, table.variants
    by_protein = score_variants(reader, wild, variants, advance=question.advance)
    _add(panel, "protein", "model", by_protein, table)
    if gene is None or not reader.model.config.is_causal or not reader.model.vocabulary.reads(Modality.DNA):
        return
    coding = reader.sequence(gene.gene)
    recoded = [_recoded(coding, variant) for variant in variants]
    room = reader.context_tokens
    if room is not None and reader.grammar.overhead(2) + 4 * len(wild) > room:
        return
    by_gene = score_variants(reader, coding, recoded)
    _add(panel, "gene", "model", by_gene, table)
    _add(panel, "protein given wild gene", "model", score_variants(reader, wild, variants, given=gene.gene, member=gene.protein), table)
    changes = [(Variant(()), Variant(())), *zip(recoded, variants, strict=True)]
    texts = [(_changed(question, gene.gene, one), _changed(question, gene.protein, other)) for one, other in changes]
    for name, alone, step in (("gene, then protein", by_gene, 1), ("protein, then gene", by_protein, -1)):
        found = scores(question, [Query("", last, first) for first, last in (text[::step] for text in texts)])
        after = np.array([one.log_likelihood for one in found])
        _add(panel, name, "model", alone + after[1:] - after[0], table)
        _add(panel, f"{name}, the latter only", "model", after[1:] - after[0], table)


def _add(panel: Panel, name: str, kind: Literal["model", "baseline"], values: Floats, table: Mutations) -> None:
    labels = np.array(table.labels)
    panel.add(name, kind, lambda items: spearman(values[items], labels[items]))


def _recoded(coding: Record, variant: Variant) -> Variant:
    """Return the change of a gene that makes a change of its protein: to the codon that the gene itself uses most."""
    code, text = GeneticCode.by_id(1), coding.back_transcribe().residues
    used = [text[i : i + 3] for i in range(0, len(text), 3)]
    changes: list[Substitution] = []
    for change in variant.substitutions:
        start = 3 * (change.position - 1)
        codon = max(code.codons(change.after), key=used.count)
        pairs = zip(coding.residues[start : start + 3], codon.replace("T", coding.modality.alphabet.standard[-1]), strict=True)
        changes += [Substitution(old, start + 1 + i, new) for i, (old, new) in enumerate(pairs) if old != new]
    return Variant(tuple(changes))


def _changed(question: Question, member: Member, variant: Variant) -> Member:
    """Return a member with a variant's changes, in its place."""
    table, token_ids = question.reader.model.vocabulary.residue_table(member.modality), member.token_ids.copy()
    for change in variant.substitutions:
        token_ids[change.position - 1] = table[ord(change.after)]
    return replace(member, token_ids=token_ids)


def _baselines(question: Question, name: str, wild: Record, variants: list[Variant]) -> Iterator[tuple[str, Floats]]:
    """Yield what substitution matrix, number of changes and, where there is one, alignment say of variants."""
    from Bio.Align import substitution_matrices

    matrix: Any = substitution_matrices.load("BLOSUM62")
    known = set(matrix.alphabet)
    pairs = [[[letter if letter in known else "X" for letter in (c.before, c.after)] for c in one.substitutions] for one in variants]
    yield "BLOSUM62", np.array([sum(float(matrix[old, new]) for old, new in one) for one in pairs])
    changes = np.array([-float(len(one.substitutions)) for one in variants])
    if changes.min() < changes.max():
        yield "number of changes", changes
    protein = "_".join(name.split("_")[:2])
    paths = (path for folder in (question.data / ALIGNMENTS, question.data) for path in sorted(folder.glob(f"{protein}*.a3m*")))
    if (profile := next(filter(None, (_profile(path, wild) for path in paths)), None)) is not None:
        gains = [[profile[c.position - 1][c.after] - profile[c.position - 1][c.before] for c in one.substitutions] for one in variants]
        yield "site profile", np.array([sum(one) for one in gains])


def _profile(path: Path, wild: Record) -> list[dict[str, float]] | None:
    """Return log-frequencies of amino acids at every place of an alignment; None if its first row is another protein."""
    columns = columns_of(path)
    if columns[0].tobytes().decode("latin-1") != wild.residues:
        return None
    letters, weights = wild.modality.alphabet.standard, sampling_weights(columns)
    counts = np.stack([weights @ (columns == ord(letter)) for letter in letters], axis=1)
    anywhere = counts.sum(axis=0) + 1
    # As much weight as one sequence goes to what is frequent anywhere in the alignment.
    logs = np.log(counts + anywhere / anywhere.sum())
    return [dict(zip(letters, row, strict=True)) for row in logs.tolist()]
