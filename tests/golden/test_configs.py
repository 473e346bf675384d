"""A changed default shows up as a reviewed difference of these files."""

import pytest

from biolect.recipes import named, names


@pytest.mark.parametrize("name", names())
def test_a_recipe_is_what_it_was(golden, name: str):
    text = named(name).to_yaml()

    assert text == golden(f"configs/{name}.yaml", text)
