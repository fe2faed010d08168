"""The rules for names and keys, each with its source."""

from __future__ import annotations

import re

from emulator.errors import BadArgument

TOKEN_PREFIX = "amlemu_"  # noqa: S105 - of all tokens, not one of them
"""With which access tokens begin, so that whoever looks for secrets in files and logs can know them."""

# contract/v1 §1.4: azureml-core `_model_management/_util.py`
_ASSET_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-\._]{0,254}")
# contract/managed §4.4: azure-ai-ml `entities/_endpoint/_endpoint_helpers.py`
_ENDPOINT_NAME = re.compile(r"[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?")
# What is taken here: Microsoft's own samples have names with '_', which the rule above refuses.
_TAKEN_NAME = re.compile(r"[a-zA-Z]([-_a-zA-Z0-9]*[a-zA-Z0-9])?")
_ENDPOINT_NAME_LENGTH = range(3, 33)
# RFC 9110 §5.5: what an Authorization header carries without harm on its way.
_KEY = re.compile(r"[!-~]{1,1024}")


def check_asset_name(name: str, kind: str = "model") -> str:
    """`name` if it may name a model or an environment, else BadArgument."""
    if _ASSET_NAME.fullmatch(name):
        return name
    raise BadArgument(
        f"'{name}' cannot name {'an' if kind[0] in 'aeiou' else 'a'} {kind}:"
        " 1 to 255 letters, digits, '-', '_' or '.', the first a letter or a digit",
        target=f"{kind} {name}",
    )


def check_endpoint_name(name: str) -> str:
    """`name` if it may name an endpoint, else BadArgument with the SDK's own two sentences.

    One with '_' is taken, and a difference to be told: see `is_against_the_rule`.
    """
    if len(name) not in _ENDPOINT_NAME_LENGTH:
        raise BadArgument(
            "The name for an endpoint must be at least 3 and at most 32 characters long (inclusive of both limits)"
            f"; '{name}' has {len(name)}",
            target=f"endpoint {name}",
        )
    if not _TAKEN_NAME.fullmatch(name):
        raise BadArgument(
            "The name for an endpoint must start with an upper- or lowercase letter and only consist of '-'s and"
            f" alphanumeric characters; '{name}' does not",
            target=f"endpoint {name}",
        )
    return name


def check_deployment_name(name: str) -> str:
    """`name` if it may name a deployment (the rule is the endpoint's), else BadArgument."""
    if may_name_endpoint(name):
        return name
    raise BadArgument(
        f"'{name}' cannot name a deployment: 3 to 32 letters, digits or '-', the first a letter, the last no '-'",
        target=f"deployment {name}",
    )


def may_name_endpoint(name: str) -> bool:
    """Whether an endpoint or a deployment can have that name here: then it is also a safe name of a file."""
    return len(name) in _ENDPOINT_NAME_LENGTH and _TAKEN_NAME.fullmatch(name) is not None


def is_against_the_rule(name: str) -> bool:
    """Whether the cloud's rule refuses a name of an endpoint or a deployment that is taken here."""
    return not _ENDPOINT_NAME.fullmatch(name)


def check_key(key: str) -> str:
    """`key` if a header can carry it as an endpoint's key, else BadArgument, which does not repeat it."""
    if _KEY.fullmatch(key):
        return key
    raise BadArgument("a key is 1 to 1024 letters, digits and signs of ASCII, without spaces")


def legal_endpoint_name(text: str) -> str:
    """The endpoint name nearest to `text`, for a folder whose name breaks the rule.

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
