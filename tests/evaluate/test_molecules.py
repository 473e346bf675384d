"""Quality of molecules: every measure against its definition, written out."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from biolect.bio import chemistry
from biolect.data.corpus import PrepareOptions, prepare
from biolect.evaluate import molecules
from biolect.evaluate.molecules import MoleculeSet, molecules_of, quality
from biolect.simulate import draw_domains

pytest.importorskip("rdkit")
PRINT_ERROR = 1e-6

SMALL = ("CCO", "OCC", "c1ccccc1O", "c1ccccc1", "CC(", "CN(C)(C)(C)C", "C1CC1C(=O)O")


def toys(count: int, seed: int) -> tuple[str, ...]:
    return tuple(text for domain in draw_domains(seed=seed, num_domains=count // 5, num_members=5) for text in domain.molecules)


def test_shares_are_over_the_whole_set() -> None:
    found = MoleculeSet(SMALL)

    assert found.validity == 5 / 7
    assert found.uniqueness == 4 / 5
    assert list(found.distinct) == ["CCO", "Oc1ccccc1", "c1ccccc1", "O=C(O)C1CC1"]
    assert found.novelty({"CCO", "Oc1ccccc1", "N"}) == 2 / 4
    assert found.scaffolds == {"c1ccccc1", "C1CC1"}


def test_internal_diversity_is_the_mean_distance_of_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    from rdkit.DataStructs import TanimotoSimilarity

    found = MoleculeSet(toys(60, 1))
    prints = [chemistry.fingerprint(one, 1_024) for one in found.distinct.values()]
    expected = np.mean([1 - TanimotoSimilarity(a, b) for a, b in combinations(prints, 2)])

    for rows in (7, 1_024):
        monkeypatch.setattr(molecules, "_ROWS", rows)
        assert found.internal_diversity() == pytest.approx(expected, abs=PRINT_ERROR)
    assert np.isnan(MoleculeSet(("C",)).internal_diversity())


def test_circles_are_what_one_pass_over_the_molecules_picks() -> None:
    from rdkit.DataStructs import TanimotoSimilarity

    found = MoleculeSet(toys(80, 2))
    picked: list[Any] = []
    for one in found.fingerprints:
        if all(1 - TanimotoSimilarity(one, other) > 0.7 for other in picked):
            picked.append(one)

    assert found.circles() == len(picked) > 3


def test_distributions_are_compared_by_their_largest_gap() -> None:
    light, heavy = MoleculeSet(("C", "CC", "CCC")), MoleculeSet(("CCCCCCCC", "CCCCCCCCC", "CCCCCCCCCC"))

    assert light.distances(heavy) == {"ks_molecular_weight": 1.0, "ks_log_p": 1.0}
    assert light.distances(light) == {"ks_molecular_weight": 0.0, "ks_log_p": 0.0}
    assert light.descriptors[0, 0] == pytest.approx(16.043)


def test_frechet_distance_of_normal_samples_is_that_of_the_formula() -> None:
    from scipy.linalg import sqrtm

    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(200, 5)), rng.normal(1.0, 2.0, size=(150, 5)) @ rng.normal(size=(5, 5))
    c, d = np.cov(a.T), np.cov(b.T)
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(c + d - 2 * np.real(sqrtm(c @ d)))

    assert molecules.frechet(a, b) == pytest.approx(expected, rel=1e-9)
    assert molecules.frechet(a, a) == pytest.approx(0, abs=1e-9)


def test_activations_are_those_of_the_published_port() -> None:
    package = pytest.importorskip("fcd_torch")
    import torch

    texts = ["CCO", "Oc1ccccc1", "[Na+].[Cl-]", "C[Si](C)(C)Br", "[Li]CCCC", "C" * 400, "F/C=C\\F"]
    theirs = package.FCD(device="cpu", n_jobs=1, canonize=False)
    from fcd_torch.utils import SmilesDataset

    with torch.no_grad():
        rows = np.stack([SmilesDataset([text], canonize=False)[0] for text in texts])
        expected = theirs.model(torch.from_numpy(rows).transpose(1, 2).float()).numpy()

    assert molecules.activations(texts) == pytest.approx(expected, abs=1e-5)


def test_sets_of_one_world_are_nearer_than_sets_of_two() -> None:
    pytest.importorskip("fcd_torch")
    first, second, chains = MoleculeSet(toys(100, 3)), MoleculeSet(toys(100, 4)), MoleculeSet(tuple("C" * n + "O" for n in range(1, 60)))

    assert first.frechet(second) < first.frechet(chains)


def test_training_is_a_file_or_the_training_split_of_a_corpus(tmp_path: Path) -> None:
    (tmp_path / "x.smi").write_text("\n".join(toys(100, 5)) + "\n")
    prepare([tmp_path / "x.smi"], tmp_path / "corpus", PrepareOptions(kind="molecules", valid=0.2, test=0.2))

    whole, train, test = molecules_of(tmp_path / "x.smi"), molecules_of(tmp_path / "corpus"), molecules_of(tmp_path / "corpus", "test")

    assert set(train.distinct) | set(test.distinct) | set(molecules_of(tmp_path / "corpus", "valid").distinct) == set(whole.distinct)
    assert not set(train.distinct) & set(test.distinct)
    assert quality(train.texts, train)["novelty"] == 0.0 and quality(test.texts, train)["novelty"] == 1.0
    assert quality(test.texts)["novelty"] is None
    assert quality(["C(", "C"])["internal_diversity"] is None


def test_without_rdkit_one_notice_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chemistry, "is_there", lambda: False)

    assert quality(["CCO", "CCO", "C"]) == {"unique_fraction": 2 / 3, "notice": chemistry.NOTICE}
