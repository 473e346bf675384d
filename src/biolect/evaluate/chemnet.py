"""Frechet ChemNet distance: how far two sets of molecules are apart in the eyes of a network of their bioactivities.

The network's weights come with the package fcd_torch (MIT, extra `chem`); they are read as tensors only,
and nothing of that package runs. The network and the distance are written here.

Source: 10.1021/acs.jcim.8b00234.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from biolect.errors import MissingDependencyError, ShapeError

_SYMBOLS = "C N O H F Cl P B Br S I Si # ( ) + - 1 2 3 4 5 6 7 8 = [ ] @ c n o s X .".split()
_PLACES = {symbol: place for place, symbol in enumerate(_SYMBOLS)}
_LENGTH = 350
_ROWS = 256


@lru_cache(maxsize=1)
def _layers() -> list[Any]:
    spec = find_spec("fcd_torch")
    if spec is None or spec.origin is None:
        raise MissingDependencyError(
            "The Frechet ChemNet distance needs the weights of fcd_torch, which is in the extra 'chem'. Install biolect[chem]."
        )
    path = Path(spec.origin).with_name("ChemNet_v0.13_pretrained.pt")
    return torch.load(path, map_location="cpu", weights_only=True)


def _one_hot(texts: Sequence[str]) -> Tensor:
    """Write SMILES as the network was trained on them: unknown symbols as X, a dot at the end, ones scaled down."""
    out = torch.zeros(len(texts), len(_SYMBOLS), _LENGTH)
    for row, text in enumerate(texts):
        # A text ends at its first dot, so that of a salt only the first part counts.
        symbols = re.findall(".[ril]|.", text.partition(".")[0])[: _LENGTH - 1]
        places = [_PLACES.get(symbol, _PLACES["X"]) for symbol in symbols] + [_PLACES["."]]
        out[row, places, torch.arange(len(places))] = 1 / len(_SYMBOLS)
    return out


@torch.inference_mode()
def activations(texts: Sequence[str]) -> np.ndarray:
    """Return what the last layer but one says of every canonical SMILES, one row of 512 each."""
    rows = []
    for first in range(0, len(texts), _ROWS):
        x = _one_hot(texts[first : first + _ROWS])
        for weights, settings, _ in (parts for kind, parts in _layers() if kind == "Conv1d"):
            step = settings["stride"]
            need = settings["kernel_size"] - (x.shape[2] % step or step)
            padded = functional.pad(x, (need // 2, need - need // 2))
            x = functional.selu(functional.conv1d(padded, weights["weight"], weights.get("bias"), stride=step))
        x = x.transpose(1, 2)
        for weights, settings, other in (parts for kind, parts in _layers() if kind == "LSTM"):
            layer = torch.nn.LSTM(**settings)
            layer.load_state_dict(weights)
            x = layer(x.flip(1) if other["reverse"] else x)[0]
        rows.append(x[:, -1].numpy())
    return np.concatenate(rows).astype(np.float64)


def chemnet_distance(first: Sequence[str], second: Sequence[str]) -> float:
    """Return the Frechet distance of two sets of canonical SMILES: of the normal distributions around their activations.

    Raises:
        ShapeError: If a set has fewer than two molecules.
        MissingDependencyError: If the weights are not there.
    """
    if min(len(first), len(second)) < 2:
        raise ShapeError(f"The Frechet ChemNet distance needs two molecules on either side, not {len(first)} and {len(second)}.")
    return frechet(activations(first), activations(second))


def frechet(first: np.ndarray, second: np.ndarray) -> float:
    """Return |m - n|^2 + tr(C + D - 2 (C D)^(1/2)) for means and covariances of two samples of vectors."""
    a, b = np.cov(first.T), np.cov(second.T)
    values, vectors = np.linalg.eigh(a)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    # C D and its symmetric form have the same eigenvalues.
    mixed = np.sqrt(np.linalg.eigvalsh(root @ b @ root).clip(min=0)).sum()
    gap = first.mean(axis=0) - second.mean(axis=0)
    return float(gap @ gap + np.trace(a) + np.trace(b) - 2 * mixed)
