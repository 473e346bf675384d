"""Pretraining: a run config in, a run folder out.

config.yaml          the config
metrics.jsonl        one line per report
checkpoints/         the last two
model/               the model at the end
learning_curves.png, learning_curves.svg
run.json             what was run, where, on what
"""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from biolect.config import Config
from biolect.devices import DeviceName, choose
from biolect.errors import ConfigError
from biolect.figures.curves import Curve, learning_curves
from biolect.figures.style import save
from biolect.files import check_outside, write_pieces, write_run_json
from biolect.models import checkpoint
from biolect.models.compiled import compile_blocks
from biolect.models.language_model import LanguageModel
from biolect.train import checkpoints, components
from biolect.train.checkpoints import Position, Saved
from biolect.train.curriculum import RunConfig
from biolect.train.log import LossTable, MetricsLog
from biolect.train.loop import Trainer, whole_model
from biolect.train.runtime import Runtime, stop_signals

CONFIG = "config.yaml"
METRICS = "metrics.jsonl"
MODEL = "model"


def pretrain(
    config: RunConfig,
    output: Path | str,
    *,
    resume: bool = False,
    overwrite: bool = False,
    device: DeviceName = "auto",
    allow_leakage: bool = False,
    advance: Callable[[int], None] = lambda tokens: None,
    stop_after_steps: int | None = None,
) -> dict[str, Any]:
    """Run a curriculum and return its report.

    Args:
        output: Run folder.
        resume: Go on from the newest checkpoint, if there is one; on one CPU in float32, bit for bit.
        overwrite: Remove a run that is there.
        device: `auto`, `cpu`, `cuda` or `mps`; with many of them, launch with `torchrun` or `accelerate launch`.
        allow_leakage: Train although training and validation share sequences.
        advance: Told the tokens of every step, for a progress bar.
        stop_after_steps: End early, with a checkpoint, when the run has taken so many steps in all.

    Returns:
        `model`, `tokens`, `steps`, `bits_per_residue`, `tokens_per_second` and more; see `report`.

    Raises:
        ConfigError: If the folder holds another run, or the config does not fit the corpora.
        LeakageError: If the corpora leak.
        KeyboardInterrupt: If interrupted; the state is saved.
    """
    output = Path(output)
    runtime = Runtime(choose(device).device, config.dtype)
    if runtime.is_main:
        make_room(config, output, resume=resume, overwrite=overwrite)
    runtime.wait()
    with stop_signals(runtime) as caught:
        trainer, found = _assemble(config, output, runtime, allow_leakage=allow_leakage)
        trainer.advance = advance
        trainer.should_stop = lambda place: bool(caught) or place.step == stop_after_steps
        started, tokens = time.perf_counter(), trainer.position.tokens
        finished = trainer.run()
        seconds = time.perf_counter() - started
    if caught:
        raise KeyboardInterrupt
    weights = runtime.weights(trainer.model)
    result = report(config, output, trainer.position, (trainer.position.tokens - tokens) / max(seconds, 1e-9))
    result |= {"finished": finished, "passes": components.passes(config, found)}
    if left_out := components.left_out(found):
        result["left_out"] = left_out
    if runtime.is_main and finished and not (trainer.position.tokens == tokens and (output / "run.json").is_file()):
        _publish(config, output, whole_model(config, weights), result)
    runtime.wait()
    runtime.close()
    return result


def make_room(config: Config, output: Path, *, resume: bool, overwrite: bool) -> None:
    """See that the folder is free for a run, or that its run goes on under this config; remove what is to be replaced.

    Raises:
        ConfigError: If the folder holds something else, or another run.
    """
    there = {path.name for path in output.iterdir()} if output.is_dir() else set[str]()
    began = {CONFIG, METRICS} <= there
    if there and not began and not _is_left(config, output, there):
        raise ConfigError(f"'{output}' is not empty and holds no run. Choose another --output.")
    if began and resume:
        before = type(config).from_yaml((output / CONFIG).read_text())
        changed = [name for name in type(config).model_fields if getattr(before, name) != getattr(config, name)]
        if changed:
            raise ConfigError(
                f"The run in '{output}' was started with another config: '{changed[0]}' differs. "
                f"Resume it with its own, {output / CONFIG}, or start a new run in another folder."
            )
        return
    if began and not overwrite:
        raise ConfigError(
            f"'{output}' holds a run already. Pass --resume to go on with it, --overwrite to replace it, or another --output."
        )
    if there - {CONFIG}:
        check_outside(filter(Path.exists, map(Path, _texts(config.to_dict()))), output)
        shutil.rmtree(output)


def _is_left(config: Config, output: Path, there: set[str]) -> bool:
    """Return whether what is there was left, before its first step, by a run that was refused or killed."""
    own = {components.SIMULATING, *components.SIMULATED} if components.SIMULATING in there else set[str]()
    return there <= {CONFIG, *own} and (CONFIG not in there or (output / CONFIG).read_bytes() == config.to_yaml().encode())


def _texts(values: object) -> Iterator[str]:
    """Yield all texts of plain data that may name a file; of encoders also what stands behind their kind."""
    if isinstance(values, str) and values:
        yield from {values, values.partition(":")[2] or values}
    elif isinstance(values, dict | list):
        entries = cast("dict[str, object] | list[object]", values)
        for value in entries.values() if isinstance(entries, dict) else entries:
            yield from _texts(value)


