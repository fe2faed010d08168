"""GPUs through NVIDIA's library, played by an object with its functions: no GPU is needed, and none is claimed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from emulator.containers.usage import Gpu
from emulator.server.gpus import gpu_reader, read_gpus


class NVMLError(Exception):
    pass


class Library:
    """Two GPUs; `broken` functions raise for the second, and `gone` is the driver."""

    NVMLError = NVMLError

    def __init__(self, broken: str = "", gone: bool = False) -> None:
        self._broken, self._gone = broken, gone

    def _check(self, name: str, device: int) -> None:
        if name == self._broken and device == 1:
            raise NVMLError

    def nvmlDeviceGetCount(self) -> int:
        if self._gone:
            raise NVMLError
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        self._check("handle", index)
        return index

    def nvmlDeviceGetUUID(self, device: int) -> str:
        return f"GPU-{device}"

    def nvmlDeviceGetUtilizationRates(self, device: int) -> SimpleNamespace:
        self._check("rates", device)
        return SimpleNamespace(gpu=40 + device, memory=9)

    def nvmlDeviceGetMemoryInfo(self, device: int) -> SimpleNamespace:
        return SimpleNamespace(total=16 * 2**30, used=4 * 2**30, free=12 * 2**30)

    def nvmlDeviceGetTotalEnergyConsumption(self, device: int) -> int:
        self._check("energy", device)
        return 1500


FIRST = Gpu(0, "GPU-0", 40.0, 25.0, 1.5)


@pytest.mark.parametrize(
    ("library", "found"),
    [
        (Library(), (FIRST, Gpu(1, "GPU-1", 41.0, 25.0, 1.5))),
        (Library(broken="energy"), (FIRST, Gpu(1, "GPU-1", 41.0, 25.0, None))),
        (Library(broken="rates"), (FIRST,)),
        (Library(broken="handle"), (FIRST,)),
        (Library(gone=True), ()),
    ],
)
def test_gpus(library: Library, found: tuple[Gpu, ...]) -> None:
    assert read_gpus(library) == found


def test_a_machine_without_the_library_has_none_to_tell_of() -> None:
    try:
        import pynvml  # noqa: F401
    except ImportError:
        assert gpu_reader()() == ()
    else:
        pytest.skip("the library is installed here")
