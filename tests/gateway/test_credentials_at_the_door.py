"""The rows of authentication, each shown over the wire for every target that has it."""

from __future__ import annotations

import time

import pytest
from gateway_support import AUTHORIZED, KEYS, Answer, Door, ask, container, get, post
from signing import AUDIENCE, OBJECT_ID, TENANT, claims, jwks, public_jwk, rsa_key, signed

from emulator.entities import AuthMode, Target
from emulator.profiles import profile_of
from emulator.routing.jwks import read_jwks
from emulator.routing.routes import DeploymentRoute, Instance
from emulator.routing.tokens import TokenCheck, issue, own_key

FRONT_DOORS: tuple[Target, ...] = ("managed", "kubernetes", "aks", "aci")
WITH_TOKENS: tuple[Target, ...] = ("managed", "kubernetes", "aks")
SECRET = "s" * 64
AML_AUDIENCE = "urn:amlemu:endpoint:iris:2024"
NAMED = b"azureml-model-deployment: red\r\n"

every_front_door = pytest.mark.parametrize("target", FRONT_DOORS)
every_target_with_tokens = pytest.mark.parametrize("target", WITH_TOKENS)


def ask_at(
    door: Door,
    target: Target,
    upstream: int,
    raw: bytes,
    keys: tuple[str, ...] = KEYS,
    tokens: TokenCheck | None = None,
) -> Answer:
    """Ask an endpoint of that target; `raw` holds @ where its path prefix goes."""
    port, prefix = door.base(door.serve(upstream, target=target, keys=() if tokens else keys, tokens=tokens))
    return ask(port, raw.replace(b"@", prefix, 1))


def aml_tokens() -> TokenCheck:
    return TokenCheck("aml_token", (own_key(SECRET),), AML_AUDIENCE)


def aad_tokens(tenant: str = TENANT) -> TokenCheck:
    keys = read_jwks(jwks(public_jwk(rsa_key(), kid="r")), "keys.json")
    audience = profile_of("managed").aad_audience
    assert audience is not None
    return TokenCheck("aad_token", (own_key(SECRET), *keys), audience, tenant=tenant)


def aml_token(**changes: object) -> str:
    return issue(SECRET, claims(time.time(), aud=AML_AUDIENCE, **changes))


def aad_token(**changes: object) -> str:
    return signed(claims(time.time(), **changes), kid="r")


def bearer(credential: str | bytes) -> bytes:
    value = credential if isinstance(credential, bytes) else credential.encode()
    return b"Authorization: Bearer %s\r\n" % value


# keys


@pytest.mark.row("auth.modes", "auth.default_mode")
@pytest.mark.parametrize(
    ("target", "modes", "default"),
    [
        ("managed", ("key", "aml_token", "aad_token"), "key"),
        ("kubernetes", ("key", "aml_token"), "key"),
        ("aks", ("key", "aml_token", "none"), "key"),
        ("aci", ("none", "key"), "none"),
        ("local", ("none",), "none"),
    ],
)
def test_an_endpoint_without_keys_is_open_where_it_may_be(
    door: Door, target: Target, modes: tuple[AuthMode, ...], default: AuthMode
) -> None:
    profile = profile_of(target)
    assert (profile.auth_modes, profile.default_auth_mode) == (modes, default)
    with container() as upstream:
        answer = ask_at(door, target, upstream.port, get(b"@/score", headers=b""), keys=())
        assert answer.status == (200 if "none" in modes else 401)
        assert door.line()["AuthType"] == ("" if "none" in modes else "Key")


@pytest.mark.row("auth.keys")
@every_front_door
@pytest.mark.parametrize("key", KEYS)
def test_either_key_opens(door: Door, target: Target, key: str) -> None:
    assert profile_of(target).key_names == ("primaryKey", "secondaryKey")
    with container() as upstream:
        assert ask_at(door, target, upstream.port, get(b"@/score", headers=bearer(key))).status == 200


@pytest.mark.row("auth.scheme")
@every_front_door
@pytest.mark.parametrize("header", [b"authorization: bearer primary-key", b"AUTHORIZATION: BEARER  primary-key "])
def test_the_case_of_the_scheme_does_not_matter(door: Door, target: Target, header: bytes) -> None:
    with container() as upstream:
        assert ask_at(door, target, upstream.port, get(b"@/score", headers=header + b"\r\n")).status == 200


