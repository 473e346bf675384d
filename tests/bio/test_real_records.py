"""Real annotation: every coding sequence as an independent parser read it, every protein accounted for."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Iterator
from functools import cache
from hashlib import md5
from pathlib import Path
from typing import Literal

import pytest

from biolect.bio.coordinates import expand
from biolect.bio.gene import Gene
from biolect.bio.io.form import Refusal
from biolect.bio.io.genbank import read_genbank
from biolect.bio.io.gff import read_gff
from biolect.bio.sequence import Sequence
from biolect.errors import InputError
from biolect.files import open_input

# GenPept: their CDS features lie on proteins. Both are read as records without genes.
PROTEIN_RECORDS = {"misc/NP_416719.gbwithparts.gz", "misc/protein_refseq2.gb.gz"}
ROOMS = ("bacteria", "eukaryote", "human_genomic", "misc", "mrna", "organelle", "phage", "plasmid", "virus")
LEAST_SHARE_EXPLAINED = 0.999
VIEWS: tuple[Literal["locus", "transcript", "cds", "protein"], ...] = ("locus", "transcript", "cds", "protein")


@cache
def oracle(folder: Path) -> dict[str, list[dict[str, str]]]:
    rows: dict[str, list[dict[str, str]]] = {}
    with gzip.open(folder / "genbank" / "oracle_cds.tsv.gz", "rt") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            if row["type"] == "CDS":
                rows.setdefault(row["file"], []).append(row)
    return rows


@cache
def flat_files(folder: Path, room: str) -> dict[str, list[Sequence | Gene | Refusal]]:
    root = folder / "genbank"
    paths = sorted(p for p in (root / room).rglob("*.gz") if p.name.split(".")[-2] not in ("faa", "fna", "gff"))
    found = {}
    for path in paths:
        with open_input(path) as stream:
            found[str(path.relative_to(root))] = list(read_genbank(stream))
    return found


def genes_of(items: list[Sequence | Gene | Refusal]) -> Iterator[Gene]:
    return (item for item in items if isinstance(item, Gene))


def digest(letters: bytes) -> str:
    return md5(letters).hexdigest()


@pytest.mark.parametrize("room", ROOMS)
def test_every_coding_sequence_is_that_of_the_oracle(data_folder, room):
    for name, items in flat_files(data_folder, room).items():
        expected = [row for row in oracle(data_folder).get(name, []) if row["cds_length"] != "0" and name not in PROTEIN_RECORDS]
        found = list(genes_of(items))
        refused = [item for item in items if isinstance(item, Refusal) and "CDS" in item.reason]

        assert len(found) == len(expected), name
        assert name in PROTEIN_RECORDS or len(refused) + len(found) == len(oracle(data_folder).get(name, [])), name
        for gene, row in zip(found, expected, strict=True):
            assert (digest(gene.spliced), len(gene.spliced)) == (row["cds_md5"], int(row["cds_length"])), row
            assert (gene.codon_start, gene.code_id, gene.protein_id) == (
                int(row["codon_start"]),
                int(row["transl_table"]),
                row["protein_id"],
            )
            assert digest(gene.annotated_protein.encode()) == row["translation_md5"] or not gene.annotated_protein


def test_the_proteins_of_all_flat_files_are_accounted_for(data_folder):
    verdicts = Counter(
        gene.check().status for room in ROOMS for items in flat_files(data_folder, room).values() for gene in genes_of(items)
    )

    checked = sum(verdicts.values()) - verdicts["unannotated"]
    assert checked > 11_500
    assert verdicts["unexplained"] <= (1 - LEAST_SHARE_EXPLAINED) * checked


def test_the_unusual_proteins_have_the_reasons_that_the_records_give(data_folder):
    reasons = {
        gene.name: gene.check().reason
        for room in ("bacteria", "mrna", "organelle")
        for items in flat_files(data_folder, room).values()
        for gene in genes_of(items)
    }

    assert {name for name, reason in reasons.items() if reason == "selenocysteine"} == {"fdnG", "fdoG", "fdhF"}
    assert (reasons["mtmB2"], reasons["ndhD"]) == ("pyrrolysine", "RNA editing")


@pytest.mark.parametrize("room", ROOMS)
def test_every_coding_letter_stands_at_its_coordinate_in_every_view(data_folder, room):
    for gene in (gene for items in flat_files(data_folder, room).values() for gene in list(genes_of(items))[::7]):
        if len(gene.locus) > 100_000:
            continue
        coding = dict(zip(expand(gene.coordinates("cds")).tolist(), gene.coding_sequence.residues, strict=True))
        for view, sequence in zip(VIEWS[:2], (gene.locus, gene.transcript.back_transcribe()), strict=True):
            places = expand(gene.coordinates(view)).tolist()
            assert len(places) == len(sequence)
            # Backwards, so that the first of several letters at one place wins: the others are spliced out.
            letters = dict(zip(reversed(places), reversed(sequence.residues), strict=True))
            shared = coding.keys() & letters.keys()
            assert len(shared) >= len(coding) - 2
            assert all(letters[place] == coding[place] for place in shared), gene
        assert len(expand(gene.coordinates("protein"))) == len(gene.protein)
        assert [len(expand(gene.coordinates(view, genomic=True))) for view in VIEWS] == [
            len(sequence) for sequence in (gene.locus, gene.transcript, gene.coding_sequence, gene.protein)
        ]


@pytest.mark.parametrize(
    ("annotation", "chains"),
    [
        ("C_elegans/first_1pct_of_each_chromosome.gff3.gz", 307),
        ("D_melanogaster/first_1pct_of_each_chromosome.gff3.gz", 244),
        ("human/chr9_1_1000000.GRCh38.ensembl91.gtf.gz", 41),
        ("refseqgene/NC_012920.1.gff3.gz", 13),
        ("refseqgene/NG_012337.3.gff3.gz", 8),
        ("refseqgene/NM_004152.3.gff3.gz", 1),
        ("refseqgene/NM_005410.4.gff3.gz", 1),
        ("yeast/S_cerevisiae_R64.chrI-X_Mito.gff3.gz", 3289),
    ],
)
def test_chains_of_eukaryotes_are_open(data_folder, annotation, chains):
    path = data_folder / "eukaryote_slices" / annotation
    found = list(read_gff(path, path.with_name(path.name.replace(".gff3.", ".fa.").replace(".gtf.", ".fa."))))
    verdicts = Counter((gene.is_pseudo, gene.check().status, gene.check().detail) for gene in genes_of(found))

    assert not any(isinstance(item, Refusal) for item in found)
    assert {verdict: count for verdict, count in verdicts.items() if not verdict[0]} == {(False, "unannotated", ""): chains}


def test_a_gff_of_chromosome_coordinates_is_not_laid_over_a_region(data_folder):
    path = data_folder / "eukaryote_slices" / "refseqgene" / "ENSG00000204370.13.gff3.gz"

    with pytest.raises(InputError, match="as long as region 112086824..112120016 of '11'"):
        list(read_gff(path, path.with_name("ENSG00000204370.13.fa.gz")))


def test_gff_and_flat_file_of_one_genome_give_the_same_genes(data_folder):
    stem = data_folder / "genbank" / "bacteria" / "Escherichia_coli_K12_MG1655.GCF_000005845.2"
    with gzip.open(f"{stem}.faa.gz", "rt") as stream:
        proteins = {name.split()[0]: "".join(lines) for name, *lines in (part.split("\n") for part in stream.read().split(">")[1:])}
    from_gff = list(genes_of(list(read_gff(f"{stem}.gff.gz", f"{stem}.fna.gz", proteins))))
    from_flat = list(genes_of(flat_files(data_folder, "bacteria")[f"bacteria/{stem.name}.gbff.gz"]))

    def facts(gene: Gene) -> tuple[object, ...]:
        return gene.spliced, gene.codon_start, gene.code_id, gene.protein_id, gene.is_pseudo, gene.annotated_protein, gene.check().reason

    assert len(from_gff) == 4315
    assert Counter(map(facts, from_gff)) == Counter(map(facts, from_flat))
