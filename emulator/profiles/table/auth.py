"""The parity table of authentication: modes, credentials, and what is answered to a request without a valid one.

`contract/managed` and `contract/v1` are the project's fact sheets about v2 online endpoints and v1 web services.
`how-to-authenticate-online-endpoint` is Microsoft's page of that name, read beside them.
"""

from __future__ import annotations

from types import MappingProxyType

from emulator.profiles.facts import UNCHANGED, Answer, Row, assumed, documented, observed, row

_NO_FRONT_DOOR = documented(None, "contract/v1 §8: LocalWebservice has no front end")
_NOTHING_ASKED = documented(None, "contract/v1 §5: local asks for nothing")
_NO_TOKENS = documented(None, "contract/v1 §5: ACI has no tokens")
_NO_AAD_TOKENS_HERE = documented(None, "contract/managed §2.1: aad_token is for managed endpoints")
_NO_AAD_TOKENS_IN_V1 = documented(None, "contract/v1 §5: keys and tokens of the workspace only")
_BY_ANALOGY_WITH_MANAGED = "by analogy with managed; contract/managed §12"
_BY_ANALOGY_WITH_AKS = "by analogy with AKS, whose router azureml-fe is the same; contract/v1 §12"
_LOG_OF_MANAGED = "amlemu writes the same columns for every target; contract/managed §2.14"

_NO_AUTH_HEADER = Answer(401, "Unauthorized, no Authorization header")
_UNAUTHORIZED = Answer(401, "Unauthorized")
_ACCESS_DENIED = Answer(401, "key_auth_access_denied")
_BAD_HEADER = Answer(401, "key_auth_bad_header_forbidden")
_WRONG_TENANT = Answer(403, "Tenant mismatch: Token tenant does not match resource tenant")

_TOKEN_FIELDS = ("accessToken", "expiryTimeUtc", "refreshAfterTimeUtc", "tokenType")
_AUTH_TYPES = MappingProxyType({"key": "Key", "aml_token": "AMLToken", "aad_token": "AADToken", "none": ""})
_LIFETIME_SECONDS = 30 * 60
_REFRESH_SECONDS = 15 * 60

