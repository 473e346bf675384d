"""Configs: frozen, strict pydantic models that live beside the class they build.

A config has one text form, YAML. Unknown keys are refused with the nearest valid one, and every
message names the path of the field it speaks of, so that a mistake in a file of two hundred lines
is found without reading it.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, Self

import pydantic
import yaml

from biolect.errors import ConfigError


class Config(pydantic.BaseModel):
    """Base of every config. Invariant: valid once built, and never changed afterwards."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", strict=True, validate_default=True)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from plain data, as read from YAML.

        Raises:
            ConfigError: If a key is unknown, a value has the wrong type, or a rule is broken.
        """
        try:
            return cls.model_validate_json(_to_json(values))
        except pydantic.ValidationError as error:
            raise ConfigError(_explain(cls, values, error)) from None

    @classmethod
    def from_yaml(cls, text: str) -> Self:
        """Build from YAML text. Raises ConfigError like `from_dict`."""
        try:
            values = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"The config is not valid YAML: {error}. Check the indentation at that place.") from None
        if not isinstance(values, dict):
            raise ConfigError("The config must be a YAML mapping of keys to values, as written beside every checkpoint.")
        return cls.from_dict(values)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data; `from_dict` of it gives an equal config."""
        return self.model_dump(mode="json")

    def to_yaml(self) -> str:
        """Return the text form, keys in the order of declaration."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False, width=100)

    def override(self, assignments: Sequence[str]) -> Self:
        """Return a copy with `key.path=value` assignments applied, values read as YAML.

        Raises:
            ConfigError: If an assignment has no `=`, or names a key that does not exist.
        """
        values = self.to_dict()
        for assignment in assignments:
            path, equals, text = assignment.partition("=")
            if not equals:
                raise ConfigError(f"'{assignment}' is not an assignment. Write key.path=value, for example seed=7.")
            _assign(values, path, yaml.safe_load(text))
        return type(self).from_dict(values)


def _to_json(values: Mapping[str, Any]) -> str:
    import json

    try:
        return json.dumps(values)
    except TypeError as error:
        raise ConfigError(f"The config holds a value that is not plain data: {error}.") from None


def _assign(values: Any, path: str, value: Any) -> None:
    """Set one dotted path in nested plain data; the last key may be new, its parents may not."""
    *parents, last = path.split(".")
    place: Any = values
    for depth, key in enumerate(parents):
        try:
            place = place[int(key)] if isinstance(place, list) else place[key]
        except (KeyError, IndexError, ValueError, TypeError):
            known = list(place) if isinstance(place, dict) else [str(i) for i in range(len(place))] if isinstance(place, list) else []
            where = ".".join(parents[:depth]) or "the config"
            raise ConfigError(f"'{path}' names no setting: {where} has no '{key}'.{_nearest(key, known)}") from None
    if isinstance(place, list):
        place[int(last)] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise ConfigError(f"'{path}' names no setting: '{'.'.join(parents)}' is a value, not a group of settings.")


def _nearest(key: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    if close:
        return f" Did you mean '{close[0]}'?"
    return f" Known keys: {', '.join(known)}." if known else ""


def _explain(cls: type[Config], values: Mapping[str, Any], error: pydantic.ValidationError) -> str:
    """Say in words what pydantic found: the path, the value, the rule, the next step."""
    lines = []
    for problem in error.errors(include_url=False):
        parts = [str(part) for part in problem["loc"]]
        path = ".".join(parts) or cls.__name__
        if problem["type"] == "extra_forbidden":
            lines.append(f"Unknown key '{path}'.{_nearest(parts[-1], _siblings(cls, parts))}")
        elif problem["type"] == "missing":
            lines.append(f"'{path}' is required and has no default. Add it.")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            lines.append(message if problem["type"] == "value_error" else f"{path} = {problem['input']!r}: {message}.")
    return "\n".join(lines)


def _siblings(cls: type[pydantic.BaseModel], path: Sequence[str]) -> list[str]:
    """Keys that are valid beside the last part of a path, following nested configs and unions."""
    current: list[type[pydantic.BaseModel]] = [cls]
    for part in path[:-1]:
        found: list[type[pydantic.BaseModel]] = []
        for model in current:
            if part in model.model_fields:
                found += _models_in(model.model_fields[part].annotation)
        current = found or current
    return sorted({name for model in current for name in model.model_fields})


def _models_in(annotation: Any) -> list[type[pydantic.BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        return [annotation]
    return [model for inner in getattr(annotation, "__args__", ()) for model in _models_in(inner)]
