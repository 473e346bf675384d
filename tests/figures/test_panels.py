import numpy as np
import pytest
from matplotlib.patches import Rectangle

from biolect.figures.panels import bars, heat_maps
from biolect.figures.style import save

LABELS = ("Position (1-based)", "Letter", "Ratio (nats)")


def test_every_bar_carries_its_value_and_its_interval():
    (panel,) = bars(["one", "two"], {"a": [(1.0, 0.5, 1.5), (2.0, 1.9, 2.1)], "b": [(3.0, 3.0, 3.0), (4.0, 3.0, 5.0)]}, "Bits", "Set").axes

    assert [panel.get_xlabel(), panel.get_ylabel()] == ["Set", "Bits"]
    assert sorted(text.get_text() for text in panel.texts) == ["1.00", "2.00", "3.00", "4.00"]
    assert [round(bar.get_height(), 2) for bar in panel.patches if isinstance(bar, Rectangle)] == [1, 2, 3, 4]
    assert len(panel.containers) == 4


def test_bars_and_intervals_below_zero_are_not_cut_off():
    (panel,) = bars(["one", "two"], {"a": [(-1.0, -1.5, -0.5), (2.0, 1.9, 2.1)]}, "Bits", "Set").axes

    assert panel.get_ylim()[0] < -1.5 and panel.get_ylim()[1] > 2.1


@pytest.mark.parametrize(("values", "limits"), [([[0.0, 0.5]], (0, 0.5)), ([[-3.0, 1.0]], (-3, 3)), ([[np.nan, 2.0]], (0, 2))])
def test_a_scale_is_centred_only_where_values_lie_on_both_sides(values, limits):
    figure = heat_maps({"map": np.array(values)}, ["A"], ["1", ""], LABELS, np.array([[True, False]]), (4, 2))
    panel, scale = figure.axes

    assert panel.images[0].get_clim() == limits
    assert [panel.get_xlabel(), panel.get_ylabel(), scale.get_ylabel()] == list(LABELS)
    assert [text.get_text() for text in panel.get_xticklabels()] == ["1"]


def test_maps_under_each_other_share_one_scale():
    figure = heat_maps({"a": np.array([[-1.0]]), "b": np.array([[4.0]])}, ["A"], ["1"], LABELS, np.array([[False]]), (4, 2))

    assert [panel.images[0].get_clim() for panel in figure.axes if panel.images] == [(-4, 4), (-4, 4)]
    assert [panel.get_title() for panel in figure.axes[:2]] == ["a", "b"]


def test_names_are_shown_as_they_are_and_files_stand_in_folders_that_are_made(tmp_path):
    figure = bars(["one $\\frac $", "two"], {"a$b$": [(1.0, 0.5, 1.5), (2.0, 1.9, 2.1)]}, "Bits", "price $\\frac $")

    png, svg = save(figure, tmp_path / "new" / "figure")

    assert png.stat().st_size > 0 and "price $\\frac $" in svg.read_text() and "one $\\frac $" in svg.read_text()
    assert {path.name for path in png.parent.iterdir()} == {"figure.png", "figure.svg"}
