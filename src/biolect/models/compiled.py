"""Compiled blocks: what stands before and after attention, or a recurrent cell, in every block, as one kernel each.

Attention itself stays as it is, because no compiler beats its own kernels and its shapes follow the
documents; cells do, because their loops would be written out. Compiling is never needed: where it fails,
for whatever reason, the model goes on uncompiled and one line says so.
"""

import time
import warnings
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
from torch import nn

from biolect.devices import compiler_cache, forget_compiled
from biolect.models.language_model import LanguageModel


def compile_blocks(model: LanguageModel, rows: int, context_tokens: int) -> str:
    """Compile the blocks of a model for training steps on whole rows, and try them with one step.

    Reading without gradients (scoring, sampling) stays uncompiled: its lengths vary, and every new length
    would be compiled anew. Call under the autocast that the steps will run under.

    Args:
        rows: Rows of one forward pass; other shapes work, and are compiled when first met.

    Returns:
        One line for eyes: what was done, or why it was not.
    """
    started = time.perf_counter()
    compiler_cache()
    reason = ""
    for _ in range(2):
        try:
            # Torch warns of its own old code while the compiler is loaded.
            with warnings.catch_warnings(action="ignore"):
                _install(model)
                _try(model, rows, context_tokens)
        except Exception as error:  # noqa: BLE001 - whatever stops a compiler, training can go on without it
            _remove(model)
            model.zero_grad(set_to_none=True)
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            # A process killed while compiling leaves broken files behind, which every later one would trip over.
            torch._dynamo.reset()
            forget_compiled()
        else:
            return f"Blocks are compiled ({time.perf_counter() - started:.0f} s)."
    return f"Blocks are not compiled, which is slower but changes no result ({reason}). A C++ compiler on the PATH is needed."


def _install(model: LanguageModel) -> None:
    # Once for all blocks of a kind.
    compiled = cache(partial(torch.compile, dynamic=False))
    for block, part in _parts(model):
        plain = getattr(type(block), part)
        object.__setattr__(block, part, _either(block, plain, compiled(plain)))


def _remove(model: LanguageModel) -> None:
    for block, part in _parts(model):
        block.__dict__.pop(part, None)


def _parts(model: LanguageModel) -> list[tuple[nn.Module, str]]:
    return [(module, part) for module in model.backbone.modules() for part in getattr(module, "compiled_parts", ())]


def _either(block: nn.Module, plain: Callable[..., Any], compiled: Callable[..., Any]) -> Callable[..., Any]:
    """Return one method of one block: compiled where gradients are needed, plain elsewhere."""
    return lambda *arguments: (compiled if torch.is_grad_enabled() else plain)(block, *arguments)


def _try(model: LanguageModel, rows: int, context_tokens: int) -> None:
    """Run one step forward and backward; the backward half is compiled only then."""
    token_ids = torch.zeros(rows, context_tokens, dtype=torch.long, device=model.device)
    positions = torch.arange(context_tokens, device=model.device).expand(rows, -1)
    # With segment ids, as in training: they enter what is compiled of recurrent blocks.
    model(token_ids, positions, torch.ones_like(token_ids)).float().sum().backward()
    model.zero_grad(set_to_none=True)
