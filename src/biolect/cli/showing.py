"""How a verb's result is laid out for eyes, on standard error."""

from collections.abc import Iterator, Mapping
from typing import Any

_MOST_ALIKE = 8
"""More things of one form than this are a table."""


def show(result: Mapping[str, Any]) -> None:
    """Lay a result out for eyes: values in two columns, lists of records as tables."""
    from rich.console import Console
    from rich.table import Table

    console = Console(stderr=True)
    grid = Table.grid(padding=(0, 2))
    tables = []
    for key, value in _flat(result):
        if isinstance(value, list) and value and isinstance(value[0], dict):
            columns = list(dict.fromkeys(name for row in value for name in row))
            table = Table(*columns, title=key, title_justify="left")
            for row in value:
                table.add_row(*(_text(row.get(name)) for name in columns))
            tables.append(table)
        else:
            grid.add_row(key, _text(value))
    for part in (grid, *tables):
        if part.row_count:
            console.print(part)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and len(value) > _MOST_ALIKE and all(isinstance(inner, dict) for inner in value.values()):
            yield f"{prefix}{key}", [{"name": name} | dict(_flat(inner)) for name, inner in value.items()]
        elif isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _text(value: Any) -> str:
    from rich.markup import escape

    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list):
        return escape(", ".join(_text(inner) for inner in value)) or "-"
    return escape(str(value))
