"""What the documents show does run."""

import ast
import doctest
import importlib
import inspect
import re
import shlex
import subprocess
import textwrap

import pytest

from tests.house.reading import REPOSITORY, modules

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_the_stories_of_the_readme_run_in_order(biolect_command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    for language, code in re.findall(r"```(bash|python)\n(.*?)```", README, flags=re.DOTALL):
        if language == "python":
            exec(compile(code, "README.md", "exec"), {})
            continue
        for line in code.splitlines():
            if line.startswith("biolect "):
                outcome = biolect_command(*shlex.split(line)[1:])
                assert outcome.code == 0, f"{line}\n{outcome.err}"
            elif not line.startswith("make "):
                subprocess.run(["bash", "-c", line], check=True)

    assert (tmp_path / "designs.fa").is_file()


def test_the_two_commands_of_a_newcomer_are_shown():
    assert "make demo" in README and "make test" in README


@pytest.mark.parametrize("module", [module for module in modules() if ">>>" in module.text], ids=str)
def test_examples_with_prompts_print_what_they_say(module):
    failed, tried = doctest.testmod(importlib.import_module(module.name), optionflags=doctest.ELLIPSIS)

    assert tried and not failed


@pytest.mark.parametrize("module", [module for module in modules() if "Example:" in module.text], ids=str)
def test_examples_without_prompts_are_python(module):
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            text = inspect.cleandoc(ast.get_docstring(node) or "")
            for example in re.findall(r"^Example:\n((?:    .*\n|\n)+)", text + "\n", flags=re.MULTILINE):
                if ">>>" not in example:
                    ast.parse(textwrap.dedent(example))


def test_every_verb_of_the_documents_is_a_verb():
    from biolect.cli import VERBS

    texts = [README, *(path.read_text() for path in (REPOSITORY / "docs").rglob("*.md"))]
    shown = {verb for text in texts for verb in re.findall(r"(?:^|`)biolect (\w+)", text, flags=re.MULTILINE)}

    assert shown <= set(VERBS)


def test_every_target_of_the_documents_is_a_target():
    makefile = (REPOSITORY / "Makefile").read_text()
    texts = [README, (REPOSITORY / "CONTRIBUTING.md").read_text()]

    for target in {match for text in texts for match in re.findall(r"`make ([\w-]+)`", text)}:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_the_length_that_is_promised_is_the_length():
    text = (REPOSITORY / "docs" / "all-of-biolect.md").read_text()
    promised = {int(figure.replace(",", "")) for figure in re.findall(r"about ([\d,]+) words", text + README)}

    assert len(promised) == 1
    assert promised.pop() == pytest.approx(len(text.split()), rel=0.1)
