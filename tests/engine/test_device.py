"""Devices and precision by name, and arithmetic settings that are put back."""

import subprocess
import sys

import pytest
import torch

from sslskel.config.groups import EngineConfig, Precision
from sslskel.engine.device import (
    arithmetic,
    autocast,
    check_precision,
    dtype_of,
    forget_peak,
    hardware,
    peak_memory,
    resolve_device,
)
from sslskel.errors import UsageError

CPU = torch.device("cpu")


def test_auto_takes_what_there_is() -> None:
    expected = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert resolve_device("auto").type == expected
    assert resolve_device("cpu") == CPU


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "", "tpu"])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(UsageError, match=rf"no device '{name}'.*cpu"):
        resolve_device(name)


def test_several_processes_take_a_gpu_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sslskel.engine.device.available_devices", lambda: ["cpu", "cuda", "cuda:0", "cuda:1"])
    assert resolve_device("auto") == torch.device("cuda")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert resolve_device("auto") == torch.device("cuda:1")
    assert resolve_device("cpu") == CPU
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(UsageError, match="cuda:2"):
        resolve_device("cuda")


def test_precision_that_a_device_lacks_is_refused() -> None:
    for precision in (Precision.fp32, Precision.bf16, Precision.fp64):
        check_precision(CPU, precision)
    with pytest.raises(UsageError, match="fp16"):
        check_precision(CPU, Precision.fp16)
    with pytest.raises(UsageError, match="fp64"):
        check_precision(torch.device("mps"), Precision.fp64)


def test_tf32_is_for_gpus_that_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5) if device.index else (8, 0))
    check_precision(torch.device("cuda:0"), Precision.tf32)
    for device in ("cuda:1", "cpu", "mps"):
        with pytest.raises(UsageError, match=f"device '{device}' .*take fp32"):
            check_precision(torch.device(device), Precision.tf32)


@pytest.mark.parametrize("precision", [Precision.fp32, Precision.tf32, Precision.bf16])
def test_gpus_multiply_in_tf32_where_it_was_chosen_alone(precision: Precision) -> None:
    def flags() -> tuple[bool, bool, bool]:
        matmul, cudnn = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
        return matmul, cudnn, torch.backends.cuda.cudnn_sdp_enabled()

    before, chosen = flags(), precision is Precision.tf32
    with arithmetic(EngineConfig(threads=1, precision=precision)):
        assert flags() == (chosen, chosen, False)
        with autocast(CPU, precision):
            assert dtype_of(EngineConfig(precision=precision)) is torch.float32
    assert flags() == before


def test_autocast_only_where_asked() -> None:
    product = torch.ones(2, 2)
    with autocast(CPU, Precision.bf16):
        assert (product @ product).dtype == torch.bfloat16
    with autocast(CPU, Precision.fp32):
        assert (product @ product).dtype == torch.float32


def test_a_process_whose_launcher_shows_it_one_gpu_takes_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sslskel.engine.device.available_devices", lambda: ["cpu", "cuda", "cuda:0"])
    monkeypatch.setenv("LOCAL_RANK", "3")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    assert resolve_device("auto") == resolve_device("cuda") == torch.device("cuda:0")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    with pytest.raises(UsageError, match="no device 'cuda:3'"):
        resolve_device("auto")


def test_defaults_of_the_program_around_change_nothing_inside() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"), arithmetic(EngineConfig(threads=1)):
            made = torch.zeros(2)
        with torch.device("meta"):
            after = torch.zeros(2)
    finally:
        torch.set_default_dtype(torch.float32)
    assert (made.dtype, made.device) == (torch.float32, CPU)
    assert (after.dtype, after.device.type) == (torch.float64, "meta")


def test_the_peak_of_a_gpu_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", begun.append)
    forget_peak(CPU)
    forget_peak(torch.device("cuda:1"))
    assert begun == [torch.device("cuda:1")]


def test_arithmetic_is_put_back() -> None:
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with arithmetic(EngineConfig(threads=before[0] + 1, deterministic=True)):
        assert torch.get_num_threads() == before[0] + 1
        assert torch.are_deterministic_algorithms_enabled()
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before


def test_memory_and_hardware_are_reported() -> None:
    assert peak_memory(CPU) > 2**20
    machine = hardware()
    assert machine["cores"] >= 1
    assert machine["cpu"]


@pytest.mark.skipif(sys.platform != "linux", reason="the system's figures of a started process are Linux's own")
def test_peak_memory_leaves_out_what_the_starting_process_holds() -> None:
    held = torch.ones(3 << 28, dtype=torch.uint8)
    script = "import torch; from sslskel.engine.device import peak_memory; print(peak_memory(torch.device('cpu')))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert 0 < int(done.stdout) < held.nbytes <= peak_memory(CPU)
