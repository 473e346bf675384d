"""`biolect pretrain`: a recipe or a YAML file in, a run folder with a model out."""

from typing import Annotated

from biolect.cli.common import DEFAULTS, POSITIVE, Common, finish


def pretrain(
    recipe: str, *assignments: str, tokens: Annotated[int | None, POSITIVE] = None, allow_leakage: bool = False, common: Common = DEFAULTS
) -> int:
    """Run a curriculum.

    Args:
        recipe: Name of a recipe, a YAML file, or the folder of another run.
        assignments: Changes as `key.path=value`, for example `'corpora={kind: folders, folders: {main: CORPUS}}'` or `seed=7`.
        tokens: Budget over all phases; their shares stay.
        allow_leakage: Train although training and validation share sequences.
    """
    from biolect.recipes import resolve
    from biolect.train.pretrain import pretrain as run

    output = common.need_folder(resumes=True)
    config = resolve(recipe)
    config = config.scaled(tokens) if tokens is not None else config
    flags = common.given("seed", "batch_tokens", "dtype")
    config = config.override([*(f"{key}={value}" for key, value in flags.items()), *assignments])
    if common.dry_run:
        return finish({"would_run": config.to_dict(), "parameters": config.model.build(seed=None).num_parameters}, common=common)
    common.announce(config.dtype)
    how = common.given("resume", "overwrite", "device")
    with common.progress(f"pretrain {config.name}", config.total_tokens) as advance:
        result = run(config, output, **how, allow_leakage=allow_leakage, advance=advance)
    return finish(result, common=common)
