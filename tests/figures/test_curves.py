import sys

import numpy as np

from biolect.figures.curves import learning_curves
from biolect.figures.style import COLORS, save

ALONE = {"dna": [(1e6, 2.0), (2e6, 1.9)], "protein": [(1e6, 4.2), (2e6, 4.1)]}
BY_MEMBER = {("protein", 0): [(1e6, 4.2), (2e6, 4.1)], ("protein", 1): [(1e6, 3.0), (2e6, 0.2)]}
ENDS = {"R1": 1e6, "R2": 2e6}


def test_axes_carry_their_units_and_phases_their_names():
    left, right = learning_curves(ALONE, BY_MEMBER, ENDS).axes

    assert left.get_ylabel() == "Validation loss (bits per residue)"
    assert left.get_xlabel() == right.get_xlabel() == "Tokens seen (millions)"
    assert [text.get_text() for text in left.texts] == ["R1", "R2"]


def test_every_modality_has_its_color_and_every_place_its_line():
    left, right = learning_curves(ALONE, BY_MEMBER, ENDS).axes

    assert [line.get_color() for line in left.lines] == [COLORS["dna"], COLORS["protein"]]
    assert [line.get_linestyle() for line in right.lines] == ["-", "--"]
    assert np.array_equal(left.lines[0].get_xdata(), [1, 2])


def test_a_run_without_validation_still_has_a_figure():
    assert len(learning_curves({}, {}, {}).axes) == 2


def test_equal_values_give_equal_files(tmp_path):
    for name in ("one", "two"):
        save(learning_curves(ALONE, BY_MEMBER, ENDS), tmp_path / name)

    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_a_name_with_dots_keeps_them(tmp_path):
    assert [path.name for path in save(learning_curves({}, {}, {}), tmp_path / "run-0.5")] == ["run-0.5.png", "run-0.5.svg"]


def test_no_window_system_is_asked_for():
    assert "matplotlib.pyplot" not in sys.modules
