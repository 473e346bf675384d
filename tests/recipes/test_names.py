import pytest

from biolect.errors import ConfigError
from biolect.recipes import named, names, resolve


def test_the_names_are_those_of_the_contract():
    wanted = "bsm-tiny bsm-nano bsm-micro bsm-mini bsm-110m bsm-270m dna-xlstm-tiny dna-xlstm-500k dna-xlstm-2m dna-xlstm-4m "
    wanted += "chem-xlstm-tiny chem-xlstm-15m prot-xlstm-tiny prot-xlstm-26m prot-xlstm-102m"

    assert set(wanted.split()) <= set(names())


@pytest.mark.parametrize("name", names())
def test_a_recipe_carries_its_name_and_survives_its_text_form(name: str):
    config = named(name)

    assert config.name == name
    assert type(config).from_yaml(config.to_yaml()) == config


def test_a_misspelt_recipe_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="There is no recipe 'bsm-tny'. .* Did you mean 'bsm-tiny'?"):
        named("bsm-tny")


def test_the_text_of_a_run_is_as_good_as_a_name(tmp_path):
    (tmp_path / "config.yaml").write_text(named("bsm-tiny").to_yaml())

    assert resolve(str(tmp_path / "config.yaml")) == resolve(str(tmp_path)) == resolve("bsm-tiny")


def test_a_file_that_is_not_there_is_refused_as_a_file(tmp_path):
    with pytest.raises(ConfigError, match="There is no file '.*run.yaml'"):
        resolve(str(tmp_path / "run.yaml"))
