"""Whether a model can read all that a corpus holds, asked before anything is trained."""

from collections.abc import Iterable

import numpy as np

from biolect.bio.alphabet import ILLEGAL
from biolect.bio.sequence import Modality
from biolect.data.shards import MemberStore
from biolect.errors import InputError


def check_readable(stores: Iterable[MemberStore]) -> None:
    """Stop if a letter of stores has no token in the vocabulary of their reader, as '*' has not in all.

    Raises:
        InputError: With the name of the first record that has such a letter.
    """
    for store in stores:
        lacking = _lacking(store)
        found = np.flatnonzero(np.isin(store.column("tokens"), list(lacking))) if lacking else []
        if not len(found):
            continue
        name = store.title(int(np.searchsorted(store.column("token_starts"), found[0], "right")) - 1)
        letter = lacking[int(store.column("tokens")[found[0]])]
        raise InputError(
            f"'{letter}' in record '{name}' of '{store.folder}' has no token in vocabulary '{store.vocabulary.name}' ({len(found):,} such "
            f"letters in all). Take them out and prepare the corpus again, or train with vocabulary {store.written.name}."
        )


def _lacking(store: MemberStore) -> dict[int, str]:
    """Return the letters that the vocabulary of the reader lacks of modalities that it reads, by their id in the store."""
    words, written = store.vocabulary, store.written
    found: dict[int, str] = {}
    for modality in (Modality.DNA, Modality.RNA, Modality.PROTEIN) if words != written else ():
        if store.total_tokens(modality) and words.reads(modality):
            own, other = written.residue_table(modality), words.residue_table(modality)
            lost = (letter for letter in modality.alphabet.symbols if other[ord(letter)] == ILLEGAL != own[ord(letter)])
            found |= {int(own[ord(letter)]): letter for letter in lost}
    return found
