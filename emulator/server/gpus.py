"""The machine's NVIDIA GPUs through NVIDIA's own library, which `pip install amlemu[gpu]` brings."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from emulator.containers.usage import Gpu


def gpu_reader() -> Callable[[], tuple[Gpu, ...]]:
    """Return a function that reads all GPUs; it finds none without the library or the driver."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # the library's own classes are known only where it is installed
        return lambda: ()
    return lambda: read_gpus(pynvml)


def read_gpus(nvml: Any) -> tuple[Gpu, ...]:
    """Read each GPU that `nvml` (the module pynvml) reports; one that does not answer is left out."""
    found = []
    with contextlib.suppress(nvml.NVMLError):  # the driver is gone
        for index in range(nvml.nvmlDeviceGetCount()):
            with contextlib.suppress(nvml.NVMLError):  # the GPU is gone, or too old to count its use
                found.append(_read(nvml, index))
    return tuple(found)


def _read(nvml: Any, index: int) -> Gpu:
    device = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = nvml.nvmlDeviceGetMemoryInfo(device)
    return Gpu(
        index=index,
        uuid=str(nvml.nvmlDeviceGetUUID(device)),
        utilization_percent=float(nvml.nvmlDeviceGetUtilizationRates(device).gpu),
        memory_percent=100.0 * memory.used / memory.total,
        energy_joules=_energy_joules(nvml, device),
    )


def _energy_joules(nvml: Any, device: Any) -> float | None:
    """Return the energy used; the library counts millijoules, on GPUs since Volta."""
    try:
        return float(nvml.nvmlDeviceGetTotalEnergyConsumption(device)) / 1000
    except nvml.NVMLError:
        return None
