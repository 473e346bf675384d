"""Every labelled faulty file: refused, or tolerated for a reason that is written down here."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from biolect.bio.gene import Gene
from biolect.bio.io import Refusal, detect, read_genes, read_records
from biolect.bio.io.smiles import check_molecule
from biolect.errors import InputError

# Files that are called invalid and are read all the same, by what makes that right. What is not in
# this table must be refused, in whole or in part.
TOLERATED = {
    "blank lines inside FASTA are read over": """
        badfasta.fasta fasta_invalid_blank_line_after_header.fasta fasta_invalid_blank_line_within_sequence.fasta
        fasta_invalid_whitespace_line_after_header.fasta""",
    "GenBank: the fault stands in a field that is not read (accession, version, date, comment, spacing, order)": """
        empty_accession.gbk empty_version.gbk invalid_locus_line_spacing.gb invalid_misc_feature.gb invalid_structured_comment.gb
        noref_date_warning.gb ase1_no_topology.gb base_count_misplaced.gb""",
    "GenBank: the sequence is whole although its end is marked badly": "blank_seq.gb no_end_marker.gb",
    "GenBank: the location is unusual, and its translation is equal": """
        bad_loc_wrap.gb bad_origin_wrap_CDS.gb bad_origin_wrap_fuzzy.gb""",
    "GFF: the fault stands on lines that make no gene (no CDS among them)": """
        attribute_w_multiple_equals.gff3 corrupt.gff3 corrupt_large.gff3 empty_attribute.gff3 empty_attribute_name.gff3
        empty_id_attribute.gff3 empty_parent_attribute.gff3 gt_gff3_fail_1.gff3 gt_gff3_illegal_feature_start.gff3
        gt_gff3_illegal_region_start.gff3 gt_gff3_prob_1.gff3 gt_gff3_range_check2.gff3 gt_gff3_test_13.gff3 gt_gff3_test_26.gff3
        gt_gff3_test_27.gff3 illegal_is_circular_value.gff3 inconsistent_sequence_ids.gff3 md5_seqid_missing_seqid.gff3
        md5_seqid_too_short.gff3 multi_feature_different_sequence_id.gff3 multi_feature_orphan_fail.gff3 orphaned_parent.gff3
        retain_both.gff3 target_attribute_swapped_range.gff3 terminator_separation.gff3""",
    "GFF: phases of later pieces are not read, because the first one and the lengths settle the frame": """
        cds_check_fail_1.gff3 cds_check_fail_2.gff3 cds_check_fail_4.gff3 cds_with_multiple_parents_1.gff3
        cds_with_multiple_parents_2.gff3 cds_feature_with_multiple_parents.gff3""",
    "GFF: a CDS whose parent is not described is a gene of its own": "multi_feature_undefined_parent.gff3 simple_orphan.gff3",
    "GFF: directives and their order are not judged": """
        genome_stream_stdin.gff3 gt_gff3_phases3.gff3 gt_gff3_prob_12.gff3 multi_feature_multi.gff3""",
    "Stockholm: the fault stands in annotation of rows and columns, which is not read": """
        stockholm_differing_gr_data_length.sto stockholm_duplicate_gc.sto stockholm_malformed_gs_line.sto""",
    "GTF: a gene follows the strand of its CDS lines": """
        gt_gtf_to_gff3_test_inconsistent_strand1.gtf gt_gtf_to_gff3_test_inconsistent_strand2.gtf""",
}
# Files that are called valid and cannot be read here.
NOT_READ = {"a contig name with a space, which no FASTA can have": {"linesort_test_3.gff3"}}


def short(name: str) -> str:
    return re.sub(r"^.*/\w+?(?:-\w+)*__", "", name)


def labels(folder: Path) -> Iterator[tuple[Path, str]]:
    with open(folder / "labels.tsv", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            yield folder / row["file"], row["expected"]


def made_up_fasta(annotation: Path, path: Path) -> Path:
    """Write contigs that are long enough for every line of an annotation, so that only its own faults count."""
    ends: dict[str, int] = {}
    text = annotation.read_text(errors="replace").split("##FASTA")[0]
    for name, start, stop in re.findall(r"(?m)^([^\t\n#>]+)\t[^\t]*\t[^\t]*\t(\d+)\t(\d+)\t", text):
        ends[name] = max(ends.get(name, 0), int(start), int(stop))
    for name, stop in re.findall(r"(?m)^##sequence-region\s+(\S+)\s+\S+\s+(\d+)", text):
        ends[name] = max(ends.get(name, 0), int(stop))
    contigs = (f">{name}\n{'ACGTTGCATC' * (end // 10 + 1)}\n" for name, end in ends.items() if end < 50_000_000)
    path.write_text("".join(contigs) or ">none\nACGT\n")
    return path


def verdict(path: Path, folder: Path) -> str:
    """Read a file as a user would; anything but InputError goes through."""
    try:
        found = detect(path)
        fasta = made_up_fasta(path, folder / "made_up.fa") if path.suffix in (".gff3", ".gtf") and b"\n>" not in path.read_bytes() else None
        items = read_genes(path, fasta) if found.holds_genes else read_records(path)
        if path.parent.name == "smiles":
            items = (check_molecule(item, path.name).record for item in items if not isinstance(item, Gene))
        return "refused in part" if any(isinstance(item, Refusal) for item in items) else "read"
    except InputError as error:
        assert str(error).count("\n") <= 1 and len(str(error)) < 600
        return "refused"


def test_faulty_files_are_refused_or_tolerated_for_a_known_reason(data_folder: Path, tmp_path: Path) -> None:
    silent = {
        short(str(path))
        for path, expected in labels(data_folder / "malformed")
        if expected == "invalid" and verdict(path, tmp_path) == "read"
    }

    tolerated = {name for names in TOLERATED.values() for name in names.split()}
    assert silent == tolerated


def test_odd_files_never_crash(data_folder: Path, tmp_path: Path) -> None:
    verdicts = [verdict(path, tmp_path) for path, expected in labels(data_folder / "malformed") if expected == "odd"]

    assert len(verdicts) == 89
    assert verdicts.count("read") >= 39


def test_valid_files_are_read(data_folder: Path, tmp_path: Path) -> None:
    refused = {
        short(str(path))
        for path, expected in labels(data_folder / "malformed")
        if expected == "valid" and verdict(path, tmp_path) == "refused"
    }

    assert refused == set.union(*NOT_READ.values())


@pytest.mark.parametrize("names", TOLERATED.values(), ids=list(TOLERATED))
def test_no_file_is_tolerated_twice(names: str) -> None:
    every = [name for group in TOLERATED.values() for name in group.split()]

    assert all(every.count(name) == 1 for name in names.split())