@pytest.mark.row("auth.scheme")
@every_front_door
@pytest.mark.parametrize(
    ("query", "headers"),
    [
        (b"?code=primary-key&api_key=primary-key&access_token=primary-key&Authorization=Bearer%20primary-key", b""),
        (b"", b"api-key: primary-key\r\nX-Api-Key: primary-key\r\nProxy-Authorization: Bearer primary-key\r\n"),
        (b"", b"Cookie: Authorization=Bearer primary-key\r\n"),
    ],
)
def test_a_key_opens_from_nowhere_else(door: Door, target: Target, query: bytes, headers: bytes) -> None:
    with container() as upstream:
        answer = ask_at(door, target, upstream.port, get(b"@/score" + query, headers=headers))
        assert (answer.status, upstream.connections) == (401, 0)


@pytest.mark.row("auth.no_header")
@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("managed", b"key_auth_bad_header_forbidden"),
        ("kubernetes", b"Unauthorized, no Authorization header"),
        ("aks", b"Unauthorized, no Authorization header"),
        ("aci", b"Unauthorized, no Authorization header"),
    ],
)
def test_without_authorization(door: Door, target: Target, body: bytes) -> None:
    with container() as upstream:
        answer = ask_at(door, target, upstream.port, get(b"@/score", headers=b""))
        assert (answer.status, answer.body, upstream.connections) == (401, body, 0)


MALFORMED = [
    b"Authorization: primary-key\r\n",
    b"Authorization: Basic primary-key\r\n",
    b"Authorization: Bearer\r\n",
    b"Authorization: Bearer \r\n",
    b"Authorization: Bearerprimary-key\r\n",
    b"Authorization: \r\n",
    b"Authorization: Bearer primary-key\r\nAuthorization: Bearer primary-key\r\n",
]


@pytest.mark.row("auth.malformed_header")
@every_front_door
@pytest.mark.parametrize("header", MALFORMED)
def test_a_malformed_authorization(door: Door, target: Target, header: bytes) -> None:
    body = b"key_auth_bad_header_forbidden" if target == "managed" else b"Unauthorized"
    with container() as upstream:
        answer = ask_at(door, target, upstream.port, get(b"@/score", headers=header))
        assert (answer.status, answer.body, upstream.connections) == (401, body, 0)


@pytest.mark.row("auth.wrong_key")
@every_front_door
@pytest.mark.parametrize(
    "key",
    [b"wrong", b"primary-ke", b"primary-key2", b"PRIMARY-KEY", b"primary-key k2", b"\xff", b"k" * 30_000],
)
def test_a_wrong_key(door: Door, target: Target, key: bytes) -> None:
    body = b"key_auth_access_denied" if target == "managed" else b"Unauthorized"
    with container() as upstream:
        answer = ask_at(door, target, upstream.port, get(b"@/score", headers=bearer(key)))
        assert (answer.status, answer.body, upstream.connections) == (401, body, 0)


# tokens


@every_target_with_tokens
def test_an_aml_token_opens_its_endpoint(door: Door, target: Target) -> None:
    with container() as upstream:
        raw = post(target=b"@/score").replace(AUTHORIZED, bearer(aml_token()))
        assert ask_at(door, target, upstream.port, raw, tokens=aml_tokens()).status == 200


@pytest.mark.row("auth.aad_audience")
@pytest.mark.parametrize(
    ("audience", "status"),
    [
        (AUDIENCE, 200),
        (AUDIENCE + "/", 200),
        ("https://management.azure.com", 401),
        ("api://ml.azure.com", 401),
        ("18a66f5f-dbdf-4c17-9dd7-1634712a9cbe", 401),
    ],
)
def test_the_audience_of_an_aad_token(door: Door, audience: str, status: int) -> None:
    assert [profile_of(target).aad_audience for target in FRONT_DOORS] == [AUDIENCE, None, None, None]
    with container() as upstream:
        raw = get(headers=bearer(aad_token(aud=audience)))
        assert ask_at(door, "managed", upstream.port, raw, tokens=aad_tokens()).status == status


@pytest.mark.row("auth.token_header")
@every_target_with_tokens
@pytest.mark.parametrize("header", [b"", *MALFORMED])
def test_no_token_in_the_header(door: Door, target: Target, header: bytes) -> None:
    body = b"Unauthorized" if target == "managed" else b"Unauthorized, no Authorization header"
    with container() as upstream:
        answer = ask_at(door, target, upstream.port, get(b"@/score", headers=header), tokens=aml_tokens())
        assert (answer.status, answer.body, upstream.connections) == (401, body, 0)
        assert door.line()["ResponseCodeReason"] == "auth.token_header"


