"""The rules for names and keys, each with its source."""

from __future__ import annotations

import re

from emulator.errors import BadArgument

TOKEN_PREFIX = "amlemu_"  # noqa: S105 - of all tokens, not one of them
"""The prefix of access tokens, by which secret scanners recognize them."""

V1_TARGETS = ("aks", "aci", "local")
"""The targets of Azure ML's first SDK and CLI."""

# azureml-core `_model_management/_util.py`; row registry.model_name
_ASSET_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-\._]{0,254}")
# azure-ai-ml `entities/_endpoint/_endpoint_helpers.py`; row names.endpoint
_ENDPOINT_NAME = re.compile(r"[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?")
# Names that are accepted here: Microsoft's own samples have '_', which the rule above refuses.
_TAKEN_NAME = re.compile(r"[a-zA-Z]([-_a-zA-Z0-9]*[a-zA-Z0-9])?")
_ENDPOINT_NAME_LENGTH = range(3, 33)
# azure-ai-ml takes any such text as a version of an asset.
_VERSION = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-\._]{0,29}")
# The SDK's version of an anonymous environment (row environment.anonymous_version).
_CONTENT_VERSION = re.compile(r"[0-9a-f]{64}")
LATEST = "latest"
"""The label of the newest version."""
# Not digits alone: folders of years lie beside those of collections.
_COLLECTION_NAME = re.compile(r"(?!\d+$)[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")
# One part of a path in an emulator's home: ASCII, so that it has one spelling on every disk, and no leading dot, with
# which temporary names begin.
_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,254}")
_LONGEST_FILE_NAME_BYTES = 255
_SHOWN = 80
# RFC 9110 §5.5: what an Authorization header carries without harm on its way.
_KEY = re.compile(r"[!-~]{1,1024}")


def may_name_asset(name: str) -> bool:
    """Return whether a model or an environment may have that name."""
    return _ASSET_NAME.fullmatch(name) is not None


def check_asset_name(name: str, kind: str = "model") -> str:
    """Return `name` if it may name a model or an environment, else raise BadArgument."""
    if may_name_asset(name):
        return name
    raise BadArgument(
        f"'{shown(name)}' cannot name {'an' if kind[0] in 'aeiou' else 'a'} {kind}:"
        " 1 to 255 letters, digits, '-', '_' or '.', the first a letter or a digit",
        target=f"{kind} {shown(name)}",
    )


def shown(name: str) -> str:
    """Return a refused name for a message: shortened, and with control characters escaped.

    >>> shown("a\\n" + "b" * 300)[:6]
    'a\\\\nbbb'
    """
    short = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in short)


def check_version(version: str) -> str:
    """Return `version` if a model or an environment can be registered with it, else raise BadArgument."""
    if version == LATEST:
        raise BadArgument("'latest' cannot be a version: it is the label of the newest version")
    if _VERSION.fullmatch(version):
        return version
    raise BadArgument(f"'{shown(version)}' cannot be a version: 1 to 30 letters, digits, '-', '_' or '.'")


def check_environment_version(version: str) -> str:
    """Return `version` if an environment can have it: a registered one, its content's, or a curated one's label."""
    if version == LATEST or _CONTENT_VERSION.fullmatch(version):
        return version
    return check_version(version)


def check_collection_name(name: str) -> str:
    """Return `name` if it may name collected data, else raise BadArgument."""
    if _COLLECTION_NAME.fullmatch(name):
        return name
    message = f"'{shown(name)}' cannot name a collection: letters, digits, '_', '.' and '-', not digits alone"
    raise BadArgument(message)


def check_inner_path(path: str) -> str:
    """Return `path` if it stays below its folder and is normalized, with '/', else raise BadArgument."""
    for name in path.split("/"):
        too_long = len(name.encode("utf-8", "surrogatepass")) > _LONGEST_FILE_NAME_BYTES
        if name in ("", ".", "..") or "\0" in name or too_long:
            raise BadArgument(f"'{shown(path)}' is not the path of a file below its folder")
    return path


def is_segment(name: str) -> bool:
    """Return whether `name` is exactly one part of a path in an emulator's home."""
    return _SEGMENT.fullmatch(name) is not None


def check_endpoint_name(name: str) -> str:
    """Return `name` if it may name an endpoint, else raise BadArgument with the SDK's own two sentences.

    A name with '_' is accepted with a difference: see `is_against_the_rule`.
    """
    if len(name) not in _ENDPOINT_NAME_LENGTH:
        raise BadArgument(
            "The name for an endpoint must be at least 3 and at most 32 characters long (inclusive of both limits)"
            f"; '{shown(name)}' has {len(name)}",
            target=f"endpoint {shown(name)}",
        )
    if not _TAKEN_NAME.fullmatch(name):
        raise BadArgument(
            "The name for an endpoint must start with an upper- or lowercase letter and only consist of '-'s and"
            f" alphanumeric characters; '{shown(name)}' does not",
            target=f"endpoint {shown(name)}",
        )
    return name


def check_deployment_name(name: str) -> str:
    """Return `name` if it may name a deployment (the rule is the endpoint's), else raise BadArgument."""
    if may_name_endpoint(name):
        return name
    raise BadArgument(
        f"'{shown(name)}' cannot name a deployment:"
        " 3 to 32 letters, digits or '-', the first a letter, the last no '-'",
        target=f"deployment {shown(name)}",
    )


def in_small_letters(name: str) -> str:
    """Return the name of an endpoint or a deployment in lower case, as azure-ai-ml sends it (PR 28715)."""
    return name.lower()


def may_name_endpoint(name: str) -> bool:
    """Return whether an endpoint or a deployment can have that name here, which is then also a safe file name."""
    return len(name) in _ENDPOINT_NAME_LENGTH and _TAKEN_NAME.fullmatch(name) is not None


def is_against_the_rule(name: str) -> bool:
    """Return whether the cloud refuses a name of an endpoint or a deployment that is accepted here."""
    return not _ENDPOINT_NAME.fullmatch(name)


def check_key(key: str) -> str:
    """Return `key` if a header can carry it as an endpoint's key, else raise BadArgument, which does not repeat it."""
    if _KEY.fullmatch(key):
        return key
    raise BadArgument("a key is 1 to 1024 letters, digits and signs of ASCII, without spaces")


def legal_endpoint_name(text: str) -> str:
    """Return the endpoint name nearest to `text`, for a folder whose name is not allowed.

    >>> legal_endpoint_name("my_model (copy)")
    'my-model-copy'
    >>> legal_endpoint_name("2nd")
    'endpoint-2nd'
    >>> legal_endpoint_name("a")
    'endpoint-a'
    """
    cleaned = re.sub(r"[^a-zA-Z0-9]+", "-", text).strip("-").lower()
    if len(cleaned) < _ENDPOINT_NAME_LENGTH.start or not cleaned[0].isalpha():
        cleaned = f"endpoint-{cleaned}".strip("-")
    return cleaned[: _ENDPOINT_NAME_LENGTH.stop - 1].strip("-")
