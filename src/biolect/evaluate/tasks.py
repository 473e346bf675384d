"""Tasks by name, and the one table that a run of them gives."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from biolect.bio.io import Refusal
from biolect.bio.sequence import Modality
from biolect.errors import ConfigError, InputError
from biolect.evaluate import dogma, fitness, in_context, interactions, likelihoods, probing
from biolect.evaluate.judging import Outcome
from biolect.evaluate.question import EvaluateConfig, Question
from biolect.figures.style import save
from biolect.files import read_json, sha256, write_json
from biolect.infer.reader import Reader

if TYPE_CHECKING:
    import polars

_GENE = (Modality.DNA, Modality.PROTEIN)


class Task(NamedTuple):
    """A thing that models are asked to do.

    Attributes:
        reads: Modalities that the model must know; none where any will do.
        reads_forward: Only models that predict the next letter can be asked.
        file: What is read of the data folder, and in which form.
        summary: What is asked, its metric and its baselines.
        needs: Files that must be there.
    """

    name: str
    ask: Callable[[Question], Outcome]
    reads: tuple[Modality, ...]
    reads_forward: bool
    file: str
    summary: str
    needs: tuple[str, ...] = ()


_OF_GENES = {
    likelihoods.conditional_gain: "bits per residue that its own gene saves a protein, and back; against a foreign and a shuffled partner, "
    "and codon usage",
    likelihoods.translation: "share of residues that greedy translation gets right, and back-translation; against the most frequent letter",
    dogma.central_dogma: "accuracy of telling true pairs from those with an edited gene or protein; against always no (66.7 %) and the "
    "protein alone",
    in_context.in_context: "AUROC of the same after demonstrations; against mismatched ones, random letters, proteins alone, filler; also "
    "of a synthetic code",
}
TASKS = (
    Task(
        "bits-per-residue",
        likelihoods.bits_per_residue,
        (),
        True,
        f"a corpus, or FASTA: {', '.join(likelihoods.LETTERS.values())}",
        "bits per residue of held-out records, by modality; against composition, the best Markov model, context mixing",
    ),
    *(
        Task(ask.__name__.replace("_", "-"), ask, _GENE, True, f"a corpus of genes, or annotated genomes: {likelihoods.GENES}", summary)
        for ask, summary in _OF_GENES.items()
    ),
    Task(
        "protein-fitness",
        fitness.protein_fitness,
        (Modality.PROTEIN,),
        False,
        f"assays in ProteinGym form: {fitness.ASSAYS}/*.csv.gz; genes: {', '.join(fitness.GENE_FILES)}; alignments: {fitness.ALIGNMENTS}",
        "rank correlation of scores with measured effects, by assay; against BLOSUM62 and, where there is an alignment, a site profile",
    ),
    *(
        Task(name, partial(probing.probe, source), (source.modality,), False, source.file, probing.SUMMARY, (source.file,))
        for name, source in probing.SOURCES.items()
    ),
    Task(
        "secondary-structure",
        probing.secondary_structure,
        (Modality.PROTEIN,),
        False,
        probing.STRUCTURES,
        "three states of every residue, read linearly off its hidden state; against the letters around it, and no training",
        (probing.STRUCTURES,),
    ),
    *(
        Task(
            name, partial(interactions.interactions, one), (Modality.PROTEIN, one.partner), False, one.pairs, interactions.SUMMARY, one[:3]
        )
        for name, one in interactions.SOURCES.items()
    ),
)
"""Every task, in the order of the help page."""


def named(names: Sequence[str]) -> list[Task]:
    """Return tasks by name, each once. Raises ConfigError for a name that is none."""
    known = {task.name: task for task in TASKS}
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"Did you mean {' or '.join(map(repr, close))}?" if close else f"There are {', '.join(known)}."
            raise ConfigError(f"There is no task '{name}'. {hint}")
    return [known[name] for name in dict.fromkeys(names)]


def check(config: EvaluateConfig, reader: Reader) -> list[Task]:
    """Return the tasks that are asked, before any work is done.

    Raises:
        ConfigError: If a task is unknown, or the model cannot be asked.
        InputError: If there is no such data.
    """
    asked, words, question = named(config.tasks), reader.model.vocabulary, Question(reader, config)
    if not question.data.exists():
        raise InputError(f"There is no '{config.data}'. Pass --data FOLDER with the published files, a corpus, or a file.")
    for task in asked:
        if lacking := [modality for modality in task.reads if not words.reads(modality)]:
            there = ", ".join(filter(words.reads, Modality))
            raise ConfigError(
                f"Task '{task.name}' asks about {' and '.join(lacking)}, and the model reads {there}. Choose another task or model."
            )
        if task.reads_forward and not reader.model.config.is_causal:
            raise ConfigError(f"Task '{task.name}' asks for next letters, and this model reads both sides. Choose a causal model.")
        for name in task.needs:
            question.file(name)
    return asked


def evaluate(
    config: EvaluateConfig, reader: Reader, advance: Callable[[float], None] = lambda units: None
) -> Iterator[tuple[Task, Outcome]]:
    """Ask a model one task after the other; see `check` for what is refused."""
    for task in check(config, reader):
        yield task, _asked(task, Question(reader, config, advance))


def _asked(task: Task, question: Question) -> Outcome:
    outcome = task.ask(question)
    outcome.refused += question.refused
    return outcome


class Answer(NamedTuple):
    """What a task found, as plain data; see `Outcome`."""

    task: str
    metric: str
    rows: list[dict[str, Any]]
    report: dict[str, Any]
    refused: list[Refusal]


def answers(
    config: EvaluateConfig, reader: Reader, folder: Path | None = None, advance: Callable[[float], None] = lambda units: None
) -> Iterator[Answer]:
    """Ask a model one task after the other; what `folder` holds already is not asked again, and what is new goes there.

    Raises:
        ConfigError: If the folder holds answers of another model, or to other questions; see also `check`.
    """
    data = Path(config.data)
    files = [path for path in (data, data / "report.json") if path.is_file()]
    asked = config.to_dict() | {"tasks": None, "weights": reader.model.digest(), "digests of data": [sha256(path) for path in files]}
    for task in check(config, reader):
        path = folder / "answers" / f"{task.name}.json" if folder else None
        if path is not None and path.is_file():
            found = read_json(path)
            if differs := next((key for key, value in asked.items() if found["asked"].get(key, value) != value), None):
                raise ConfigError(f"'{path}' answers something else: '{differs}' differs. Pass --overwrite, or another --output.")
            refused = [Refusal(**one) for one in found["refused"]]
            yield Answer(task.name, found["metric"], found["rows"], found["report"], refused)
            continue
        outcome = _asked(task, Question(reader, config, advance))
        rows = [row for panel in outcome.panels for row in panel.rows(task.name)]
        answer = Answer(task.name, outcome.metric, rows, outcome.report(), outcome.refused)
        if folder is not None and path is not None:
            if outcome.figure is not None:
                save(outcome.figure, folder / task.name)
            write_json(path, answer._asdict() | {"asked": asked, "refused": [asdict(one) for one in outcome.refused]})
        yield answer


def table(found: Sequence[Answer]) -> polars.DataFrame:
    """Return every arm of every part as a row.

    Columns: `task`, `part`, `arm`, `kind`, `metric`, `value`, `low`, `high`, `items`, `clusters`, `intervals_over`.
    """
    import polars

    return polars.DataFrame([row for answer in found for row in answer.rows], infer_schema_length=None)


def shown(found: Sequence[Answer]) -> dict[str, list[dict[str, Any]]]:
    """Return the arms of each task's main metric for eyes, a table a part."""
    tables: dict[str, list[dict[str, Any]]] = {}
    for answer in found:
        for row in (row for row in answer.rows if row["metric"] == answer.metric):
            title = f"{answer.task}, {row['part']}: {answer.metric}" if row["part"] else f"{answer.task}: {answer.metric}"
            tables.setdefault(title, []).append({key: row[key] for key in ("arm", "kind", "value", "low", "high")})
    return tables
