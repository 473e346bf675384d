"""Files: opened whatever their packing, written whole or not at all, known by digest.

A file under its final name is complete: everything is written beside it first and renamed when whole,
and a transfer from the network goes to a `.part` file that is continued after a break. What goes wrong
on the way (a full disk, a folder that cannot be written, a gzip stream that ends too early) is one
sentence, not a traceback.
"""

from biolect.files.download import download
from biolect.files.provenance import write_run_json
from biolect.files.reading import open_input, read_json
from biolect.files.writing import atomic_path, check_outside, sha256, write_json, write_pieces

__all__ = ["atomic_path", "check_outside", "download", "open_input", "read_json", "sha256", "write_json", "write_pieces", "write_run_json"]
