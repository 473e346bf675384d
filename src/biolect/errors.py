"""Everything that can go wrong, as one tree.

    BiolectError
    |-- AlphabetError (ValueError)      a letter outside the alphabet
    |-- FrameError (ValueError)         a sequence that is not whole codons
    |-- CoordinateError (ValueError)    a place outside its sequence
    |-- VariantError (ValueError)       a variant that does not fit its reference
    |-- ConfigError (ValueError)        a setting that cannot be
    |-- ShapeError (ValueError)         tensors that do not fit together
    |-- InputError (ValueError)         a file or record that cannot be read
    |-- LeakageError (ValueError)       a split that shares what it must not share
    |-- CheckpointError (ValueError)    a model, corpus or state that cannot be loaded
    |-- DownloadError (OSError)         a transfer that did not end whole
    `-- MissingDependencyError (ImportError)

Messages say what is wrong, the value, the rule and the place, then the next step.
"""


class BiolectError(Exception):
    """Any mistake that a user can mend; the command line prints it without a traceback."""


class AlphabetError(BiolectError, ValueError):
    """A symbol is not in the alphabet."""


class FrameError(BiolectError, ValueError):
    """A coding sequence is not a whole number of codons."""


class CoordinateError(BiolectError, ValueError):
    """An index or interval lies outside its sequence."""


class VariantError(BiolectError, ValueError):
    """A variant cannot be parsed or does not fit its reference."""


class ConfigError(BiolectError, ValueError):
    """A setting is unknown, missing or impossible."""


class ShapeError(BiolectError, ValueError):
    """Tensors disagree on an axis."""


class InputError(BiolectError, ValueError):
    """A file or a record cannot be read."""


class LeakageError(BiolectError, ValueError):
    """Training and evaluation share sequences."""


class CheckpointError(BiolectError, ValueError):
    """A saved model, corpus or state cannot be loaded."""


class DownloadError(BiolectError, OSError):
    """A transfer failed or arrived damaged."""


class MissingDependencyError(BiolectError, ImportError):
    """An optional package is not installed."""
