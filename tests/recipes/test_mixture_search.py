import csv

import pytest

from biolect.recipes import mixture_search as search
from biolect.recipes.bsm import bsm
from biolect.recipes.mixture_search import SECOND_ROUND, THIRD_ROUND, annealing, criterion, mixture_search


def test_the_grids_are_those_of_the_search():
    assert len(SECOND_ROUND) == 7
    assert SECOND_ROUND[0] == {"single": 1.0}
    assert SECOND_ROUND[-1] == {"genes": 2.0, "related": 1.0}
    assert THIRD_ROUND[2] == {"genes": 1.0, "related": 1.0, "interleaved": 10.0}


def test_the_criterion_is_the_mean_over_modalities_alone_and_after_a_partner():
    report = {
        "bits_per_residue": {"dna": {"valid": 2.0}, "protein": {"valid": 4.0}},
        "by_member": {"genes": {"dna": [2.0, 1.0, None], "protein": [4.0, None, None]}},
    }

    assert criterion(report) == pytest.approx(7 / 3)


def test_a_short_run_anneals_to_zero_and_repeats_its_sources_as_the_real_round_does(tmp_path):
    base = bsm("110m")
    real = base.phases[1]

    arm = annealing(base, real, {"genes": 2.0, "related": 1.0}, 1_000, tmp_path)

    assert arm.total_tokens == 1_000 * base.batch_tokens
    assert arm.phases[0].learning_rate == (real.learning_rate[0], 0.0)
    assert arm.unique_tokens["genes"] == pytest.approx(base.unique_tokens["genes"] * arm.total_tokens / real.tokens, rel=1e-6)
    assert arm.name == "bsm-110m/R2-genes2-related1"


def test_the_third_round_starts_from_the_best_second(tmp_path, monkeypatch):
    started = []

    def pretend(config, output, **flags):
        started.append((config.phases[0].name, config.start_from))
        bits = 1.0 if "genes" in config.phases[0].mixture else 2.0
        return {"bits_per_residue": {"dna": {"valid": bits}}, "by_member": {"genes": {"protein": [4.0, bits, None]}}}

    monkeypatch.setattr(search, "pretrain", pretend)
    tmp_path.joinpath("out").mkdir()

    rows = mixture_search(bsm("nano"), tmp_path / "out", second=SECOND_ROUND[:2], third=THIRD_ROUND[:1])

    best = tmp_path / "out" / "R2-single10-genes1-related1"
    assert started[0] == ("R1", None)
    assert started[-1] == ("R3", str(best / "model"))
    assert [row["criterion"] for row in rows] == [1.0, 2.0, 1.0]
    with open(tmp_path / "out" / "mixtures.csv") as stream:
        table = list(csv.DictReader(stream))
    assert [row["round"] for row in table] == ["R2", "R2", "R3"]
    assert table[0]["protein_given_partner_bits"] == "1.0"
