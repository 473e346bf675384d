"""SMILES as text: symbols join to the text they were found in, and any row of symbols can be read again."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from biolect.bio.alphabet import Folds
from biolect.bio.sequence import Modality, Sequence
from biolect.bio.smiles import SMILES, SYMBOLS
from biolect.errors import AlphabetError


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("Sc1ccccc1", "S c 1 c c c c c 1"),
        ("[Sc+3].[Cl-]", "[ Sc + 3 ] . [ Cl - ]"),
        ("Clc1cnBr", "Cl c 1 c n Br"),
        ("F/C=C\\F", "F / C = C \\ F"),
        ("[13CH3][C@@H]([NH3+])C", "[ 1 3 C H 3 ] [ C @@ H ] ( [ N H 3 + ] ) C"),
        ("c1cc[se]c1", "c 1 c c [ se ] c 1"),
        ("[te]1cccc1", "[ te ] 1 c c c c 1"),
        ("C%12CC%12", "C % 1 2 C C % 1 2"),
        ("[Pt@SP1](Cl)(N)", "[ Pt @SP 1 ] ( Cl ) ( N )"),
        ("@@TB[@SPd]@OHg@@AL", "@ @TB [ @ S Pd ] @ O Hg @ @AL"),
        ("[C@OH]", "[ C @OH ]"),
        ("[nH]", "[ n H ]"),
        ("[Cn]Cn", "[ Cn ] C n"),
        ("[Cse][Os][Pte]", "[ C se ] [ Os ] [ P te ]"),
        ("*[Cu]<-N~C->[Fe]$C", "* [ Cu ] <- N ~ C -> [ Fe ] $ C"),
        ("[CH3:1][2H]", "[ C H 3 : 1 ] [ 2 H ]"),
        ("", ""),
    ],
)
def test_symbols_are_those_of_a_chemist(text: str, symbols: str) -> None:
    assert SMILES.split(text) == symbols.split()
    assert "".join(symbols.split()) == text


def test_every_symbol_occurs_once() -> None:
    assert len(set(SYMBOLS)) == len(SYMBOLS) == 163


@given(st.lists(st.sampled_from(SYMBOLS), max_size=60))
def test_any_row_of_symbols_is_a_text_that_can_be_read(symbols: list[str]) -> None:
    text = "".join(symbols)

    assert "".join(SMILES.split(text)) == text
    assert Sequence(text, Modality.MOLECULE).residues == text


@given(st.text(alphabet="CNOclnosBr[]()=#@+-/\\.%123H?xJe\u00e9 ", max_size=40))
def test_masking_keeps_what_can_be_read_and_every_length(text: str) -> None:
    masked, folds = SMILES.canonical(text, unknown="mask")

    assert len(masked) == len(text)
    assert all(a in (b, "?") for a, b in zip(masked, text, strict=True))
    assert folds == Folds(unknown=masked.count("?"))
    assert SMILES.canonical(masked) == (masked, folds)


def test_any_two_symbols_can_be_read_side_by_side() -> None:
    for before in ("", "["):
        texts = [before + first + second for first in SYMBOLS for second in SYMBOLS]
        assert [text for text in texts if "".join(SMILES.split(text)) != text] == []


def test_long_rows_of_symbols_can_be_read() -> None:
    rng = np.random.default_rng(0)
    texts = ["".join(SYMBOLS[i] for i in row) for row in rng.integers(0, len(SYMBOLS), size=(20_000, 14)).tolist()]

    assert [text for text in texts if "".join(SMILES.split(text)) != text] == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CCX", "Symbol 'X' at index 2 (0-based) of 'm' is not in the SMILES alphabet. Is it SMILES? "),
        ("Z2301 CHEMBL44", "Symbol 'Z' at index 0 (0-based) of 'm' is not in the SMILES alphabet. Is it SMILES? "),
        ("CC aspirin", "Symbol ' ' at index 2 (0-based) of 'm' is not in the SMILES alphabet. Is it SMILES? "),
        ("CC>>CO", "Symbol '>' at index 2 (0-based) of 'm' is not in the SMILES alphabet. "),
    ],
)
def test_what_is_no_symbol_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(AlphabetError) as caught:
        Sequence(text, Modality.MOLECULE, "m")

    assert str(caught.value) == message + "Write '?' for an unknown symbol; biolect prepare does so under unknown=mask."


def test_unknown_letters_are_masked_when_asked_and_counted() -> None:
    read = Sequence.read("CCXCY", Modality.MOLECULE, unknown="mask")

    assert (read.residues, read.folds) == ("CC?CY", Folds(unknown=1))
    with pytest.raises(AlphabetError, match=r"Symbol '\?' at index 2"):
        Sequence.read("CC?", Modality.MOLECULE, strict=True)


def smiles_of(folder: Path) -> list[str]:
    found: list[str] = []
    for path in sorted(folder.rglob("*.gz")):
        if path.name.endswith(".sdf.gz"):
            continue
        with gzip.open(path, "rt") as stream:
            found += [row["smiles"].strip() for row in csv.DictReader(stream)] if ".csv" in path.name else stream.read().split("\n")
    return found


def test_every_real_molecule_is_read_without_loss(data_folder: Path) -> None:
    molecules = smiles_of(data_folder / "smiles")

    assert len(molecules) > 240_000
    assert [text for text in molecules if "".join(SMILES.split(text)) != text] == []


def test_counts_of_letters_that_were_read_otherwise_add_up():
    assert Folds(lower_case=2, unknown=3) + Folds(lower_case=5, ambiguity=1) == Folds(lower_case=7, ambiguity=1, unknown=3)


def test_symbols_behind_brackets_are_found_in_their_places():
    text = "CC[C@H](N)C(=O)[O-]!CCl[NH3+]"

    masked, folds = SMILES.canonical(text, unknown="mask")

    assert masked == text.replace("!", "?") and folds == Folds(unknown=1)
