"""An outside ESM-2 and ESM-1b as oracle: fair-esm 2.0.0 (MIT), with random weights.

Run as a script, where fair-esm is installed, it writes one file a model beside itself: weights under fair-esm's names,
sequences, the tokens that its alphabet makes of them, and representations. So the comparison needs no fair-esm. The
ESM-1b has the alphabet of RNA-FM, which is fair-esm's class with other letters.

    pip install torch==2.13.0 numpy safetensors && pip install --no-deps fair-esm==2.0.0
    python tests/golden/forward/fair_esm.py
"""

# pyright: reportMissingImports=false

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

RNA_LETTERS = "ACGURYKMSWBDHVN-"
SEQUENCES = {
    "esm2": ["MKTAYIAKQRQISFVKSHFSRQ", "LAGVSERTIDPKQNFYMHWCXBUZO", "M"],
    "rna_fm": ["AUGGCCAAANUAA", "GGGUUUCCCAAAGGGUUUCCCAAA", "U"],
}
SETTINGS = {
    "esm2": Namespace(encoder_layers=2, encoder_embed_dim=16, encoder_attention_heads=4, token_dropout=True),
    "rna_fm": Namespace(
        arch="roberta_large", layers=2, embed_dim=16, ffn_embed_dim=32, attention_heads=4, max_positions=40, token_dropout=True
    ),
}


def path_of(name: str) -> Path:
    return Path(__file__).with_name(f"fair_esm_{name}.safetensors")


def outside(name: str) -> tuple[Any, Any]:
    """Return the outside model, its weights large enough to matter, and its alphabet."""
    import esm
    import torch

    settings = SETTINGS[name]
    torch.manual_seed(0)
    if name == "esm2":
        letters = esm.data.Alphabet.from_architecture("ESM-1b")
        made = esm.model.esm2.ESM2(settings.encoder_layers, settings.encoder_embed_dim, settings.encoder_attention_heads, letters)
    else:
        letters = esm.data.Alphabet(RNA_LETTERS, ("<cls>", "<pad>", "<eos>", "<unk>"), ("<mask>",), True, True, False)
        made = esm.model.esm1.ProteinBertModel(Namespace(**vars(settings), emb_layer_norm_before=True), letters)
    with torch.no_grad():
        for parameter, weight in made.named_parameters():
            if weight.dim() == 1 or "positions" in parameter:
                weight.add_(torch.randn_like(weight), alpha=0.3)
    return made.eval(), letters


def write_golden() -> None:
    """Write weights, tokens and representations of either model."""
    from importlib.metadata import version

    import torch
    from safetensors.torch import save_file

    for name, sequences in SEQUENCES.items():
        made, letters = outside(name)
        _, _, tokens = letters.get_batch_converter()([(str(i), text) for i, text in enumerate(sequences)])
        with torch.no_grad():
            hidden = made(tokens, repr_layers=[1, 2])["representations"]
        weights = {key: weight for key, weight in made.state_dict().items() if not key.startswith("contact_head")}
        tensors = {f"weights.{key}": weight.clone() for key, weight in weights.items()}
        found = {"tokens": tokens, "first": hidden[1].contiguous(), "last": hidden[2].contiguous()}
        save_file(tensors | found, path_of(name), {"project": "fair-esm", "version": version("fair-esm"), "torch": torch.__version__})


if __name__ == "__main__":
    write_golden()