@pytest.mark.row("auth.refused_token")
@every_target_with_tokens
@pytest.mark.parametrize(
    ("token", "why"),
    [
        (aml_token(exp=time.time() - 1), "it has expired"),
        (aml_token(nbf=time.time() + 3600), "it is not valid yet"),
        (issue(SECRET, claims(time.time(), aud="urn:amlemu:endpoint:other:2024")), "it is for another audience"),
        (issue("t" * 64, claims(time.time(), aud=AML_AUDIENCE)), "no key that is trusted signed it"),
        ("primary-key", "it is not a JWT"),
    ],
)
def test_a_token_that_is_not_good(door: Door, target: Target, token: str, why: str) -> None:
    with container() as upstream:
        answer = ask_at(door, target, upstream.port, get(b"@/score", headers=bearer(token)), tokens=aml_tokens())
        assert (answer.status, answer.body, upstream.connections) == (401, b"Unauthorized", 0)
        line = door.line()
        assert (line["ResponseCodeReason"], line["Warning"]) == (
            "auth.refused_token",
            f"the token was refused: {why}",
        )
        assert line["IdentityData"] == ""


def test_a_token_is_refused_when_it_expires_and_not_before(door: Door) -> None:
    with container() as upstream:
        tokens = aml_tokens()
        port = door.serve(upstream.port, keys=(), tokens=tokens).port
        token = aml_token(exp=time.time() + 0.7)
        assert [ask(port, get(headers=bearer(token))).status for _ in range(3)] == [200, 200, 200]
        assert tokens.remembered == 1
        time.sleep(0.8)
        assert ask(port, get(headers=bearer(token))).status == 401


@pytest.mark.row("auth.wrong_tenant")
def test_a_token_of_another_tenant(door: Door) -> None:
    with container() as upstream:
        raw = get(headers=bearer(aad_token(tid="other")))
        answer = ask_at(door, "managed", upstream.port, raw, tokens=aad_tokens())
        assert (answer.status, upstream.connections) == (403, 0)
        assert answer.body == b"Tenant mismatch: Token tenant does not match resource tenant"
        assert door.line()["ResponseCodeReason"] == "auth.wrong_tenant"
        assert ask_at(door, "managed", upstream.port, raw, tokens=aad_tokens(tenant="")).status == 200


# every mode


@pytest.mark.row("auth.one_mode")
@pytest.mark.parametrize("mode", ["key", "aml_token", "aad_token"])
def test_an_endpoint_takes_the_credentials_of_its_one_mode(door: Door, mode: str) -> None:
    credentials = {"key": KEYS[0], "aml_token": aml_token(), "aad_token": aad_token()}
    tokens = {"aml_token": aml_tokens(), "aad_token": aad_tokens()}.get(mode)
    with container() as upstream:
        statuses = {
            name: ask_at(door, "managed", upstream.port, get(headers=bearer(value)), tokens=tokens).status
            for name, value in credentials.items()
        }
        assert statuses == {name: 200 if name == mode else 401 for name in credentials}


@pytest.mark.row("auth.before_routing")
@every_front_door
@pytest.mark.parametrize("deployments", [(), (("blue", 0),), (("blue", 100),)])
def test_whether_a_deployment_exists_is_not_told_without_a_credential(
    door: Door, target: Target, deployments: tuple[tuple[str, int], ...]
) -> None:
    with container() as upstream:
        instances = (Instance("b", "127.0.0.1", upstream.port),)
        route = door.put(*(DeploymentRoute(name, weight, instances) for name, weight in deployments), target=target)
        port, prefix = door.base(route)
        answers = [ask(port, get(prefix + b"/score", headers=named)) for named in (b"", NAMED)]
        assert [answer.status for answer in answers] == [401, 401]
        assert answers[0].body == answers[1].body
        assert (upstream.connections, door.line(2)["DeploymentName"]) == (0, "")


@pytest.mark.row("auth.swagger_key_required")
@pytest.mark.parametrize(
    ("target", "status"), [("managed", 401), ("kubernetes", 401), ("aks", 200), ("aci", 200), ("local", 200)]
)
def test_swagger_without_a_credential(door: Door, target: Target, status: int) -> None:
    with container() as upstream:
        raw = get(b"@/swagger.json?version=3", headers=b"")
        assert ask_at(door, target, upstream.port, raw).status == status
        assert door.line()["AuthType"] == ("Key" if status == 401 else "")
        if target in WITH_TOKENS:
            assert ask_at(door, target, upstream.port, raw, tokens=aml_tokens()).status == status


