"""Names of published weights and ours, as tables that are read in both directions.

`xlstm` (project NX-AI/xlstm, version 2.0.6) names its block stacks like this. Two of its habits are undone
here: norms store their weight minus one, and the sLSTM weights called `fgate` feed the input gate, those
called `igate` the forget gate.

`fair-esm` (the layout of ESM-1b, ESM-2 and RNA-FM) and `transformers` (its ESM models, among them the Nucleotide
Transformer) name one network in two ways; what else stands in their files belongs to heads that are not read.
"""

import re
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from biolect.errors import CheckpointError
from biolect.models.published import PublishedModel
from biolect.models.xlstm import XLSTM


class _Form(NamedTuple):
    """How tensors of theirs become one of ours, and back."""

    inward: Callable[[Tensor], Tensor]
    outward: Callable[[Tensor], Tensor]


_SAME = _Form(lambda theirs: theirs, lambda own: own)
_MINUS_ONE = _Form(lambda theirs: 1 + theirs, lambda own: own - 1)
_CONV = _Form(lambda theirs: theirs[:, 0], lambda own: own[:, None])
# Theirs: head, gate and unit to, unit from. Ours: head, unit from, gate, unit to.
_RECURRENT = _Form(lambda theirs: theirs.unflatten(1, (4, -1)).permute(0, 3, 1, 2), lambda own: own.permute(0, 2, 3, 1).flatten(1, 2))

_Table = dict[str, tuple[str, _Form]]
"""By our name: their name, or several of theirs that are stacked, joined by a plus, and the form."""

_Rules = dict[str, tuple[list[str], _Form]]
"""The same of a whole model, their names apart."""

_BOTH: _Table = {
    "norm.weight": ("xlstm_norm.weight", _MINUS_ONE),
    "layer.conv.weight": ("xlstm.conv1d.conv.weight", _CONV),
    "layer.conv.bias": ("xlstm.conv1d.conv.bias", _SAME),
}
_MLSTM: _Table = _BOTH | {
    "layer.up.weight": ("xlstm.proj_up.weight", _SAME),
    "layer.query.weight": ("xlstm.q_proj.weight", _SAME),
    "layer.key.weight": ("xlstm.k_proj.weight", _SAME),
    "layer.value.weight": ("xlstm.v_proj.weight", _SAME),
    "layer.gates.weight": ("xlstm.mlstm_cell.igate.weight+xlstm.mlstm_cell.fgate.weight", _SAME),
    "layer.gates.bias": ("xlstm.mlstm_cell.igate.bias+xlstm.mlstm_cell.fgate.bias", _SAME),
    "layer.head_norm.weight": ("xlstm.mlstm_cell.outnorm.weight", _MINUS_ONE),
    "layer.skip": ("xlstm.learnable_skip", _SAME),
    "layer.down.weight": ("xlstm.proj_down.weight", _SAME),
}
_SLSTM: _Table = _BOTH | {
    "layer.input_gate.weight": ("xlstm.fgate.weight", _SAME),
    "layer.forget_gate.weight": ("xlstm.igate.weight", _SAME),
    "layer.cell_input.weight": ("xlstm.zgate.weight", _SAME),
    "layer.output_gate.weight": ("xlstm.ogate.weight", _SAME),
    "layer.recurrent": ("xlstm.slstm_cell._recurrent_kernel_", _RECURRENT),
    "layer.bias": ("xlstm.slstm_cell._bias_", _SAME),
    "layer.head_norm.weight": ("xlstm.group_norm.weight", _MINUS_ONE),
    "feedforward_norm.weight": ("ffn_norm.weight", _MINUS_ONE),
    "feedforward.up.weight": ("ffn.proj_up.weight", _SAME),
    "feedforward.down.weight": ("ffn.proj_down.weight", _SAME),
}


def from_xlstm(weights: Mapping[str, Tensor], config: XLSTM.Config) -> dict[str, Tensor]:
    """Return weights of an `xlstm` block stack (plain backend) under the names of our backbone.

    Raises:
        CheckpointError: If they are not those of a stack of this pattern.
    """
    return _inward(weights, _rules(config), "an xlstm block stack")


def to_xlstm(weights: Mapping[str, Tensor], config: XLSTM.Config) -> dict[str, Tensor]:
    """Return weights of our backbone under the names of an `xlstm` block stack; the inverse of `from_xlstm`.

    Weights of norms are rounded when one is added, by at most 6e-8 in float32; all others keep every bit.

    Raises:
        CheckpointError: If they are not those of a backbone of this pattern.
    """
    rules = _rules(config)
    _check(set(weights), set(rules), "an XLSTM backbone")
    return _outward(weights, rules)


def _inward(weights: Mapping[str, Tensor], rules: _Rules, what: str) -> dict[str, Tensor]:
    _check(set(weights), {name for theirs, _ in rules.values() for name in theirs}, what)
    return {own: form.inward(torch.cat([weights[name] for name in theirs])).contiguous() for own, (theirs, form) in rules.items()}


