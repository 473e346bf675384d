"""Arms of a fusion table: single encoders, fusions and their controls, each trained in several seeds and kept on disk."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pydantic
import torch

from biolect.config import Config
from biolect.data.labelled import Labelled
from biolect.data.shards import SPLITS
from biolect.data.targets import PER_CODON, Columns
from biolect.devices import Precision
from biolect.embed.codons import CodonEncoder, ContextEncoder
from biolect.embed.fused import FusedModel, Member
from biolect.embed.fused_task import FusedTask, in_units
from biolect.errors import CheckpointError, ConfigError
from biolect.evaluate.composition import grouped_folds
from biolect.files import atomic_path, read_json, sha256, write_json
from biolect.fusion.align import Mode
from biolect.fusion.fusers import FUSERS, FuserKind
from biolect.fusion.heads import FusionModel
from biolect.fusion.late import MeanFusion, out_of_fold
from biolect.fusion.streams import CodonStreams, outputs_of
from biolect.models import checkpoint
from biolect.train.fusing import Fit, Fitted, fit
from biolect.train.log import MetricsLog
from biolect.train.pretrain import METRICS
from biolect.values import Floats, Ints

STAND_INS = {"dna": "one-hot:dna", "rna": "codon-frequency:1", "protein": "one-hot:protein"}
_FOLDS = 3


class FusionConfig(Config):
    """Everything that decides the table that comes out.

    Attributes:
        encoders: Address of the encoder of every stream; see `embed.door` and `FusedTask`. Without any, stand-ins that have
            learned nothing: letters and codons.
        contexts: Encoder of every column of DNA or RNA from around the coding sequences, such as promoters or untranslated ends;
            see `FusedTask`. Codons read them.
        fuser: One learned fuser, late fusion alone, or all of them with their controls.
        alignment: How tokens become codons.
        genetic_code: NCBI number.
        dtype: Precision in which encoders are asked.
        folds: Of cross-validation, whole clusters each: every record is predicted once by models that saw no relative of it. 0
            judges on the table's own split, or on one that is drawn.
        repeats: How often folds are drawn anew.
        cache: Folder of embeddings; None keeps them in the run folder.
    """

    data: str
    columns: Columns
    encoders: dict[str, str] = pydantic.Field(default=STAND_INS, min_length=1)
    contexts: dict[str, str] = {}
    fuser: FuserKind | Literal["late", "all"] = "all"
    alignment: Mode = "coverage"
    genetic_code: int = 1
    dtype: Precision = "float32"
    fit: Fit = Fit()
    seeds: int = pydantic.Field(default=5, gt=0)
    folds: int = pydantic.Field(default=0, ge=0)
    repeats: int = pydantic.Field(default=1, gt=0)
    cache: str | None = None

    @pydantic.model_validator(mode="after")
    def _head_answers(self) -> FusionConfig:
        if self.columns.kind in PER_CODON and self.fit.head == "attention_pool":
            raise ValueError("fit.head = attention_pool has one answer per sequence, none per position. Choose textcnn, linear or mlp.")
        if self.folds in (1, 2):
            raise ValueError(f"folds = {self.folds} leaves nothing to train on: one fold is for test, one for validation. Take 5.")
        if self.folds and self.columns.split:
            raise ValueError(f"folds = {self.folds} draws all splits, so column '{self.columns.split}' would go unread. Leave out one.")
        if self.repeats > 1 and not self.folds:
            raise ValueError(f"repeats = {self.repeats} draws folds anew, and there are none. Add folds=5.")
        return self

    def task(self, **facts: Any) -> FusedTask:
        """Return what is predicted from what, with what is known of it."""
        same = {name: getattr(self, name) for name in ("encoders", "contexts", "alignment", "genetic_code", "dtype")}
        columns = self.columns
        return FusedTask(target=columns.target, also=columns.also, per_codon=PER_CODON.get(columns.kind, 0), **same, **facts)


@dataclass(frozen=True)
class Arm:
    """One way to predict.

    Attributes:
        streams: The table's stream behind every name that the model knows.
        partners: Streams but this one come from other records; empty if all are a record's own.
        is_control: It has as many weights as a fusion and nothing to fuse, or lacks a part; never published.
    """

    name: str
    kind: FuserKind
    streams: Mapping[str, str]
    partners: str = ""
    entropy: bool = True
    is_control: bool = False


def singles(config: FusionConfig) -> list[Arm]:
    """Return an arm per encoder; a context alone has no answer per codon."""
    names = config.encoders if config.columns.kind in PER_CODON else config.encoders | config.contexts
    return [Arm(name, "concatenation", {name: name}) for name in sorted(names)]


def fusions(config: FusionConfig, best_single: str) -> list[Arm]:
    """Return the learned fusions that were asked for, and their controls where all were."""
    streams = {name: name for name in sorted(config.encoders | config.contexts)}
    if len(streams) < 2 or config.fuser == "late":
        return []
    arms = [Arm(kind, kind, streams) for kind in FUSERS if config.fuser in (kind, "all")]
    if config.contexts:
        own = {name: name for name in sorted(config.encoders)}
        arms += [Arm(f"{arm.kind} without contexts", arm.kind, own, is_control=True) for arm in arms]
    if config.fuser == "all":
        repeated = {f"{best_single}-{i}": best_single for i in range(len(streams))}
        arms += [
            Arm("mil without entropy", "mil", streams, entropy=False, is_control=True),
            Arm("one encoder several times", "concatenation", repeated, is_control=True),
            Arm("shuffled partners", "concatenation", streams, partners=best_single, is_control=True),
        ]
    return arms


class Runs:
    """Trains arms on one table, and keeps what each of them says. Invariant: an arm of one seed is trained once."""

    def __init__(
        self,
        config: FusionConfig,
        folder: Path,
        data: Labelled,
        streams: CodonStreams,
        digests: dict[str, str],
        advance: Callable[[int], None],
    ) -> None:
        self.config, self.folder, self.data, self.streams, self.advance = config, folder, data, streams, advance
        folder.mkdir(parents=True, exist_ok=True)
        self.log = MetricsLog(folder / METRICS)
        if not self.log.read("table"):
            self.log.write("table", step=0, records={name: len(data.of(name)) for name in SPLITS})
        self.items, self.owners = data.judged(streams.lengths)
        # 0-based.
        self.places = np.arange(len(self.owners)) - np.searchsorted(self.owners, self.owners)
        training = self.items.targets[self.items.of("train")]
        spread = np.nanstd(training, axis=0)
        units = np.nanmean(training, axis=0), np.where(spread > 0, spread, 1.0)
        # One target has a number each, as ever.
        self.mean, self.deviation = (0.0, 1.0) if data.labels else (tuple(x.tolist()) if len(x) > 1 else float(x[0]) for x in units)
        self.targets = [(row - np.asarray(self.mean)) / np.asarray(self.deviation) for row in data.rows(streams.lengths)]
        self.digests, self.fitted, self.published = digests, dict[str, list[Fitted]](), ""

    def task(self, **facts: Any) -> FusedTask:
        """Return the task, with what is known of the published model."""
        return self.config.task(labels=self.data.labels, mean=self.mean, deviation=self.deviation, **facts)

    def _path(self, arm: Arm, name: str) -> Path:
        return self.folder / "arms" / arm.name.replace(" ", "-") / f"{name}.safetensors"

    def _model(self, arm: Arm, streams: CodonStreams) -> FusionModel.Config:
        outputs, per_codon = len(self.data.labels) or self.items.targets.shape[1], self.data.per_codon
        return self.config.fit.model(arm.kind, streams.widths, per_codon or outputs, pools=not per_codon, contexts=streams.around)

    def read(self, arm: Arm, seed: int = 0) -> CodonStreams:
        """Return what an arm reads."""
        return (self.streams.shuffled(arm.partners, seed) if arm.partners else self.streams).named(arm.streams)

    def run(self, arm: Arm) -> tuple[Floats, Floats | None]:
        """Return predictions, seeds by items by classes (or a number per target), and modality weights, seeds by items by streams."""
        found = [self._one(arm, seed) for seed in range(self.config.seeds)]
        self.fitted[arm.name] = [fitted for fitted, _ in found]
        weights = [tensors["weights"].numpy() for _, tensors in found if "weights" in tensors]
        said = np.stack([tensors["outputs"].numpy().reshape(len(self.owners), -1) for _, tensors in found])
        return in_units(said, self.task()), np.stack(weights)[:, self.owners] if weights else None

    def _one(self, arm: Arm, seed: int) -> tuple[Fitted, dict[str, torch.Tensor]]:
        streams, path = self.read(arm, seed), self._path(arm, f"seed-{seed}")
        if not path.exists():
            fitted = self._fit(arm, streams, self.data.of("train"), seed)
            found = outputs_of(fitted.model, streams)
            said = {"outputs": found.outputs} | ({} if found.weights is None else {"weights": found.weights})
            tensors = {name: torch.from_numpy(array) for name, array in said.items()}
            tensors |= {f"model.{name}": value for name, value in fitted.model.state_dict().items()}
            _write(path, tensors, {"curve": json.dumps(fitted.curve), "best_step": str(fitted.best_step)})
            self.log.write("arm", step=fitted.best_step, arm=arm.name, seed=seed, valid_loss=min(look["valid"] for look in fitted.curve))
        try:
            tensors, facts = checkpoint.read_tensors(path), checkpoint.read_metadata(path)
            fitted = Fitted(self._model(arm, streams).build(seed), json.loads(facts["curve"]), int(facts["best_step"]))
            fitted.model.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
        except (KeyError, ValueError, RuntimeError):
            raise CheckpointError(f"'{path}' is damaged, or belongs to another arm. Remove that file and pass --resume.") from None
        return fitted, tensors

    def _fit(self, arm: Arm, streams: CodonStreams, training: Ints, seed: int) -> Fitted:
        settings = self.config.fit if arm.entropy else self.config.fit.model_copy(update={"entropy_weight": 0.0})
        model, parts = self._model(arm, streams), (training, self.data.of("valid"))
        return fit(model, streams, self.targets, parts, settings, classes=bool(self.data.labels), seed=seed, advance=self.advance)

    def out_of_fold(self, arm: Arm) -> Floats:
        """Return predictions about training items by models that saw neither them nor their relatives, items by outputs."""
        path, training = self._path(arm, "out-of-fold"), self.items.of("train")
        if not path.exists():
            streams, owners = self.read(arm), self.owners[training]

            def fit_predict(seen: Ints, asked: Ints) -> Floats:
                fitted = self._fit(arm, streams, np.unique(owners[seen]), seed=0)
                return outputs_of(fitted.model, streams, np.unique(owners[asked])).outputs.reshape(len(asked), -1)

            found = out_of_fold(fit_predict, grouped_folds(self.items.clusters[training], _FOLDS, seed=0))
            _write(path, {"outputs": torch.from_numpy(found)}, {})
        return in_units(checkpoint.read_tensors(path)["outputs"].numpy(), self.task())

    def publish(self, arm: str, parts: list[Arm], late: MeanFusion | None) -> FusedModel:
        """Write the trained model that validation likes best into the run folder."""
        self.published = arm
        members = tuple(
            Member(part.streams, tuple(one.model for one in self.fitted[part.name]), replace(self.streams.named(part.streams), vectors={}))
            for part in parts
        )
        units = {} if late is None else {"centers": tuple(late.centers.ravel().tolist()), "scales": tuple(late.scales.ravel().tolist())}
        task = self.task(arm=arm, digests=self.digests, members=tuple(dict(part.streams) for part in parts), **units)
        model = FusedModel(task, {}, members)
        model.save(self.folder)
        return model


def _write(path: Path, tensors: dict[str, torch.Tensor], facts: dict[str, str]) -> None:
    with atomic_path(path) as temporary:
        checkpoint.write_tensors(temporary, tensors, facts)


def check_inputs(folder: Path, table: str, encoders: Mapping[str, CodonEncoder | ContextEncoder]) -> dict[str, str]:
    """Note what a run is made from; return digests of its encoders. Raises ConfigError if the run there was made from something else."""
    own = {name: encoder.digest for name, encoder in encoders.items()}
    digests = {table: sha256(Path(table))} | own
    path = folder / "inputs.json"
    before = read_json(path, "Pass --overwrite to begin anew.") if path.is_file() else digests
    if changed := next((name for name in digests if before.get(name) != digests[name]), None):
        raise ConfigError(
            f"'{changed}' is not what the run in '{folder}' was started with: its sha256 differs. Put it back, or pass --overwrite."
        )
    write_json(path, digests)
    return own


def read_curves(folder: Path) -> dict[str, list[list[dict[str, float]]]]:
    """Return the looks at the losses of every arm in a run folder, seed by seed."""
    return {
        arm.name: [json.loads(checkpoint.read_metadata(path)["curve"]) for path in sorted(arm.glob("seed-*.safetensors"))]
        for arm in sorted((folder / "arms").iterdir())
    }


def facts(config: FusionConfig, data: Labelled, encoders: Mapping[str, CodonEncoder | ContextEncoder]) -> dict[str, Any]:
    """Return what the table was made from."""
    reasons = Counter(refused.reason.partition(". ")[0] for refused in data.refused)
    grid = next(one for one in encoders.values() if isinstance(one, CodonEncoder)).grid
    inner = {name: one.inner for name, one in encoders.items()}
    crossed = {"cross_validation": {"folds": config.folds, "repeats": config.repeats}} if config.folds else {}
    return crossed | {
        "task": "classification" if data.labels else "regression",
        "labels": list(data.labels),
        "funnel": {"raw": len(data.records) + len(data.refused), "used": len(data.records), "refused": len(data.refused)},
        "reasons": dict(reasons.most_common(20)),
        "folded": asdict(data.folds),
        # Read as X by the protein stream.
        "internal_stops": [record.name for record in data.records if grid(record).internal_stops],
        "unknown_codons": sum(grid(record).num_unknown for record in data.records),
        "records": {name: len(data.of(name)) for name in SPLITS},
        "leakage": data.leakage,
        "encoders": {
            name: {"address": address, "width": inner[name].width, "licence": (own := inner[name].licence) and own.name}
            for name, address in (config.encoders | config.contexts).items()
        },
    }
