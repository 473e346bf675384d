"""The run-time check of shape annotations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from beartype import beartype


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Check the annotations that speak of tensors; all others are the type checker's affair."""
    hints = getattr(function, "__annotations__", {})
    function.__annotations__ = {name: hint for name, hint in hints.items() if "Tensor" in str(hint)}
    return beartype(function)
