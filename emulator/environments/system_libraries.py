"""System libraries that PyPI packages need but do not contain, and that the cloud's images have.

conda's packages depend on conda's own libraries, and the cloud installs pip's packages beside conda's Python; slim
images of Python have neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from emulator.difference import Difference, differs
from emulator.environments.import_check import packages_of

# libgomp.so.1; conda's Python itself depends on it (_openmp_mutex), so that every image with conda has it
SYSTEM_LIBRARIES: Mapping[str, tuple[str, ...]] = {"lightgbm": ("libgomp1",), "xgboost": ("libgomp1",)}
"""PyPI name → Debian packages with the libraries."""
_BUNDLED_SINCE = {"xgboost": Version("1.3")}
"""PyPI name → the first version whose wheels bring the libraries along (`xgboost.libs` in the wheel)."""
_UPPER_BOUNDS = ("==", "~=", "<", "<=")


def system_libraries(requirements: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return Debian packages by the PyPI package that loads their libraries.

    Packages that are only dependencies of others are not seen.

    >>> system_libraries(["LightGBM==4.6.0", "xgboost==0.90", "pandas"])
    {'lightgbm': ('libgomp1',), 'xgboost': ('libgomp1',)}
    >>> system_libraries(["xgboost>=0.90"])
    {}
    """
    names = {canonicalize_name(one.name): one for one in packages_of(requirements)}
    return {
        name: SYSTEM_LIBRARIES[name] for name, one in names.items() if name in SYSTEM_LIBRARIES and _lacks(name, one)
    }


def _lacks(name: str, requirement: Requirement) -> bool:
    """Whether every version that the requirement allows is one whose wheels lack the libraries."""
    bundled_since = _BUNDLED_SINCE.get(name)
    if bundled_since is None:
        return True
    for clause in requirement.specifier:
        try:
            version = Version(clause.version.removesuffix(".*"))
        except InvalidVersion:
            continue
        if clause.operator in _UPPER_BOUNDS and (
            version < bundled_since or (clause.operator == "<" and version == bundled_since)
        ):
            return True
    return False


def library_differences(requirements: Iterable[str]) -> tuple[Difference, ...]:
    """Return what is said of an environment that needs such libraries, whatever its engine."""
    return tuple(
        differs(
            "packages.system_library",
            f"package {name} needs {' '.join(debian)} of the system, as the cloud's images have it: an image that"
            " lacks it gets Debian's",
        )
        for name, debian in system_libraries(requirements).items()
    )
