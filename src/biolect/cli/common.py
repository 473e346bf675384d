"""What every verb shares: its flags, its progress bars and its way to end.

Everything meant for eyes goes to standard error; standard output carries one JSON object under `--json`, or the data where it is `-`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter, Token
from cyclopts.validators import Number

from biolect.cli.showing import show
from biolect.errors import ConfigError

if TYPE_CHECKING:
    from biolect.bio.io import Refusal
    from biolect.bio.sequence import Sequence as BioSequence
    from biolect.devices import Placement, Precision, TrainingDtype
    from biolect.embed.encoder import Encoder
    from biolect.embed.fused import FusedModel
    from biolect.infer.predict import Finetuned
    from biolect.infer.reader import Reader

_ASSIGNMENT = re.compile(r"^[A-Za-z_][\w.]*=")


def whole_number(type_: Any, tokens: Sequence[Token]) -> int:
    """Read a whole number; 2.7 is refused, not rounded."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"'{tokens[0].value}' is not a whole number.") from None


WHOLE = Parameter(converter=whole_number)
"""For options that count."""

POSITIVE = Parameter(converter=whole_number, validator=Number(gte=1))
"""For options that count from 1."""

TABLE = Parameter(name="TABLE", allow_leading_hyphen=True)
"""For a table that may be standard input."""

SEED = Parameter(converter=whole_number, validator=Number(gte=0, lt=1 << 32))


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """Flags that every verb takes. Instances never change.

    Attributes:
        model: A shipped name, a folder, or a hub id; for an encoder also `esm2:PATH` and the like, see `biolect embed`.
        output: Where the result goes; `-` is standard output where that makes sense.
        device: Where to compute.
        dtype: Precision of the weights while computing; scores are float32 unless asked.
        seed: Start of every random choice; without it the verb's own default.
        batch_tokens: Tokens per batch, not rows; without it chosen to fit.
        threads: CPU threads; without it as many as there are cores.
        resume: Continue what is in the output.
        overwrite: Replace what is in the output.
        dry_run: Check the request and say what would be done, without doing it.
        as_json: Print exactly one JSON object on standard output.
        quiet: No progress bars, no tables.
        skip_bad: End with exit code 0 although some records were refused.
    """

    model: Annotated[str | None, Parameter(name=("--model", "-m"))] = None
    output: Annotated[Path | None, Parameter(name=("--output", "-o"), allow_leading_hyphen=True)] = None
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: Annotated[int | None, SEED] = None
    batch_tokens: Annotated[int | None, POSITIVE] = None
    threads: Annotated[int | None, POSITIVE] = None
    resume: bool = False
    overwrite: bool = False
    dry_run: bool = False
    as_json: Annotated[bool, Parameter(name="--json")] = False
    quiet: bool = False
    skip_bad: bool = False

    def given(self, *names: str) -> dict[str, Any]:
        """Return some of the flags by name, without those that were left open."""
        return {name: value for name in names if (value := getattr(self, name)) not in (None, "auto")}

    def need_model(self) -> str:
        """Return the model's address. Raises ConfigError if there is none."""
        if self.model is None:
            raise ConfigError("No model was given. Pass --model NAME_OR_FOLDER; `biolect info` lists the shipped names.")
        return self.model

    def need_output(self) -> Path:
        """Return where the result goes, checked against what is there already.

        Raises:
            ConfigError: If there is no output, it exists and neither --overwrite nor --resume was
                given, or it would share standard output with the JSON object.
        """
        if self.output is None:
            raise ConfigError("No output was given. Pass --output PATH.")
        if str(self.output) == "-":
            if self.as_json:
                raise ConfigError("--output - and --json both want standard output. Give the output a path.")
            return self.output
        taken = any(self.output.iterdir()) if self.output.is_dir() else self.output.exists()
        if taken and not (self.overwrite or self.resume):
            raise ConfigError(f"'{self.output}' exists. Pass --overwrite to replace it, or another --output.")
        return self.output

    def need_file(self) -> Path:
        """Return the file, or `-`, that the result goes to, made from the beginning.

        Raises:
            ConfigError: Like `need_output`; also if a folder is there, or --resume meets a whole file.
        """
        if self.output is not None and self.output.is_dir():
            raise ConfigError(f"'{self.output}' is a folder; this verb writes a file. Choose another --output.")
        output = self.need_output()
        return self._from_the_beginning(output)

    def need_folder(self, *, resumes: bool = False) -> Path:
        """Return the folder that the result goes to.

        Args:
            resumes: Whether the verb goes on with what is there under --resume.

        Raises:
            ConfigError: Like `need_output`; also if it is standard output or a file, or --resume cannot go on with a whole folder.
        """
        output = self.need_output()
        if str(output) == "-":
            raise ConfigError("--output - is standard output, but this verb writes a folder. Give the folder a path.")
        if output.exists() and not output.is_dir():
            raise ConfigError(f"'{output}' is a file; this verb writes a folder. Choose another --output.")
        return output if resumes else self._from_the_beginning(output)

    def _from_the_beginning(self, output: Path) -> Path:
        taken = any(output.iterdir()) if output.is_dir() else output.exists()
        if taken and not self.overwrite:
            raise ConfigError(f"'{output}' is there already, and nothing in it is left to resume. Pass --overwrite, or another --output.")
        return output

    def placement(self) -> Placement:
        """Return device, dtype and threads, and say on standard error what was chosen."""
        from biolect.devices import choose

        placement = choose(self.device, self.dtype, self.threads)
        if placement.notice and not self.quiet:
            say(placement.notice)
        return placement

    def announce(self, dtype: TrainingDtype) -> None:
        """Choose device and threads for training, and say which precision `dtype` comes to there."""
        from biolect.devices import choose, training_dtype

        comes_to = training_dtype(dtype, choose(self.device).device)
        replace(self, dtype="bfloat16" if comes_to == "bfloat16" else "float32").placement()

    def reader(self) -> Reader:
        """Load the model, to be asked in float32 unless another precision was given."""
        from biolect.infer.reader import Reader

        return Reader.load(self.need_model(), **self.placed("float32"))

    def fused(self) -> FusedModel:
        """Load a fused model, its encoders to be asked in the precision that they were fused in.

        Raises:
            ConfigError: If another precision was given.
        """
        from biolect.embed.encoder import Choice
        from biolect.embed.fused import FusedModel

        own = FusedModel.task_in(self.need_model()).dtype
        if self.dtype not in ("auto", own):
            raise ConfigError(f"'{self.model}' was fused in {own}. Leave out --dtype, or fuse again with --dtype {self.dtype}.")
        # Whose licences are not free was said when it was fused.
        return FusedModel.load(self.need_model(), Choice(accepts_licence=True, **self.placed(own)))

    def encoder(self, address: str, **chosen: Any) -> Encoder:
        """Load an encoder in the precision that is usual for it, unless another was given; `chosen` are fields of its `Choice`."""
        from biolect.embed.door import load_encoder, usual_dtype
        from biolect.embed.encoder import Choice

        return load_encoder(address, Choice(**self.placed(usual_dtype(address, self.device)), **chosen), say)

    def placed(self, usual: Precision) -> dict[str, Any]:
        """Return device, precision and tokens per batch as keywords; `usual` is taken where no precision was given."""
        placement = (replace(self, dtype=usual) if self.dtype == "auto" else self).placement()
        return {"device": placement.device, "dtype": placement.dtype} | self.given("batch_tokens")

    @contextmanager
    def progress(self, label: str, total: float | None = None) -> Iterator[Callable[[float], None]]:
        """Show a bar with rate and time left while work goes on; nothing where no one looks.

        Args:
            total: Units of work in all; None when not known.

        Returns:
            A function that takes the number of units done since its last call.
        """
        if self.quiet or not sys.stderr.isatty():
            yield lambda units: None
            return
        from rich import progress as bars
        from rich.console import Console

        left = bars.TimeRemainingColumn(elapsed_when_finished=True)
        columns = (bars.TextColumn("{task.description}"), bars.BarColumn(), bars.TaskProgressColumn(show_speed=True), left)
        with bars.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(label, total=total)
            yield lambda units: bar.update(task, advance=units)


