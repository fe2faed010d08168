"""The parity table of authentication: modes, credentials, and what is answered to a request without a valid one."""

from __future__ import annotations

from types import MappingProxyType

from emulator.profiles.facts import UNCHANGED, Answer, Row, assumed, documented, observed, row
from emulator.profiles.sources import (
    AKS_NO_HEADER,
    AKS_SWAGGER,
    AUTH_CONCEPT,
    AUTHENTICATE,
    ENDPOINT_YAML,
    LOCAL_WEBSERVICE,
    MANAGED_STATUS,
    MIGRATE,
    OPENAPI_SAMPLE,
    SDK,
    SDK_V1,
    TRAFFIC_TABLE,
    V1_AUTH,
    V1_CONSUME,
    V1_FILES,
    WRONG_KEY,
)
from emulator.profiles.table.common import AS_AKS, AS_MANAGED, NO_FRONT_DOOR

_GET_TOKEN = AUTHENTICATE.at("Get the key or token for data plane operations")
_TOKENS_V1 = V1_AUTH.at("Token-based authentication")
_KEYS_V1 = V1_AUTH.at("Key-based authentication")
_NOTHING_ASKED = documented(None, LOCAL_WEBSERVICE, note="it has neither keys nor tokens")
_NO_TOKENS = documented(None, _TOKENS_V1, note="ACI has none")
_NO_AAD_TOKENS_HERE = documented(None, AUTH_CONCEPT.at("Limitation"))
_NO_AAD_TOKENS_IN_V1 = documented(None, V1_AUTH, note="a token is the workspace's own")
_ONE_LOG = "amlemu writes the same columns for every target"
_OLD_KEY = "how long the old value lives is not said"
_BODY_UNKNOWN = "401 is documented for it, the body is not known"
_HALF_HOUR = "a lifetime is nowhere stated; 15 to 30 minutes are told by third parties"

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
        managed=documented(
            ("key", "aml_token", "aad_token"), ENDPOINT_YAML.at("YAML syntax"), MIGRATE, note="none is not among them"
        ),
        kubernetes=documented(("key", "aml_token"), AUTH_CONCEPT.at("Limitation")),
        aks=documented(("key", "aml_token", "none"), V1_AUTH, V1_FILES),
        aci=documented(("none", "key"), V1_AUTH, V1_FILES),
        local=documented(("none",), LOCAL_WEBSERVICE),
    ),
    row(
        "auth.default_mode",
        "The auth_mode of a new endpoint whose document says nothing of it.",
        v2=documented("key", ENDPOINT_YAML.at("YAML syntax")),
        aks=documented("key", _KEYS_V1),
        aci=documented("none", _KEYS_V1),
        local=documented("none", LOCAL_WEBSERVICE),
    ),
    row(
        "auth.mode_update",
        "An update may give an endpoint another auth_mode; its keys stay for the day that it has them again.",
        managed=documented(True, AUTHENTICATE.at("Create an endpoint")),
        kubernetes=assumed(True, "the same command, of whose Kubernetes form nothing is said", AUTHENTICATE),
        aks=assumed(True, "by analogy with ACI, whose update sends /authEnabled", SDK_V1.at("core/webservice/aci.py")),
        aci=documented(True, SDK_V1.at("core/webservice/aci.py"), note="update sends /authEnabled"),
        local=documented(False, LOCAL_WEBSERVICE, note="there is one mode"),
    ),
    row(
        "auth.one_mode",
        "The keys leave a token endpoint closed, and a token a key endpoint: one mode at a time.",
        v2=documented(UNCHANGED, ENDPOINT_YAML.at("YAML syntax")),
        aks=documented(UNCHANGED, _TOKENS_V1),
        aci=documented(UNCHANGED, _TOKENS_V1, note="there are no tokens"),
        local=documented(UNCHANGED, LOCAL_WEBSERVICE, note="nothing is asked for"),
    ),
    row(
        "auth.scheme",
        "The scheme of the one Authorization header that carries key or token in every mode; nothing else does, no"
        " query string and no other header.",
        v2=documented("Bearer", AUTHENTICATE),
        v1=documented("Bearer", V1_CONSUME),
        local=_NOTHING_ASKED,
    ),
    row(
        "auth.keys",
        "The keys of an endpoint by the names that listKeys gives them; any of them opens it, and none expires.",
        v2=documented(("primaryKey", "secondaryKey"), _GET_TOKEN),
        v1=documented(("primaryKey", "secondaryKey"), _KEYS_V1, SDK_V1.at("core/webservice/webservice.py")),
        local=_NOTHING_ASKED,
    ),
    row(
        "auth.regenerate",
        "For how many seconds the old value of a regenerated key still opens the endpoint: 0 refuses it from the next"
        " request on. The other key, the URI and what serves stay as they are.",
        v2=assumed(0, _OLD_KEY, AUTH_CONCEPT),
        v1=assumed(0, f"the SDK waits for an operation; {_OLD_KEY}", SDK_V1.at("core/webservice/webservice.py")),
        local=documented(0, LOCAL_WEBSERVICE, note="there is no key"),
    ),
    row(
        "auth.before_routing",
        "A request without a valid credential leaves everything behind the check untouched: no deployment is chosen, no"
        " container sees it, and whether the path or the deployment that it names exists is not told. No: it is told,"
        " with the answer that such a request has with a credential.",
        managed=assumed(True, "the body of a refusal is not one that a scoring server has", WRONG_KEY),
        kubernetes=assumed(True, AS_MANAGED),
        aks=assumed(True, "the body of a refusal is not one that a scoring server has", AKS_NO_HEADER),
        aci=assumed(True, AS_AKS),
        local=documented(True, LOCAL_WEBSERVICE, note="nothing is asked for"),
    ),
    row(
        "auth.swagger_key_required",
        "/swagger.json asks for the endpoint's credential too.",
        managed=documented(True, OPENAPI_SAMPLE),
        kubernetes=assumed(True, AS_MANAGED),
        aks=observed(False, AKS_SWAGGER, note="weak evidence"),
        aci=assumed(False, AS_AKS),
        local=documented(False, LOCAL_WEBSERVICE),
    ),
    row(
        "auth.health_key_required",
        "`/`, the server's health page, asks a caller for the endpoint's credential too; the platform's own probes go"
        " to the container and need none.",
        v2=assumed(True, "as /swagger.json: every path of a managed endpoint is behind the check", OPENAPI_SAMPLE),
        aks=assumed(True, AS_MANAGED),
        aci=assumed(True, AS_AKS),
        local=documented(False, LOCAL_WEBSERVICE),
    ),
    row(
        "auth.no_header",
        "The answer of an endpoint with keys to a request without an Authorization header.",
        assumed(_NO_AUTH_HEADER, AS_AKS),
        managed=assumed(_BAD_HEADER, f"{_BODY_UNKNOWN}; the nearest that was told of", MANAGED_STATUS),
        aks=observed(_NO_AUTH_HEADER, AKS_NO_HEADER),
        local=NO_FRONT_DOOR,
    ),
    row(
        "auth.malformed_header",
        "The answer of an endpoint with keys to an Authorization header that is not `Bearer <key>`.",
        assumed(_UNAUTHORIZED, "nothing public says it; HTTP's own phrase"),
        managed=assumed(
            _BAD_HEADER,
            "401 is documented for it; a text of this name is told of by users, at no address",
            MANAGED_STATUS,
        ),
        local=NO_FRONT_DOOR,
    ),
    row(
        "auth.wrong_key",
        "The answer to a key that is neither the primary nor the secondary one.",
        assumed(_UNAUTHORIZED, "nothing public says it; HTTP's own phrase"),
        managed=observed(_ACCESS_DENIED, WRONG_KEY, MANAGED_STATUS, note="the issue has the text, the page the status"),
        local=NO_FRONT_DOOR,
    ),
    row(
        "auth.token_header",
        "The answer of an endpoint with tokens to a request whose Authorization header is missing or not `Bearer"
        " <token>`.",
        managed=assumed(_UNAUTHORIZED, _BODY_UNKNOWN, MANAGED_STATUS),
        kubernetes=assumed(_NO_AUTH_HEADER, AS_AKS),
        aks=assumed(_NO_AUTH_HEADER, "seen of a missing header, not in which mode", AKS_NO_HEADER),
        aci=_NO_TOKENS,
        local=NO_FRONT_DOOR,
    ),
    row(
        "auth.refused_token",
        "The answer to a token that is expired, not yet valid, for another audience or endpoint, not signed by a key"
        " that is trusted, or no token at all.",
        managed=assumed(_UNAUTHORIZED, _BODY_UNKNOWN, MANAGED_STATUS),
        kubernetes=assumed(_UNAUTHORIZED, AS_MANAGED),
        aks=assumed(_UNAUTHORIZED, "nothing public says it; HTTP's own phrase"),
        aci=_NO_TOKENS,
        local=NO_FRONT_DOOR,
    ),
    row(
        "auth.wrong_tenant",
        "The answer to a valid aad_token of another tenant than the workspace's.",
        _NO_AAD_TOKENS_IN_V1,
        managed=assumed(_WRONG_TENANT, "told of batch endpoints, the same product, by users at no address"),
        kubernetes=_NO_AAD_TOKENS_HERE,
        local=NO_FRONT_DOOR,
    ),
    row(
        "auth.token_lifetime",
        "How many seconds a token that the service issues is valid.",
        assumed(_LIFETIME_SECONDS, _HALF_HOUR),
        aci=_NO_TOKENS,
        local=_NOTHING_ASKED,
    ),
    row(
        "auth.token_refresh",
        "How many seconds after its issue a token should be fetched anew; the service renews none by itself.",
        v2=assumed(_REFRESH_SECONDS, "there is such a time, not how long: half of the lifetime", _GET_TOKEN),
        aks=assumed(_REFRESH_SECONDS, "there is such a time, not how long: half of the lifetime", _TOKENS_V1),
        aci=_NO_TOKENS,
        local=_NOTHING_ASKED,
    ),
    row(
        "auth.token_fields",
        "What POST …/token answers; times are whole seconds since 1970, UTC.",
        v2=documented(_TOKEN_FIELDS, _GET_TOKEN, SDK.at("EndpointAuthToken")),
        aks=assumed(
            _TOKEN_FIELDS,
            "the SDK has the same four under names of its own; the wire is not known",
            SDK_V1.at("core/webservice/aks.py"),
        ),
        aci=_NO_TOKENS,
        local=_NOTHING_ASKED,
    ),
    row(
        "auth.aad_audience",
        "The audience that an aad_token must be for; a slash at its end makes no difference.",
        _NO_AAD_TOKENS_IN_V1,
        managed=documented("https://ml.azure.com", _GET_TOKEN, note="the samples have the slash"),
        kubernetes=_NO_AAD_TOKENS_HERE,
        local=_NOTHING_ASKED,
    ),
    row(
        "auth.aad_action",
        "The action that a role must allow the bearer of an aad_token; amlemu has no roles, which is a difference.",
        _NO_AAD_TOKENS_IN_V1,
        managed=documented(
            "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/score/action",
            AUTH_CONCEPT.at("Authorization for data plane operations"),
        ),
        kubernetes=_NO_AAD_TOKENS_HERE,
        local=_NOTHING_ASKED,
    ),
    row(
        "auth.logged_type",
        "AuthType in the log, by auth_mode: which check the request had to pass.",
        assumed(_AUTH_TYPES, _ONE_LOG),
        managed=documented(_AUTH_TYPES, TRAFFIC_TABLE),
    ),
    row(
        "auth.logged_identity",
        "The claim of an accepted token that stands in the log as IdentityData; a key tells of nobody.",
        managed=documented("oid", TRAFFIC_TABLE, note="the object id of the JWT"),
        kubernetes=assumed("oid", _ONE_LOG),
        aks=assumed("oid", _ONE_LOG),
        aci=_NO_TOKENS,
        local=_NOTHING_ASKED,
    ),
)
