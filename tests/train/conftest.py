"""Fixtures of the training room: one toy corpus, and runs that find it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from biolect.train import components
from biolect.train.pretrain import pretrain
from tests.train.toy import ToyCorpus, write_corpus


@pytest.fixture(scope="session")
def corpus_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy") / "corpus"
    folder.mkdir()
    write_corpus(folder)
    return folder


@pytest.fixture
def corpus(corpus_folder: Path) -> ToyCorpus:
    return ToyCorpus(corpus_folder)


@pytest.fixture
def run(corpus: ToyCorpus, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., dict[str, Any]]]:
    """`pretrain` on the toy corpus, on one CPU thread."""
    monkeypatch.setattr(components, "run_corpora", lambda *args, **flags: {"main": corpus.collections})
    before = torch.get_num_threads()
    torch.set_num_threads(1)

    def start(config: Any, output: Path, **flags: Any) -> dict[str, Any]:
        return pretrain(config, output, device="cpu", **flags)

    yield start
    torch.set_num_threads(before)
