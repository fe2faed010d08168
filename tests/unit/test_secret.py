"""The type of secret values, and credentials in texts: what is masked, what is left, how long it takes."""

from __future__ import annotations

import copy
import json
import pickle
import time
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, ValidationError

from emulator.secret import (
    MASK,
    REVEALED,
    Secret,
    credentials_in,
    is_masked,
    mask_credentials,
    masked_places,
    masked_values,
    may_have_credentials,
    without_words,
)

# The type


class Holder(BaseModel):
    one: Secret
    more: dict[str, Secret] = {}


def test_nothing_prints_a_secret() -> None:
    secret = Secret("hunter2")
    shown = [str(secret), repr(secret), f"{secret}", f"{secret!s:>9}", f"{secret!r}", str((secret,))]
    shown += [f"{secret:x^10}", str([secret]), str({"a": secret}), str(ValueError(secret))]
    holder = Holder(one=secret, more={"a": secret})
    shown += [str(holder), repr(holder), holder.model_dump_json(), str(holder.model_dump()), str(vars(holder))]
    shown += [json.dumps(holder.model_dump(mode="json")), json.dumps(str(secret))]
    assert not any("hunter2" in text for text in shown)
    assert all(MASK in text for text in shown)
    with pytest.raises(TypeError):
        json.dumps({"a": secret})
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_it_is_revealed_on_purpose_only() -> None:
    holder = Holder.model_validate({"one": "hunter2", "more": {"a": "b"}})
    assert holder.one.reveal() == "hunter2"
    dumped = holder.model_dump(mode="json", context=dict(REVEALED))
    assert dumped == {"one": "hunter2", "more": {"a": "b"}}
    for context in (None, {}, {"reveal_secrets": False}, {"reveal_secrets": "yes"}, {"reveal": True}):
        assert holder.model_dump(mode="json", context=context) == {"one": MASK, "more": {"a": MASK}}
    assert Holder.model_validate_json(json.dumps(dumped), strict=True) == holder
    assert holder.model_dump()["one"] is holder.one, "what is built of a dump has the secret"


@pytest.mark.parametrize("value", [1, None, True, b"x", ["x"], {"x": 1}])
def test_only_texts_are_secrets(value: object) -> None:
    with pytest.raises(ValidationError):
        Holder.model_validate({"one": value})


def test_a_fault_does_not_repeat_it() -> None:
    def refuse(secret: Secret) -> Secret:
        raise ValueError(f"{secret} is refused")

    class Picky(BaseModel):
        one: Annotated[Secret, AfterValidator(refuse)]

    with pytest.raises(ValidationError) as caught:
        Picky.model_validate({"one": Secret("hunter2")})
    assert "hunter2" not in str(caught.value)


def test_a_secret_is_a_value() -> None:
    secret = Secret("a")
    assert secret == Secret("a") != Secret("b")
    assert secret != "a", "who compares with a text has a text that ought to be a secret"
    assert {secret: 1}[Secret("a")] == 1
    assert bool(secret) and not Secret("")
    assert copy.copy(secret) is copy.deepcopy(secret) is secret
    with pytest.raises(AttributeError):
        secret._value = "b"
    with pytest.raises(AttributeError):
        del secret._value
    assert Holder.model_json_schema()["properties"]["one"]["type"] == "string"


# Texts

