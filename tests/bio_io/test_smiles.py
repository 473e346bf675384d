"""SMILES files and tables of molecules; what RDKit refuses is refused or kept, and always said."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import polars
import pytest

from biolect.bio import chemistry
from biolect.bio.io import Format, Refusal, detect, read_records, write_smiles
from biolect.bio.io.smiles import check_molecule
from biolect.bio.sequence import Modality, Sequence
from biolect.errors import InputError, MissingDependencyError

LINES = "CCO ethanol\nc1ccccc1O\tphenol two\n\nCCO ethanol\n# a remark\nC(=O)O\n"


def pairs(path: Path) -> list[tuple[str, str]]:
    return [(r.name, r.residues) for r in read_records(path) if isinstance(r, Sequence) and r.modality is Modality.MOLECULE]


@pytest.mark.parametrize("name", ["x.smi", "x.txt", "x", "x.smi.gz"])
def test_order_and_repeated_names_are_kept(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(LINES.encode()) if name.endswith(".gz") else LINES.encode())

    assert detect(path) is Format.SMILES
    assert pairs(path) == [("ethanol", "CCO"), ("phenol two", "c1ccccc1O"), ("ethanol", "CCO"), ("6", "C(=O)O")]


def test_a_line_that_names_the_columns_is_no_molecule(tmp_path: Path) -> None:
    (tmp_path / "x.smi").write_text("SMILES id\r\nCC(C)C a\r\n")

    assert pairs(tmp_path / "x.smi") == [("a", "CC(C)C")]


@pytest.mark.parametrize("name", ["x.csv", "x.tsv", "x.parquet"])
@pytest.mark.parametrize("column", ["smiles", "SMILES", "Canonical_SMILES"])
def test_tables_with_a_column_of_smiles_are_molecules(tmp_path: Path, name: str, column: str) -> None:
    frame = polars.DataFrame({"name": ["a", "a"], column: ["[Na+].[Cl-]", "F/C=C\\F "], "y": [1, 2]})
    {"csv": frame.write_csv, "tsv": lambda p: frame.write_csv(p, separator="\t"), "parquet": frame.write_parquet}[name[2:]](tmp_path / name)

    assert pairs(tmp_path / name) == [("a", "[Na+].[Cl-]"), ("a", "F/C=C\\F")]


def test_a_table_with_sequences_is_read_as_such(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("sequence,smiles\nMKVLE,CCO\n")

    assert [r.modality for r in read_records(tmp_path / "x.csv") if isinstance(r, Sequence)] == [Modality.PROTEIN]
    assert [str(r) for r in read_records(tmp_path / "x.csv", modality="molecule")] == ["CCO"]
    (tmp_path / "y.csv").write_text("id,mol\na,CCO\n")
    with pytest.raises(InputError, match=r"has no column 'smiles'; it has 'id', 'mol'\."):
        list(read_records(tmp_path / "y.csv", modality="molecule"))


@pytest.mark.parametrize("text", ["Cocoons\nNo\nCN\n", "a (b) = c\nplain words (1)\n", "ACGT\nGGTT\n", "MKV(1)\n", "C(C(\n(\n"])
def test_words_are_no_molecules(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.txt").write_text(text)

    assert detect(tmp_path / "x.txt") is Format.TEXT


def test_what_is_no_smiles_is_refused_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "x.smi").write_text("CC(C)O a\nCHEMBL25 b\n\tc\nC1CC1\n")
    (tmp_path / "x.csv").write_text("id,smiles\na,Aspirin (Bayer)\nb,\n")

    catalogue, empty = [r for r in read_records(tmp_path / "x.smi") if isinstance(r, Refusal)]
    table = [r for r in read_records(tmp_path / "x.csv") if isinstance(r, Refusal)]

    hint = "Is it SMILES? Write '?' for an unknown symbol; biolect prepare does so under unknown=mask."
    assert (catalogue.id, catalogue.where) == ("b", f"{tmp_path / 'x.smi'}:2")
    assert catalogue.reason == f"Symbol 'E' at index 2 (0-based) of 'b' is not in the SMILES alphabet. {hint}"
    assert (empty.id, empty.where) == ("c", f"{tmp_path / 'x.smi'}:3")
    assert empty.reason == "The record has no SMILES. Remove it, or add its molecule."
    assert table[0].reason == f"Symbol 'i' at index 3 (0-based) of 'a' is not in the SMILES alphabet. {hint}"
    assert table[1] == Refusal("b", f"{tmp_path / 'x.csv'}, row 2", "The record has no SMILES. Remove it, or add its molecule.")


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    molecules = [Sequence("CCO", Modality.MOLECULE, "a b"), Sequence("[nH]1cccc1", Modality.MOLECULE, "a b")]

    for name in ("x.smi", "x.smi.gz"):
        assert write_smiles(tmp_path / name, molecules) == 2
        assert [r for r in read_records(tmp_path / name)] == molecules
    with pytest.raises(InputError, match=r"'x.fa' does not say that it holds molecules. End it in .smi or .smi.gz."):
        write_smiles("x.fa", molecules)


def checked(*texts: str, **options: Any) -> list[Sequence | Refusal]:
    return [check_molecule(Sequence(text, Modality.MOLECULE, f"m{i}"), "here", **options).record for i, text in enumerate(texts)]


def test_what_rdkit_refuses_is_refused_and_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("rdkit")

    good, valence, grammar, ring = checked("OCC", "CN(C)(C)(C)C", "CC(", "c1cccc1")

    rest = "Mend it, or pass invalid=keep to keep what RDKit refuses."
    assert good == Sequence("OCC", Modality.MOLECULE, "m0")
    assert valence == Refusal(
        "m1", "here", f"RDKit refuses the molecule: Explicit valence for atom # 1 N, 5, is greater than permitted. {rest}"
    )
    assert isinstance(grammar, Refusal) and grammar.reason == f"RDKit refuses the molecule: it breaks the grammar of SMILES. {rest}"
    assert isinstance(ring, Refusal) and ring.reason.startswith("RDKit refuses the molecule: Can't kekulize mol.")
    assert capfd.readouterr() == ("", "")


def test_what_rdkit_refuses_is_kept_when_asked_and_the_rest_made_canonical() -> None:
    pytest.importorskip("rdkit")

    molecules = [Sequence(text, Modality.MOLECULE) for text in ("OCC", "CN(C)(C)(C)C")]
    found = [check_molecule(one, "here", invalid="keep", canonicalizes=True) for one in molecules]

    assert [str(one.record) for one in found] == ["CCO", "CN(C)(C)(C)C"]
    assert [bool(one.problem) for one in found] == [False, True]


def test_without_rdkit_molecules_are_handed_on_unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chemistry, "is_there", lambda: False)

    assert [str(one) for one in checked("OCC", "CN(C)(C)(C)C", canonicalizes=True)] == ["OCC", "CN(C)(C)(C)C"]
    with pytest.raises(MissingDependencyError, match="Checking molecules needs RDKit, which is in the extra 'chem'. Install biolect"):
        chemistry.parse("C")


@pytest.mark.parametrize(
    ("name", "count", "refused"), [("molnet/bbbp", 2_050, 11), ("molnet/clintox", 1_491, 4), ("chembl_drugs", 1_935, 0)]
)
def test_real_tables_are_refused_where_their_readme_says(data_folder: Path, name: str, count: int, refused: int) -> None:
    pytest.importorskip("rdkit")

    found = [check_molecule(record, "") for record in read_records(data_folder / "smiles" / f"{name}.csv.gz")]

    assert len(found) == count
    assert sum(isinstance(one.record, Refusal) for one in found) == sum(bool(one.problem) for one in found) == refused