DEFAULTS = Common()
"""What a verb's `common` argument defaults to."""


def say(text: str) -> None:
    """Write a line for eyes: to standard error."""
    sys.stderr.write(f"{text}\n")


def check_inputs(paths: Sequence[str]) -> None:
    """Raise InputError for an input that is missing or a folder, before any work is done."""
    from biolect.files import open_input

    for path in paths:
        if path != "-":
            open_input(path, text=False).close()


def usable_rows(table: str, column: str, modality: str | None, model: FusedModel | Finetuned) -> tuple[list[BioSequence], list[Refusal]]:
    """Read the sequences of a table that a model can be asked about, and why it cannot be asked about the others."""
    from biolect.bio.io.tables import read_usable
    from biolect.bio.sequence import Modality

    given = None if modality is None else Modality(modality)
    return read_usable(table, column, model.refusal, given, model.modalities, contexts=model.contexts)[:2]


def split_assignments(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part inputs from `key.path=value` assignments; a word that names an existing file is an input."""
    assigns = [bool(_ASSIGNMENT.match(word)) and not Path(word).exists() for word in words]
    inputs = [word for word, assign in zip(words, assigns, strict=True) if not assign]
    return inputs, [word for word, assign in zip(words, assigns, strict=True) if assign]


def finish(result: dict[str, Any], refused: Sequence[Any] = (), common: Common = DEFAULTS) -> int:
    """Show a verb's result and return its exit code: 1 if records were refused, unless --skip-bad.

    Args:
        result: Plain data, the verb's JSON object.
        refused: Records with `id`, `where` and `reason`, as mappings or dataclasses.
    """
    result = plain(result)
    listed = plain(list(refused))
    if listed:
        result["refused"] = listed
    if common.as_json:
        import json

        sys.stdout.write(json.dumps(result) + "\n")
    elif not common.quiet:
        show({key: value for key, value in result.items() if key != "refused"})
    for record in [] if common.as_json else listed:
        say(f"refused {record.get('id', '?')} ({record.get('where', '?')}): {record.get('reason', '?')}")
    return 1 if listed and not common.skip_bad else 0


def plain(value: Any) -> Any:
    """Return a value as JSON knows it: paths as text, arrays as lists, what is not finite as null."""
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(value, inf_nan_mode="null", fallback=lambda odd: plain(odd.tolist()) if hasattr(odd, "tolist") else str(odd))
