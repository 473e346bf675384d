"""One table: intervals over clusters, paired differences, means over parts."""

import numpy as np
import pytest

from biolect.evaluate.judging import Arm, Outcome, Panel


def panel(part: str = "", shift: float = 0.0, draws: int = 200) -> Panel:
    made = Panel(part, "accuracy", [0, 0, 1, 1, 2, 3], draws=draws)
    right = np.array([1, 1, 0, 1, 1, 0]) + shift
    made.add_ratio("model", "model", right, np.ones(6))
    made.add_ratio("guess", "baseline", right - 0.25, np.ones(6))
    return made


def test_a_value_is_of_all_items_and_its_interval_of_whole_clusters():
    row = panel().rows("toy")[0]

    assert row["value"] == pytest.approx(4 / 6) and (row["items"], row["clusters"]) == (6, 4)
    assert row["low"] < row["value"] < row["high"]


def test_a_difference_that_is_equal_for_all_items_has_no_spread():
    gain = Outcome("accuracy", [panel()]).report()["gain"]

    assert gain["over"] == "guess" and gain["difference"] == pytest.approx(0.25)
    assert gain["interval"] == pytest.approx([0.25, 0.25])


def test_where_less_is_better_the_gain_turns_round():
    assert Outcome("accuracy", [panel()], largest_is_best=False).report()["gain"]["difference"] == pytest.approx(-0.25)


def test_the_mean_over_parts_leaves_out_arms_that_a_part_lacks():
    second = panel("b", shift=1.0)
    second.add_ratio("only here", "baseline", np.ones(6), np.ones(6))
    report = Outcome("accuracy", [panel("a"), second]).report()

    assert report["value"] == pytest.approx(4 / 6 + 0.5)
    assert set(report["baselines"]) == {"guess"} and set(report["parts"]["b"]["baselines"]) == {"guess", "only here"}


def test_parts_that_stand_for_others_widen_the_interval():
    def width(draws_parts: bool) -> float:
        low, high = Outcome("accuracy", [panel("a"), panel("b", shift=5.0)], draws_parts=draws_parts).report()["interval"]
        return high - low

    assert width(True) > 2 > width(False)


def test_what_cannot_be_said_is_no_number():
    made = Panel("", "spearman", [0, 1, 2], draws=20)
    made.add("constant", "model", lambda items: float("nan"))

    assert Outcome("spearman", [made]).report() == {"metric": "spearman", "value": None, "interval": None, "baselines": {}}


def test_a_value_that_no_draw_has_again_has_no_interval():
    assert Arm("", "model", "spearman", 0.5, np.full(20, np.nan)).facts() == {"value": 0.5, "interval": None}