@pytest.mark.row("auth.health_key_required")
@pytest.mark.parametrize(
    ("target", "status"), [("managed", 401), ("kubernetes", 401), ("aks", 401), ("aci", 401), ("local", 200)]
)
def test_health_without_a_credential(door: Door, target: Target, status: int) -> None:
    with container() as upstream:
        assert ask_at(door, target, upstream.port, get(b"@/", headers=b"")).status == status
        assert ask_at(door, target, upstream.port, get(b"@/")).status == 200
        if target in WITH_TOKENS:
            assert ask_at(door, target, upstream.port, get(b"@/", headers=b""), tokens=aml_tokens()).status == 401


@pytest.mark.parametrize("path", [b"@//swagger.json", b"@/swagger.json/", b"@/score?/swagger.json", b"@/Swagger.json"])
def test_only_the_path_of_swagger_is_open(door: Door, path: bytes) -> None:
    with container() as upstream:
        assert ask_at(door, "aks", upstream.port, get(path, headers=b"")).status == 401


@pytest.mark.row("auth.logged_type", "auth.logged_identity")
@pytest.mark.parametrize("target", [*FRONT_DOORS, "local"])
@pytest.mark.parametrize("mode", ["key", "aml_token", "aad_token", "none"])
def test_auth_type_and_identity_are_logged(door: Door, target: Target, mode: AuthMode) -> None:
    profile = profile_of(target)
    if mode not in profile.auth_modes:
        return
    tokens = {"aml_token": aml_tokens(), "aad_token": aad_tokens()}.get(mode)
    credential = {"key": KEYS[0], "aml_token": aml_token(), "aad_token": aad_token(), "none": "whatever"}[mode]
    with container() as upstream:
        keys = KEYS if mode == "key" else ()
        raw = post(target=b"@/score").replace(AUTHORIZED, bearer(credential))
        assert ask_at(door, target, upstream.port, raw, keys, tokens).status == 200
    line = door.line()
    types = {"key": "Key", "aml_token": "AMLToken", "aad_token": "AADToken", "none": ""}
    assert (line["AuthType"], line["IdentityData"]) == (types[mode], OBJECT_ID if tokens else "")


def test_the_container_gets_the_token_as_it_came(door: Door) -> None:
    token = aml_token()
    with container() as upstream:
        ask_at(door, "managed", upstream.port, get(headers=bearer(token)), tokens=aml_tokens())
        assert upstream.received[0].all("Authorization") == [f"Bearer {token}"]


SECRETS = {
    "key": KEYS[0],
    "wrong key": "almost-primary-key",
    "aml_token": aml_token(),
    "expired": aml_token(exp=1),
    "aad_token": aad_token(),
    "other tenant": aad_token(tid="other"),
    "garbage": "eyJnYXJiYWdl.eyJnYXJiYWdl.Z2FyYmFnZQ",
}


@pytest.mark.parametrize("mode", ["key", "aml_token", "aad_token"])
def test_no_credential_is_ever_logged(door: Door, mode: str, capfd: pytest.CaptureFixture[str]) -> None:
    tokens = {"aml_token": aml_tokens(), "aad_token": aad_tokens()}.get(mode)
    with container() as upstream:
        route = door.serve(upstream.port, keys=() if tokens else KEYS, tokens=tokens)
        for secret in SECRETS.values():
            raw = secret.encode()
            ask(route.port, get(headers=bearer(raw)))
            ask(route.port, get(headers=b"Authorization: %s\r\nCookie: %s\r\n" % (raw, raw)))
            ask(route.port, get(headers=bearer(raw) + bearer(raw)))
            ask(route.port, get(b"/score?code=%s" % raw, headers=b"Authorization: Basic %s\r\n" % raw))
        door.line(4 * len(SECRETS))
    said = repr(door.lines) + repr(route) + repr(route.access) + "".join(capfd.readouterr())
    for name, secret in SECRETS.items():
        for piece in {secret, *secret.split(".")} - {""}:
            if not piece.startswith("eyJhbGciOi"):  # the same head for every token, no secret
                assert piece not in said, name
