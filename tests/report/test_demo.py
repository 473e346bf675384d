import pytest

from biolect.report.demo import _against_markov, _learned
from biolect.report.page import judged, told


def translation(own: float, alone: float, foreign: float, spread: float) -> dict:
    def around(value: float) -> tuple[float, float, float]:
        return value, value - spread, value + spread

    return {
        "own": around(own),
        "alone": around(alone),
        "foreign": around(foreign),
        "gain": around(alone - own),
        "gain_over_foreign": around(foreign - own),
    }


@pytest.mark.parametrize(
    ("own", "alone", "foreign", "spread", "verdict"),
    [
        (0.1, 4.0, 9.0, 0.1, "translation was learned."),
        (1.9, 4.0, 9.0, 0.5, "a trace of translation was learned."),
        (3.9, 4.0, 4.0, 0.05, "a trace of translation was learned."),
        (3.9, 4.0, 4.0, 0.2, "translation was not shown to be learned."),
        (0.1, 4.0, 0.1, 0.1, "translation was not shown to be learned."),
        (6.0, 4.0, 7.0, 0.1, "translation was not shown to be learned."),
    ],
)
def test_the_verdict_on_translation_follows_the_intervals(own, alone, foreign, spread, verdict):
    assert verdict in _learned("phiX174", translation(own, alone, foreign, spread), "")


@pytest.mark.parametrize(
    ("gain", "words"), [((0.2, 0.1, 0.3), "beats"), ((-0.2, -0.3, -0.1), "is worse than"), ((0.1, -0.1, 0.3), "cannot be told from")]
)
def test_the_verdict_against_counting_follows_the_interval(gain, words):
    found = {"gain": gain, "order": 3, "model": (1.9, 1.8, 2.0), "markov": (2.0, 1.9, 2.1)}

    assert f"DNA alone: the model {words} the best Markov model (order 3)" in _against_markov("dna", found)


def test_a_value_is_told_with_its_interval():
    assert told((0.123, 0.1, 0.2)) == "0.12 [0.10, 0.20]"


def test_an_interval_that_touches_nought_decides_nothing():
    assert judged((0.1, 0.0, 0.2), "above", "below", "unclear") == "unclear"
