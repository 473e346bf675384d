"""Fitness of variants: baselines of known value, genes that are found by their protein, assays that cannot be asked."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import polars
import pytest

from biolect.bio.gene import Gene
from biolect.bio.io import read_genes
from biolect.bio.sequence import Modality, Sequence
from biolect.bio.variant import Variant
from biolect.data.document import Grammar, View
from biolect.errors import InputError
from biolect.evaluate import fitness
from biolect.evaluate.question import EvaluateConfig, Question
from biolect.infer.inputs import view_of
from biolect.infer.reader import Reader
from biolect.infer.score import Query, score
from tests.infer.conftest import build

ASSETS = Path(str(files("biolect") / "assets"))
GENES = [g for g in read_genes(ASSETS / "phix174.gff3", ASSETS / "phix174.fa") if isinstance(g, Gene)]
WILD = min((gene.protein for gene in GENES), key=len)
"""Gene J: 38 residues."""


def assay(path: Path, wild: str, effects: list[float] | None = None) -> list[str]:
    """Write an assay in the form of ProteinGym: every residue to A or G, one pair of changes."""
    mutants = [f"{old}{i}{'A' if old != 'A' else 'G'}" for i, old in enumerate(wild, start=1)]
    mutants.append(f"{mutants[1]}:{mutants[4]}")
    rows = []
    for i, text in enumerate(mutants):
        letters = list(wild)
        for change in Variant.parse(text).substitutions:
            letters[change.position - 1] = change.after
        rows.append({"mutant": text, "mutated_sequence": "".join(letters), "DMS_score": (effects or np.arange(len(mutants)) % 7)[i]})
    path.parent.mkdir(parents=True, exist_ok=True)
    polars.DataFrame(rows).write_csv(path)
    return mutants


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assay(tmp_path / fitness.ASSAYS / "J_PHIX_Toy_2026.csv", WILD.residues)
    (tmp_path / "genbank" / "misc").mkdir(parents=True)
    genome = (ASSETS / "phix174.gff3").read_text() + "##FASTA\n" + (ASSETS / "phix174.fa").read_text()
    (tmp_path / "genbank" / "misc" / "pBAD30.gb").write_text(genome)
    (tmp_path / fitness.ALIGNMENTS).mkdir(parents=True)
    rows = [WILD.residues, *("A" * len(WILD) for _ in range(3)), WILD.residues.replace("K", "R")]
    (tmp_path / fitness.ALIGNMENTS / "J_PHIX_search.a3m").write_text("".join(f">{i}\n{row}\n" for i, row in enumerate(rows)))
    return tmp_path


def question(folder: Path, **changes: object) -> Question:
    reader = replace(Reader(build(), Grammar(), batch_tokens=2_048), **changes)
    return Question(reader, EvaluateConfig(tasks=("protein-fitness",), data=str(folder), draws=10, items=50))


def test_an_assay_is_asked_by_its_protein_its_gene_and_both(folder: Path):
    outcome = fitness.protein_fitness(question(folder))

    arms = {arm.name: arm for arm in outcome.panels[0].arms}
    assert [name for name, arm in arms.items() if arm.kind == "model"] == [
        "protein",
        "gene",
        "protein given wild gene",
        "gene, then protein",
        "gene, then protein, the latter only",
        "protein, then gene",
        "protein, then gene, the latter only",
    ]
    assert {name for name, arm in arms.items() if arm.kind == "baseline"} == {"BLOSUM62", "number of changes", "site profile"}
    assert outcome.notes == [] and outcome.report()["value"] == arms["protein"].value


def test_both_together_are_one_likelihood(folder: Path):
    """A model of ordinary positions: log p(gene) + log p(protein | gene) is log p of the document."""
    asked = question(folder)
    gene = fitness._genes(asked, [WILD])[WILD.residues]
    own = next(one for one in GENES if one.protein == WILD)
    reader = asked.reader

    assert reader.sequence(gene.gene).residues == own.coding_sequence.residues[: 3 * len(WILD)]
    found = [one for one in score(reader, [Query("", gene.protein, view_of(reader, own, View.CDS).slice(0, 3 * len(WILD)))])]
    again = [one for one in score(reader, [Query("", gene.protein, gene.gene)])]
    assert found[0].log_likelihood == pytest.approx(again[0].log_likelihood)  # pyright: ignore[reportAttributeAccessIssue]


def test_matrix_and_profile_say_what_a_hand_calculation_says(folder: Path):
    variants = [Variant.parse(f"{WILD.residues[1]}2A"), Variant.parse(f"{WILD.residues[1]}2A:{WILD.residues[4]}5G")]
    found = dict(fitness._baselines(question(folder), "J_PHIX_Toy_2026", WILD, variants))
    blosum = {("S", "A"): 1.0, ("K", "A"): -1.0, ("K", "G"): -2.0, ("G", "G"): 6.0}

    first, second = WILD.residues[1], WILD.residues[4]
    assert found["BLOSUM62"].tolist() == [blosum[first, "A"], blosum[first, "A"] + blosum[second, "G"]]
    assert found["number of changes"].tolist() == [-1, -2]
    # Three equal rows weigh a third each, and the two that differ in six K of 38 residues a half each: S and A are as frequent here.
    total = 2 * len(WILD) + 20
    anywhere = {letter: (WILD.residues.count(letter) + len(WILD) * (letter == "A") + 1) / total for letter in "SA"}
    assert found["site profile"][0] == pytest.approx(np.log((1 + anywhere["A"]) / (1 + anywhere["S"])))


def test_a_gene_is_changed_to_the_codon_that_it_uses_most():
    coding = Sequence("ATGGCAGCAGCCAAA", Modality.DNA)

    assert str(fitness._recoded(coding, Variant.parse("K5A"))) == "A13G:A14C"
    assert str(fitness._recoded(coding, Variant.parse("A4A"))) == "C12A"


def test_a_protein_that_is_too_long_is_left_out_and_said(folder: Path):
    assay(folder / fitness.ASSAYS / "Z_LONG.csv", WILD.residues * 3)
    outcome = fitness.protein_fitness(question(folder, context_tokens=60))

    assert [panel.part for panel in outcome.panels] == ["J_PHIX_Toy_2026"]
    assert outcome.notes == ["Z_LONG is left out: its protein has 57 tokens too many for the model."]
    # The gene and its protein have no room together, so the protein alone is asked about.
    assert [arm.name for arm in outcome.panels[0].arms if arm.kind == "model"] == ["protein"]


def test_equal_labels_rank_nothing(folder: Path):
    assay(folder / fitness.ASSAYS / "J_PHIX_Toy_2026.csv", WILD.residues, [0.5] * 60)

    with pytest.raises(InputError, match="has no two different numbers: there is nothing to rank"):
        fitness.protein_fitness(question(folder))


def test_a_folder_without_assays_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="has no assays: tables with mutant, mutated_sequence, DMS_score"):
        fitness.protein_fitness(question(tmp_path))
