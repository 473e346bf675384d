"""Compiled blocks: the same numbers, and no trouble where nothing can be compiled."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from biolect import devices
from biolect.models.compiled import compile_blocks
from biolect.models.language_model import LanguageModel
from biolect.models.transformer import Transformer
from biolect.models.xlstm import XLSTM

CONFIG = LanguageModel.Config(backbone=Transformer.Config(layers=2, width=28, heads=7, inner=41))
READ = torch.arange(10, 41)[None], torch.arange(31)[None]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BIOLECT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "shared"))
    return tmp_path / "cache"


def counting(calls: list[str]) -> Callable[..., Any]:
    """Stands for a compiler: functions stay as they are, and say when they are called."""

    def compile_(function: Callable[..., Any], **settings: Any) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            calls.append(function.__name__)
            return function(*arguments)

        return run

    return compile_


def test_both_halves_of_every_block_are_compiled_where_gradients_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(torch, "compile", counting(calls))
    model = CONFIG.build(seed=1)
    expected = model(*READ)

    notice = compile_blocks(model, rows=3, context_tokens=7)

    assert notice.startswith("Blocks are compiled (")
    calls.clear()
    torch.testing.assert_close(model(*READ), expected)
    assert calls == ["project", "finish"] * 2
    with torch.no_grad():
        torch.testing.assert_close(model(*READ), expected)
    assert len(calls) == 4
    assert all(p.grad is None for p in model.parameters())


def test_of_recurrent_blocks_everything_but_the_cell_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(torch, "compile", counting(calls))
    config = XLSTM.Config(layers=2, width=24, heads=4, pattern="ms", inner=29, direction="bidirectional")
    model = LanguageModel.Config(backbone=config).build(seed=1)
    expected = model(*READ)

    compile_blocks(model, rows=1, context_tokens=7)

    calls.clear()
    torch.testing.assert_close(model(*READ), expected)
    assert calls == ["project", "finish", "project", "finish"]


def test_a_compiled_model_can_be_copied_and_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", counting([]))
    model = CONFIG.build(seed=1)
    names = set(model.state_dict())

    compile_blocks(model, rows=1, context_tokens=7)
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.head.weight.zero_()
        for block in other.backbone.modules():
            if hasattr(block, "attention_out"):
                block.attention_out.weight.zero_()  # pyright: ignore[reportAttributeAccessIssue, reportCallIssue]

    assert set(model.state_dict()) == names
    torch.testing.assert_close(model(*READ), CONFIG.build(seed=1)(*READ))
    assert (other(*READ) == 0).all()


@pytest.mark.parametrize("when", ["at once", "when called"])
def test_without_a_compiler_one_line_says_so_and_the_model_works(monkeypatch: pytest.MonkeyPatch, cache: Path, when: str) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise RuntimeError("No working C++ compiler found\nin a long list of places")

    monkeypatch.setattr(torch, "compile", fails if when == "at once" else lambda *_, **__: fails)
    model = CONFIG.build(seed=1)

    notice = compile_blocks(model, rows=2, context_tokens=7)

    assert notice == (
        "Blocks are not compiled, which is slower but changes no result (RuntimeError: No working C++ compiler found). "
        "A C++ compiler on the PATH is needed."
    )
    torch.testing.assert_close(model(*READ), CONFIG.build(seed=1)(*READ))


def test_a_trial_that_breaks_on_its_way_back_leaves_no_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(_: torch.Tensor) -> None:
        raise RuntimeError("g++ died")

    monkeypatch.setattr(torch, "compile", counting([]))
    model = CONFIG.build(seed=1)
    # The first weight is the last to have a gradient.
    weight = next(model.backbone.parameters())
    weight.register_hook(breaks)

    assert "(RuntimeError: g++ died)" in compile_blocks(model, rows=2, context_tokens=7)
    assert all(one.grad is None for one in model.parameters())


def test_kernels_are_kept_in_a_folder_of_our_own(cache: Path) -> None:
    folder = devices.compiler_cache()
    (folder / "broken").write_text("half a ker")

    devices.forget_compiled()

    assert folder.parent == cache and os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(folder)
    assert list(folder.iterdir()) == []


REAL = """
import sys, torch
from biolect.models.compiled import compile_blocks
from biolect.models.language_model import LanguageModel
model = LanguageModel.Config.from_yaml(sys.argv[1]).build(seed=1)
# Three documents and padding in one row.
segments = torch.repeat_interleave(torch.tensor([1, 2, 3, 0]), torch.tensor([12, 1, 15, 3]))[None]
read = torch.arange(10, 41)[None], torch.arange(31)[None], segments
expected = model(*read)
expected.square().sum().backward()
gradients = [weight.grad.clone() for weight in model.parameters()]
model.zero_grad()
print(compile_blocks(model, rows=1, context_tokens=31))
found = model(*read)
torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
found.square().sum().backward()
torch.testing.assert_close([weight.grad for weight in model.parameters()], gradients, rtol=1e-3, atol=1e-4)
"""


def compiled_in_a_process_of_its_own(config: LanguageModel.Config = CONFIG, **environment: str) -> str:
    command = [sys.executable, "-c", REAL, config.to_yaml()]
    run = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.slow
def test_recurrent_blocks_compiled_for_real_give_the_same_numbers_and_gradients() -> None:
    backbone = XLSTM.Config(layers=2, width=28, heads=4, pattern="ms", inner=41, rotary="full", direction="bidirectional")

    assert compiled_in_a_process_of_its_own(LanguageModel.Config(backbone=backbone)).startswith("Blocks are ")


@pytest.mark.slow
def test_a_damaged_cache_is_survived(cache: Path) -> None:
    first = compiled_in_a_process_of_its_own()
    for file in cache.rglob("*"):
        if file.is_file():
            os.truncate(file, min(10, file.stat().st_size))

    again = compiled_in_a_process_of_its_own()

    assert first.startswith("Blocks are ") and again.split("(")[0] == first.split("(")[0]


@pytest.mark.slow
def test_a_missing_compiler_is_survived() -> None:
    assert compiled_in_a_process_of_its_own(CXX="/nonexistent").startswith("Blocks are not compiled")
