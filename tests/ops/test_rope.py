"""Rotary positions: lengths stay, only distances tell."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, strategies as st
from torch import Tensor

from biolect.ops.rope import rotary_angles, rotate, rotate_adjacent

BASE = 100_000.0


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def turned(x: Tensor, position: int) -> Tensor:
    at = torch.full(x.shape[:2], position)
    return rotate(x, *rotary_angles(at, x.shape[-1], BASE, torch.float64))


def test_angles_are_the_formula_written_out() -> None:
    cosines, sines = rotary_angles(torch.tensor([[0, 2, -3]]), 4, 100.0)

    expected = torch.tensor([[0.0, 0.0], [2.0, 0.2], [-3.0, -0.3]])
    torch.testing.assert_close(cosines[0, :, 0], expected.cos())
    torch.testing.assert_close(sines[0, :, 0], expected.sin())
    assert cosines.dtype == torch.float32


def test_position_zero_turns_nothing() -> None:
    x = draw(2, 3, 5, 14)

    assert torch.equal(turned(x, 0), x)


@given(st.integers(-(10**6), 10**6))
def test_turning_keeps_every_length(position: int) -> None:
    x = draw(2, 3, 5, 14)

    torch.testing.assert_close(turned(x, position).norm(dim=-1), x.norm(dim=-1), rtol=1e-12, atol=0)


@given(st.integers(-5_000, 5_000), st.integers(-5_000, 5_000), st.integers(-5_000, 5_000))
def test_products_of_turned_vectors_depend_on_distance_alone(first: int, second: int, shift: int) -> None:
    q, k = draw(1, 1, 3, 10), draw(1, 1, 3, 10, seed=1)

    here = (turned(q, first) * turned(k, second)).sum(-1)
    there = (turned(q, first + shift) * turned(k, second + shift)).sum(-1)

    torch.testing.assert_close(here, there, rtol=0, atol=1e-9)


def test_distances_do_tell() -> None:
    q, k = draw(1, 1, 3, 10), draw(1, 1, 3, 10, seed=1)

    assert ((turned(q, 3) * turned(k, 0)).sum(-1) - (turned(q, 4) * turned(k, 0)).sum(-1)).abs().min() > 1e-3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_the_dtype_of_the_input_is_kept(dtype: torch.dtype) -> None:
    x = draw(2, 3, 5, 14).to(dtype)

    assert rotate(x, *rotary_angles(torch.zeros(2, 3, dtype=torch.long), 14, BASE)).dtype == dtype


def test_angles_tell_neighbours_apart_far_out() -> None:
    far = torch.tensor([[10_000_000, 10_000_001]])

    cosines, _ = rotary_angles(far, 2, BASE)

    assert cosines[0, 0, 0, 0] != cosines[0, 1, 0, 0]


def test_rotating_agrees_with_its_definition_gradient_included() -> None:
    x = torch.randn(2, 7, 3, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    cosines, sines = rotary_angles(torch.arange(14).view(2, 7) - 3, 10, 1e4, torch.float64)
    first, second = x.chunk(2, dim=-1)
    weights = torch.randn(2, 7, 3, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    defined = torch.cat([first * cosines - second * sines, second * cosines + first * sines], dim=-1)
    found = rotate(x, cosines, sines)

    torch.testing.assert_close(found, defined, rtol=1e-14, atol=1e-14)
    gradients = [torch.autograd.grad((out * weights).sum(), x)[0] for out in (found, defined)]
    torch.testing.assert_close(*gradients, rtol=1e-14, atol=1e-14)


def test_neighbours_are_turned_as_halves_are_after_sorting() -> None:
    x = torch.randn(2, 5, 3, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    angles = rotary_angles(torch.randint(-9, 99, (2, 5)), 8, 500_000.0, torch.float64)
    sorted_places = [0, 2, 4, 6, 1, 3, 5, 7]

    found = rotate_adjacent(x, *angles)

    torch.testing.assert_close(found[..., sorted_places], rotate(x[..., sorted_places], *angles), rtol=1e-14, atol=1e-14)
