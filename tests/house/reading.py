"""How the house reads itself: every module with its room, its imports and its definitions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cached_property, lru_cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCE = REPOSITORY / "src" / "biolect"


class Module:
    """One file of the package."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text(encoding="utf-8")
        self.tree = ast.parse(self.text)
        inside = path.relative_to(SOURCE).with_suffix("")
        self.room = inside.parts[0]
        self.name = ".".join(("biolect", *(part for part in inside.parts if part != "__init__")))

    def __repr__(self) -> str:
        return str(self.path.relative_to(REPOSITORY))

    @cached_property
    def top_level_imports(self) -> set[str]:
        """Modules imported when this one is, type-checking blocks left out."""
        nodes = [node for node in self.tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        return {name for node in nodes for name in imported(node)}

    @cached_property
    def all_imports(self) -> set[str]:
        """Every module named in an import, wherever it stands."""
        return {name for node in ast.walk(self.tree) if isinstance(node, ast.Import | ast.ImportFrom) for name in imported(node)}

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Every function and method, nested ones too."""
        yield from (node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))

    def public(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
        """Public functions and classes, and the public methods of those classes."""
        for node in self.tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                yield node
                if isinstance(node, ast.ClassDef):
                    yield from (m for m in node.body if isinstance(m, ast.FunctionDef) and not m.name.startswith("_"))


def imported(node: ast.Import | ast.ImportFrom) -> set[str]:
    """Full names of what an import statement names; `from a import b` is both a and a.b."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    return {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}


@lru_cache(maxsize=1)
def modules() -> tuple[Module, ...]:
    """Every module of the package but its face."""
    return tuple(Module(path) for path in sorted(SOURCE.rglob("*.py")) if path != SOURCE / "__init__.py")


def rooms_of(names: set[str]) -> set[str]:
    """Rooms of this package among imported names."""
    found = {name.split(".")[1] for name in names if name.startswith("biolect.")}
    return {room for room in found if (SOURCE / room).is_dir() or (SOURCE / f"{room}.py").is_file()}
