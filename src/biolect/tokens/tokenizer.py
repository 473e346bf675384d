"""The tokenizer of molecules: SMILES symbols of one or more letters to token ids and back."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from biolect.bio.smiles import SMILES


class SmilesTokenizer:
    """One id per symbol. Decoding undoes encoding for every text, right or wrong as a molecule.

    Args:
        ids: Token id of every symbol, and of the unknown one.
    """

    def __init__(self, ids: Mapping[str, int]) -> None:
        self._ids = {symbol: ids[symbol] for symbol in (*SMILES.symbols, SMILES.unknown)}
        self._symbols = {number: symbol for symbol, number in self._ids.items()}

    @property
    def symbol_ids(self) -> NDArray[np.uint8]:
        """Ids of symbols that say something, ascending: all but the unknown one."""
        return np.array(sorted(self._ids[symbol] for symbol in SMILES.symbols), dtype=np.uint8)

    def encode(self, text: str) -> NDArray[np.uint8]:
        """Return one id per symbol of a text that `SMILES.canonical` let through."""
        known = text.split(SMILES.unknown)
        ids = [self._ids[symbol] for part in known for symbol in (*SMILES.split(part), SMILES.unknown)]
        return np.array(ids[:-1], dtype=np.uint8)

    def decode(self, token_ids: NDArray[np.integer]) -> tuple[str, int]:
        """Return the text, and the index of the first id that is no symbol; -1 if all are."""
        symbols = [self._symbols.get(number) for number in np.asarray(token_ids).tolist()]
        wrong = symbols.index(None) if None in symbols else -1
        return "".join(symbol or "" for symbol in symbols), wrong
