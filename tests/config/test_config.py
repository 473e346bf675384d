"""Configs: strict, frozen, written and read as one text, with messages that name the place."""

from __future__ import annotations

from typing import Any, Literal

import pydantic
import pytest
from hypothesis import given, strategies as st

from biolect.config import Config
from biolect.errors import ConfigError


class Part(Config):
    width: int = pydantic.Field(gt=0)
    rate: float = 0.5


class Other(Config):
    kind: Literal["other"] = "other"
    depth: int = 3


class Another(Config):
    kind: Literal["another"] = "another"
    height: int = 4


class Whole(Config):
    name: str
    part: Part
    parts: tuple[Part, ...] = ()
    shares: dict[str, float] = {}
    choice: Other | Another = pydantic.Field(default=Other(), discriminator="kind")
    span: tuple[int, int] = (1, 2)
    is_on: bool = True
    limit: int | None = None

    @pydantic.model_validator(mode="after")
    def _rule(self) -> Whole:
        if self.name == "bad":
            raise ValueError("name = 'bad' is not good. Choose another.")
        return self


WHOLE = Whole(name="w", part=Part(width=3))
DATA: dict[str, Any] = {"name": "w", "part": {"width": 3}}


@given(
    st.builds(
        Whole,
        name=st.text(max_size=5),
        part=st.builds(Part, width=st.integers(1, 99), rate=st.floats(allow_nan=False, allow_infinity=False)),
        shares=st.dictionaries(st.text(min_size=1, max_size=3), st.floats(1e-30, 1e30), max_size=3),
        choice=st.one_of(st.builds(Other), st.builds(Another, height=st.integers())),
        limit=st.none() | st.integers(-(2**53), 2**53),
    ).filter(lambda c: c.name != "bad")
)
def test_every_config_comes_back_from_its_texts(config: Whole) -> None:
    assert Whole.from_dict(config.to_dict()) == config
    assert Whole.from_yaml(config.to_yaml()) == config


def test_the_text_form_keeps_the_order_of_declaration() -> None:
    assert list(WHOLE.to_dict()) == ["name", "part", "parts", "shares", "choice", "span", "is_on", "limit"]
    assert WHOLE.to_yaml().startswith("name: w\npart:\n  width: 3\n  rate: 0.5\n")


def test_configs_are_frozen() -> None:
    with pytest.raises(pydantic.ValidationError):
        WHOLE.name = "x"  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nmae": 1}, "Unknown key 'nmae'. Did you mean 'name'?"),
        ({"part": {"width": 3, "widht": 4}}, "Unknown key 'part.widht'. Did you mean 'width'?"),
        ({"parts": [{"width": 1}, {"width": 1, "rat": 0}]}, "Unknown key 'parts.1.rat'. Did you mean 'rate'?"),
        ({"zzz": 1}, "Unknown key 'zzz'. Known keys: choice, is_on, limit, name, part, parts, shares, span."),
        ({"part": {}}, "'part.width' is required and has no default. Add it."),
        ({"part": {"width": 0}}, "part.width = 0: Input should be greater than 0."),
        ({"part": {"width": "3"}}, "part.width = '3': Input should be a valid integer."),
        ({"part": {"width": 3.0}}, "part.width = 3.0"),
        ({"is_on": 1}, "is_on = 1: Input should be a valid boolean."),
        ({"name": "bad"}, "name = 'bad' is not good. Choose another."),
        ({"span": [1]}, "span.1"),
        ({"choice": {"kind": "none"}}, "choice"),
        ({"choice": {"kind": "another", "hieght": 1}}, "Unknown key 'choice.hieght'. Did you mean 'height'?"),
        ({"choice": {"kind": "another", "depth": 1}}, "Unknown key 'choice.depth'. Known keys: height, kind."),
        ({"choice": {"kind": "other", "depth": "x"}}, "choice.depth = 'x': Input should be a valid integer."),
    ],
)
def test_mistakes_are_named_with_their_place(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Whole.from_dict(DATA | change)

    assert message in str(caught.value)


def test_another_kind_begins_anew_and_the_same_kind_changes_nothing() -> None:
    deep = WHOLE.override(["choice.depth=7"])

    assert deep.override(["choice.kind=other"]) == deep
    assert deep.override(["choice.kind=another"]).choice == Another()
    assert deep.override(["choice.kind=another", "choice.height=9"]).choice == Another(height=9)


def test_several_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        Whole.from_dict({"nam": "w", "part": {"width": -1}})

    assert str(caught.value).count("\n") == 2


def test_values_that_are_not_plain_data_are_refused() -> None:
    with pytest.raises(ConfigError, match="holds a value that is not plain data"):
        Whole.from_dict(DATA | {"name": object()})


@pytest.mark.parametrize(
    ("text", "message"), [("a: [", "not valid YAML"), ("- 1", "must be a YAML mapping"), ("", "must be a YAML mapping")]
)
def test_texts_that_are_no_config_are_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Whole.from_yaml(text)


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "+1e-3", "0.1e-2", "1.e-3", ".1e-2", "0.001"])
def test_numbers_may_be_written_with_an_exponent(text: str) -> None:
    assert WHOLE.override([f"part.rate={text}"]).part.rate == 0.001
    assert Whole.from_yaml(f"name: w\npart: {{width: 3, rate: {text}}}").part.rate == 0.001


