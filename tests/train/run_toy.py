"""Run the toy config in a process of its own: `python -m tests.train.run_toy CORPUS OUTPUT [--sharded] [--stop=N] [key=value ...]`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from biolect.train import components
from biolect.train.pretrain import pretrain
from biolect.train.runtime import Runtime
from tests.train.toy import ToyCorpus, toy_config


def shard_on_cpu() -> None:
    """Let Accelerate shard with FSDP2 on CPUs, which works but which it offers on accelerators only."""
    from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin

    plain: Any = Runtime.__init__

    def sharded(self: Any, device: Any, dtype: str) -> None:
        plain(self, device, dtype)
        state: Any = self.engine.state
        state.fsdp_plugin = FullyShardedDataParallelPlugin(
            fsdp_version=2, auto_wrap_policy="transformer_based_wrap", reshard_after_forward=True, cpu_ram_efficient_loading=False
        )
        state.distributed_type = DistributedType.FSDP
        assert self.engine.is_fsdp2

    Runtime.__init__ = sharded


def main(corpus: str, output: str, *words: str) -> None:
    components.run_corpora = lambda *args, **flags: {"main": ToyCorpus(Path(corpus)).collections}
    if "--sharded" in words:
        shard_on_cpu()
    stop = next((int(word.partition("=")[2]) for word in words if word.startswith("--stop=")), None)
    config = toy_config().override([word for word in words if not word.startswith("--")])
    pretrain(config, output, resume=True, device="cpu", stop_after_steps=stop)


if __name__ == "__main__":
    main(*sys.argv[1:])