def claim(config: Config, output: Path, *, resume: bool, overwrite: bool) -> None:
    """Make the run folder ours: see `make_room`, and write the config into it; from now on it can be resumed."""
    make_room(config, output, resume=resume, overwrite=overwrite)
    write_pieces(output / CONFIG, [config.to_yaml().encode()])
    (output / METRICS).touch()


def _assemble(config: RunConfig, output: Path, runtime: Runtime, *, allow_leakage: bool) -> tuple[Trainer, Mapping[str, components.Pool]]:
    """Build everything a run needs, at the place where it was left."""
    saved = checkpoints.latest(output / "checkpoints", runtime.weights_dtype)
    position = saved.position if saved else Position()
    model = _model(config, saved)
    vocabulary = model.vocabulary
    if runtime.is_main:
        checkpoints.tidy(output / "checkpoints")
        components.simulate_corpus(config, output)
    runtime.wait()
    corpora = components.run_corpora(config, output, vocabulary, allow_leakage=allow_leakage)
    found = components.pools(config, corpora, "train")
    components.check_holes_are_taken(config, corpora, found)
    found = components.limited(found, config.unique_tokens)
    loaders = [components.loader(config, i, phase, found, vocabulary) for i, phase in enumerate(config.phases)]
    # Validation rows are as long as the run says, which may be longer than a whole step of any phase.
    rows = max(1, config.batch_tokens // config.context_tokens // config.accumulation)
    valid = components.valid_batches(config, corpora, vocabulary, rows)
    # Not before: a run that is refused leaves nothing that the next one would stumble on.
    if runtime.is_main:
        write_pieces(output / CONFIG, [config.to_yaml().encode()])
    log = MetricsLog(output / METRICS, writes=runtime.is_main)
    log.open_at(position.step)
    if runtime.is_main:
        (output / components.SIMULATING).unlink(missing_ok=True)
    if config.compiles:
        with runtime.autocast():
            line = compile_blocks(model.to(runtime.device, runtime.weights_dtype), max(1, rows // runtime.num_ranks), config.context_tokens)
        log.write("notice", step=position.step, text=line)
    wrapped, optimizer = runtime.prepare(model, config.optimizer.build(model))
    table = LossTable(runtime.device)
    if saved:
        runtime.load_optimizer(wrapped, saved.optimizer)
        if runtime.is_main:
            table.restore(saved.pending)
    return Trainer(config, runtime, wrapped, optimizer, loaders, valid, log, output, position, table), found


def _model(config: RunConfig, saved: Saved | None) -> LanguageModel:
    if config.start_from is None or saved:
        model = config.model.build(seed=config.seed)
    else:
        model = checkpoint.load(config.start_from)
        if model.config != config.model:
            raise ConfigError(f"start_from = '{config.start_from}' is not a model of this config. Set model to what its config.yaml says.")
    if saved:
        model.load_state_dict(saved.weights, assign=True)
    if config.recomputes:
        model.backbone.recomputes = True
    return model.train()


def report(config: RunConfig, output: Path, position: Position, tokens_per_second: float) -> dict[str, Any]:
    """Return what a run came to, as far as it went.

    `bits_per_residue` is of validation records alone; `by_member` of members of documents, by component and
    modality, as first, second, and third or later member.
    """
    valid = MetricsLog(output / METRICS).read("valid")
    ends = {line["phase"]: line for line in valid if line["ends_phase"]}
    last = valid[-1] if valid else {"bits_per_residue": {}, "by_member": {}}
    bits = {
        modality: {"valid": value, "by_phase": {phase: line["bits_per_residue"].get(modality) for phase, line in ends.items()}}
        for modality, value in last["bits_per_residue"].items()
    }
    return {
        "model": str(output / MODEL),
        "recipe": config.name,
        "tokens": position.tokens,
        "steps": position.step,
        "bits_per_residue": bits,
        "by_member": last["by_member"],
        "tokens_per_second": round(tokens_per_second, 1),
    }


def _publish(config: RunConfig, output: Path, model: LanguageModel, result: Mapping[str, Any]) -> None:
    """Write the final model, the figure and the account of the run."""
    facts = {"recipe": config.name, **{name: result[name] for name in ("tokens", "steps", "bits_per_residue")}}
    checkpoint.save(model, output / MODEL, facts | config.reading_facts)
    alone, by_member, ends = curves(MetricsLog(output / METRICS).read("valid"))
    save(learning_curves(alone, by_member, ends, title=config.name), output / "learning_curves")
    folders = config.corpora.folders if config.corpora.kind == "folders" else {}
    inputs = [Path(folder) / "report.json" for folder in folders.values()]
    write_run_json(output, inputs=inputs, config=config.to_yaml(), seed=config.seed, report=dict(result))


def curves(lines: list[dict[str, Any]]) -> tuple[Mapping[str, Curve], Mapping[tuple[str, int], Curve], dict[str, float]]:
    """Return validation lines as the values that `figures.curves.learning_curves` draws."""
    alone: dict[str, list[tuple[float, float]]] = {}
    joined: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for line in lines:
        for modality, value in line["bits_per_residue"].items():
            alone.setdefault(modality, []).append((line["tokens"], value))
        for modality, values in line["by_member"].get("genes", {}).items():
            for place, value in enumerate(values):
                if value is not None:
                    joined.setdefault((modality, place), []).append((line["tokens"], value))
    ends = {line["phase"]: float(line["tokens"]) for line in lines if line["ends_phase"]}
    return alone, joined, ends
