"""Recipes: complete runs as functions. A recipe returns a `RunConfig`; its text form is the same thing on disk.

Example:
    config = named("bsm-tiny").override(["seed=7", "phases.0.tokens=60000"])
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from biolect.errors import ConfigError

if TYPE_CHECKING:
    from biolect.train.curriculum import RunConfig


def named(name: str) -> RunConfig:
    """Return the recipe of a name.

    Raises:
        ConfigError: If there is none; the nearest name is in the message.
    """
    recipes = _recipes()
    if name not in recipes:
        close = difflib.get_close_matches(name, recipes, n=1, cutoff=0.5)
        hint = f"Did you mean '{close[0]}'?" if close else "Pass one of them, or the path of a YAML file."
        raise ConfigError(f"There is no recipe '{name}'. Known: {', '.join(recipes)}. {hint}")
    return recipes[name]()


def names() -> list[str]:
    """Return the names of all recipes."""
    return list(_recipes())


def resolve(name_or_path: str) -> RunConfig:
    """Return the recipe of a name, or the run that a YAML file describes.

    Raises:
        ConfigError: If it is neither, or the file is no run config.
    """
    path = Path(name_or_path)
    if path.is_dir() and (path / "config.yaml").is_file():
        path = path / "config.yaml"
    if path.is_file():
        from biolect.train.curriculum import RunConfig

        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise ConfigError(f"'{path}' is no YAML file: it is not UTF-8 text. Is it the right file?") from None
        return RunConfig.from_yaml(text)
    if path.suffix in (".yaml", ".yml"):
        raise ConfigError(f"There is no file '{path}'. Check the path, or pass the name of a recipe: {', '.join(names())}.")
    return named(name_or_path)


def _recipes() -> dict[str, Callable[[], RunConfig]]:
    from biolect.recipes.bsm import bsm, bsm_small, bsm_tiny
    from biolect.recipes.chem_xlstm import chem_xlstm, chem_xlstm_tiny
    from biolect.recipes.dna_xlstm import ARMS, SIZES, dna_xlstm, dna_xlstm_tiny
    from biolect.recipes.prot_xlstm import prot_xlstm, prot_xlstm_tiny

    dna = {f"dna-xlstm-{size}{ARMS[arm]}": partial(dna_xlstm, size, arm) for size in SIZES for arm in ARMS}
    return {
        "bsm-tiny": bsm_tiny,
        "bsm-nano": partial(bsm_small, "nano"),
        "bsm-micro": partial(bsm_small, "micro"),
        "bsm-mini": partial(bsm_small, "mini"),
        "bsm-110m": partial(bsm, "110m"),
        "bsm-270m": partial(bsm, "270m"),
        "dna-xlstm-tiny": dna_xlstm_tiny,
        **dna,
        "dna-xlstm-4m-32k": partial(dna_xlstm, "4m", context_tokens=32_768),
        "chem-xlstm-tiny": chem_xlstm_tiny,
        "chem-xlstm-15m": chem_xlstm,
        "chem-xlstm-15m-context": partial(chem_xlstm, in_context=True),
        "prot-xlstm-tiny": prot_xlstm_tiny,
        "prot-xlstm-26m": partial(prot_xlstm, "26m"),
        "prot-xlstm-102m": partial(prot_xlstm, "102m"),
    }
