"""The command line: one verb, one file, no logic of its own.

A verb reads words and flags, calls the package, and ends with `finish`. Its module is imported only
when the verb is used or described, so that `biolect --help` and `biolect doctor` answer at once.

Exit codes: 0 done; 1 done, but some records were refused; 2 the request itself was wrong; 130
interrupted, state saved. 70 means a mistake of ours, with a traceback.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from biolect import __version__
from biolect.errors import BiolectError

if TYPE_CHECKING:
    from cyclopts import App

VERBS = tuple(
    "demo prepare audit pretrain finetune fuse predict explain score variants generate embed evaluate simulate data info doctor".split()
)
"""Every verb, in the order of the help page."""

WRONG_REQUEST = 2
MISTAKE_OF_OURS = 70
INTERRUPTED = 130


def build(*, describe: bool = False) -> App:
    """Return the application with every verb registered by name.

    Args:
        describe: Import the verbs, so that the help page can show what each does.
    """
    from cyclopts import App, Parameter

    app = App(
        name="biolect",
        help="Language models of DNA, RNA, protein and molecules, from the annotated genome to the answer.",
        version=__version__,
        help_format="markdown",
        default_parameter=Parameter(negative=()),
        suppress_keyboard_interrupt=False,
        result_action="return_value",
    )
    for order, verb in enumerate(VERBS):
        app.command(f"biolect.cli.{verb}:{verb}", name=verb, sort_key=order)
        if describe:
            app[verb]
    return app


def main(words: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code.

    Args:
        words: What was typed after `biolect`; None reads the process's own.
    """
    from cyclopts import CycloptsError

    words = list(sys.argv[1:] if words is None else words)
    try:
        code = build(describe=not words or words[0].startswith("-"))(words, exit_on_error=False, print_error=False)
        if sys.stdout is not None:
            # Here a full disk or a reader that went away still becomes an exit code.
            sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except KeyboardInterrupt:
        return _refuse("Interrupted. What was saved is whole.", words, INTERRUPTED)
    except (BiolectError, CycloptsError) as error:
        return _refuse(str(error), words, WRONG_REQUEST)
    except BrokenPipeError:
        # The reader of our output went away, as `head` does; the interpreter must not complain at exit.
        sys.stdout = None
        return 0
    except OSError as error:
        place = f" at '{error.filename}'" if error.filename else ""
        return _refuse(f"{error.strerror or error}{place}. Check that the path exists, is readable and has room.", words, WRONG_REQUEST)
    except Exception:
        import traceback

        traceback.print_exc()
        return _refuse("This is a mistake in biolect, not in your request. Please report the lines above.", words, MISTAKE_OF_OURS)


def _refuse(message: str, words: Sequence[str], code: int) -> int:
    """Say why on standard error; under --json also as the one object on standard output."""
    sys.stderr.write(f"biolect: {message.strip()}\n")
    if "--json" in words:
        import json

        try:
            sys.stdout.write(json.dumps({"error": message.strip()}) + "\n")
            sys.stdout.flush()
        except OSError:
            # Standard output itself may be what failed; the line above has said so.
            sys.stdout = None
    return code