S = "s3cr3tV4lue"
MASKED = [
    f"https://{S}@host",
    f"https://user:{S}@host/x",
    f"HTTPS://USER:{S}@HOST/x",
    f"git+https://x:{S}@host/r.git@v1",
    f"git+ssh://{S}@host/x",
    f"ssh://git:{S}@host/x",
    f"hg+http://{S}:@host/x",
    f"socks5h://me:{S}@proxy:1080",
    f"pkg @ https://u:p@{S}@host/x",
    f"https://u:p/{S}@host/x",
    f"https://u:{S}?x#y@host/x",
    f"https://u:{S}'x@host",
    f"https://user%40corp:{S}%21@host/x",
    f"https://user%3A{S}%40@host",
    f"redirect=https%3A%2F%2Fu%3A{S}%40host%2Fx",
    f"https:\\/\\/u:{S}@host\\/x",
    f"//{S}@host/simple",
    f"https://[u:{S}@::1]/x",
    f"HTTP_PROXY=me:{S}@proxy.corp:8080",
    f"https://host/x?sv=1&sig={S}%2Bd&se=2025",
    f"https://host/x?sig={S}",
    f"https://host/x?SIG={S}",
    f"https://host/x?a=1;sig={S}",
    f"https://host/x?a=1&amp;sig={S}",
    f"https://host/x?token={S}#frag",
    f"https://host/x?Access_Token={S}&y=1",
    f"https://host/x?x-amz-signature={S}",
    f"https://host/x?X-Amz-Security-Token={S}",
    f"https://host/x?X-Goog-Credential={S}",
    f"https://host/x?code={S}",
    f"https://host/x?subscription-key={S}",
    f"https%3A%2F%2Fhost%2Fx%3Fsig%3D{S}",
    f"api_key={S}",
    f"apikey='{S}'",
    f'API-KEY="{S} {S}"',
    f"password = '{S}'",
    f"AMLEMU_TOKEN={S}",
    f"https://conda.host/t/{S}/channel",
    f"https://conda.host/prefix/t/{S}",
    f"--index-url https://__token__:{S}@host/simple --extra-index-url https://{S}@other/simple",
    f"--find-links https://host/?sig={S}",
    f"--token {S}",
    f"--password={S}",
    f"Authorization: Bearer {S}",
    f"authorization: {S}",
    f"Proxy-Authorization: Basic {S}==",
    f"{{'Authorization': 'Bearer {S}'}}",
    f'{{"authorization": "token {S}"}}',
    f"> Bearer {S}.x1",
    f"X-Api-Key: {S}",
    f"Set-Cookie: session={S}; path=/",
    f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={S}+/==;EndpointSuffix=core.windows.net",
    f"Endpoint=sb://x.servicebus/;SharedAccessKeyName=n;SharedAccessKey={S}=",
    f"SharedAccessSignature sr=x&sig={S}&se=1",
    f"BlobEndpoint=https://x;SharedAccessSignature=sv=1&sig={S}",
    f"Server=x;User ID=u;Password={S};",
    f"Server=x;Uid=u;Pwd={S};",
    f'{{"password": "{S}", "x": 1}}',
    f"{{'client_secret': '{S}'}}",
    f'{{\\"password\\": \\"{S}\\"}}',
    f"ENV API_KEY={S}",
    f"fatal: unable to access 'https://x:{S}@host/r.git/': 403",
    f"× Failed to download `a @ https://{S}@host/a.whl`\n  ├─▶ Failed to fetch: `https://{S}@host/a.whl?token={S}`\n",
    f'ERROR: process "/bin/sh -c pip install -i https://me:{S}@host/simple x" did not complete',
    "ghp_" + "a1" * 18,
    "glpat-" + "b2" * 10,
    "pypi-" + "AgEIcHlwaS5vcmc" * 4,
    "amlemu_" + "c3" * 20,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTYifQ.SflKxwRJSMeKKF2QT4fw",
]
LEFT = [
    "",
    "https://host/x",
    "http://127.0.0.1:18100/score",
    "http://host:8080/path@v1",
    "http://[::1]:80/a@b",
    "git+https://github.com/team/pkg.git@v1.2#egg=pkg",
    "git+ssh://git@github.com/team/pkg.git@main",
    "ssh://git@host/x",
    "git@github.com:team/pkg.git",
    "pkg @ https://host/pkg-1.0-py3-none-any.whl#sha256=0123abcd",
    "numpy==1.26.4 ; python_version >= '3.9'",
    "token==1.0",
    "secret>=2",
    "password!=3",
    "azureml:model@latest",
    "azureml:model:3",
    "AzureML-sklearn@latest",
    "python:3.11-slim@sha256:0123456789abcdef",
    "mcr.microsoft.com/azureml/minimal:latest",
    "azureml-models/t/1/weights.pkl",
    "/var/azureml-app/t/x/score.py",
    "file:///srv/t/x/channel",
    "azureml://models/t/versions/1/weights.pkl",
    "--hash=sha256:0123abcd",
    "amlemu token create NAME --role ROLE",
    "the token 'ci' is of a viewer: GET /x needs admin",
    "set AMLEMU_TOKEN, or `amlemu login`",
    "password: Field required",
    'PIP_INDEX_URL="${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-https://pypi.org/simple}}"',
    "export TOKEN=${TOKEN}",
    "the bearer of bad news",
    "mail ana@example.com",
    "max_tokens=5, tokenizer=fast",
    "an index, --index-url, and its key",
    "key: value, code: 5",
]


@pytest.mark.parametrize("text", MASKED)
def test_texts_that_are_masked(text: str) -> None:
    masked = mask_credentials(text)
    assert S not in masked
    assert masked != text and MASK in masked
    assert mask_credentials(masked) == masked, "masked twice is masked once"
    assert is_masked(masked)
    assert may_have_credentials(text)


