"""Small files, short functions, plain letters."""

import ast
import re
import statistics

import pytest

from tests.house.reading import REPOSITORY, modules

LINES_PER_FILE, LINES_PER_FUNCTION, ARGUMENTS, LINES_IN_ALL = 300, 60, 8, 17_600


@pytest.mark.parametrize("module", modules(), ids=str)
def test_a_file_is_short_and_plain(module):
    assert len(module.text.splitlines()) <= LINES_PER_FILE
    assert module.text.isascii()
    assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", module.text)


@pytest.mark.parametrize("module", modules(), ids=str)
def test_a_function_is_one_thought(module):
    for function in module.functions():
        arguments = [a for a in function.args.posonlyargs + function.args.args + function.args.kwonlyargs if a.arg not in ("self", "cls")]

        assert (function.end_lineno or 0) - function.lineno < LINES_PER_FUNCTION, function.name
        assert len(arguments) <= ARGUMENTS, function.name


def test_the_house_stays_small():
    lengths = [len(module.text.splitlines()) for module in modules()]

    assert sum(lines_of_code(module.text) for module in modules()) < LINES_IN_ALL
    assert statistics.median(lengths) <= 200


def lines_of_code(text: str) -> int:
    """Lines with a statement: docstrings, comments and blank lines cost nothing, or nobody would write them."""
    documented = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, clean=False) is not None:
            documented |= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    lines = enumerate(text.splitlines(), start=1)
    return sum(1 for number, line in lines if line.strip() and not line.strip().startswith("#") and number not in documented)


@pytest.mark.parametrize("path", sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")]), ids=lambda path: path.name)
def test_documents_are_plain_and_their_links_lead_somewhere(path):
    text = path.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", text)

    assert text.isascii()
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_no_assertion_guards_against_users():
    """`assert` is for our own invariants; it may not be the only thing between a user and a wrong answer."""
    counts = {str(m): sum(isinstance(node, ast.Assert) for node in ast.walk(m.tree)) for m in modules()}

    assert sum(counts.values()) <= 10, {name: count for name, count in counts.items() if count}
