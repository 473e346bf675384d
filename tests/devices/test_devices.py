"""Choosing where to compute."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from biolect import devices
from biolect.devices import cache_folder, choose, data_folder, training_dtype
from biolect.errors import ConfigError, InputError


def only(monkeypatch: pytest.MonkeyPatch, *, cuda: bool = False, mps: bool = False) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a fast card")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


def test_auto_on_a_plain_machine_is_the_cpu_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch)

    placement = choose()

    assert (placement.device, placement.dtype) == (torch.device("cpu"), torch.float32)
    assert placement.notice.startswith("Computing on cpu in float32")


def test_auto_prefers_cuda_in_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, cuda=True, mps=True)

    placement = choose()

    assert (placement.device.type, placement.dtype) == ("cuda", torch.bfloat16)
    assert "a fast card" in placement.notice


def test_auto_takes_mps_where_there_is_no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, mps=True)

    assert choose().device.type == "mps"


def test_what_is_asked_for_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, cuda=True)
    monkeypatch.setattr(torch, "set_num_threads", lambda n: None)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)

    placement = choose("cpu", "bfloat16", threads=1)

    assert placement.notice == "Computing on cpu in bfloat16, 1 thread."


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"device": "cuda"}, "device = 'cuda' is not available here; available: cpu. Choose one of these, or auto."),
        ({"device": "tpu"}, "device = 'tpu' is not known. Choose auto, cpu, cuda or mps."),
        ({"dtype": "float16"}, "dtype = 'float16' is not known. Choose auto, float32 or bfloat16."),
        ({"threads": 0}, "threads = 0 is not a positive number. Leave it out to use every core."),
    ],
)
def test_what_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any], message: str) -> None:
    only(monkeypatch)

    with pytest.raises(ConfigError) as caught:
        choose(**wrong)

    assert str(caught.value) == message


def test_folders_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(devices.os, "environ", {"BIOLECT_DATA": str(tmp_path), "BIOLECT_CACHE": str(tmp_path / "c")})

    assert data_folder() == tmp_path
    assert cache_folder() == tmp_path / "c"


def test_folders_have_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(devices.os, "environ", {"XDG_CACHE_HOME": str(tmp_path)})

    assert data_folder() is None
    assert cache_folder() == tmp_path / "biolect"


def test_a_data_folder_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices.os, "environ", {"BIOLECT_DATA": "/not/there"})

    with pytest.raises(InputError, match=r"^BIOLECT_DATA is '/not/there', which is no folder\. Set it to a folder, or unset it\.$"):
        data_folder()


@pytest.mark.parametrize(("gain", "chosen"), [(0.02, "float32"), (0.5, "float32"), (2.2, "bfloat16")])
def test_a_cpu_trains_in_what_it_is_faster_in(monkeypatch: pytest.MonkeyPatch, gain: float, chosen: str) -> None:
    monkeypatch.setattr(devices, "bfloat16_gain", lambda: gain)

    assert training_dtype("auto", "cpu") == chosen
    assert training_dtype("bfloat16", "cpu") == "bfloat16"


def test_the_speed_of_bfloat16_is_measured_once_and_leaves_the_threads_alone() -> None:
    devices.bfloat16_gain.cache_clear()
    before = torch.get_num_threads()

    gain = devices.bfloat16_gain()

    assert 0 < gain == devices.bfloat16_gain()
    assert torch.get_num_threads() == before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of the GNU C library")
def test_memory_that_one_tensor_leaves_is_there_for_the_next():
    asked = """
import resource, torch
from biolect.devices import keep_freed_memory
torch.set_num_threads(1)
assert keep_freed_memory()
for _ in range(30):
    torch.ones(1 << 24)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    torch.ones(1 << 24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

    faults = int(subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout)

    # Ten tensors of 64 MB have 163,840 pages.
    assert faults < 5_000
