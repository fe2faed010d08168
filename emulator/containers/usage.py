"""Resource usage of containers (processors, memory, disks, GPUs) as values, and shares computed from it.  Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """What containers can have at most: the engine's machine, which may be a virtual one.

    `container_bytes` is what each container gets whose deployment says nothing of its memory, None for all there is.
    """

    cpus: int
    memory_bytes: int
    container_bytes: int | None = None


@dataclass(frozen=True)
class Usage:
    """What a container has used so far and uses now.

    `cpu_seconds` counts all its processes since its start.  `memory_bytes` is what it holds now, without what the
    kernel only caches of files; `memory_peak_bytes` is the kernel's own highest count, caches included.
    `memory_limit_bytes` is what the kernel enforces.  `disk_percent` is how full the disk is that it writes to.  None
    is not known, and for the limit, none.
    """

    cpu_seconds: float
    memory_bytes: int
    memory_limit_bytes: int | None = None
    memory_peak_bytes: int | None = None
    disk_percent: float | None = None


@dataclass(frozen=True)
class Gpu:
    """A GPU as its driver sees it now; `energy_joules` since the driver was loaded, None where it does not count."""

    index: int
    uuid: str
    utilization_percent: float
    memory_percent: float
    energy_joules: float | None = None


@dataclass(frozen=True)
class Reading:
    """A count that only rises, and when it was read on the monotonic clock."""

    at: float
    count: float

    def rate_since(self, before: Reading) -> float | None:
        """Return how much a second since `before`; None where no time has passed, or the count began anew.

        >>> Reading(10.0, 5.0).rate_since(Reading(8.0, 4.0))
        0.5
        """
        if self.at <= before.at or self.count < before.count:
            return None
        return (self.count - before.count) / (self.at - before.at)


def visible_gpus(asked: str, gpus: tuple[Gpu, ...]) -> tuple[Gpu, ...]:
    """Those of the machine's `gpus` that `--gpus` gives to a container: `all`, the first so many, `device=ID,ID`.

    >>> visible_gpus("device=1", (Gpu(0, "GPU-a", 0, 0), Gpu(1, "GPU-b", 0, 0)))[0].uuid
    'GPU-b'
    """
    if asked.isdecimal():
        return gpus[: int(asked)]
    if asked == "all":
        return gpus
    ids = asked.removeprefix("device=").split(",")
    return tuple(gpu for gpu in gpus if str(gpu.index) in ids or gpu.uuid in ids)


def size_text(size: int) -> str:
    """Bytes for people.

    >>> size_text(7 * 2**29), size_text(256 * 2**20)
    ('3.5 GiB', '256 MiB')
    """
    return f"{size / 2**30:.4g} GiB" if size >= 2**30 else f"{size / 2**20:.4g} MiB"
