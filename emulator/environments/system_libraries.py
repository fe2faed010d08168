"""Libraries of the system that packages of PyPI load and do not bring along, and that the cloud's images have.

conda's packages depend on conda's own libraries, and the cloud installs pip's packages beside conda's Python; slim
images of Python have neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from packaging.utils import canonicalize_name

from emulator.difference import Difference, differs
from emulator.environments.import_check import names_of

SYSTEM_LIBRARIES: Mapping[str, tuple[str, ...]] = {
    # libgomp.so.1; conda's Python itself depends on it (_openmp_mutex), so that every image with conda has it
    "lightgbm": ("libgomp1",),
}
"""PyPI name → Debian packages with the libraries."""


def system_libraries(requirements: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Debian packages by the package of PyPI that loads their libraries.  What only others depend on is not seen.

    >>> system_libraries(["LightGBM==4.6.0", "pandas"])
    {'lightgbm': ('libgomp1',)}
    """
    names = dict.fromkeys(map(canonicalize_name, names_of(requirements)))
    return {name: SYSTEM_LIBRARIES[name] for name in names if name in SYSTEM_LIBRARIES}


def library_differences(requirements: Iterable[str]) -> tuple[Difference, ...]:
    """What is said of an environment that needs such libraries, whatever its engine."""
    return tuple(
        differs(
            "packages.system_library",
            f"package {name} needs {' '.join(debian)} of the system, as the cloud's images have it: an image that"
            " lacks it gets Debian's",
        )
        for name, debian in system_libraries(requirements).items()
    )
