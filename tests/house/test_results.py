"""What docs/results.md says can be done again: its commands exist and parse, its figures are there."""

from __future__ import annotations

import argparse
import re
import runpy
import shlex
import sys

import pytest

from biolect.cli import build
from tests.house.reading import REPOSITORY

PAGE = (REPOSITORY / "docs" / "results.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines() if line.strip()]


class ParsedError(Exception):
    """The arguments were understood."""


def test_the_page_has_a_command_for_every_section():
    sections = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]

    assert [section.splitlines()[0] for section in sections if "```bash" not in section] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_exists_and_parses(command, monkeypatch):
    program, *words = shlex.split(command)
    if program == "biolect":
        build().parse_args(words, print_error=False, exit_on_error=False)
        return
    assert program == "python"
    script = REPOSITORY / words[0]
    understood = argparse.ArgumentParser.parse_args

    def parse(self, *arguments, **named):
        understood(self, *arguments, **named)
        raise ParsedError

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr(sys, "path", [str(script.parent), *sys.path])
    with pytest.raises(ParsedError):
        runpy.run_path(str(script), run_name="__main__")


@pytest.mark.parametrize("figure", re.findall(r"!\[[^]]*\]\(([^)]+)\)", PAGE))
def test_a_figure_is_there(figure):
    assert (REPOSITORY / "docs" / figure).is_file()
