"""The modes of an endpoint, its keys and its tokens, from the deploy that names them to what the front door is told."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import jwt
import pytest
from core_support import EPOCH, House
from fake_engine import Behaviour
from served import Served
from signing import OBJECT_ID, TENANT, claims, jwks, public_jwk, rsa_key, signed

from emulator.client.client import Client
from emulator.difference import texts
from emulator.entities import AuthMode, EndpointToken, Target
from emulator.errors import BadArgument, BadDocument, ResourceNotFound, ResourceNotReady
from emulator.profiles import overridden, profile_of
from emulator.routing.jwks import read_jwks
from emulator.routing.tokens import AadTrust

TOKEN_MODES: tuple[AuthMode, ...] = ("aml_token", "aad_token")
every_token_mode = pytest.mark.parametrize("mode", TOKEN_MODES)


def opens(house: House, credential: str, endpoint: str = "iris", later: float = 0.0) -> bool:
    """Whether the front door would let that credential in, so many seconds later."""
    access = house.gateway.routes[endpoint].access
    return access.check("/score", (f"Bearer {credential}".encode(),), EPOCH + later).answer is None


# modes


@pytest.mark.row("auth.modes", "auth.default_mode")
@pytest.mark.parametrize(
    ("target", "default", "more"),
    [
        ("managed", "key", ["aml_token", "aad_token"]),
        ("kubernetes", "key", ["aml_token"]),
        ("aks", "key", ["aml_token", "none"]),
        ("aci", "none", ["key"]),
        ("local", "none", []),
    ],
)
def test_a_target_has_its_modes_and_no_other(house: House, target: Target, default: str, more: list[str]) -> None:
    house.deploy(target=target)
    assert house.workspace.endpoints.get("iris").auth_mode == default
    for number, mode in enumerate(["key", "aml_token", "aad_token", "none"]):
        if mode in [default, *more]:
            house.deploy(f"new{number}", target=target, auth_mode=mode)
            assert house.workspace.endpoints.get(f"new{number}").auth_mode == mode
            house.workspace.deployments.delete_endpoint(f"new{number}")
            continue
        for name in ("iris", f"new{number}"):
            with pytest.raises(BadArgument, match=f"target {target} has no auth_mode {mode}; it has: ") as caught:
                house.deploy(name, target=target, auth_mode=mode)
            assert caught.value.hint
    assert house.workspace.endpoints.list_names() == ["iris"]
    assert house.deployment().generation == 1, "a wrong mode touches nothing"


@pytest.mark.row("auth.mode_update")
def test_an_update_may_name_another_mode(house: House) -> None:
    assert {t: profile_of(t).auth_mode_may_change for t in ("managed", "kubernetes", "aks", "aci", "local")} == {
        "managed": True, "kubernetes": True, "aks": True, "aci": True, "local": False,
    }  # fmt: skip
    house.deploy()
    keys = house.workspace.endpoints.get_keys("iris")
    for mode in ("aml_token", "aad_token"):
        house.deploy(auth_mode=mode)
        house.deploy()
        assert house.workspace.endpoints.get("iris").auth_mode == mode, "it stays until another is named"
        assert not opens(house, keys.primary_key)
        assert opens(house, house.workspace.endpoints.get_token("iris").access_token)
    house.deploy(auth_mode="key")
    assert house.workspace.endpoints.get_keys("iris") == keys
    assert opens(house, keys.primary_key)


def test_a_deploy_that_fails_leaves_the_mode(house: House) -> None:
    house.deploy()
    key = house.workspace.endpoints.get_keys("iris").primary_key
    house.engine.behaviours.append(Behaviour(exit_code=3))
    with pytest.raises(ResourceNotReady):
        house.deploy(auth_mode="aml_token")
    assert house.workspace.endpoints.get("iris").auth_mode == "key"
    assert opens(house, key)


@pytest.mark.row("auth.aad_action")
def test_missing_aad_roles_are_a_difference(house: House, tmp_path: Path) -> None:
    assert not [text for text in texts(house.deploy().differences) if "aad_token" in text]
    (alone,) = [text for text in texts(house.deploy(auth_mode="aad_token").differences) if "aad_token" in text]
    assert "there are no roles here" in alone
    assert "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/score/action" in alone
    assert "AMLEMU_AAD_KEYS" in alone
    (tmp_path / "trusting").mkdir()
    keys = read_jwks(jwks(public_jwk(rsa_key())), "keys.json")
    trusting = House(tmp_path / "trusting", aad_trust=AadTrust(keys))
    (text,) = [t for t in texts(trusting.deploy(auth_mode="aad_token").differences) if "aad_token" in t]
    assert "there are no roles here" in text and "AMLEMU_AAD_KEYS" not in text
    trusting.settle()
    assert not [text for text in texts(house.deploy(auth_mode="key").differences) if "aad_token" in text]


def test_a_mode_is_a_word_of_azure(house: House) -> None:
    for mode in ("Key", "token", "", 7):
        with pytest.raises(BadDocument, match="auth_mode: Input should be 'key', 'aml_token', 'aad_token' or 'none'"):
            house.deploy(auth_mode=mode)


# keys


@pytest.mark.row("auth.regenerate")
@pytest.mark.parametrize("target", ["managed", "kubernetes", "aks", "aci"])
def test_a_regenerated_key_is_refused_at_once_and_nothing_else_changes(house: House, target: Target) -> None:
    house.deploy(target=target, auth_mode="key")
    before, route = house.workspace.endpoints.get_keys("iris"), house.gateway.routes["iris"]
    after = house.workspace.endpoints.regenerate_keys("iris", "primary")
    assert (opens(house, before.primary_key), opens(house, after.primary_key)) == (False, True)
    assert after.secondary_key == before.secondary_key
    assert opens(house, after.secondary_key)
    now = house.gateway.routes["iris"]
    assert (now.port, now.deployments) == (route.port, route.deployments)


@pytest.mark.row("auth.regenerate")
def test_the_old_key_may_live_on(house: House) -> None:
    """For as long as the settings say, also when another one is regenerated, and not in the next endpoint."""
    with overridden({"managed": {"auth.regenerate": 60}}):
        house.deploy()
        endpoints = house.workspace.endpoints
        first = endpoints.get_keys("iris").primary_key
        second = endpoints.regenerate_keys("iris", "primary").primary_key
        house.pass_time(30)
        third = endpoints.regenerate_keys("iris", "primary").primary_key
        assert [opens(house, key, later=30) for key in (first, second, third)] == [True, True, True]
        assert [opens(house, key, later=61) for key in (first, second, third)] == [False, True, True]
        assert [opens(house, key, later=91) for key in (first, second, third)] == [False, False, True]
        assert first not in repr(house.gateway.routes["iris"]), "no key is in any log"
        house.workspace.deployments.delete_endpoint("iris")
        house.deploy()
        assert not opens(house, second, later=61)


def test_a_key_that_is_set(house: House) -> None:
    house.deploy()
    endpoints = house.workspace.endpoints
    old = endpoints.get_keys("iris")
    assert endpoints.regenerate_keys("iris", "secondary", "mine").secondary_key == "mine"
    assert opens(house, "mine") and opens(house, old.primary_key) and not opens(house, old.secondary_key)
    fresh = endpoints.regenerate_keys("iris", "primary", old.primary_key)
    assert fresh.primary_key != old.primary_key, "the SDK sends the key that is there and wants a new one"
    assert fresh.secondary_key == "mine"


@pytest.mark.parametrize("key", ["", " ", "two words", "tab\t", "line\n", "\0", "ключ", "x" * 1025])
def test_a_key_that_no_header_can_carry(house: House, key: str) -> None:
    house.deploy()
    before = house.workspace.endpoints.get_keys("iris")
    with pytest.raises(BadArgument) as caught:
        house.workspace.endpoints.regenerate_keys("iris", "primary", key)
    with pytest.raises(BadDocument) as at_deploy:
        house.deploy(primary_key=key)
    for error in (caught.value, at_deploy.value):
        assert "a key is 1 to 1024 letters" in error.message
        assert not key.strip() or key not in error.message
    assert house.workspace.endpoints.get_keys("iris") == before


@every_token_mode
def test_an_endpoint_with_tokens_gives_no_keys(house: House, mode: AuthMode) -> None:
    house.deploy(auth_mode=mode)
    for verb in (lambda: house.workspace.endpoints.get_keys("iris"),
                 lambda: house.workspace.endpoints.regenerate_keys("iris", "primary")):  # fmt: skip
        with pytest.raises(BadArgument, match=r"Endpoint 'iris' does not use keys for authentication\."):
            verb()


# tokens


@pytest.mark.row("auth.token_lifetime", "auth.token_refresh")
@pytest.mark.parametrize("target", ["managed", "kubernetes", "aks"])
def test_a_token_opens_until_it_expires_and_is_to_be_fetched_anew_before(house: House, target: Target) -> None:
    house.deploy(target=target, auth_mode="aml_token")
    token = house.workspace.endpoints.get_token("iris")
    lifetime, refresh = token.expiry_time_utc - int(EPOCH), token.refresh_after_time_utc - int(EPOCH)
    assert (lifetime, refresh) == (30 * 60, 15 * 60)
    assert opens(house, token.access_token)
    assert opens(house, token.access_token, later=lifetime - 1)
    assert not opens(house, token.access_token, later=lifetime)
    assert not opens(house, token.access_token, later=-10)


@pytest.mark.parametrize(("target", "mode"), [("managed", "key"), ("aks", "none"), ("aci", "key"), ("local", "none")])
def test_an_endpoint_without_tokens_gives_none(house: House, target: Target, mode: AuthMode) -> None:
    house.deploy(target=target, auth_mode=mode)
    with pytest.raises(BadArgument, match=r"Endpoint 'iris' does not use tokens for authentication\."):
        house.workspace.endpoints.get_token("iris")
    with pytest.raises(ResourceNotFound):
        house.workspace.endpoints.get_token("nobody")


def test_an_aml_token_names_its_endpoint(house: House) -> None:
    for name in ("iris", "pets"):
        house.deploy(name, auth_mode="aml_token")
    token = house.workspace.endpoints.get_token("iris").access_token
    assert (opens(house, token, "iris"), opens(house, token, "pets")) == (True, False)
    house.workspace.deployments.delete_endpoint("iris")
    house.deploy("iris", auth_mode="aml_token")
    assert not opens(house, token), "an endpoint of the same name is another one"


def test_an_aad_token_opens_every_endpoint_and_no_other_mode(house: House) -> None:
    for name in ("iris", "pets"):
        house.deploy(name, auth_mode="aad_token")
    house.deploy("toys", auth_mode="aml_token")
    token = house.workspace.endpoints.get_token("iris").access_token
    assert [opens(house, token, name) for name in ("iris", "pets", "toys")] == [True, True, False]
    assert not opens(house, house.workspace.endpoints.get_token("toys").access_token, "iris")


@every_token_mode
def test_a_token_survives_a_restart_and_no_other_workspace_takes_it(
    house: House, mode: AuthMode, tmp_path: Path
) -> None:
    house.deploy(auth_mode=mode)
    token = house.workspace.endpoints.get_token("iris").access_token
    again = house.restarted()
    again.workspace.reconcile()
    assert opens(again, token)
    again.settle()
    (tmp_path / "other").mkdir()
    stranger = House(tmp_path / "other")
    stranger.deploy(auth_mode=mode)
    assert not opens(stranger, token)
    stranger.settle()


@every_token_mode
def test_a_token_identifies_its_user(house: House, mode: AuthMode) -> None:
    house.deploy(auth_mode=mode)
    tokens = [house.workspace.endpoints.get_token("iris").access_token for _ in range(2)]
    payloads = [jwt.decode(token, options={"verify_signature": False}) for token in tokens]
    assert len({payload["oid"] for payload in payloads}) == 1
    access = house.gateway.routes["iris"].access
    verdict = access.check("/score", (f"Bearer {tokens[0]}".encode(),), EPOCH)
    assert verdict.identity == payloads[0]["oid"]
    assert ("tid" in payloads[0]) is (mode == "aad_token")


def test_a_provider_that_is_trusted(house: House, tmp_path: Path) -> None:
    keys = read_jwks(jwks(public_jwk(rsa_key(), kid="r")), "keys.json")
    for name, trust in {"any": AadTrust(keys), "ours": AadTrust(keys, TENANT)}.items():
        (tmp_path / name).mkdir()
        trusting = House(tmp_path / name, aad_trust=trust)
        trusting.deploy(auth_mode="aad_token")
        trusting.deploy("aml", auth_mode="aml_token")
        good, other = (signed(claims(EPOCH, tid=tid), kid="r") for tid in (TENANT, "other"))
        assert opens(trusting, good)
        assert opens(trusting, other) is (name == "any")
        assert opens(trusting, trusting.workspace.endpoints.get_token("iris").access_token)
        access = trusting.gateway.routes["iris"].access
        assert access.check("/score", (f"Bearer {good}".encode(),), EPOCH).identity == OBJECT_ID
        forged = signed(
            claims(EPOCH, aud=f"urn:amlemu:endpoint:aml:{trusting.workspace.endpoints.get('aml').created_at}")
        )
        assert not opens(trusting, forged, "aml"), "a provider of aad_tokens issues no aml_tokens"
        trusting.settle()
    house.deploy(auth_mode="aad_token")
    assert not opens(house, good), "nobody is trusted without being named"


@every_token_mode
def test_the_secret_is_for_the_owner_and_nothing_else_holds_it(house: House, mode: AuthMode) -> None:
    house.deploy()
    file = house.store.home / "signing.json"
    assert not file.exists(), "no token, no secret"
    house.deploy(auth_mode=mode)
    token = house.workspace.endpoints.get_token("iris").access_token
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    secret = json.loads(file.read_text())["secret"]
    assert len(secret) == 64
    house.settle()
    others = [path for path in house.store.home.rglob("*") if path.is_file() and path != file]
    for path in others:
        text = path.read_bytes()
        assert secret.encode() not in text and token.encode() not in text, path
    assert token not in repr(house.workspace.endpoints.get_token("iris"))


# through the control API


@pytest.mark.row("auth.token_fields")
@pytest.mark.parametrize(
    ("target", "mode"),
    [("managed", "aml_token"), ("managed", "aad_token"), ("kubernetes", "aml_token"), ("aks", "aml_token")],
)
def test_token_over_http(served: Served, client: Client, target: Target, mode: AuthMode) -> None:
    served.house.deploy(target=target, auth_mode=mode)
    answer = served.ask("POST", "/onlineEndpoints/iris/token", json={}).json()
    assert list(answer) == ["accessToken", "expiryTimeUtc", "refreshAfterTimeUtc", "tokenType"]
    assert answer["tokenType"] == "Bearer"
    assert EPOCH < answer["refreshAfterTimeUtc"] < answer["expiryTimeUtc"]
    assert opens(served.house, answer["accessToken"])
    assert client.get_credentials("iris").keys() == answer.keys()
    properties = served.ask("GET", "/onlineEndpoints/iris").json()["properties"]
    assert properties["authMode"] == {"aml_token": "AMLToken", "aad_token": "AADToken"}[mode]
    assert served.error("POST", "/onlineEndpoints/iris/listKeys", json={})[:2] == (400, "BadArgument")


@pytest.mark.row("auth.keys")
@pytest.mark.parametrize("target", ["managed", "kubernetes", "aks", "aci"])
def test_keys_over_http(served: Served, client: Client, target: Target) -> None:
    served.house.deploy(target=target, auth_mode="key")
    keys = client.get_credentials("iris")
    assert list(keys) == ["primaryKey", "secondaryKey"]
    assert opens(served.house, keys["primaryKey"]) and opens(served.house, keys["secondaryKey"])
    assert served.error("POST", "/onlineEndpoints/iris/token", json={})[:2] == (400, "BadArgument")
    url = "/onlineEndpoints/iris/regenerateKeys"
    same = {"keyType": "Secondary", "keyValue": keys["secondaryKey"]}
    fresh = served.ask("POST", url, json=same).json()
    assert fresh["primaryKey"] == keys["primaryKey"] and fresh["secondaryKey"] != keys["secondaryKey"]
    assert served.ask("POST", url, json={"keyType": "Primary", "keyValue": "mine"}).json()["primaryKey"] == "mine"
    assert served.ask("POST", url, json={"keyType": "Primary", "keyValue": ""}).json()["primaryKey"] != "mine"
    for body in ({"keyType": "Primary", "keyValue": 7}, {"keyType": "Primary", "keyValue": "s e c r e t"}, {}):
        status, code, message = served.error("POST", url, json=body)
        assert (status, code) == (400, "BadArgument")
        assert "s e c r e t" not in message


@pytest.mark.parametrize(("target", "mode"), [("aci", "none"), ("aks", "none"), ("local", "none")])
def test_an_open_endpoint_has_no_credentials(client: Client, served: Served, target: Target, mode: AuthMode) -> None:
    served.house.deploy(target=target, auth_mode=mode)
    with pytest.raises(BadArgument, match="does not use keys for authentication"):
        client.get_credentials("iris")


def test_an_endpoint_has_no_token_field() -> None:
    token = EndpointToken(access_token="a.b.c", expiry_time_utc=2, refresh_after_time_utc=1)
    assert "a.b.c" not in repr(token)
