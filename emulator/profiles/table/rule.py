"""The parity table of what is refused when something is deployed, and of what a deploy does: names, limits, scripts."""

from __future__ import annotations

from emulator.profiles.facts import UNCHANGED, Row, assumed, documented, row
from emulator.profiles.sources import (
    CAPITALS,
    DEPLOY,
    LOCAL_WEBSERVICE,
    MODEL_SPECIFICATION,
    NOT_READY,
    QUOTAS,
    ROLLOUT,
    SCHEMA,
    SDK,
    SDK_V1,
    SDK_V1_MODEL,
    SERVER_SCRIPT,
    TROUBLESHOOT,
    V1_ACI,
    V1_AKS,
    V1_DEPLOY,
    V1_FILES,
    V1_TROUBLESHOOT,
)
from emulator.profiles.table.common import NO_V1_DEPLOYMENTS

_V1_NAME = SDK_V1.at("_model_management/_util.py")
_ONE_DEPLOYMENT = documented(1, V1_DEPLOY, note="a v1 service has no deployments")
_WHOLE_SERVICE = documented(100, V1_DEPLOY, note="a v1 service has no deployments, it gets every request")
_NO_MODEL_LIMIT = "the pages have advice on the number of files only"
_FAILED_FOR_GOOD = "a refusal to update, 'in an unrecoverable state. Delete and re-create', is quoted at no address"
_IN_PLACE = "an update of instances is described as rolling; amlemu replaces in one way"

RULE_ROWS: tuple[Row, ...] = (
    row(
        "names.endpoint",
        "What may name an endpoint or a service, of 3 to 32 characters.",
        documented("[a-z]([-a-z0-9]*[a-z0-9])?", _V1_NAME),
        v2=documented("[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?", SDK.at("entities/_endpoint/_endpoint_helpers.py"), QUOTAS),
    ),
    row(
        "names.case",
        "Capitals in the names of endpoints and deployments, and in the keys of traffic, become small letters: in"
        " files, flags and requests. A v1 service's name with capitals is refused (row names.endpoint).",
        documented(UNCHANGED, _V1_NAME),
        v2=documented(UNCHANGED, SDK.at("operations/_online_endpoint_operations.py"), CAPITALS),
    ),
    row(
        "names.together",
        "How long the names of endpoint and deployment may be together, in characters. None: no limit.",
        NO_V1_DEPLOYMENTS,
        managed=documented(None, QUOTAS, note="named for Kubernetes only"),
        kubernetes=documented(62, QUOTAS),
    ),
    row(
        "traffic.new_deployment",
        "The share of the traffic, in percent, that the first deployment of an endpoint gets when it is made of files"
        " without --all-traffic. One made of flags gets all of it everywhere, which is said.",
        _WHOLE_SERVICE,
        v2=documented(0, DEPLOY.at("Deploy to Azure"), ROLLOUT.at("Deploy a new model, but send it no traffic yet")),
    ),
    row(
        "traffic.refuses_delete",
        "A deployment that has a share of the traffic, live or mirrored, cannot be deleted before that is 0.",
        documented(False, V1_DEPLOY, note="a v1 service has no deployments"),
        v2=assumed(
            True,
            "the studio refuses it for live traffic; the service itself, and mirrored traffic, are a guess",
            ROLLOUT.at("Remove the old deployment"),
        ),
    ),
    row(
        "deployment.failed_create_is_final",
        "A deployment whose first create failed cannot be updated, only deleted and created again. Here the same"
        " command again goes on, and that is told as a difference.",
        assumed(False, "a service is deployed again with overwrite=True, whatever its state", SDK_V1_MODEL),
        v2=assumed(True, _FAILED_FOR_GOOD),
    ),
    row(
        "limits.instances",
        "How many instances a deployment may have. None: no limit.",
        managed=documented(50, QUOTAS),
        kubernetes=assumed(None, "the page counts deployments per cluster only", QUOTAS),
        aks=assumed(None, "num_replicas has no most", V1_AKS),
        aci=documented(
            1, V1_FILES.at("Azure Container Instance deployment configuration schema"), note="no numReplicas"
        ),
        local=documented(1, LOCAL_WEBSERVICE, note="one container, named after the service"),
    ),
    row(
        "limits.deployments",
        "How many deployments an endpoint may have. None: no limit.",
        _ONE_DEPLOYMENT,
        managed=documented(20, QUOTAS),
        kubernetes=assumed(None, "the page counts them per cluster too; no endpoint there was seen to be full", QUOTAS),
    ),
    row(
        "limits.model_bytes",
        "How many bytes of models a deployment takes before amlemu says so as a difference. None: no limit.",
        assumed(None, "named for ACI only", V1_ACI),
        v2=assumed(None, _NO_MODEL_LIMIT, MODEL_SPECIFICATION),
        aci=documented(1_000_000_000, V1_ACI),
    ),
    row(
        "script.module_name",
        "The entry script's name must be that of a Python module: my-score.py is refused.",
        documented(True, _V1_NAME),
        v2=assumed(False, "the rule is v1's; the server itself takes any name", SERVER_SCRIPT),
    ),
    row(
        "script.syntax",
        "A scoring script that is no Python is refused before anything is built or started.",
        documented(True, SDK_V1_MODEL),
        v2=documented(True, SDK.at("_utils/_endpoint_utils.py")),
    ),
    row(
        "script.functions",
        "The functions that a scoring script must define.",
        documented(("init", "run"), SERVER_SCRIPT),
    ),
    row(
        "deployment.processes",
        "Each deploy runs in processes of its own, also one of the same code.",
        documented(
            "new", SCHEMA.at("schema_decorators.py"), note="a script with schemas cannot be loaded twice in one"
        ),
        v2=documented("new", DEPLOY, note="an update makes new instances or pods"),
        local=documented("new", LOCAL_WEBSERVICE, note="reload is a new container"),
    ),
    row(
        "deployment.serves_while_updating",
        "What serves goes on until its successor is ready, and when that fails; no request is lost. No: it is stopped"
        " first.",
        assumed(True, _IN_PLACE, DEPLOY),
        v2=documented(True, DEPLOY, note="an update in place is rolling"),
    ),
    row(
        "deployment.log_of_a_failure",
        "What a container that failed to start has said can be read.",
        v2=documented(True, TROUBLESHOOT.at("Get container logs"), NOT_READY),
        v1=documented(True, V1_TROUBLESHOOT.at("Get deployment logs")),
        local=documented(True, LOCAL_WEBSERVICE),
    ),
)
