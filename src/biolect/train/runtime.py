"""Where training computes: one processor or many. The only file that knows Accelerate.

The user chooses by launching: plainly, with `torchrun`, or with `accelerate launch` (which also
turns on FSDP2). Every rank computes the whole batch from the cursor and takes its rows, so the
global batch is the same on one device and on sixteen.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint import state_dict as distributed

from biolect.devices import TrainingDtype, training_dtype
from biolect.errors import CheckpointError, ConfigError
from biolect.values import Batch

_WHOLE = distributed.StateDictOptions(full_state_dict=True, cpu_offload=True)


class Runtime:
    """Devices, precision and communication of one run.

    Args:
        device: Kind of device; on many, each process takes its own.
        dtype: `auto` decides by the device; `bfloat16` computes in it and keeps weights in float32; `float64` keeps everything in float64.
    """

    def __init__(self, device: torch.device | str, dtype: TrainingDtype) -> None:
        from accelerate import Accelerator

        # Precision is ours (see `autocast`): Accelerate fixes it once per process, and a process may train twice.
        self.engine = Accelerator(cpu=torch.device(device).type == "cpu", mixed_precision="no")
        self.device: torch.device = self.engine.device
        self.rank: int = self.engine.process_index
        self.num_ranks: int = self.engine.num_processes
        self.dtype = training_dtype(dtype, self.device)
        self.weights_dtype = torch.float64 if dtype == "float64" else torch.float32
        self._optimizer: torch.optim.Optimizer | None = None

    @property
    def is_main(self) -> bool:
        """True on the one process that writes files."""
        return self.rank == 0

    def prepare(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[nn.Module, Any]:
        """Move, replicate or shard a model and its optimizer, as the launch asks. Sharding is block by block."""
        # Accelerate reads from this name which modules are never torn apart.
        blocks = {type(block).__name__ for module in model.modules() if isinstance(module, nn.ModuleList) for block in module}
        model.__dict__["_no_split_modules"] = sorted(blocks)
        wrapped, prepared = self.engine.prepare(model.to(self.weights_dtype), optimizer)
        self._optimizer = prepared.optimizer
        return wrapped, prepared

    def rows(self, batch: Batch, parts: int) -> Iterator[Batch]:
        """Yield this rank's rows in so many equal parts, on its device.

        Raises:
            ConfigError: If rows cannot be divided equally.
        """
        num_rows, shares = batch.token_ids.shape[0], self.num_ranks * parts
        if num_rows % shares:
            raise ConfigError(
                f"{num_rows} rows cannot be divided among {self.num_ranks} devices x {parts} forward passes. "
                f"Choose batch_tokens so that the number of rows is a multiple of {shares}."
            )
        size = num_rows // shares
        for part in range(self.rank * parts, (self.rank + 1) * parts):
            yield batch.rows(part * size, (part + 1) * size).to(self.device)

    def autocast(self) -> AbstractContextManager[Any]:
        """Compute in the run's precision."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.dtype == "bfloat16" else nullcontext()

    def backward(self, loss: Tensor, model: nn.Module, *, is_last: bool) -> None:
        """Add a loss's gradients; ranks exchange them on the last pass of a step only."""
        with nullcontext() if is_last else self.engine.no_sync(model):
            # Ranks average gradients, but each loss is already divided by the weights of the whole batch.
            self.engine.backward(loss * self.num_ranks if self.num_ranks > 1 else loss)

    def step(self, model: nn.Module, optimizer: Any, rate: float, longest: float) -> Tensor:
        """Shorten the gradient to a norm, learn from it at a rate, and forget it; return the norm it had."""
        norm = self.engine.clip_grad_norm_(model.parameters(), longest)
        assert isinstance(norm, Tensor)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        optimizer.zero_grad()
        whole = getattr(norm, "full_tensor", None)
        return whole() if whole else norm

    def sum(self, tensor: Tensor) -> Tensor:
        """Return the sum over ranks."""
        total = self.engine.reduce(tensor, reduction="sum")
        assert isinstance(total, Tensor)
        return total

    def wait(self) -> None:
        """Wait for all ranks."""
        self.engine.wait_for_everyone()

    def close(self) -> None:
        """Leave the group of processes, if there is one."""
        if self.num_ranks > 1:
            self.engine.end_training()

    def weights(self, model: nn.Module) -> dict[str, Tensor]:
        """Return whole weights by name; a matter for all ranks, filled on the main one at least."""
        options = _WHOLE if self.num_ranks > 1 else None
        return _tensors(distributed.get_model_state_dict(model, options=options))

    def optimizer_tensors(self, model: nn.Module) -> dict[str, Tensor]:
        """Return the optimizer's state as flat names (`parameter/entry`); a matter for all ranks."""
        assert self._optimizer is not None
        options = _WHOLE if self.num_ranks > 1 else None
        # Ranks other than the main one are given nothing.
        state: Any = distributed.get_optimizer_state_dict(model, self._optimizer, options=options).get("state", {})
        return {f"{name}/{entry}": tensor for name, entries in state.items() for entry, tensor in _tensors(entries).items()}

    def load_optimizer(self, model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `optimizer_tensors` returned.

        Raises:
            CheckpointError: If the tensors are those of another model.
        """
        assert self._optimizer is not None
        state: dict[str, dict[str, Tensor]] = {}
        for key, tensor in tensors.items():
            name, _, entry = key.rpartition("/")
            state.setdefault(name, {})[entry] = tensor
        current: dict[str, Any] = distributed.get_optimizer_state_dict(model, self._optimizer)
        odd = sorted(set(state) ^ set(current["state"]))
        if odd:
            raise CheckpointError(
                f"The optimizer state does not fit the model: '{odd[0]}' is missing or spare. Resume with the run's own config."
            )
        whole: dict[str, Any] = {"state": state, "param_groups": current["param_groups"]}
        options = distributed.StateDictOptions(full_state_dict=self.num_ranks > 1)
        distributed.set_optimizer_state_dict(model, self._optimizer, optim_state_dict=whole, options=options)


@contextmanager
def stop_signals(runtime: Runtime) -> Iterator[list[int]]:
    """Collect interrupts instead of dying of them, so that a step can end and be saved.

    Yields a list that is empty until one arrives; a second one stops at once. Runs of several ranks
    are left to their launcher, because ranks that stop at different steps would wait forever.
    """
    import signal
    import threading

    caught: list[int] = []
    if runtime.num_ranks > 1 or threading.current_thread() is not threading.main_thread():
        yield caught
        return

    def note(number: int, frame: object) -> None:
        if caught:
            raise KeyboardInterrupt
        caught.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tensors(entries: Any) -> dict[str, Tensor]:
    return {name: torch.as_tensor(value) for name, value in entries.items()}
