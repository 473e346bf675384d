"""Outside xLSTM blocks as oracle: block stacks of `xlstm` 2.0.6 (NX-AI/xlstm, Apache-2.0), with random weights.

Run as a script, where xlstm is installed, it writes one file a stack beside itself: weights under xlstm's names,
inputs and outputs, with the version and settings that made them. So the comparison needs no xlstm.

    pip install torch==2.13.0 numpy safetensors packaging omegaconf && pip install --no-deps xlstm==2.0.6
    python tests/golden/forward/xlstm_stacks.py
"""

# pyright: reportMissingImports=false

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

STACKS: dict[str, dict[str, Any]] = {
    # The layout of the molecule models, of the protein models without rotary positions, and of one direction of the DNA models.
    "chem": {"layers": 2, "width": 24, "heads": 8, "pattern": "m"},
    "prot": {"layers": 2, "width": 28, "heads": 4, "pattern": "m"},
    "dna": {"layers": 2, "width": 32, "heads": 4, "pattern": "s", "inner": 64},
    "mixed": {"layers": 2, "width": 20, "heads": 2, "pattern": "sm", "inner": 64},
}
LENGTH = 29


def path_of(name: str) -> Path:
    return Path(__file__).with_name(f"xlstm_{name}.safetensors")


def stack(settings: dict[str, Any]) -> Any:
    """Return the outside stack of a shape, its weights large enough to matter."""
    import torch
    from xlstm.blocks.mlstm.block import mLSTMBlockConfig
    from xlstm.blocks.mlstm.layer import mLSTMLayerConfig
    from xlstm.blocks.slstm.block import sLSTMBlockConfig
    from xlstm.blocks.slstm.layer import sLSTMLayerConfig
    from xlstm.components.feedforward import FeedForwardConfig
    from xlstm.xlstm_block_stack import xLSTMBlockStack, xLSTMBlockStackConfig

    heads, pattern = settings["heads"], settings["pattern"]
    kinds = [pattern[i % len(pattern)] for i in range(settings["layers"])]
    recurrent = sLSTMLayerConfig(backend="vanilla", num_heads=heads, conv1d_kernel_size=4)
    config = xLSTMBlockStackConfig(
        mlstm_block=mLSTMBlockConfig(mlstm=mLSTMLayerConfig(num_heads=heads, conv1d_kernel_size=4, qkv_proj_blocksize=4)),
        slstm_block=sLSTMBlockConfig(slstm=recurrent, feedforward=FeedForwardConfig(proj_factor=1.1, act_fn="gelu")),
        context_length=LENGTH,
        num_blocks=len(kinds),
        embedding_dim=settings["width"],
        slstm_at=[i for i, kind in enumerate(kinds) if kind == "s"],
    )
    torch.manual_seed(0)
    made = xLSTMBlockStack(config).eval()
    with torch.no_grad():
        for name, weight in made.named_parameters():
            if "norm" in name or "skip" in name:
                weight.add_(torch.rand_like(weight) - 0.5)
            else:
                weight.add_(torch.randn_like(weight), alpha=0.3)
    return made


def write_golden() -> None:
    """Write weights, inputs and outputs of every stack."""
    from importlib.metadata import version

    import torch
    from safetensors.torch import save_file

    for name, settings in STACKS.items():
        outside = stack(settings)
        inputs = torch.randn(2, LENGTH, settings["width"], generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            outputs = outside(inputs)
        tensors = {f"weights.{key}": weight.contiguous() for key, weight in outside.state_dict().items()}
        made_by = {"project": "xlstm", "version": version("xlstm"), "torch": torch.__version__, "settings": json.dumps(settings)}
        save_file(tensors | {"inputs": inputs, "outputs": outputs.contiguous()}, path_of(name), made_by)


if __name__ == "__main__":
    write_golden()
