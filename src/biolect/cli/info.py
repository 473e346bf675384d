"""`biolect info`: what a model, corpus, run or file is, and which weights and recipes there are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from biolect.bio.sequence import Modality
from biolect.cli.common import DEFAULTS, Common, finish
from biolect.errors import InputError
from biolect.files import read_json, sha256

if TYPE_CHECKING:
    from biolect.bio.io import Refusal
    from biolect.models.language_model import LanguageModel


def info(thing: str | None = None, *, common: Common = DEFAULTS) -> int:
    """Say what a model, corpus, run or file is; without one, which weights and recipes there are.

    Args:
        thing: A shipped name, the name of a recipe, a folder or a file.
    """
    refused: list[Refusal] = []
    if thing is None:
        result = _catalogue()
    elif Path(thing).is_file():
        result = _file(Path(thing), refused)
    elif Path(thing).is_dir():
        result = _folder(Path(thing))
    else:
        result = _named(thing)
    return finish(result, refused, common)


def _catalogue() -> dict[str, Any]:
    from biolect import recipes
    from biolect.models import checkpoint
    from biolect.models.resolve import shipped

    counts = {name: checkpoint.empty(folder).num_parameters for name, folder in shipped().items()}
    licences = {name: checkpoint.read_facts(folder)["licence"] for name, folder in shipped().items()}
    weights = [{"name": name, "kind": "model", "parameters": counts[name], "licence": licences[name]} for name in counts]
    return {"kind": "catalogue", "weights": weights, "recipes": recipes.names()}


def _named(name: str) -> dict[str, Any]:
    from biolect import recipes
    from biolect.models.resolve import shipped

    weights = shipped()
    if name in weights:
        return _model(weights[name])
    if name not in recipes.names():
        raise InputError(f"'{name}' is no file, folder or known name. Known names: {', '.join([*weights, *recipes.names()])}.")
    config = recipes.named(name)
    phases = [{"name": p.name, "tokens": p.tokens, "mixture": ", ".join(f"{k} {v:g}" for k, v in p.mixture.items())} for p in config.phases]
    return {"kind": "recipe", "name": name, **_shape(config.model, config.context_tokens), "tokens": config.total_tokens, "phases": phases}


def _folder(folder: Path) -> dict[str, Any]:
    kinds = {"model.safetensors": _model, "head.yaml": _finetuned, "inputs.json": _fusion, "metrics.jsonl": _run}
    kinds |= {"corpus.json": _corpus, "run.json": lambda folder: {"kind": "output", **read_json(folder / "run.json")}}
    for name, describe in kinds.items():
        if (folder / name).is_file():
            return describe(folder)
    raise InputError(f"'{folder}' is no model, run or corpus. Pass a folder that biolect wrote, or a file inside it.")


def _model(folder: Path) -> dict[str, Any]:
    from biolect.models import checkpoint

    model = checkpoint.load(folder)
    facts = checkpoint.read_facts(folder)
    return {
        "kind": "model",
        **_shape(model.config, facts.get("context_tokens")),
        "licence": facts.get("licence"),
        "sha256": sha256(folder / checkpoint.WEIGHTS),
        "provenance": facts,
    }


def _shape(config: LanguageModel.Config, context_tokens: int | None) -> dict[str, Any]:
    """Count the parameters and the state of a model; no weight is made for it.

    State bytes are those of what was read, in float32: for one more token, and for a whole context; the state of a
    recurrent model has one size. A model that reads both sides has none.
    """
    model = config.build(seed=None)
    state = model.backbone.new_state() if config.is_causal else None
    return {
        "parameters": model.num_parameters,
        "backbone": config.backbone.kind,
        "direction": config.backbone.direction,
        "context_tokens": context_tokens,
        "vocabulary": {"name": model.vocabulary.name, "tokens": len(model.vocabulary), "digest": model.vocabulary.digest},
        "state_bytes": None if state is None or context_tokens is None else state.fork_bytes(context_tokens),
        "state_bytes_per_token": None if state is None else state.fork_bytes(1) - state.fork_bytes(0),
    }


def _run(folder: Path) -> dict[str, Any]:
    from biolect.recipes import resolve

    if "\ncolumns:" in (folder / "config.yaml").read_text():
        return {"kind": "run", "recipe": "finetune", "finished": False}
    config = resolve(str(folder))
    return {"kind": "run", "recipe": config.name, **_shape(config.model, config.context_tokens), **_state(folder)}


def _fusion(folder: Path) -> dict[str, Any]:
    from biolect.evaluate.arms import FusionConfig

    config, state = FusionConfig.from_yaml((folder / "config.yaml").read_text()), _state(folder)
    known = {name: state[name] for name in ("finished", "metric", "published", "records", "gains") if name in state}
    return {"kind": "fusion", "target": config.columns.target, "fuser": config.fuser, "encoders": config.encoders, **known}


def _state(folder: Path) -> dict[str, Any]:
    """Return whether a run is finished, and what it came to."""
    done = read_json(folder / "run.json") if (folder / "run.json").is_file() else {}
    return {"finished": bool(done), **done.get("report", {})}


def _finetuned(folder: Path) -> dict[str, Any]:
    from biolect.infer.predict import Finetuned

    task = Finetuned.load(folder).task
    return _model(folder / "model") | {"kind": "finetuned", "task": task.to_dict(), **read_json(folder / "run.json").get("report", {})}


def _corpus(folder: Path) -> dict[str, Any]:
    from biolect.data.corpus import Corpus

    corpus = Corpus.open(folder)
    stores = {}
    for name, store in corpus.collections.items():
        tokens = {str(m): store.total_tokens(m) for m in Modality if store.total_tokens(m) or m is not Modality.MOLECULE}
        stores[name] = {"groups": store.num_groups, "members": store.num_members, "tokens": tokens}
    vocabulary = {"name": corpus.vocabulary.name, "tokens": len(corpus.vocabulary), "digest": corpus.vocabulary.digest}
    return {"kind": "corpus", "vocabulary": vocabulary, "collections": stores, "report": corpus.report}


def _file(path: Path, refused: list[Refusal]) -> dict[str, Any]:
    from biolect.bio import io

    format_name = io.detect(path)
    facts: dict[str, Any] = {"kind": "file", "format": str(format_name), "bytes": path.stat().st_size, "sha256": sha256(path)}
    if format_name in (io.Format.GFF3, io.Format.GTF, io.Format.TEXT):
        return facts
    residues = dict.fromkeys(map(str, Modality), 0)
    records = 0
    for record in io.read_records(path):
        if isinstance(record, io.Refusal):
            refused.append(record)
        else:
            records += 1
            residues[record.modality] += len(record)
    return {**facts, "records": records, "residues": {name: count for name, count in residues.items() if count}}
