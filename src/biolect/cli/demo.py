"""`biolect demo`: the main job end to end on packaged data, offline."""

import time
from dataclasses import replace
from pathlib import Path

from biolect.cli.common import DEFAULTS, Common, finish, plain


def demo(*, common: Common = DEFAULTS) -> int:
    """Prepare a corpus, train a small model on it, ask what it learned, and write report.html; a few minutes on two cores.

    Everything goes to the output folder, `biolect-demo` unless named.
    """
    from biolect import files
    from biolect.devices import choose, training_dtype
    from biolect.recipes import demo as recipe
    from biolect.report.demo import write_report
    from biolect.train.pretrain import make_room

    output = replace(common, output=common.output or Path("biolect-demo")).need_folder(resumes=True)
    dtype = training_dtype(common.dtype, choose(common.device).device)
    config = recipe.demo(str(output / "corpus"), recipe.FULL.tokens, common.seed or 0, dtype)
    if common.dry_run:
        return finish({"would_run": config.to_dict(), "would_write": output}, common=common)
    make_room(config, output / "run", resume=common.resume, overwrite=common.overwrite)
    (output / "report.html").unlink(missing_ok=True)
    # Measured: steps this small gain nothing from a second thread, and wait for it where the machine is busy.
    placement = replace(common, dtype=dtype, threads=common.threads or 1).placement()
    how = {"device": placement.device.type, "resume": common.resume, "overwrite": common.overwrite}
    found, seconds = recipe.run_demo(output, recipe.FULL, config, common.progress, **how)
    began = time.perf_counter()
    files.write_json(output / "results.json", plain(found))
    files.write_run_json(output, inputs=[output / "simulated"], config=config.to_yaml(), seed=config.seed, seconds=seconds)
    drawn = write_report(output, found)
    seconds["report"] = round(time.perf_counter() - began, 3)
    steps = [{"name": name, "seconds": spent, "figures": drawn.get(name, [])} for name, spent in seconds.items()]
    return finish({"report": output / "report.html", "steps": steps}, common=common)
