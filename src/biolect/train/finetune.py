"""Finetuning: a head on a language model learns to predict one class or number per sequence.

config.yaml          the config
metrics.jsonl        one line per epoch
checkpoints/         the last two epochs
model/               the language model, as any other; head.yaml and head.safetensors lie beside it
predictions.csv      of every record, with its split
run.json             what was run, where, on what
"""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from biolect.bio.io.tables import write_table
from biolect.data.labelled import Labelled, read_labelled
from biolect.data.shards import SPLITS
from biolect.data.targets import PER_CODON
from biolect.devices import DeviceName, choose
from biolect.errors import ConfigError
from biolect.files import sha256, write_run_json
from biolect.infer.predict import Finetuned, Task
from biolect.infer.reader import Reader
from biolect.models import checkpoint
from biolect.models.resolve import resolve
from biolect.train.lora import merge_adapters
from biolect.train.pretrain import claim
from biolect.train.runtime import Runtime, stop_signals
from biolect.train.tuner import FinetuneConfig, Progress, Tuner

_CLASSES, _NUMBERS = ("mcc", "accuracy", "f1", "auroc"), ("spearman", "r2")


def finetune(
    config: FinetuneConfig,
    output: Path | str,
    *,
    resume: bool = False,
    overwrite: bool = False,
    device: DeviceName = "auto",
    allow_leakage: bool = False,
    advance: Callable[[int], None] = lambda records: None,
    stop_after_epochs: int | None = None,
) -> dict[str, Any]:
    """Train a head, and the model below it unless that is frozen; return the report.

    Args:
        output: Run folder.
        resume: Go on after the last whole epoch, if there is one.
        overwrite: Remove a run that is there.
        allow_leakage: Go on although splits share sequences.
        advance: Told the records of every step, for a progress bar.
        stop_after_epochs: End early, with a checkpoint, after so many epochs in all.

    Returns:
        `metric`, its `valid` and `test` value, the 95 % `interval` of the latter over clusters of relatives,
        `trainable_parameters`, letters that were `folded`, and more.

    Raises:
        ConfigError: If the folder holds another run, or the metric does not fit the task.
        InputError: If nothing can be learned from the table; see `data.labelled`.
        LeakageError: If splits share sequences.
        KeyboardInterrupt: If interrupted; whole epochs are saved.
    """
    output, runtime = Path(output), Runtime(choose(device).device, config.dtype)
    if runtime.num_ranks > 1:
        raise ConfigError("Finetuning runs on one device. Start it without torchrun or accelerate launch.")
    if config.columns.also or config.columns.kind in PER_CODON:
        raise ConfigError("Finetuning learns one target of whole sequences. Learn several, or numbers per position, with biolect fuse.")
    reader = Reader.load(config.model, device=runtime.device, dtype=runtime.weights_dtype, batch_tokens=config.batch_tokens)
    if config.strands == "both" and reader.model.config.strands == "shared":
        raise ConfigError(f"'{config.model}' reads both strands of every sequence itself, so strands = both adds nothing. Leave it out.")
    task = Task(target=config.columns.target, strands=config.strands, long=config.long)
    bare = Finetuned.bare(reader, task)
    data = read_labelled(config.data, config.columns, bare.refusal, among=bare.modalities, allow_leakage=allow_leakage)
    if not data.labels:
        train = data.targets[data.of("train")]
        task = task.model_copy(update={"mean": float(train.mean()), "deviation": float(train.std()) or 1.0})
    tuned = Finetuned.bare(reader, task.model_copy(update={"labels": data.labels}), config.seed)
    metric = _metric(config, data)
    claim(config, output, resume=resume, overwrite=overwrite)
    tuner = Tuner(config, runtime, tuned, data, metric, output, Progress(sha256(Path(config.data)), reader.model.digest()), advance)
    with stop_signals(runtime) as caught:
        tuner.run(lambda epoch: bool(caught) or epoch == stop_after_epochs)
    if caught:
        raise KeyboardInterrupt
    result = tuner.report()
    if tuner.progress.is_done:
        _publish(config, output, tuner, result)
    return result | {"finished": tuner.progress.is_done, "folded": asdict(data.folds), "refused": list(data.refused)}


def _metric(config: FinetuneConfig, data: Labelled) -> str:
    """Return what says which epoch is best; raise ConfigError where it is not for such targets, or validation records cannot say."""
    known = _CLASSES if data.labels else _NUMBERS
    metric = known[0] if config.metric == "auto" else config.metric
    if metric not in known:
        raise ConfigError(f"metric = {metric} is not for {'classes' if data.labels else 'numbers'}. Choose {', '.join(known)}.")
    seen = np.unique(data.targets[data.of("valid")])
    lacking = [label for code, label in enumerate(data.labels) if code not in seen]
    if metric in ("auroc", "f1") and lacking:
        raise ConfigError(f"No validation record is '{lacking[0]}', so metric = {metric} says nothing there. Move some, or choose mcc.")
    if not data.labels and len(seen) < 2:
        raise ConfigError(f"All validation records have the target {seen[0]:g}, so metric = {metric} says nothing there. Move some there.")
    return metric


def _publish(config: FinetuneConfig, output: Path, tuner: Tuner, result: dict[str, Any]) -> None:
    """Write the best model, the predictions of all records and the account of the run."""
    import polars

    reader = tuner.tuned.reader
    if config.lora is not None:
        merge_adapters(reader.model)
    licence = checkpoint.read_facts(resolve(config.model)).get("licence")
    facts = {"grammar": reader.grammar.to_dict(), "context_tokens": reader.context_tokens, "finetuned_from": config.model}
    facts |= {"licence": licence} if licence else {}
    tuner.tuned.save(output, facts | {"finetuned": result})
    columns = {"id": [record.name for record in tuner.data.records], "split": [SPLITS[i] for i in tuner.data.splits.tolist()]}
    labels = tuner.data.labels
    truth = [labels[int(t)] for t in tuner.data.targets] if labels else tuner.data.targets.tolist()
    write_table(output / "predictions.csv", polars.DataFrame(columns | {"target": truth} | tuner.tuned.columns(tuner.members)))
    weights = {"sha256": tuner.progress.model_sha256, "licence": licence}
    write_run_json(output, inputs=[config.data], config=config.to_yaml(), weights=weights, seed=config.seed, report=result)
