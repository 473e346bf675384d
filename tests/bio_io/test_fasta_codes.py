"""The fast road from FASTA to codes against a reader that is too simple to be wrong."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings, strategies as st

from biolect.bio.alphabet import Folds
from biolect.bio.io import blocks
from biolect.bio.io.fasta import read, read_codes
from biolect.bio.io.form import Refusal
from biolect.bio.sequence import Modality, Sequence


def naive(text: bytes, modality: Modality, unknown: blocks.Unknown, strict: bool) -> tuple[list[tuple[str, str]], list[str], Folds]:
    """Read line by line: kept (name, residues), refused names, folds of what was kept."""
    records: list[tuple[str, bytes]] = []
    for line in text.split(b"\n"):
        if line.startswith(b">"):
            records.append(((line[1:].split() or [b""])[0].decode(), b""))
        elif records:
            records[-1] = (records[-1][0], records[-1][1] + b"".join(line.split()))
    kept, refused, folds = [], [], Folds()
    for name, letters in records:
        try:
            residues, found = modality.alphabet.canonical(letters.decode("latin-1"), unknown=unknown, strict=strict)
        except ValueError:
            residues, found = "", Folds()
        if residues:
            kept.append((name, residues))
            folds += found
        else:
            refused.append(name)
    return kept, refused, folds


def fast(text: bytes, modality: Modality, unknown: blocks.Unknown, strict: bool) -> tuple[list[tuple[str, str]], list[str], Folds]:
    kept, refused, folds = [], [], Folds()
    table = modality.alphabet.code_table
    for found in read_codes(io.BufferedReader(io.BytesIO(text)), modality, table, unknown=unknown, strict=strict):
        if isinstance(found, Refusal):
            refused.append(found.id)
            continue
        assert len(found.names) == len(found.offsets) - 1 and found.offsets[-1] == len(found.codes)
        spans = zip(found.names, found.offsets[:-1], found.offsets[1:], strict=True)
        kept += [(name.decode(), modality.alphabet.decode(found.codes[start:stop])) for name, start, stop in spans]
        folds += found.folds
    return kept, refused, folds


@st.composite
def fasta_files(draw: st.DrawFn) -> bytes:
    letters = draw(st.sampled_from(["ACGT", "ACGTacgtnN", "ACGTUuRY", "ACGT-*7", "ACGT >\x01\xff"]))
    end = draw(st.sampled_from([b"\n", b"\r\n"]))
    lines = [b"; a comment"] if draw(st.booleans()) else []
    for i in range(draw(st.integers(1, 6))):
        lines.append(b">r%d some > words" % i if draw(st.booleans()) else b">")
        residues = draw(st.text(letters, max_size=60)).encode("latin-1")
        width = draw(st.integers(1, 70))
        lines += [residues[j : j + width] for j in range(0, len(residues), width) if not residues[j : j + width].startswith(b">")]
        lines += [b""] * draw(st.integers(0, 2))
    return end.join(lines) + (end if draw(st.booleans()) else b"")


@settings(max_examples=150)
@given(fasta_files(), st.integers(1, 80), st.integers(0, 200), st.sampled_from(["refuse", "mask"]), st.booleans())
def test_blocks_of_any_size_give_what_a_line_by_line_reader_gives(
    text: bytes, size: int, batch: int, unknown: blocks.Unknown, strict: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_BYTES", size)
        patch.setattr(blocks, "_BATCH_BYTES", batch)
        assert fast(text, Modality.DNA, unknown, strict) == naive(text, Modality.DNA, unknown, strict)


@settings(max_examples=60)
@given(fasta_files(), st.integers(1, 80))
def test_both_roads_keep_and_refuse_the_same_records(text: bytes, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_BYTES", size)
        found = list(read(io.BufferedReader(io.BytesIO(text)), Modality.DNA))
        kept, refused, folds = fast(text, Modality.DNA, "refuse", False)

    assert [(s.name, s.residues) for s in found if isinstance(s, Sequence)] == kept
    assert [r.id for r in found if isinstance(r, Refusal)] == refused
    assert sum((s.folds for s in found if isinstance(s, Sequence)), Folds()) == folds


@pytest.mark.parametrize("text", [b">a\nAC\x7fGT\n", b">a\nAC\n>b\nG\x7fT\n>c\nTT\n", b">a\n\x7f\n>b\n\x7f\n"])
def test_the_byte_between_records_is_no_letter_inside_one(text: bytes):
    assert fast(text, Modality.DNA, "refuse", False) == naive(text, Modality.DNA, "refuse", False)
