"""Toy families: alignments whose members follow one profile."""

import json

import numpy as np
import pytest

from biolect.bio.io.fasta import read_alignment
from biolect.errors import ConfigError
from biolect.files import open_input
from biolect.simulate import AMINO_ACIDS, draw_families, families


def test_files_are_alignments_of_the_members(tmp_path):
    paths = families(tmp_path, seed=3, num_families=2, num_members=5)

    drawn = draw_families(seed=3, num_families=2, num_members=5)
    for path, family in zip(paths, drawn, strict=True):
        with open_input(path) as stream:
            rows = read_alignment(stream)
        assert tuple(row for _, row in rows) == family.rows
        assert rows[0][0] == f"{family.name}_01"
        assert family.members[0] == family.rows[0]
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert truth["column_bits"] == {family.name: family.column_bits for family in drawn}


def test_a_member_costs_as_many_bits_as_its_profile_says():
    family = draw_families(seed=1, num_families=1, num_members=400)[0]
    columns = [[letter for letter in row if letter == "-" or letter.isupper()] for row in family.rows]

    costs = [
        -np.log2(family.profile[place, AMINO_ACIDS.index(letter)]) for row in columns for place, letter in enumerate(row) if letter != "-"
    ]

    assert np.mean(costs) == pytest.approx(family.column_bits, abs=0.05)
    assert 0.5 < family.column_bits < 2.5


def test_a_family_does_not_depend_on_how_many_there_are():
    few, many = draw_families(seed=1, num_families=1), draw_families(seed=1, num_families=3)

    assert few[0].rows == many[0].rows
    assert len({family.rows[0] for family in many}) == 3


def test_no_families_are_refused():
    with pytest.raises(ConfigError, match="num_families = 0 and num_members = 24 must both be at least 1"):
        draw_families(num_families=0)