@pytest.mark.parametrize("text", ["e3", "1e", "x1e3", "1e3x", "1-3"])
def test_words_that_look_like_numbers_stay_words(text: str) -> None:
    assert WHOLE.override([f"name={text}"]).name == text


@pytest.mark.parametrize(
    ("assignments", "expected"),
    [
        (["name=x", "part.width=7"], {"name": "x", "part": {"width": 7, "rate": 0.5}}),
        (["parts=[{width: 1}, {width: 2}]", "parts.1.width=5"], {"parts": [{"width": 1, "rate": 0.5}, {"width": 5, "rate": 0.5}]}),
        (["span.0=9"], {"span": [9, 2]}),
        (["shares.new=0.25"], {"shares": {"new": 0.25}}),
        (["choice={kind: another}"], {"choice": {"kind": "another", "height": 4}}),
        (["limit=7"], {"limit": 7}),
        (["limit=null"], {"limit": None}),
        (["is_on=false"], {"is_on": False}),
        (["name='a=b'"], {"name": "a=b"}),
        ([], {}),
    ],
)
def test_assignments_change_one_place(assignments: list[str], expected: dict[str, Any]) -> None:
    assert WHOLE.override(assignments).to_dict() == WHOLE.to_dict() | expected
    assert WHOLE.to_dict()["name"] == "w"


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("name", "'name' is not an assignment. Write key.path=value, for example seed=7."),
        ("nam=x", "Unknown key 'nam'. Did you mean 'name'?"),
        ("prat.width=1", "'prat.width' names no setting: the config has no 'prat'. Did you mean 'part'?"),
        ("part.widht=1", "Unknown key 'part.widht'. Did you mean 'width'?"),
        ("name.first=1", "'name.first' names no setting: 'name' is a value, not a group of settings."),
        ("limit.x=1", "'limit.x' names no setting: 'limit' is a value, not a group of settings."),
        ("span.2=1", "'span.2' names no setting: span has no '2'. Known keys: 0, 1."),
        ("span.first=1", "'span.first' names no setting: span has no 'first'. Known keys: 0, 1."),
        ("name=[", "The value of 'name=[' is not valid YAML. Close its quotes and brackets."),
        ("part.width=x", "part.width = 'x'"),
    ],
)
def test_assignments_that_name_nothing_are_refused(assignment: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        WHOLE.override([assignment])

    assert message in str(caught.value)
