"""An outside Transformer as oracle: `LlamaForCausalLM` of transformers (Apache-2.0), with random weights.

Run as a script, it writes `llama.safetensors` beside itself: weights under Llama's names, token ids and
logits, with the version that made them. So the comparison runs without transformers, too.

    python tests/golden/forward/llama.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from biolect.models.language_model import LanguageModel
from biolect.models.transformer import Transformer

GOLDEN = Path(__file__).with_name("llama.safetensors")
CONFIG = LanguageModel.Config(backbone=Transformer.Config(layers=2, width=24, heads=3, inner=37))


def llama(config: LanguageModel.Config, seed: int) -> Any:
    """Return the outside model of the same shape, its weights large enough to matter."""
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = config.backbone
    assert isinstance(shape, Transformer.Config)
    torch.manual_seed(seed)
    outside = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=64,
            hidden_size=shape.width,
            intermediate_size=shape.inner,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            num_key_value_heads=shape.heads,
            max_position_embeddings=2_048,
            rms_norm_eps=shape.norm_eps,
            rope_parameters={"rope_type": "default", "rope_theta": shape.rotary_base},
            tie_word_embeddings=False,
            initializer_range=0.2,
        )
    ).eval()
    with torch.no_grad():
        for name, weight in outside.named_parameters():
            if "norm" in name:
                weight.uniform_(0.5, 1.5)
    return outside


def ours(config: LanguageModel.Config, weights: dict[str, Tensor]) -> LanguageModel:
    """Return our model with weights given under Llama's names."""
    named = {"embedding.weight": weights["model.embed_tokens.weight"], "head.weight": weights["lm_head.weight"]}
    named["backbone.norm.weight"] = weights["model.norm.weight"]
    for index in range(config.backbone.layers):
        theirs, own = f"model.layers.{index}", f"backbone.blocks.{index}"
        named |= {
            f"{own}.attention_norm.weight": weights[f"{theirs}.input_layernorm.weight"],
            f"{own}.query_key_value.weight": torch.cat([weights[f"{theirs}.self_attn.{x}_proj.weight"] for x in "qkv"]),
            f"{own}.attention_out.weight": weights[f"{theirs}.self_attn.o_proj.weight"],
            f"{own}.feedforward_norm.weight": weights[f"{theirs}.post_attention_layernorm.weight"],
            f"{own}.feedforward.up.weight": torch.cat([weights[f"{theirs}.mlp.{x}_proj.weight"] for x in ("gate", "up")]),
            f"{own}.feedforward.down.weight": weights[f"{theirs}.mlp.down_proj.weight"],
        }
    model = LanguageModel(config)
    model.load_state_dict(named)
    return model.eval()


def write_golden() -> None:
    """Write weights, token ids and logits of the outside model."""
    import transformers
    from safetensors.torch import save_file

    outside = llama(CONFIG, seed=0)
    token_ids = torch.randint(0, 64, (2, 41), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits = outside(input_ids=token_ids).logits
    tensors = {name: weight.contiguous() for name, weight in outside.state_dict().items()}
    made_by = {"project": "transformers", "version": transformers.__version__, "torch": torch.__version__, "class": "LlamaForCausalLM"}
    save_file(tensors | {"token_ids": token_ids, "logits": logits.contiguous()}, GOLDEN, made_by)


if __name__ == "__main__":
    write_golden()
