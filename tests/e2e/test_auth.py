"""Keys and tokens as a user gets and sends them, and where they must never turn up."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
from amlemu_process import Environ, amlemu, json_of, temporary_environ, until
from projects import project
from signing import OBJECT_ID, TENANT, claims, jwks, public_jwk, rsa_key, signed

SECRET_FILES = {"keys.json", "signing.json"}
REQUESTS = 10 * 5 + 2


@dataclass
class Shell:
    """A shell, and every credential that went through it."""

    environ: Environ
    script: Path
    sent: set[str] = field(default_factory=set)

    def deploy(self, *words: str) -> str:
        """The scoring URI."""
        told = json_of(self.environ, "deploy", "--name", "locked", "--entry", self.script, *words)
        return str(told["scoring_uri"])

    def score(self, uri: str, credential: str) -> tuple[int, str]:
        """How a request with that credential is answered, after it came in every wrong way as well."""
        self.sent.add(credential)
        for headers, query in (
            ({"Authorization": credential}, {}),
            ({"Authorization": f"Basic {credential}"}, {"code": credential}),
            ({"Authorization": f"Bearer {credential} {credential}"}, {}),
            ({"api-key": credential}, {"access_token": credential}),
        ):
            answer = requests.post(uri, headers=headers, params=query, json={}, timeout=20)
            assert answer.status_code == 401
        answer = requests.post(uri, headers={"Authorization": f"Bearer {credential}"}, json={}, timeout=20)
        return answer.status_code, answer.text


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    folder = tmp_path_factory.mktemp("auth")
    (folder / "keys.json").write_text(jwks(public_jwk(rsa_key(), kid="r")))
    keys = str(folder / "keys.json")
    with temporary_environ(AMLEMU_AAD_KEYS=keys, AMLEMU_AAD_TENANT=TENANT, NO_PROXY="*") as environ:
        yield Shell(environ, project(folder / "code"))


def test_an_endpoint_goes_through_every_mode_and_nothing_of_its_credentials_is_written_down(shell: Shell) -> None:
    environ = shell.environ
    shell.sent.add(key := "this-is-the-primary-key")
    uri = shell.deploy("--primary-key", key)
    assert shell.score(uri, key)[0] == 200
    assert shell.score(uri, "this-is-another-key") == (401, "key_auth_access_denied")

    uri = shell.deploy("--auth-mode", "aml_token")
    told = json_of(environ, "keys", "locked")
    assert told.keys() == {"accessToken", "expiryTimeUtc", "refreshAfterTimeUtc", "tokenType"}
    assert time.time() < told["refreshAfterTimeUtc"] < told["expiryTimeUtc"]
    plain = amlemu(environ, "keys", "locked").stdout.strip()
    assert [shell.score(uri, token)[0] for token in (told["accessToken"], plain, key)] == [200, 200, 401]
    assert json.loads(amlemu(environ, "invoke", "locked", "--data", "{}").stdout)["answer"] == "first"
    failed = amlemu(environ, "keys", "locked", "--regenerate", "primary", code=2)
    assert "Endpoint 'locked' does not use keys for authentication." in failed.stderr

    uri = shell.deploy("--auth-mode", "aad_token")
    aml = told["accessToken"]
    own = amlemu(environ, "keys", "locked").stdout.strip()
    providers = signed(claims(time.time()), kid="r")
    expired = signed(claims(time.time(), exp=time.time() - 1), kid="r")
    other = signed(claims(time.time(), tid="other"), kid="r")
    tokens = (own, providers, expired, other, aml)
    assert [shell.score(uri, token)[0] for token in tokens] == [200, 200, 401, 403, 401]
    assert json.loads(amlemu(environ, "invoke", "locked", "--data", "{}").stdout)["answer"] == "first"

    _check_the_log(environ)
    _check_that_nothing_is_written_down(shell)


def _check_the_log(environ: Environ) -> None:
    found: list[dict[str, str]] = []

    def all_written() -> bool:
        found[:] = map(json.loads, amlemu(environ, "logs", "locked", "--requests").stdout.splitlines())
        return len(found) >= REQUESTS

    until(all_written, "every line of the log")
    assert {line["AuthType"] for line in found} == {"Key", "AMLToken", "AADToken"}
    assert OBJECT_ID in {line["IdentityData"] for line in found}
    assert "the token was refused: it has expired" in {line.get("Warning") for line in found}


def _check_that_nothing_is_written_down(shell: Shell) -> None:
    home = Path(shell.environ["AMLEMU_HOME"])
    said = {
        " ".join(words): "".join((done := amlemu(shell.environ, *words)).stdout + done.stderr)
        for words in (
            ("show", "locked", "-o", "json"),
            ("list", "-o", "json"),
            ("status", "-o", "json"),
            ("logs", "locked"),
            ("logs", "locked", "--requests"),
            ("tree", "locked"),
        )
    }
    files = [path for path in home.rglob("*") if path.is_file() and "site-packages" not in path.parts]
    said |= {str(path): path.read_bytes().decode("latin-1") for path in files if path.name not in SECRET_FILES}
    assert any(name.endswith("server.log") for name in said) and any("requests" in name for name in said)
    # a token's first part is the same for every one of its kind, and no secret
    pieces = {piece for secret in shell.sent for piece in (secret, *secret.split(".")[1:])}
    assert len(pieces) > 10
    for name, text in said.items():
        assert not [piece for piece in pieces if piece in text], name
    assert {path.stat().st_mode & 0o777 for path in files if path.name in SECRET_FILES} == {0o600}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--auth-mode", "none"), "target managed has no auth_mode none; it has: key, aml_token, aad_token"),
        (("--target", "aci", "--auth-mode", "aad_token"), "target aci has no auth_mode aad_token; it has: none, key"),
        (("--target", "kubernetes", "--auth-mode", "aad_token"), "it has: key, aml_token"),
        (("--target", "local", "--auth-mode", "key"), "target local has no auth_mode key; it has: none"),
        (("--auth-mode", "token"), "is not one of"),
    ],
)
def test_a_mode_that_a_target_has_not(shell: Shell, words: tuple[str, ...], told: str) -> None:
    done = amlemu(shell.environ, "deploy", "--name", "modeless", "--entry", shell.script, *words, code=2)
    assert told in done.stderr
    assert "modeless" not in [endpoint["name"] for endpoint in json_of(shell.environ, "list")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "the set of keys of aad_keys '"),
        ("{", "is not valid JSON"),
        ('{"keys": [{"kty": "RSA", "d": "c2VjcmV0"}]}', "it is a private or shared key; give the public one"),
    ],
)
def test_a_wrong_file_of_keys_is_told_before_anything_starts(tmp_path: Path, text: str | None, told: str) -> None:
    file = tmp_path / "keys.json"
    if text is not None:
        file.write_text(text)
    with temporary_environ(AMLEMU_AAD_KEYS=str(file)) as environ:
        done = amlemu(environ, "up", code=2)
        assert told in done.stderr and "c2VjcmV0" not in done.stderr
