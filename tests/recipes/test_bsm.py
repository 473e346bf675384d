import pytest

from biolect.errors import ConfigError
from biolect.recipes.bsm import UNIQUE_TOKENS, bsm, bsm_tiny, rounds_of
from tests.train.toy import component_tokens

BILLION = 10**9


def test_the_budgets_are_the_published_ones():
    config = bsm("110m")

    assert [phase.tokens for phase in config.phases] == [100 * BILLION, 156 * BILLION, 15_900_000_000]
    assert config.total_tokens == 271_900_000_000
    assert config.phases[1].mixture["genes"] / config.phases[1].mixture["related"] == 2


@pytest.mark.parametrize(("arm", "first", "last"), [("published", 2e-5, 1e-6), ("tuned", 6e-4, 3e-5)])
def test_an_arm_sets_every_learning_rate(arm, first: float, last: float):
    phases = bsm("micro", arm).phases

    assert phases[0].learning_rate == (first, pytest.approx(first / 2))
    assert phases[2].learning_rate == (last, 0.0)


def test_sources_are_repeated_as_often_as_published():
    config = bsm("110m")

    repeated = {name: tokens / UNIQUE_TOKENS[name] for name, tokens in component_tokens(config).items()}

    assert repeated == pytest.approx({"single": 1.0, "genes": 2.75, "related": 1.60, "interleaved": 403}, rel=2e-3)


def test_a_shorter_run_keeps_rounds_and_repetition():
    config = bsm("micro").scaled(4 * BILLION)

    shares = [phase.tokens / config.total_tokens for phase in config.phases]
    assert shares == pytest.approx([0.368, 0.574, 0.058], abs=5e-4)
    assert config.unique_tokens["genes"] == pytest.approx(135e6, rel=0.01)
    assert config.unique_tokens["interleaved"] == pytest.approx(0.49e6, rel=0.02)


@pytest.mark.parametrize(("size", "millions"), [("nano", 1.1), ("micro", 9.5), ("mini", 32.8)])
def test_sizes_have_the_parameters_they_claim(size: str, millions: float):
    assert bsm(size).model.build().num_parameters / 1e6 == pytest.approx(millions, abs=0.05)


def test_an_unknown_size_is_refused():
    with pytest.raises(ConfigError, match="no Transformer size 'huge'"):
        bsm("huge")


def test_a_search_needs_the_three_rounds():
    config = bsm_tiny()

    with pytest.raises(ConfigError, match="Three rounds R1, R2 and R3 are needed; 'bsm-tiny' has R1"):
        rounds_of(config.model_copy(update={"phases": config.phases[:1]}))
