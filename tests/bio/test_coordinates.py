"""Runs and coordinate maps."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from biolect.bio.coordinates import CoordinateMap, Run, compress, expand
from biolect.errors import CoordinateError


@given(st.lists(st.integers(-50, 50), max_size=40))
def test_compress_is_undone_by_expand(places):
    assert expand(compress(np.array(places, dtype=np.int32))).tolist() == places


def test_runs_are_few():
    assert compress(np.array([-1, 0, 1, 2, 2, 2, 3, 6, 9])) == (Run(-1, 1, 4), Run(2, 0, 2), Run(3, 3, 3))


@given(st.integers(1, 40), st.booleans())
def test_a_map_covers_every_index_once_and_inverts_exactly(codons, has_stop):
    axis = CoordinateMap(codons, codons - has_stop)
    places = [axis.codon_of_nucleotide(i) for i in range(axis.num_nucleotides)]

    assert len(set(places)) == axis.num_nucleotides
    assert [axis.nucleotide_of_codon(codon, offset) for codon, offset in places] == list(range(axis.num_nucleotides))
    assert [axis.residue_of_codon(axis.codon_of_residue(r)) for r in range(axis.num_residues)] == list(range(axis.num_residues))
    assert sum(axis.residue_of_codon(c) is None for c in range(codons)) == has_stop


def test_places_outside_are_refused():
    axis = CoordinateMap(4, 3)

    with pytest.raises(CoordinateError, match="no nucleotide 12 .0-based.: the sequence has 12"):
        axis.codon_of_nucleotide(12)
    with pytest.raises(CoordinateError, match="no residue 3"):
        axis.codon_of_residue(3)
    with pytest.raises(CoordinateError, match="no offset 3"):
        axis.nucleotide_of_codon(0, 3)
    with pytest.raises(CoordinateError, match="2 residues do not fit 4 codons"):
        CoordinateMap(4, 2)


def test_value_types_are_what_their_repr_says():
    for value in (Run(1, 1, 3), CoordinateMap(4, 3)):
        assert eval(repr(value)) == value
