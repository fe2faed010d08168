"""What conda's metadata rules out and PyPI's lets in: packages that were built for numpy 1, beside numpy 2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import Specifier
from packaging.utils import canonicalize_name
from packaging.version import Version

from emulator.environments.hash_pins import without_hashes

# PyPI name → the first version that takes numpy 2: found by bisection over its wheels for Python 3.10 beside numpy 2.0.
# The version before it is refused by its own metadata or cannot be imported; metadata of still older ones may let
# numpy 2 in, as scikit-learn 1.2.2's do.
NUMPY_2_SINCE: Mapping[str, str] = {
    "catboost": "1.2.8",
    "h5py": "3.11.0",
    "matplotlib": "3.8.4",
    "numexpr": "2.10.0",
    "onnxruntime": "1.19.0",
    "opencv-python-headless": "4.10.0.84",
    "pandas": "2.2.2",
    "pyarrow": "16.0.0",
    "pywavelets": "1.6.0",
    "scikit-image": "0.23.1",
    "scikit-learn": "1.4.2",
    "scipy": "1.13.0",
    "tables": "3.10.1",
}

_BOUND = "numpy<2"
_FIRST = Version("2")


def numpy_bound(translated: Sequence[str], others: Sequence[str]) -> tuple[str, str]:
    """(requirement, why) that keeps numpy 2 away from what was built before it; ('', '') where nothing needs it.

    `translated` are the requirements that stand in for conda packages, whose own metadata hold such bounds.  `others`
    come from pip's section, where pip would let numpy 2 in as well, so that nothing is bound for them.
    """
    requirements = [r for r in map(_requirement, translated) if r]
    numpys = [r for r in (*requirements, *filter(None, map(_requirement, others))) if _name(r) == "numpy"]
    old = [str(r) for r in requirements if _is_older(r)]
    if not old or any(_ends_before(r, _FIRST) for r in numpys):
        return "", ""
    verb = "was" if len(old) == 1 else "were"
    why = f"numpy is held below 2, as conda's own bounds would: {', '.join(old)} {verb} built for numpy 1"
    return _BOUND, why


def _requirement(line: str) -> Requirement | None:
    try:
        return Requirement(without_hashes(line))
    except InvalidRequirement:
        return None  # an option of pip's


def _name(requirement: Requirement) -> str:
    return canonicalize_name(requirement.name)


def _is_older(requirement: Requirement) -> bool:
    first = NUMPY_2_SINCE.get(_name(requirement))
    return first is not None and _ends_before(requirement, Version(first))


def _ends_before(requirement: Requirement, version: Version) -> bool:
    """Return whether every version that the requirement takes is older than `version`."""
    return any(_limits(specifier, version) for specifier in requirement.specifier)


def _limits(specifier: Specifier, version: Version) -> bool:
    prefix = specifier.operator == "~=" or specifier.version.endswith(".*")
    number = Version(specifier.version.removesuffix(".*"))
    if specifier.operator in ("==", "~=") and prefix:
        length = len(number.release) - (specifier.operator == "~=")
        return number.release[:length] < version.release[:length]
    if specifier.operator in ("==", "===", "<="):
        return number < version
    return specifier.operator == "<" and number <= version
