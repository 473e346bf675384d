"""`biolect evaluate`: benchmark tasks by name, with their baselines, in one table."""

import shutil
from pathlib import Path

from biolect.cli.common import DEFAULTS, Common, finish, split_assignments
from biolect.errors import ConfigError


def evaluate(*tasks: str, data: str = "data", common: Common = DEFAULTS) -> int:
    """Ask a model benchmark tasks, each with its trivial and shortcut baselines in the same table; `biolect evaluate` lists them.

    Intervals are 95 %, from a bootstrap over clusters of relatives. `gain` is over the best baseline, on the same draws. A folder keeps
    the answer to each task as soon as it is there, in `answers`, and `--resume` asks only what is missing.

    Args:
        tasks: Names of tasks, and changes as `key=value`: `items=500` (of each part), `draws=200`, `letters=1000000`.
        data: Folder of the published files, under their published names; for likelihoods also a corpus or a file.
    """
    from biolect.bio.io.tables import check_ending, write_table
    from biolect.evaluate import tasks as known
    from biolect.evaluate.question import EvaluateConfig
    from biolect.files import write_json, write_run_json
    from biolect.models.checkpoint import read_facts
    from biolect.models.resolve import resolve

    names = [word for word in tasks if "=" not in word]
    if not names:
        listed = "\n".join(f"{task.name}: {task.summary}. Reads {task.file}." for task in known.TASKS)
        raise ConfigError(f"No task was named. There are\n{listed}")
    strange, assignments = split_assignments([word for word in tasks if "=" in word])
    if strange:
        raise ConfigError(f"'{strange[0]}' is no assignment. Write key.path=value, for example items=20.")
    known.named(names)
    config = EvaluateConfig.from_dict({"tasks": tuple(names), "data": data, "seed": common.seed or 0}).override(assignments)
    is_file = common.output is not None and (common.output.suffix != "" or str(common.output) == "-")
    output = common.need_file() if is_file else common.need_folder(resumes=True)
    path = output if is_file else output / "table.csv"
    check_ending(path)
    reader = common.reader()
    known.check(config, reader)
    if common.dry_run:
        return finish({"would_run": config.to_dict(), "would_write": output}, common=common)
    if common.overwrite and not common.resume:
        shutil.rmtree(output / "answers", ignore_errors=True)
    with common.progress("evaluate") as advance:
        found = list(known.answers(config, reader, None if is_file else output, advance))
    write_table(path, known.table(found))
    result = {"tasks": {answer.task: answer.report for answer in found}}
    if not is_file:
        write_json(output / "report.json", result)
        weights = {"sha256": reader.model.digest(), "licence": read_facts(resolve(common.need_model())).get("licence")}
        inputs = [data] if Path(data).is_file() else []
        write_run_json(output, inputs=inputs, config=config.to_yaml(), weights=weights, seed=config.seed)
    return finish(result if common.as_json else known.shown(found), [one for answer in found for one in answer.refused], common)
