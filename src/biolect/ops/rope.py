"""Rotary positions: queries and keys are turned by angles that grow with their position."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def rotary_angles(
    positions: Int[Tensor, "B T"], width: int, base: float, dtype: torch.dtype = torch.float32
) -> tuple[Float[Tensor, "B T 1 half"], Float[Tensor, "B T 1 half"]]:
    """Return cosines and sines for heads of the given width.

    Positions may be negative and may repeat.

    Args:
        dtype: Float32 or float64; bfloat16 cannot tell position 257 from 258.

    Source: RoFormer, arXiv:2104.09864, equation 15.
    """
    exponents = torch.arange(0, width, 2, device=positions.device, dtype=dtype) / width
    angles = positions[..., None, None].to(dtype) * base**-exponents
    return angles.cos(), angles.sin()


def rotate(
    x: Float[Tensor, "B T H K"], cosines: Float[Tensor, "B T 1 half"], sines: Float[Tensor, "B T 1 half"]
) -> Float[Tensor, "B T H K"]:
    """Turn channel i against channel i + K/2 by the angle of its position; keeps the dtype of x."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosines - second * sines, second * cosines + first * sines], dim=-1).to(x.dtype)
