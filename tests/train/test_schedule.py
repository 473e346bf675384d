import pytest
from hypothesis import given, strategies as st

from biolect.train.optimizer import rate_at


def rate(tokens: float) -> float:
    return rate_at(tokens, (2e-5, 1e-5), warmup_tokens=100, total_tokens=1_100)


def test_warm_up_rises_from_zero_and_the_rest_is_a_straight_line():
    assert rate(0) == 0
    assert rate(50) == 1e-5
    assert rate(100) == 2e-5
    assert rate(600) == pytest.approx(1.5e-5)


def test_the_rate_stays_at_its_end_when_the_last_step_goes_over_the_budget():
    assert rate(1_100) == 1e-5
    assert rate(2_000) == 1e-5


def test_a_phase_without_warm_up_begins_at_its_start():
    assert rate_at(0, (1e-6, 0.0), 0, 10) == 1e-6


@given(st.floats(0, 1_100), st.floats(0, 1_100))
def test_after_the_warm_up_the_rate_never_rises(a: float, b: float):
    low, high = sorted((max(a, 100), max(b, 100)))

    assert rate(low) >= rate(high)