def _outward(weights: Mapping[str, Tensor], rules: _Rules) -> dict[str, Tensor]:
    parts = ((theirs, form.outward(weights[own]).chunk(len(theirs))) for own, (theirs, form) in rules.items())
    return {name: part.contiguous() for theirs, whole in parts for name, part in zip(theirs, whole, strict=True)}


def _rules(config: XLSTM.Config) -> _Rules:
    rules = {"norm.weight": (["post_blocks_norm.weight"], _MINUS_ONE)}
    for index in range(config.layers):
        table = _MLSTM if config.pattern[index % len(config.pattern)] == "m" else _SLSTM
        for own, (theirs, form) in table.items():
            rules[f"blocks.{index}.{own}"] = ([f"blocks.{index}.{name}" for name in theirs.split("+")], form)
    return rules


def _check(found: set[str], wanted: set[str], what: str) -> None:
    if found != wanted:
        odd = min(found ^ wanted)
        raise CheckpointError(f"These are no weights of {what} of this pattern: '{odd}' is missing or spare. Check layers and pattern.")


Layout = Literal["fair-esm", "transformers"]

_PUBLISHED = {
    "embedding": ("embed_tokens", "embeddings.word_embeddings"),
    "positions": ("embed_positions", "embeddings.position_embeddings"),
    "embedding_norm": ("emb_layer_norm_before", "embeddings.layer_norm"),
    "norm": ("emb_layer_norm_after", "encoder.emb_layer_norm_after"),
    "attention_norm": ("self_attn_layer_norm", "attention.LayerNorm"),
    "query_key_value": (
        "self_attn.q_proj+self_attn.k_proj+self_attn.v_proj",
        "attention.self.query+attention.self.key+attention.self.value",
    ),
    "attention_out": ("self_attn.out_proj", "attention.output.dense"),
    "feedforward_norm": ("final_layer_norm", "LayerNorm"),
    "feedforward.up": ("fc1", "intermediate.dense"),
    "feedforward.down": ("fc2", "output.dense"),
}
"""By our module: theirs in either layout. Modules of blocks follow a prefix with the block's number."""

_PREFIXES = {"fair-esm": r"^(encoder\.)?(sentence_encoder\.)?", "transformers": r"^esm\."}
_BLOCKS = {"fair-esm": "layers.{}.", "transformers": "encoder.layer.{}."}
_UNREAD = re.compile(r"(lm_head|contact_head|pooler|classifier)\.|(inv_freq|position_ids|version)$")


def bare_names(weights: Mapping[str, Tensor], layout: Layout) -> dict[str, Tensor]:
    """Return published weights without the prefix of the model around them, and without heads and tables that are not read."""
    # Norms of some files are named as in the first BERT.
    renamed = ((re.sub(r"\.gamma$", ".weight", re.sub(r"\.beta$", ".bias", name)), weight) for name, weight in weights.items())
    bare = {re.sub(_PREFIXES[layout], "", name): weight for name, weight in renamed}
    return {name: weight for name, weight in bare.items() if not _UNREAD.search(name)}


def from_published(weights: Mapping[str, Tensor], config: PublishedModel.Config, layout: Layout) -> dict[str, Tensor]:
    """Return weights of a published encoder under the names of ours; what it does not read is left out.

    Raises:
        CheckpointError: If one is missing, spare or of another shape than the config says.
    """
    found = bare_names(weights, layout)
    if config.positions == "rotary":
        # Rotary models of transformers carry a table of positions all the same, which nobody reads.
        found.pop("embeddings.position_embeddings.weight", None)
    rules, wanted = _published_rules(config, layout), config.build().state_dict()
    out = {own: weight.float() for own, weight in _inward(found, rules, "an encoder").items()}
    for own, weight in out.items():
        if weight.shape != wanted[own].shape:
            theirs = " and ".join(rules[own][0])
            raise CheckpointError(
                f"'{theirs}' is of shape {tuple(weight.shape)}, but width {config.width} and {config.inner} inside need "
                f"{tuple(wanted[own].shape)}. Check that weights and config.json belong together."
            )
    return out


def to_published(weights: Mapping[str, Tensor], config: PublishedModel.Config, layout: Layout) -> dict[str, Tensor]:
    """Return weights of our encoder under the names of a layout; the inverse of `from_published`."""
    return _outward(weights, _published_rules(config, layout))


def _published_rules(config: PublishedModel.Config, layout: Layout) -> _Rules:
    rules: _Rules = {}
    for own in config.build().state_dict():
        number, module, kind = re.fullmatch(r"(?:blocks\.(\d+)\.)?(.+)\.(weight|bias)", own).groups()  # pyright: ignore[reportOptionalMemberAccess]
        before = "" if number is None else _BLOCKS[layout].format(number)
        names = _PUBLISHED[module][layout == "transformers"].split("+")
        rules[own] = ([f"{before}{name}.{kind}" for name in names], _SAME)
    return rules
