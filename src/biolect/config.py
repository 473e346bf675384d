"""Configs: frozen, strict pydantic models that live beside the class they build.

A config has one text form, YAML. Unknown keys are refused with the nearest valid one, and every
message names the path of the field it speaks of, so that a mistake in a file of two hundred lines
is found without reading it.
"""

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Self, cast

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
            return cls.model_validate_json(json.dumps(values))
        except pydantic.ValidationError as error:
            raise ConfigError(_explain(cls, values, error)) from None
        except (TypeError, ValueError, RecursionError) as error:
            raise ConfigError(f"The config holds a value that is not plain data: {error}.") from None

    @classmethod
    def from_yaml(cls, text: str) -> Self:
        """Build from YAML text. Raises ConfigError like `from_dict`."""
        try:
            values: Any = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
        except yaml.YAMLError as error:
            raise ConfigError(f"The config is not valid YAML: {error}. Check the indentation at that place.") from None
        if not isinstance(values, dict):
            raise ConfigError("The config must be a YAML mapping of keys to values, as written beside every checkpoint.")
        return cls.from_dict(cast("dict[str, Any]", values))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data; `from_dict` of it gives an equal config."""
        return self.model_dump(mode="json")

    def to_yaml(self) -> str:
        """Return the text form, keys in the order of declaration."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False, width=100)

    def override(self, assignments: Sequence[str]) -> Self:
        """Return a copy with `key.path=value` assignments applied, values read as YAML.

        Another `kind` of something begins it anew, with the defaults of that kind.

        Raises:
            ConfigError: If an assignment has no `=`, is not YAML, or names a key that does not exist.
        """
        values = self.to_dict()
        for assignment in assignments:
            path, equals, text = assignment.partition("=")
            if not equals:
                raise ConfigError(f"'{assignment}' is not an assignment. Write key.path=value, for example seed=7.")
            try:
                value: Any = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
            except yaml.YAMLError:
                raise ConfigError(f"The value of '{assignment}' is not valid YAML. Close its quotes and brackets.") from None
            _assign(values, path, value)
        return type(self).from_dict(values)


class _Loader(yaml.SafeLoader):
    """Reads 1e-3 as a number, as YAML 1.2 and everybody else does; YAML 1.1 sees a text there."""


_Loader.add_implicit_resolver(  # pyright: ignore[reportUnknownMemberType]
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d[\d_]*\.?[\d_]*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def _assign(values: dict[str, Any], path: str, value: Any) -> None:
    """Set one dotted path in nested plain data; the last key may be new, its parents may not."""
    *parents, last = path.split(".")
    place: object = values
    for depth, key in enumerate([*parents, last]):
        where = ".".join(parents[:depth])
        entries = _entries(place)
        if entries is None:
            raise ConfigError(f"'{path}' names no setting: '{where}' is a value, not a group of settings.")
        if depth == len(parents) and entries is place:
            if key == "kind" and entries.get(key) != value:
                entries.clear()
            entries[key] = value
        elif key not in entries:
            raise ConfigError(f"'{path}' names no setting: {where or 'the config'} has no '{key}'.{_nearest(key, list(entries))}")
        elif depth == len(parents):
            cast("list[Any]", place)[int(key)] = value
        else:
            place = entries[key]


def _entries(place: object) -> dict[str, Any] | None:
    """Return what can be named inside a mapping (itself) or a list (by index); None for a plain value."""
    if isinstance(place, dict):
        return cast("dict[str, Any]", place)
    return {str(i): entry for i, entry in enumerate(cast("list[Any]", place))} if isinstance(place, list) else None


def _nearest(key: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    if close:
        return f" Did you mean '{close[0]}'?"
    return f" Known keys: {', '.join(known)}." if known else ""


def _explain(cls: type[Config], values: Mapping[str, Any], error: pydantic.ValidationError) -> str:
    """Say in words what pydantic found: the path, the value, the rule, the next step."""
    lines: list[str] = []
    for problem in error.errors(include_url=False):
        parts, known = _named(cls, [str(part) for part in problem["loc"]])
        path = ".".join(parts) or cls.__name__
        if problem["type"] == "extra_forbidden":
            lines.append(f"Unknown key '{path}'.{_nearest(parts[-1], known)}")
        elif problem["type"] == "missing":
            lines.append(f"'{path}' is required and has no default. Add it.")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            lines.append(message if problem["type"] == "value_error" else f"{path} = {problem['input']!r}: {message}.")
    return "\n".join(lines)


def _named(cls: type[pydantic.BaseModel], path: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return a path as its reader wrote it, and the keys that are valid beside its last part.

    pydantic names the kind of a union as if it were a key; only that member's keys are valid there.
    """
    current, parts = [cls], list[str]()
    for depth, part in enumerate(path):
        kinds = [model for model in current if depth and "kind" in model.model_fields and model.model_fields["kind"].default == part]
        if kinds:
            current = kinds
            continue
        parts.append(part)
        if depth < len(path) - 1:
            current = [
                found for model in current if part in model.model_fields for found in _models_in(model.model_fields[part].annotation)
            ] or current
    return parts, sorted({name for model in current for name in model.model_fields})


def _models_in(annotation: Any) -> list[type[pydantic.BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        return [annotation]
    inside: tuple[Any, ...] = getattr(cast("object", annotation), "__args__", ())
    return [model for inner in inside for model in _models_in(inner)]