@pytest.mark.parametrize("text", LEFT)
def test_texts_that_are_not_masked(text: str) -> None:
    assert mask_credentials(text) == text
    assert not is_masked(text)


def test_the_text_around_a_credential_stays() -> None:
    text = f"GET https://me:{S}@host/simple/?sv=1&sig={S}&se=2 failed\nagain: https://host/t/{S}/c, at 12:30"
    expected = f"GET https://{MASK}@host/simple/?sv=1&sig={MASK}&se=2 failed\nagain: https://host/t/{MASK}/c, at 12:30"
    assert mask_credentials(text) == expected


@pytest.mark.parametrize("text", MASKED)
@pytest.mark.parametrize("around", ["{}", "'{}'", '"{}"', "({})", "a\n{}\nb", "x {} y", "\t{}\r\n", "`{}`", "<{}>"])
def test_whatever_stands_around_it(text: str, around: str) -> None:
    assert S not in mask_credentials(around.format(text))


@pytest.mark.parametrize("text", MASKED)
def test_in_json_and_in_a_traceback(text: str) -> None:
    document = {"a": [{"b": text}, text], text: 1}
    assert S not in json.dumps(masked_values(document))
    assert may_have_credentials(json.dumps(document, ensure_ascii=False))
    assert S not in mask_credentials(f"Traceback (most recent call last):\n  File 'x'\nValueError: {text}\n" * 3)


_WORD = st.text("abcXYZ0189_.~-", min_size=6, max_size=12).map(lambda word: f"Q{word}Z")
_USER = st.text("abcxyz%40.-_", max_size=6)


@given(_WORD, _USER, st.sampled_from(["https", "HTTP", "git+https", "ftp", "hg+http", "svn+ssh"]), st.text(max_size=20))
def test_userinfo_of_any_shape(word: str, user: str, scheme: str, around: str) -> None:
    for info in (word, f"{word}:", f"{user}:{word}", f"{word}:{user}", f"{user}:x@{word}", f"{user}:{word}%40"):
        text = f"{around} {scheme}://{info}@host.example/path"
        masked = mask_credentials(text)
        assert word not in masked.removeprefix(around)
        assert "@host.example/path" in masked


@given(st.text(), st.sampled_from(MASKED))
def test_masking_does_not_depend_on_the_text_before(before: str, text: str) -> None:
    assert S not in mask_credentials(f"{before.replace(S, '')}\n{text}")


@given(st.text("/:@?&=;.%'\"\\ t{}$#tokensigpwdhtps-_*", max_size=60))
def test_masking_twice_is_masking_once(text: str) -> None:
    masked = mask_credentials(text)
    assert mask_credentials(masked) == masked


@given(st.text())
def test_nothing_is_made_up(text: str) -> None:
    if not may_have_credentials(text):
        assert mask_credentials(text) == text


@pytest.mark.parametrize(
    "piece",
    ["//", "//a:", "a", "x:", "token", "http://a", "/t/", "https://x/t/a", "?key", "@", "//a@", "eyJ", "%3A%2F%2F"],
)
def test_it_takes_no_longer_than_the_text_is_long(piece: str) -> None:
    """A hostile error of 200 kB takes no time to speak of: nothing in a pattern looks back again and again."""
    text = "@ sig=x " + piece * (200_000 // len(piece))
    began = time.thread_time()
    mask_credentials(text)
    assert time.thread_time() - began < 3.2


def test_words_that_a_tool_may_print_by_themselves() -> None:
    words = credentials_in([f"https://me:{S}%21@host/simple", f"x @ https://h/x?sig={S}sig%2B", "unsafe-best-match"])
    assert {f"me:{S}%21", f"{S}%21", f"{S}!", f"{S}sig%2B", f"{S}sig+"} == set(words)
    assert list(words) == sorted(words, key=len, reverse=True)
    assert without_words(f"user me, password {S}!, {S}sig+ and //x@host", words) == (
        f"user me, password {MASK}, {MASK} and //{MASK}@host"
    )
    assert credentials_in(["https://abc@host"]) == (), "a word so short would be everywhere"


def test_places_of_masked_values() -> None:
    document = {"a": [{"b": MASK}], "c": f"https://{MASK}@host", "d": "**** stars ****", "e": 1, "f": None}
    assert list(masked_places(document)) == ["a[0].b", "c"]
    assert not is_masked("*****") and not is_masked("a **** b")
