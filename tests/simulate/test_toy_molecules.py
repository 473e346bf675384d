"""Toy molecules: valid by construction, with the bits that a known domain leaves."""

import json

import numpy as np
import pytest

from biolect.bio import chemistry
from biolect.bio.io import read_records
from biolect.bio.sequence import Sequence
from biolect.errors import ConfigError
from biolect.simulate import draw_domains, molecules
from biolect.simulate.toy_molecules import SCAFFOLDS, SUBSTITUENTS


def test_every_scaffold_with_every_substituent_is_a_molecule():
    pytest.importorskip("rdkit")
    texts = [s.format(a=SUBSTITUENTS[i % 16], b=SUBSTITUENTS[(i + 5) % 16], c=SUBSTITUENTS[(i // 3) % 16]) for i, s in enumerate(SCAFFOLDS)]

    assert len(set(SCAFFOLDS)) == 512
    assert [text for text in texts if chemistry.parse(text).problem] == []


def test_a_molecule_costs_as_many_bits_as_the_truth_says():
    domain = next(draw_domains(seed=2, num_domains=1, num_members=3_000))
    probabilities = {
        domain.scaffold.format(a=a, b=b, c=c): p * q * r
        for a, p in zip(SUBSTITUENTS, domain.probabilities[0], strict=True)
        for b, q in zip(SUBSTITUENTS, domain.probabilities[1], strict=True)
        for c, r in zip(SUBSTITUENTS, domain.probabilities[2], strict=True)
    }

    assert np.mean([-np.log2(probabilities[text]) for text in domain.molecules]) == pytest.approx(domain.bits, abs=0.15)
    assert 2 < domain.bits < 12


def test_files_are_read_as_molecules_and_the_truth_lies_beside_them(tmp_path):
    (table,) = molecules(tmp_path, seed=4, num_domains=3, num_members=5)

    domains = list(draw_domains(seed=4, num_domains=3, num_members=5))
    records = [record for record in read_records(table) if isinstance(record, Sequence)]
    assert [str(record) for record in records] == [text for domain in domains for text in domain.molecules]
    assert [record.name for record in records][4:6] == ["D001-5", "D002-1"]
    assert json.loads((tmp_path / "truth.json").read_text())["bits_given_domain"] == pytest.approx(np.mean([d.bits for d in domains]))
    assert len({domain.scaffold for domain in domains}) == 3 and len((tmp_path / "truth.tsv").read_text().splitlines()) == 4


def test_too_many_domains_are_refused():
    with pytest.raises(ConfigError, match="num_domains = 513 must lie between 1 and 512, the scaffolds"):
        list(draw_domains(num_domains=513))
