"""Values that may hold a secret, and texts that may hold a credential: both are shown with asterisks.

`Secret` is for a value that is secret as a whole: it shows itself as MASK wherever it is printed, and only `reveal()`
gives the value.  `mask_credentials` is for texts that others have written, such as a requirement's URL, the log of a
tool or an error: it replaces what opens something in them and leaves the rest to be read.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, final
from urllib.parse import unquote

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, SerializationInfo
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

MASK = "****"
REVEALED: Mapping[str, bool] = {"reveal_secrets": True}
"""The context with which pydantic writes secrets as they are: for the store, and for the emulator's own client."""

_SHORTEST_WORD = 4
_LONGEST_URL = 512  # before a token in its path


@final
class Secret:
    """A frozen text that may be secret; `str`, `repr`, formats and JSON dumps show MASK.

    >>> f"{Secret('hunter2')}", Secret("hunter2"), Secret("hunter2").reveal()
    ('****', Secret('****'), 'hunter2')
    """

    __slots__ = ("_value",)

    _value: str

    def __init__(self, value: str) -> None:
        object.__setattr__(self, "_value", value)

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a secret cannot be changed")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a secret cannot be changed")

    def __repr__(self) -> str:
        return f"Secret('{MASK}')"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        return self._value == other._value if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a secret cannot be pickled")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, _memo: object) -> Secret:
        return self

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema

        of_text = core_schema.no_info_after_validator_function(cls, core_schema.str_schema(strict=True))
        return core_schema.json_or_python_schema(
            json_schema=of_text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), of_text]),
            serialization=core_schema.plain_serializer_function_ser_schema(
                _dumped, info_arg=True, return_schema=core_schema.str_schema(), when_used="json"
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string"}


def _dumped(secret: Secret, info: SerializationInfo) -> str:
    revealing = isinstance(info.context, Mapping) and info.context.get("reveal_secrets") is True
    return secret.reveal() if revealing else MASK


def revealed(values: Mapping[str, Secret]) -> dict[str, str]:
    """The values themselves, by their names."""
    return {name: value.reveal() for name, value in values.items()}


# Credentials in texts.  Each pattern has the credential as its group `secret`; what is found once is found again
# where it is masked, so that a text may be masked twice.  Lengths are bounded, so that a text costs no more than
# linear time.
_SEPARATOR = r"(?:=(?!=)|%3D)"
# ${NAME} is the name of a variable, and no value.
_VALUE = r"(?!\$\{\w+\})(?P<secret>[^\s&;,\"'<>)\]}|#\\]{1,4096})"
_QUOTED = (
    r"(?:(?![\"']\$\{\w+\}[\"'])(?:\"(?P<secret>(?:[^\"\\\n]|\\.){1,4096})\"|'(?P<secret_>(?:[^'\\\n]|\\.){1,4096})')"
    r"|\\{1,4}[\"'](?P<secret__>[^\"'\\\n]{1,4096}))"
)
# Names that open something wherever they stand, and those that do in a URL's query.
_NAMES = (
    r"(?:token|pass(?:word|wd|phrase)|\bpwd|secret|api[_-]?key|access[_-]?key|account[_-]?key|shared[_-]?access[_-]?key"
    r"|shared[_-]?access[_-]?signature|private[_-]?key|subscription[_-]?key|primary[_-]?key|secondary[_-]?key"
    r"|\bsig|sas[_-]?token|signature|credentials?)"
)
_QUERY_NAMES = r"[\w.%-]{0,64}?(?:key|code|auth|pass|pwd|sas|sig|jwt|credential)"
_HEADERS = (
    r"(?:x-api-key|api-key|ocp-apim-subscription-key|x-functions-key|private-token|job-token|x-auth-token"
    r"|x-ms-token-aad-access-token|(?:set-)?cookie)"
)
_PATTERNS = (
    # scheme://user:password@host, also with slashes that JSON or a query has escaped, and without its scheme.
    r"(?<!ssh:)//(?P<secret>[^\s/?#\"'<>@]{1,4096}(?:@[^\s/?#\"'<>@]{1,4096}){0,8})@",
    r"(?<=ssh:)//(?!git@)(?P<secret>[^\s/?#\"'<>@]{1,4096}(?:@[^\s/?#\"'<>@]{1,4096}){0,8})@",
    r":\\/\\/(?!git@)(?P<secret>[^\s/?#\"'<>@\\]{1,4096})@",
    # A password with an unescaped slash, question mark or number sign: what follows the colon is
    # no port.
    r"//(?P<secret>[^\s/?#@:\"'<>\[]{1,256}:(?!\d{1,5}(?:[/?#\s\"'<>)\],;]|$))[^\s@<>]{1,512})@",
    r"%3A%2F%2F(?P<secret>(?:(?!%2F|%40)[^\s&\"'<>@]){1,4096})(?:%40|@)",
    # user:password@host.domain, as proxies are written.
    r"(?<![\w/:@.%+~-])[\w.%+~-]{1,256}:(?P<secret>[^\s@/:,\"'<>]{1,512})@(?=[\w-]{1,63}(?:\.[\w-]{1,63}){1,16})",
    # The token in the path of a conda channel.
    r"(?P<conda>/t/)(?P<secret>[^\s/\"'<>?#]{1,4096})",
    rf"{_NAMES}\\{{0,4}}[\"']?\s{{0,3}}{_SEPARATOR}\s{{0,3}}{_QUOTED}",
    rf"{_NAMES}{_SEPARATOR}(?![\"']){_VALUE}",
    rf"{_NAMES}\\{{0,4}}[\"']\s{{0,3}}:\s{{0,3}}{_QUOTED}",
    rf"(?:[?&;]|%26|%3F){_QUERY_NAMES}{_SEPARATOR}{_VALUE}",
    rf"--(?:token|password|secret|api-key|primary-key)[ =](?!-){_VALUE}",
    rf"authorization[\"']?\s{{0,3}}[:=]\s{{0,3}}[\"']?(?:(?:bearer|basic|token|digest|negotiate)\s{{1,3}})?{_VALUE}",
    r"\bbearer\s{1,3}(?=[\w.~+/=-]{0,512}\d)(?P<secret>[\w.~+/=-]{8,4096})",
    r"\bbearer\s{1,3}(?P<secret>\*{4})",
    rf"{_HEADERS}[\"']?\s{{0,3}}:\s{{0,3}}[\"']?(?P<secret>[^\s\"'][^\n\"']{{0,4095}})",
    # Tokens recognized by their form: of GitHub, GitLab, PyPI, amlemu; JSON Web Tokens.
    r"\b(?P<secret>gh[pousr]_\w{16,255}|github_pat_\w{16,255}|glpat-[\w-]{16,255}|pypi-[\w-]{32,512}"
    r"|amlemu_[\w-]{32,255}|eyJ[\w-]{8,4096}\.[\w-]{8,4096}\.[\w-]{0,4096})",
)
# One of these is in every text that a pattern finds something in, lower case; most texts have none of them.
_TELLING = ("%40", "%3d", "%3f", "/t/", "authorization", "bearer", "cookie", "--token", "--pass", "--secret",
            "--api-key", "--primary-key", "x-api-key", "api-key:", "subscription-key:", "functions-key:", "-token:",
            "-token-aad", "gho_", "ghp_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "pypi-",
            "amlemu_", "eyj")  # fmt: skip
_TELLING_NAMES = ("token", "password", "passwd", "passphrase", "pwd", "pass", "secret", "key", "code", "auth", "sas",
                  "sig", "signature", "jwt", "credential", "credentials")  # fmt: skip
_TELLING_IN_QUOTES = tuple(
    f"{name}{quote}:"
    for name in ("token", "password", "passwd", "passphrase", "pwd", "secret", "sig", "signature", "credential",
                 "credentials", *(f"{letter}key" for letter in "_-istenyr"))
    for quote in ('"', "'", '" ', "' ")
)  # fmt: skip


@functools.cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    """Compiled when the first text is looked at, not at every start of the command line."""
    return tuple(re.compile(pattern, re.IGNORECASE) for pattern in _PATTERNS)


@functools.cache
def _separators() -> re.Pattern[str]:
    """An @ with a host behind it, or an = with a telling name before it: fast, because it begins with them."""
    gaps = ("", " ", "  ", "   ", '"', "'", '" ', "' ")
    before = "|".join(f"(?<={re.escape(name + gap)}=)" for name in _TELLING_NAMES for gap in gaps)
    return re.compile(rf"@(?!latest\b|sha256:|[\s\"'])|=(?!=)(?:{before})")


def may_have_credentials(text: str) -> bool:
    """Whether a closer look is worth its time; no credential is in a text without it."""
    text = text.lower().replace("\\", "")
    return any(word in text for word in _TELLING + _TELLING_IN_QUOTES) or _separators().search(text) is not None


def mask_credentials(text: str) -> str:
    """`text` with MASK for everything in it that opens something.

    >>> mask_credentials("GET https://me:pw@host/simple?sv=1&sig=aB%2B")
    'GET https://****@host/simple?sv=1&sig=****'
    >>> mask_credentials("pkg @ git+ssh://git@host/team/pkg.git@v1.2")
    'pkg @ git+ssh://git@host/team/pkg.git@v1.2'
    """
    if not may_have_credentials(text):
        return text
    for pattern in _patterns():
        text = pattern.sub(_masked, text)
    return text


def credentials_in(texts: Iterable[str]) -> tuple[str, ...]:
    """The words that open something in the texts, as they are and percent-decoded, the longest first.

    A program that was given them may print them alone, without any context.

    >>> credentials_in(["https://me:s%40cret@host/simple", "unsafe-best-match"])
    ('me:s%40cret', 's%40cret', 's@cret')
    """
    found: dict[str, None] = {}
    for secret in (secret for text in texts for secret in _credentials(text)):
        password = secret.partition(":")[2]
        found |= dict.fromkeys((secret, password, unquote(password or secret)))
    words = (word for word in found if len(word) >= _SHORTEST_WORD and word != MASK)
    return tuple(sorted(words, key=len, reverse=True))


def without_words(text: str, words: Iterable[str]) -> str:
    """`text` with MASK for the words and for every other credential.

    >>> without_words("login of me with hunter2 at //x@host", ["hunter2"])
    'login of me with **** at //****@host'
    """
    for word in words:
        text = text.replace(word, MASK)
    return mask_credentials(text)


def masked_values(value: Any) -> Any:
    """Plain JSON values with every text in them masked, the names of objects among them."""
    if isinstance(value, str):
        return mask_credentials(value)
    if isinstance(value, Mapping):
        return {masked_values(name): masked_values(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [masked_values(item) for item in value]
    return value


def is_masked(text: str) -> bool:
    """Return whether MASK replaces something in the text: all of it, or a credential."""
    return MASK in text and (text == MASK or MASK in _credentials(text))


def masked_places(value: Any, place: str = "") -> Iterator[str]:
    """Yield the places in plain JSON values where MASK replaces a value, or a credential in a text."""
    if isinstance(value, str):
        if is_masked(value):
            yield place
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from masked_places(item, f"{place}.{name}" if place else str(name))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from masked_places(item, f"{place}[{index}]")


def _credentials(text: str) -> Iterator[str]:
    """Yield the credentials of `text` as they are; MASK for a masked one."""
    for pattern in _patterns():
        yield from (match[_group(match)] for match in pattern.finditer(text) if _counts(match))


def _group(match: re.Match[str]) -> str:
    return next(name for name in match.re.groupindex if name.startswith("secret") and match[name] is not None)


def _counts(match: re.Match[str]) -> bool:
    """Whether `/t/TOKEN` is part of a URL of the web; every other match counts."""
    if "conda" not in match.re.groupindex:
        return True
    before = match.string[max(0, match.start() - _LONGEST_URL) : match.start()]
    return bool(re.search(r"https?://\S*$", before, re.IGNORECASE))


def _masked(match: re.Match[str]) -> str:
    if not _counts(match):
        return match[0]
    start, end = (at - match.start() for at in match.span(_group(match)))
    return match[0][:start] + MASK + match[0][end:]