AUTH_ROWS: tuple[Row, ...] = (
    row(
        "auth.modes",
        "The values of auth_mode that an endpoint of the target may have; `none` is an open one.",
        managed=documented(("key", "aml_token", "aad_token"), "contract/managed §2.1; contract/v1 §9: none is not"),
        kubernetes=documented(("key", "aml_token"), "contract/managed §2.1, §5.3"),
        aks=documented(("key", "aml_token", "none"), "contract/v1 §5, §7: authEnabled, tokenAuthEnabled"),
        aci=documented(("none", "key"), "contract/v1 §5, §7: authEnabled"),
        local=documented(("none",), "contract/v1 §5, §8"),
    ),
    row(
        "auth.default_mode",
        "The auth_mode of a new endpoint whose document says nothing of it.",
        managed=documented("key", "contract/managed §2.1"),
        kubernetes=documented("key", "contract/managed §2.1"),
        aks=documented("key", "contract/v1 §5"),
        aci=documented("none", "contract/v1 §5"),
        local=documented("none", "contract/v1 §5"),
    ),
    row(
        "auth.mode_update",
        "An update may give an endpoint another auth_mode; its keys stay for the day that it has them again.",
        managed=documented(True, "how-to-authenticate-online-endpoint: update --set auth_mode; contract/managed §2.1"),
        kubernetes=assumed(True, "the same command, for whose kubernetes form nothing is said; contract/managed §2.1"),
        aks=assumed(True, "contract/sdk-wire-protocol §2c row 27: PATCH /authEnabled, seen for ACI"),
        aci=documented(True, "contract/sdk-wire-protocol §2c row 27: PATCH /authEnabled; contract/v1 §5"),
        local=documented(False, "contract/v1 §5: there is one mode"),
    ),
    row(
        "auth.one_mode",
        "The keys leave a token endpoint closed, and a token a key endpoint: one mode at a time.",
        managed=documented(UNCHANGED, "contract/managed §2.1: one value only"),
        kubernetes=documented(UNCHANGED, "contract/managed §2.1: one value only"),
        aks=documented(UNCHANGED, "contract/v1 §5: never together"),
        aci=documented(UNCHANGED, "contract/v1 §5: there are no tokens"),
        local=documented(UNCHANGED, "contract/v1 §5: nothing is asked for"),
    ),
    row(
        "auth.scheme",
        "The scheme of the one Authorization header that carries key or token in every mode; nothing else does, no"
        " query string and no other header.",
        managed=documented("Bearer", "contract/managed §2.2"),
        kubernetes=documented("Bearer", "contract/managed §2.2"),
        aks=documented("Bearer", "contract/v1 §5"),
        aci=documented("Bearer", "contract/v1 §5"),
        local=_NOTHING_ASKED,
    ),
    row(
        "auth.keys",
        "The keys of an endpoint by the names that listKeys gives them; any of them opens it, and none expires.",
        managed=documented(("primaryKey", "secondaryKey"), "contract/managed §2.3"),
        kubernetes=documented(("primaryKey", "secondaryKey"), "contract/managed §2.3"),
        aks=documented(("primaryKey", "secondaryKey"), "contract/v1 §5; contract/sdk-wire-protocol §2c row 30"),
        aci=documented(("primaryKey", "secondaryKey"), "contract/v1 §5; contract/sdk-wire-protocol §2c row 30"),
        local=_NOTHING_ASKED,
    ),
    row(
        "auth.regenerate",
        "For how many seconds the old value of a regenerated key still opens the endpoint: 0 refuses it from the next"
        " request on. The other key, the URI and what serves stay as they are.",
        managed=assumed(0, "contract/managed §2.6; §12: how long the old one lives is not known"),
        kubernetes=assumed(0, "contract/managed §2.6; §12: how long the old one lives is not known"),
        aks=assumed(0, "contract/v1 §5: asynchronous, how long is not known"),
        aci=assumed(0, "contract/v1 §5: asynchronous, how long is not known"),
        local=documented(0, "contract/v1 §5: there is no key"),
    ),
    row(
        "auth.before_routing",
        "A request without a valid credential leaves everything behind the check untouched: no deployment is chosen, no"
        " container sees it, and whether the path or the deployment that it names exists is not told. No: it is told,"
        " with the answer that such a request has with a credential.",
        managed=assumed(True, "contract/managed §2.13, inferred there"),
        kubernetes=assumed(True, _BY_ANALOGY_WITH_MANAGED),
        aks=assumed(True, "contract/v1 §5: the 401 is the front end's"),
        aci=assumed(True, _BY_ANALOGY_WITH_AKS),
        local=documented(True, "contract/v1 §5: nothing is asked for"),
    ),
    row(
        "auth.swagger_key_required",
        "/swagger.json asks for the endpoint's credential too.",
        managed=documented(True, "contract/managed §2.12"),
        kubernetes=assumed(True, _BY_ANALOGY_WITH_MANAGED),
        aks=observed(False, "contract/v1 §5: OPS#321, weak evidence"),
        aci=assumed(False, _BY_ANALOGY_WITH_AKS),
        local=documented(False, "contract/v1 §5"),
    ),
    row(
        "auth.health_key_required",
        "`/`, the server's health page, asks a caller for the endpoint's credential too; the platform's own probes go"
        " to the container and need none.",
        managed=assumed(True, "contract/managed §2.13"),
        kubernetes=assumed(True, "contract/managed §2.13"),
        aks=assumed(True, _BY_ANALOGY_WITH_MANAGED),
        aci=assumed(True, _BY_ANALOGY_WITH_AKS),
        local=documented(False, "contract/v1 §5"),
    ),
    row(
        "auth.no_header",
        "The answer of an endpoint with keys to a request without an Authorization header.",
        managed=assumed(_BAD_HEADER, "contract/managed §2.8, §2.10, §12: the nearest observed body"),
        kubernetes=assumed(_NO_AUTH_HEADER, _BY_ANALOGY_WITH_AKS),
        aks=observed(_NO_AUTH_HEADER, "contract/v1 §5: OPS#227"),
        aci=assumed(_NO_AUTH_HEADER, _BY_ANALOGY_WITH_AKS),
        local=_NO_FRONT_DOOR,
    ),
    row(
        "auth.malformed_header",
        "The answer of an endpoint with keys to an Authorization header that is not `Bearer <key>`.",
        managed=observed(_BAD_HEADER, "contract/managed §2.10: the body; the status is that of §2.8"),
        kubernetes=assumed(_UNAUTHORIZED, _BY_ANALOGY_WITH_AKS),
        aks=assumed(_UNAUTHORIZED, "contract/v1 §12"),
        aci=assumed(_UNAUTHORIZED, _BY_ANALOGY_WITH_AKS),
        local=_NO_FRONT_DOOR,
    ),
    row(
        "auth.wrong_key",
        "The answer to a key that is neither the primary nor the secondary one.",
        managed=observed(_ACCESS_DENIED, "contract/managed §2.9"),
        kubernetes=assumed(_UNAUTHORIZED, _BY_ANALOGY_WITH_AKS),
        aks=assumed(_UNAUTHORIZED, "contract/v1 §12"),
        aci=assumed(_UNAUTHORIZED, _BY_ANALOGY_WITH_AKS),
        local=_NO_FRONT_DOOR,
    ),
    row(
        "auth.token_header",
        "The answer of an endpoint with tokens to a request whose Authorization header is missing or not `Bearer"
        " <token>`.",
        managed=assumed(_UNAUTHORIZED, "contract/managed §2.8: 401 for a wrong format; §12: the body is not known"),
        kubernetes=assumed(_NO_AUTH_HEADER, _BY_ANALOGY_WITH_AKS),
        aks=assumed(_NO_AUTH_HEADER, "contract/v1 §5: OPS#227 saw it of a missing header, not in which mode"),
        aci=_NO_TOKENS,
        local=_NO_FRONT_DOOR,
    ),
    row(
        "auth.refused_token",
        "The answer to a token that is expired, not yet valid, for another audience or endpoint, not signed by a key"
        " that is trusted, or no token at all.",
        managed=assumed(_UNAUTHORIZED, "contract/managed §2.8: 401 for an expired one; §12: the body is not known"),
        kubernetes=assumed(_UNAUTHORIZED, _BY_ANALOGY_WITH_MANAGED),
        aks=assumed(_UNAUTHORIZED, "contract/v1 §12"),
        aci=_NO_TOKENS,
        local=_NO_FRONT_DOOR,
    ),
    row(
        "auth.wrong_tenant",
        "The answer to a valid aad_token of another tenant than the workspace's.",
        managed=assumed(_WRONG_TENANT, "contract/managed §2.11: observed at batch endpoints, the same product"),
        kubernetes=_NO_AAD_TOKENS_HERE,
        aks=_NO_AAD_TOKENS_IN_V1,
        aci=_NO_AAD_TOKENS_IN_V1,
        local=_NO_FRONT_DOOR,
    ),
    row(
        "auth.token_lifetime",
        "How many seconds a token that the service issues is valid.",
        managed=assumed(_LIFETIME_SECONDS, "contract/managed §2.15: a third party's 15 to 30 minutes"),
        kubernetes=assumed(_LIFETIME_SECONDS, "contract/managed §2.15, as managed"),
        aks=assumed(_LIFETIME_SECONDS, "contract/v1 §12: not found; as managed"),
        aci=_NO_TOKENS,
        local=_NOTHING_ASKED,
    ),
    row(
        "auth.token_refresh",
        "How many seconds after its issue a token should be fetched anew; the service renews none by itself.",
        managed=assumed(_REFRESH_SECONDS, "contract/managed §2.4: there is such a time; §2.15: half of the lifetime"),
        kubernetes=assumed(_REFRESH_SECONDS, "contract/managed §2.4, §2.15, as managed"),
        aks=assumed(_REFRESH_SECONDS, "contract/v1 §5: there is such a time; §12: not how long"),
        aci=_NO_TOKENS,
        local=_NOTHING_ASKED,
    ),
    row(
        "auth.token_fields",
        "What POST …/token answers; times are whole seconds since 1970, UTC.",
        managed=documented(_TOKEN_FIELDS, "contract/managed §2.4"),
        kubernetes=documented(_TOKEN_FIELDS, "contract/managed §2.4"),
        aks=assumed(_TOKEN_FIELDS, "contract/v1 §5 has the same four under the SDK's names; the wire is not known"),
        aci=_NO_TOKENS,
        local=_NOTHING_ASKED,
    ),
    row(
        "auth.aad_audience",
        "The audience that an aad_token must be for; a slash at its end makes no difference.",
        managed=documented("https://ml.azure.com", "contract/managed §2.5; the slash is assumed"),
        kubernetes=_NO_AAD_TOKENS_HERE,
        aks=_NO_AAD_TOKENS_IN_V1,
        aci=_NO_AAD_TOKENS_IN_V1,
        local=_NOTHING_ASKED,
    ),
    row(
        "auth.aad_action",
        "The action that a role must allow the bearer of an aad_token; amlemu has no roles, which is a difference.",
        managed=documented(
            "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/score/action", "contract/managed §2.5"
        ),
        kubernetes=_NO_AAD_TOKENS_HERE,
        aks=_NO_AAD_TOKENS_IN_V1,
        aci=_NO_AAD_TOKENS_IN_V1,
        local=_NOTHING_ASKED,
    ),
    row(
        "auth.logged_type",
        "AuthType in the log, by auth_mode: which check the request had to pass.",
        managed=documented(_AUTH_TYPES, "contract/managed §2.14"),
        kubernetes=assumed(_AUTH_TYPES, _LOG_OF_MANAGED),
        aks=assumed(_AUTH_TYPES, _LOG_OF_MANAGED),
        aci=assumed(_AUTH_TYPES, _LOG_OF_MANAGED),
        local=assumed(_AUTH_TYPES, _LOG_OF_MANAGED),
    ),
    row(
        "auth.logged_identity",
        "The claim of an accepted token that stands in the log as IdentityData; a key tells of nobody.",
        managed=documented("oid", "contract/managed §2.14: the object id of the JWT"),
        kubernetes=assumed("oid", _LOG_OF_MANAGED),
        aks=assumed("oid", _LOG_OF_MANAGED),
        aci=_NO_TOKENS,
        local=_NOTHING_ASKED,
    ),
)
