"""The version of an environment that nobody has given a name: a digest of what it is made of, as the SDK makes it.

azure-ai-ml 1.35.2 does so in `entities/_assets/environment.py` (row environment.anonymous_version).  The cloud builds
an image for a version once, so what the digest does not see (a tag such as `:latest` that has moved) is not built
again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

# The SDK digests `inference_config` as PyYAML dumps its own classes of that version.
_CLASSES = "!!python/object:azure.ai.ml._restclient.arm_ml_service.models._models"
_ROUTES = {
    "liveness_route": "livenessRoute",
    "readiness_route": "readinessRoute",
    "scoring_route": "scoringRoute",
}


def anonymous_version(
    image: str | None,
    conda: Mapping[str, Any] | None = None,
    inference_config: Mapping[str, Mapping[str, Any]] | None = None,
) -> str:
    """64 hexadecimal digits for an environment of `image`, the mapping of a conda file, and the three routes.

    The cloud has no environment without an image; a conda file alone is digested in the same way.

    >>> anonymous_version("i") == _digest(_digest("i"))
    True
    """
    parts = [_digest(image)] if image else []
    if inference_config:
        parts.append(_digest(_dumped_routes(inference_config)))
    if conda:
        parts.append(_digest(yaml.dump(dict(conda), sort_keys=True)))
    joined = ""
    for part in parts:
        # The SDK says `joined.join(part)`, which puts `joined` between all digits of `part`.
        joined = joined.join(part)
    return _digest(joined)


def _dumped_routes(inference_config: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [f"{_CLASSES}.InferenceContainerProperties", "_data:"]
    for key, name in _ROUTES.items():
        if key in inference_config:
            route = yaml.dump(dict(inference_config[key]), sort_keys=True).splitlines()
            lines += [f"  {name}: {_CLASSES}.Route", "    _data:", *(f"      {line}" for line in route)]
    return "".join(f"{line}\n" for line in lines)


def anonymous_version_of_requirements(requirements: Sequence[str]) -> str:
    """Return the same for the lines of a requirements file, which the cloud does not take as an environment."""
    return _digest(_digest("\n".join(requirements)))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
