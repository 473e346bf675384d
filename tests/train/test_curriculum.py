import pytest

from biolect.errors import ConfigError
from biolect.train.curriculum import Phase, RunConfig
from tests.train.toy import component_tokens, toy_config


def test_the_text_form_of_a_run_gives_the_same_run():
    config = toy_config()

    assert RunConfig.from_yaml(config.to_yaml()) == config


def test_a_negative_weight_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"'genes' in phase 'R' has -0\.2"):
        Phase.from_dict({"name": "R", "mixture": {"genes": -0.2}, "tokens": 10, "learning_rate": [1.0, 0.0]})


def test_a_warm_up_longer_than_its_phase_is_refused():
    with pytest.raises(ConfigError, match="warms up for 10 tokens but has only 10"):
        Phase.from_dict({"name": "R", "mixture": {"a": 1.0}, "tokens": 10, "learning_rate": [1.0, 0.0], "warmup_tokens": 10})


def test_a_batch_that_is_no_whole_number_of_rows_names_the_nearest_that_is():
    with pytest.raises(ConfigError, match="batch_tokens = 600 is not a whole number of rows of 128 .* Nearest valid values: 512, 640"):
        toy_config(batch_tokens=600)


def test_rates_that_cannot_be_are_refused_by_name():
    with pytest.raises(ConfigError, match="learning_rate.1 = -0.1: .* greater than or equal to 0"):
        Phase.from_dict({"name": "R", "mixture": {"a": 1.0}, "tokens": 10, "learning_rate": [1.0, -0.1]})
    with pytest.raises(ConfigError, match="optimizer.betas.0 = 1.5: .* less than 1"):
        toy_config(optimizer={"betas": [1.5, 0.9]})


def test_two_phases_of_one_name_are_refused():
    phase = {"name": "R1", "mixture": {"single": 1.0}, "tokens": 10, "learning_rate": [1.0, 0.0]}

    with pytest.raises(ConfigError, match="Phase names must differ"):
        toy_config(phases=[phase, phase])


def test_a_misspelt_key_is_refused_with_the_nearest_one():
    with pytest.raises(ConfigError, match="Unknown key 'batch_token'. Did you mean 'batch_tokens'?"):
        toy_config(batch_token=512)


def test_component_tokens_add_up_over_phases():
    totals = component_tokens(toy_config())

    assert totals["single"] == pytest.approx(4_000 + 4_000 * 10 / 13)
    assert sum(totals.values()) == pytest.approx(10_000)


def test_scaling_keeps_the_shares_of_phases_and_the_repetition_of_sources():
    config = toy_config(unique_tokens={"genes": 1_000})

    scaled = config.scaled(2_500)

    assert [phase.tokens for phase in scaled.phases] == [1_000, 1_000, 500]
    assert scaled.phases[0].warmup_tokens == 250
    assert component_tokens(scaled)["genes"] / scaled.unique_tokens["genes"] == component_tokens(config)["genes"] / 1_000


BOTH_WAYS = {"kind": "transformer", "layers": 2, "width": 32, "heads": 2, "inner": 64, "direction": "bidirectional"}


def test_guessing_from_both_sides_needs_a_model_that_sees_both():
    with pytest.raises(ConfigError, match="objective.kind = masked guesses residues from both sides, but .* = causal shows one only"):
        toy_config(objective={"kind": "masked"})


def test_saying_the_next_token_needs_a_model_that_does_not_see_it():
    with pytest.raises(ConfigError, match="objective.kind = causal says the next token, which .* = bidirectional shows already"):
        toy_config(model={"backbone": BOTH_WAYS})

    assert toy_config(model={"backbone": BOTH_WAYS}, objective={"kind": "masked", "rate": 0.2}).objective.kind == "masked"


def test_tags_need_a_vocabulary_that_has_them():
    model = toy_config().model.to_dict() | {"vocabulary": "prot-38"}

    with pytest.raises(ConfigError) as caught:
        toy_config(model=model)

    assert str(caught.value) == "Vocabulary 'prot-38' has no tags to announce members by. Set grammar.tags=false."


def test_infilling_is_an_objective_with_a_text_form():
    model = toy_config().model.to_dict() | {"vocabulary": "prot-38"}
    config = toy_config(model=model, grammar={"tags": False, "positions": "member"}, objective={"kind": "infill", "always": True})

    assert RunConfig.from_yaml(config.to_yaml()) == config
    assert config.reading_facts["objective"] == config.objective.to_dict()
    with pytest.raises(ConfigError, match="Vocabulary 'dna-12' has no holes to fill"):
        toy_config(model=model | {"vocabulary": "dna-12"}, grammar={"tags": False}, objective={"kind": "infill"})


def test_other_strands_are_not_drawn_for_a_model_that_reads_both():
    model = {"vocabulary": "dna-12", "strands": "shared", "backbone": BOTH_WAYS}
    asked = {"model": model, "objective": {"kind": "masked"}, "grammar": {"tags": False}}

    with pytest.raises(ConfigError, match="reverse_complement = 0.5 adds nothing to model.strands = shared"):
        toy_config(**asked)

    assert toy_config(**asked, reverse_complement=0.0).model.strands == "shared"
