"""LoRA: low-rank updates of the linear layers of a frozen network, by the package `peft`.

A fresh adapter changes no output, and a merged one leaves a network as it was built, with other weights: what is saved
needs no adapters to be read.

Source: arXiv:2106.09685.
"""

from typing import Any

import torch
from torch import nn

from biolect.errors import ConfigError, MissingDependencyError

# Read as a weight, not called, by the layer that owns it; an adapter there would be passed by.
_NOT_CALLED = ("gates",)


def add_adapters(network: nn.Module, rank: int, seed: int = 0) -> nn.Module:
    """Freeze a network and put adapters on its linear layers, in place; the adapters alone are trained then.

    Args:
        rank: Of every update; its scale, alpha over rank, is 2.

    Raises:
        ConfigError: If there is no linear layer to put one on.
        MissingDependencyError: If `peft` is not installed.
    """
    peft: Any = _peft()
    names = [name for name, layer in network.named_modules() if isinstance(layer, nn.Linear) and name.rpartition(".")[2] not in _NOT_CALLED]
    if not names:
        raise ConfigError("The network has no linear layer that an adapter could be put on. Train all weights, or the head alone.")
    network.requires_grad_(False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        peft.inject_adapter_in_model(peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=names), network)
    return network


def merge_adapters(network: nn.Module) -> nn.Module:
    """Add every update to the weight below it and take the adapters away, in place; outputs stay the same up to rounding."""
    _peft()
    from peft.tuners.lora import LoraLayer

    for name, layer in list(network.named_modules()):
        if isinstance(layer, LoraLayer):
            layer.merge()
            parent, _, own = name.rpartition(".")
            setattr(network.get_submodule(parent), own, layer.get_base_layer())
    return network


def _peft() -> Any:
    try:
        import peft
    except ImportError:
        raise MissingDependencyError("LoRA needs the extra 'hf'. Install biolect[hf], or train without --lora.") from None
    return peft
