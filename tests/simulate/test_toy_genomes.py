import json

import pytest
from hypothesis import given, settings, strategies as st

from biolect.bio.gene import Gene
from biolect.bio.io import read_genes
from biolect.bio.sequence import Modality, Sequence
from biolect.errors import ConfigError
from biolect.simulate import genomes, organisms


def spliced(organism, intervals, strand):
    parts = [Sequence(organism.dna[start:stop], Modality.DNA) for start, stop in intervals]
    return "".join(str(part.reverse_complement() if strand < 0 else part) for part in parts)


@given(st.integers(0, 10_000))
@settings(max_examples=5)
def test_every_coding_sequence_translates_to_its_protein(seed):
    for organism in organisms(seed=seed, num_genes=7, num_families=3):
        for gene in organism.genes:
            coding = spliced(organism, gene.coding, gene.strand)

            assert organism.code.translate(coding, first_is_start=True) == gene.protein + "*"


def test_the_same_seed_makes_the_same_organisms_and_another_seed_others():
    assert organisms(seed=5, num_genes=3) == organisms(seed=5, num_genes=3)
    assert organisms(seed=5, num_genes=3) != organisms(seed=6, num_genes=3)


def test_both_strands_alternative_starts_and_introns_occur():
    bacterium, eukaryote = organisms(seed=1, num_genes=60)

    assert {gene.strand for gene in bacterium.genes} == {1, -1}
    starts = {spliced(bacterium, gene.coding, gene.strand)[:3] for gene in bacterium.genes}
    assert {"ATG", "GTG"} <= starts <= {"ATG", "GTG", "TTG"}
    assert {len(gene.coding) for gene in eukaryote.genes} == {1, 2, 3, 4}


def test_introns_open_with_gt_and_close_with_ag():
    _, eukaryote = organisms(seed=2, num_genes=20)

    for gene in eukaryote.genes:
        for before, after in zip(gene.coding, gene.coding[1:], strict=False):
            gap = (before[1], after[0]) if gene.strand > 0 else (after[1], before[0])
            intron = spliced(eukaryote, [gap], gene.strand)

            assert intron.startswith("GT") and intron.endswith("AG")


def test_members_of_a_family_resemble_each_other_and_strangers_do_not():
    bacterium, _ = organisms(seed=3, num_genes=80, num_families=5)
    identity = {True: [], False: []}

    for first, second in zip(bacterium.genes, bacterium.genes[1:], strict=False):
        pairs = list(zip(first.protein, second.protein, strict=False))
        identity[first.family == second.family].append(sum(a == b for a, b in pairs) / len(pairs))

    assert min(identity[True]) > 0.4 > 0.3 > max(identity[False])


def test_families_cross_the_border_between_organisms():
    bacterium, eukaryote = organisms(seed=4, num_genes=30, num_families=4)

    assert {gene.family for gene in bacterium.genes} & {gene.family for gene in eukaryote.genes}


def test_impossible_counts_are_refused():
    with pytest.raises(ConfigError, match="num_genes = 0"):
        organisms(num_genes=0)


def test_files_of_a_genome_hold_what_the_truth_says(tmp_path):
    files = genomes(tmp_path, seed=9, num_genes=5, num_families=2)

    assert [path.name for path in files] == ["bacterium.gbk", "eukaryote.fa", "eukaryote.gff3"]
    assert len((tmp_path / "truth.tsv").read_text().splitlines()) == 11
    assert 0 < json.loads((tmp_path / "truth.json").read_text())["codon_bits"]["bacterium"] < 2.6


def test_other_software_reads_the_genbank_record(tmp_path):
    from Bio import SeqIO

    genomes(tmp_path, seed=9, num_genes=8, num_families=2)
    record = SeqIO.read(tmp_path / "bacterium.gbk", "genbank")
    features = [feature for feature in record.features if feature.type == "CDS"]

    assert len(features) == 8
    for feature in features:
        assert str(feature.translate(record.seq, cds=True)) == feature.qualifiers["translation"][0]


def test_our_reader_finds_every_gene_as_the_truth_has_it(tmp_path):
    genomes(tmp_path, seed=9, num_genes=12, num_families=4)
    rows = [line.split("\t") for line in (tmp_path / "truth.tsv").read_text().splitlines()[1:]]
    truth = {row[1]: row[-1] for row in rows}

    bacterial = [gene for gene in read_genes(tmp_path / "bacterium.gbk") if isinstance(gene, Gene)]
    eukaryotic = [gene for gene in read_genes(tmp_path / "eukaryote.gff3", tmp_path / "eukaryote.fa") if isinstance(gene, Gene)]

    assert {gene.check().status for gene in bacterial} == {"equal"}
    assert {gene.name: str(gene.protein).rstrip("*") for gene in bacterial + eukaryotic} == truth
