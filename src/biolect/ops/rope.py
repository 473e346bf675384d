"""Rotary positions: queries and keys are turned by angles that grow with their position."""

from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable


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
    if x.dtype != cosines.dtype:
        return rotate(x.to(cosines.dtype), cosines, sines).to(x.dtype)
    return cast(Tensor, _Rotation.apply(x, cosines, sines))


class _Rotation(torch.autograd.Function):
    """The rotation without joining halves; its gradient is turned back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        ctx.save_for_backward(cosines, sines)
        return _turned(x, cosines, sines)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        cosines, sines = ctx.saved_tensors
        return _turned(gradient, cosines, -sines), None, None


def _turned(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    out = x * torch.cat([cosines, cosines], dim=-1)
    out[..., :half].addcmul_(x[..., half:], sines, value=-1)
    out[..., half:].addcmul_(x[..., :half], sines)
    return out


def rotate_adjacent(
    x: Float[Tensor, "B T H K"], cosines: Float[Tensor, "B T 1 half"], sines: Float[Tensor, "B T 1 half"]
) -> Float[Tensor, "B T H K"]:
    """Turn channel 2i against channel 2i + 1 by the angle of its position; keeps the dtype of x.

    Pairs of neighbours stay together when channels are split into heads afterwards.
    """
    first, second = x.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack([first * cosines - second * sines, second * cosines + first * sines], dim=-1).flatten(-2).to(x.dtype)
