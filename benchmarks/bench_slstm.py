"""The sLSTM recurrence alone, float32, forward and forward with backward: ours beside the plain cell of `xlstm`.

    BENCH_PEERS=FOLDER python benchmarks/bench_slstm.py [--rounds 5] [--tokens 512] [--cpu-time]

Both read gate logits of width 256 in 4 heads, one row and sixteen. The peer's backend is "vanilla", the only one on a
CPU, in float32 throughout. Outputs are compared before anything is timed. Bars: 10x forward, 5x with backward.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from common import interleave, join_peers, report
from torch import Tensor

from biolect.devices import cache_folder
from biolect.ops.slstm import slstm_scan
from biolect.ops.slstm.scan import kernel

HEADS, SIZE = 4, 64
CLOSE = 1e-4
"""Of the largest output."""
BARS = {"forward": 10.0, "forward and backward": 5.0}


def arms_of(rows: int, tokens: int) -> dict[str, dict[str, Callable[[], object]]]:
    from xlstm.blocks.slstm.cell import sLSTMCell, sLSTMCellConfig

    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(rows, tokens, 4, HEADS, SIZE, generator=generator)
    logits[:, :, 1] += 3
    recurrent = 0.5 * SIZE**-0.5 * torch.randn(HEADS, SIZE, 4, SIZE, generator=generator)
    direction = torch.randn(rows, tokens, HEADS, SIZE, generator=generator)
    floats = dict.fromkeys(("dtype", "dtype_b", "dtype_r", "dtype_w", "dtype_g", "dtype_s", "dtype_a"), "float32")
    config = sLSTMCellConfig(
        hidden_size=HEADS * SIZE, num_heads=HEADS, backend="vanilla", batch_size=rows, enable_automatic_mixed_precision=False, **floats
    )
    cell = sLSTMCell(config)
    with torch.no_grad():
        cell._bias_.zero_()
        # The peer keeps them as head, gate x output unit, input unit.
        cell._recurrent_kernel_.copy_(recurrent.permute(0, 2, 3, 1).flatten(1, 2))
    mine = [logits.clone().requires_grad_(), recurrent.clone().requires_grad_()]
    theirs = logits.flatten(2).clone().requires_grad_()

    def ours() -> Tensor:
        return slstm_scan(*mine, kernels=cache_folder())[0]

    def peer() -> Tensor:
        return cell(theirs)[0].transpose(1, 2)

    difference = (ours() - peer()).abs().max() / ours().abs().max()
    print(f"Outputs differ by {difference.item():.1e} of the largest one.")
    if difference > CLOSE:
        raise SystemExit("These are not the same cell.")

    def forward(run: Callable[[], Tensor]) -> None:
        with torch.no_grad():
            run()

    return {
        "forward": {"biolect": lambda: forward(ours), "xlstm": lambda: forward(peer)},
        "forward and backward": {
            "biolect": lambda: torch.autograd.grad(ours(), mine, direction),
            "xlstm": lambda: torch.autograd.grad(peer(), (theirs, cell._recurrent_kernel_), direction),
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cpu-time", action="store_true", help="compare CPU time: for one thread on a busy machine")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    join_peers()
    print(kernel(cache_folder()).notice)
    for rows in (1, 16):
        for name, pair in arms_of(rows, arguments.tokens).items():
            report(
                f"sLSTM scan, {rows} row{'s' if rows > 1 else ''}, {name}",
                interleave(pair, rounds=arguments.rounds),
                "xlstm",
                bars={"biolect": BARS[name]},
                clock="cpu" if arguments.cpu_time else "wall",
                threads=arguments.threads,
                tokens=rows * arguments.tokens,
                torch=torch.__version__,
            )


if __name__ == "__main__":
    main()
