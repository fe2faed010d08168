"""The virtual machines that managed online endpoints run on, and what each has.

Names, cores and GPUs are Microsoft's page "Managed online endpoints SKU list" (azure-ai-docs,
reference-managed-online-endpoints-vm-sku-list), memory is that of the pages of the series below "Sizes for virtual
machines in Azure".  Azure does not distinguish upper and lower case in these names.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class InstanceType:
    """A size of virtual machine; `gpus` may be the part of one that several machines share."""

    name: str
    family: str
    cpus: int
    memory_gib: float
    gpus: float = 0.0

    @property
    def memory_bytes(self) -> int:
        """Its memory."""
        return int(self.memory_gib * 2**30)


_Size = tuple[str, int, float] | tuple[str, int, float, float]

# By family, in the order of size: the name behind `Standard_`, cores, memory in GiB, GPUs.
_FAMILIES: Mapping[str, Sequence[_Size]] = {
    "DSv2": (("DS1_v2", 1, 3.5), ("DS2_v2", 2, 7), ("DS3_v2", 4, 14), ("DS4_v2", 8, 28), ("DS5_v2", 16, 56)),
    "DAv4": tuple((f"D{n}a_v4", n, n * 4) for n in (2, 4, 8, 16, 32, 48, 64, 96)),
    "DASv4": tuple((f"D{n}as_v4", n, n * 4) for n in (2, 4, 8, 16, 32, 48, 64, 96)),
    "ESv3": (*((f"E{n}s_v3", n, n * 8) for n in (2, 4, 8, 16, 32, 48)), ("E64s_v3", 64, 432)),
    "FSv2": tuple((f"F{n}s_v2", n, n * 2) for n in (2, 4, 8, 16, 32, 48, 64, 72)),
    "FXMDVS": tuple((f"FX{n}mds", n, n * 21) for n in (4, 12, 24, 36, 48)),
    "LSv2": tuple((f"L{n}s_v2", n, n * 8) for n in (8, 16, 32, 48, 64, 80)),
    "LSv3": tuple((f"L{n}s_v3", n, n * 8) for n in (8, 16, 32, 48, 64, 80)),
    "LASv3": tuple((f"L{n}as_v3", n, n * 8) for n in (8, 16, 32, 48, 64, 80)),
    "NCASv3_T4": (
        ("NC4as_T4_v3", 4, 28, 1), ("NC8as_T4_v3", 8, 56, 1), ("NC16as_T4_v3", 16, 110, 1),
        ("NC64as_T4_v3", 64, 440, 4),
    ),
    "NCSv2": (("NC6s_v2", 6, 112, 1), ("NC12s_v2", 12, 224, 2), ("NC24s_v2", 24, 448, 4)),
    "NCSv3": (("NC6s_v3", 6, 112, 1), ("NC12s_v3", 12, 224, 2), ("NC24s_v3", 24, 448, 4)),
    "NCADSA100v4": (
        ("NC24ads_A100_v4", 24, 220, 1), ("NC48ads_A100_v4", 48, 440, 2), ("NC96ads_A100_v4", 96, 880, 4),
    ),
    "NCADSH100v5": (("NC40ads_H100_v5", 40, 320, 1), ("NC80adis_H100_v5", 80, 640, 2)),
    "NDSv2": (("ND40rs_v2", 40, 672, 8),),
    "NDASv4_A100": (("ND96asr_v4", 96, 900, 8),),
    "NDAMSv4_A100": (("ND96amsr_A100_v4", 96, 1900, 8),),
    "NDv5H100": (("ND96is_H100_v5", 96, 1900, 8), ("ND96isr_H100_v5", 96, 1900, 8)),
    "NVADSA10v5": (
        ("NV6ads_A10_v5", 6, 55, 1 / 6), ("NV12ads_A10_v5", 12, 110, 1 / 3), ("NV18ads_A10_v5", 18, 220, 1 / 2),
        ("NV36ads_A10_v5", 36, 440, 1), ("NV36adms_A10_v5", 36, 880, 1), ("NV72ads_A10_v5", 72, 880, 2),
    ),
}  # fmt: skip


def _all() -> Iterator[InstanceType]:
    for family, sizes in _FAMILIES.items():
        for name, *numbers in sizes:
            yield InstanceType(f"Standard_{name}", family, int(numbers[0]), *numbers[1:])


INSTANCE_TYPES: tuple[InstanceType, ...] = tuple(_all())
_BY_NAME = {size.name.lower(): size for size in INSTANCE_TYPES}


def find_instance_type(name: str) -> InstanceType | None:
    """The size of that name, in whatever case."""
    return _BY_NAME.get(name.lower())


def nearest_names(name: str) -> list[str]:
    """Names that `name` may have meant, the likeliest first.

    >>> nearest_names("Standard_DS2_v3")[0]
    'Standard_DS2_v2'
    """
    near = difflib.get_close_matches(name.lower(), _BY_NAME, n=3, cutoff=0.6)
    return [_BY_NAME[found].name for found in near]


def next_size_up(size: InstanceType) -> InstanceType | None:
    """The smallest size of the same family with more memory.

    >>> next_size_up(find_instance_type("Standard_DS1_v2")).name
    'Standard_DS2_v2'
    """
    larger = [other for other in INSTANCE_TYPES if other.family == size.family and other.memory_gib > size.memory_gib]
    return min(larger, key=lambda other: other.memory_gib, default=None)
