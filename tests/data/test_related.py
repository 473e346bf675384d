"""Related sequences: several records of one gene, by name or by a table of NCBI Gene."""

from __future__ import annotations

from pathlib import Path

import pytest

from biolect.bio.sequence import Modality, Sequence
from biolect.data.document import View
from biolect.data.related import Link, is_link_table, read_links, write_linked, write_same_genes
from biolect.data.shards import MemberStore, MemberWriter, Place
from biolect.errors import InputError
from biolect.tokens.vocabulary import Vocabulary

JOINT = Vocabulary.joint()
HEADER = (
    "#tax_id\tGeneID\tstatus\tRNA_nucleotide_accession.version\tRNA_nucleotide_gi\tprotein_accession.version\tprotein_gi\t"
    "genomic_nucleotide_accession.version\tgenomic_nucleotide_gi\tstart_position_on_the_genomic_accession\t"
    "end_position_on_the_genomic_accession\torientation\tassembly\tmature_peptide_accession.version\tmature_peptide_gi\tSymbol\n"
)
ROWS = (
    "9606\t6392\tREVIEWED\tNM_1.1\t-\tNP_1.1\t-\tNC_1.1\t-\t3\t8\t-\tGRCh38\t-\t-\tSDHD\n"
    "9606\t6392\t-\tAB_1.1\t-\tNP_1.1\t-\t-\t-\t-\t-\t?\t-\t-\t-\tSDHD\n"
    "9606\t7\t-\tAB_9.1\t-\t-\t-\t-\t-\t-\t-\t?\t-\t-\t-\tX\n"
)


def texts_of(store: MemberStore, group: int) -> list[str]:
    return [JOINT.decode(member.token_ids, member.modality) for member in store.group(group)]


def lone(folder: Path, rows: list[tuple[str, str, Modality]]) -> MemberStore:
    with MemberWriter(folder, JOINT) as writer:
        for name, text, modality in rows:
            writer.begin_group(name)
            writer.add(JOINT.encode(Sequence(text, modality)), modality, View.RECORD)
    return MemberStore.open(folder)


def test_a_table_says_which_records_belong_to_a_gene(tmp_path: Path) -> None:
    table = tmp_path / "gene2accession"
    table.write_text(HEADER + ROWS)

    assert is_link_table(table)
    assert list(read_links(table))[:3] == [Link("6392", "NM_1.1"), Link("6392", "NP_1.1"), Link("6392", "NC_1.1", (3, 9), -1)]

    records = [
        ("NM_1.1", "ACGUACGG", Modality.RNA),
        ("AB_1.1", "CCGTACGT", Modality.DNA),
        ("NP_1.1", "MK", Modality.PROTEIN),
        ("NC_1.1", "TTTAACCCGGG", Modality.DNA),
    ]
    with MemberWriter(tmp_path / "related", JOINT) as writer:
        missing = write_linked(writer, [table], [lone(tmp_path / "s", records)])
    store = MemberStore.open(tmp_path / "related")

    # AB_1.1 is the other strand of NM_1.1, so it is the same string; positions 3 to 8 of NC_1.1 are inside.
    assert [store.name_of(i) for i in range(store.num_groups)] == ["GeneID:6392"]
    assert texts_of(store, 0) == ["ACGUACGG", "MK", "CGGGTT"]
    assert all(member.view is View.RECORD and not member.runs for member in store.group(0))
    assert missing == 1


def test_a_row_with_a_missing_column_is_refused_with_its_line(tmp_path: Path) -> None:
    table = tmp_path / "gene2accession"
    table.write_text(HEADER + "9606\t6392\n")

    with pytest.raises(InputError, match=r"Line 2 \(1-based\) .* has 2 columns; gene2accession has 16"):
        list(read_links(table))


def test_other_tables_are_not_taken_for_it(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("\t".join("abcdefghijklmnop") + "\n")
    (tmp_path / "b.tsv").write_text("id\tsequence\n")

    assert not is_link_table(tmp_path / "a.tsv") and not is_link_table(tmp_path / "b.tsv")


def test_genes_of_one_name_on_several_records_are_related(tmp_path: Path) -> None:
    with MemberWriter(tmp_path / "genes", JOINT) as writer:
        for record, cds, protein in (("A", "ATGAAATAA", "MK"), ("B", "ATGAAGTAA", "MK"), ("A", "ATGTGGTAA", "MW")):
            writer.begin_group("recA", places=[Place(record, 0, 9)])
            writer.add(JOINT.encode(Sequence(cds, Modality.DNA)), Modality.DNA, View.CDS)
            writer.add(JOINT.encode(Sequence(protein, Modality.PROTEIN)), Modality.PROTEIN, View.PROTEIN)
    genes = MemberStore.open(tmp_path / "genes")

    with MemberWriter(tmp_path / "related", JOINT) as writer:
        write_same_genes(writer, genes, {"reca": [0, 1], "lone": [2], "same record": [0, 2]})
    store = MemberStore.open(tmp_path / "related")

    assert [store.name_of(i) for i in range(store.num_groups)] == ["gene reca"]
    assert texts_of(store, 0) == ["ATGAAATAA", "MK", "ATGAAGTAA"]
