"""The parity table of what is refused when something is deployed, and of what a deploy does: names, limits, scripts."""

from __future__ import annotations

from emulator.profiles.facts import UNCHANGED, Row, assumed, documented, observed, row

_V2_NAME = documented("[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?", "contract/managed §4.4: SDK name regex")
_V1_NAME = documented("[a-z]([-a-z0-9]*[a-z0-9])?", "contract/v1 §7: service name")
_NO_DEPLOYMENT_NAMES = documented(None, "contract/v1 §4: a v1 service has no deployments")
_ONE_DEPLOYMENT = documented(1, "contract/v1 §4: a v1 service has no deployments")
_SMALL_LETTERS = documented(
    UNCHANGED,
    "page azure-sdk-for-python#28715: azure-ai-ml `Endpoint`, `Deployment`, `_strip_zeroes_from_traffic`",
)
_V1_CAPITALS = documented(UNCHANGED, "contract/v1 §7: service name")
_NO_SHARE = documented(0, "contract/managed §7.2: 0 % unless --all-traffic")
_WHOLE_SERVICE = documented(100, "contract/v1 §4: a v1 service has no deployments, it gets every request")
_TAKE_AWAY_FIRST = assumed(True, "contract/managed §7.10: the documented order is weight to 0, then delete")
_NOTHING_TO_TAKE_AWAY = documented(False, "contract/v1 §4: a v1 service has no deployments")
_V1_REDEPLOYS = assumed(False, "contract/v1 §7: a service is deployed with overwrite=True, whatever its state")
_NO_MODEL_LIMIT = assumed(None, "contract/managed §5.4 advises on the number of files only")
_V1_MODULE = documented(True, "contract/v1 §7: a Python identifier and no keyword; §10.31")
_V2_ANY_NAME = assumed(False, "contract/v1 §10.31 is of v1 only; the server itself takes any name")
_PARSED_V2 = documented(True, "contract/managed §11.2 T37: SDK `validate_scoring_script`")
_PARSED_V1 = documented(True, "contract/v1 §7: must pass `ast.parse`")
_FUNCTIONS_V2 = documented(("init", "run"), "contract/managed §6.4: script contract")
_FUNCTIONS_V1 = documented(("init", "run"), "contract/v1 §2.1: exit 3 without run")
_V2_ROLLS = documented(True, "contract/managed §7.11: an in-place update is rolling")
_AS_MANAGED = assumed(True, "contract/managed §7.11; amlemu replaces in one way")
_NEW_V2 = documented("new", "contract/managed §7.11")
_NEW_V1 = documented("new", "contract/v1 §2.1: a script with schemas cannot be loaded twice in one process")
_LOGS_V2 = documented(True, "contract/managed §6.3.2, §6.3.3")
_LOGS_V1 = documented(True, "page how-to-troubleshoot-deployment: get_logs()")

RULE_ROWS: tuple[Row, ...] = (
    row(
        "names.endpoint",
        "What may name an endpoint or a service, of 3 to 32 characters.",
        managed=_V2_NAME,
        kubernetes=_V2_NAME,
        aks=_V1_NAME,
        aci=_V1_NAME,
        local=_V1_NAME,
    ),
    row(
        "names.case",
        "Capitals in the names of endpoints and deployments, and in the keys of traffic, become small letters: in"
        " files, flags and requests. A v1 service's name with capitals is refused (row names.endpoint).",
        managed=_SMALL_LETTERS,
        kubernetes=_SMALL_LETTERS,
        aks=_V1_CAPITALS,
        aci=_V1_CAPITALS,
        local=_V1_CAPITALS,
    ),
    row(
        "names.together",
        "How long the names of endpoint and deployment may be together, in characters. None: no limit.",
        managed=documented(None, "contract/managed §4.4 names it for Kubernetes only"),
        kubernetes=documented(62, "contract/managed §4.4"),
        aks=_NO_DEPLOYMENT_NAMES,
        aci=_NO_DEPLOYMENT_NAMES,
        local=_NO_DEPLOYMENT_NAMES,
    ),
    row(
        "traffic.new_deployment",
        "The share of the traffic, in percent, that the first deployment of an endpoint gets when it is made of files"
        " without --all-traffic. One made of flags gets all of it everywhere, which is said.",
        managed=_NO_SHARE,
        kubernetes=_NO_SHARE,
        aks=_WHOLE_SERVICE,
        aci=_WHOLE_SERVICE,
        local=documented(100, "contract/managed §11.2 T47: one deployment, no traffic rules"),
    ),
    row(
        "traffic.refuses_delete",
        "A deployment that has a share of the traffic, live or mirrored, cannot be deleted before that is 0.",
        managed=_TAKE_AWAY_FIRST,
        kubernetes=_TAKE_AWAY_FIRST,
        aks=_NOTHING_TO_TAKE_AWAY,
        aci=_NOTHING_TO_TAKE_AWAY,
        local=_NOTHING_TO_TAKE_AWAY,
    ),
    row(
        "deployment.failed_create_is_final",
        "A deployment whose first create failed cannot be updated, only deleted and created again. Here the same"
        " command again goes on, and that is told as a difference.",
        managed=observed(True, "contract/managed §8.3"),
        kubernetes=assumed(True, "contract/managed §8.3: seen with managed endpoints"),
        aks=_V1_REDEPLOYS,
        aci=_V1_REDEPLOYS,
        local=_V1_REDEPLOYS,
    ),
    row(
        "limits.instances",
        "How many instances a deployment may have. None: no limit.",
        managed=documented(50, "contract/managed §4.4"),
        kubernetes=assumed(None, "contract/managed §4.4 counts deployments per cluster only"),
        aks=assumed(None, "contract/v1 §6 names no most for num_replicas"),
        aci=documented(1, "contract/v1 §7: deploymentconfig has no numReplicas for aci"),
        local=documented(1, "contract/v1 §8: one container, named after the service"),
    ),
    row(
        "limits.deployments",
        "How many deployments an endpoint may have. None: no limit.",
        managed=documented(20, "contract/managed §4.4"),
        kubernetes=assumed(None, "contract/managed §4.4 counts them per cluster only"),
        aks=_ONE_DEPLOYMENT,
        aci=_ONE_DEPLOYMENT,
        local=_ONE_DEPLOYMENT,
    ),
    row(
        "limits.model_bytes",
        "How many bytes of models a deployment takes before amlemu says so as a difference. None: no limit.",
        managed=_NO_MODEL_LIMIT,
        kubernetes=_NO_MODEL_LIMIT,
        aks=assumed(None, "contract/v1 §1.4 names it for ACI only"),
        aci=documented(1_000_000_000, "contract/v1 §1.4"),
        local=assumed(None, "contract/v1 §1.4 names it for ACI only"),
    ),
    row(
        "script.module_name",
        "The entry script's name must be that of a Python module: my-score.py is refused.",
        managed=_V2_ANY_NAME,
        kubernetes=_V2_ANY_NAME,
        aks=_V1_MODULE,
        aci=_V1_MODULE,
        local=_V1_MODULE,
    ),
    row(
        "script.syntax",
        "A scoring script that is no Python is refused before anything is built or started.",
        managed=_PARSED_V2,
        kubernetes=_PARSED_V2,
        aks=_PARSED_V1,
        aci=_PARSED_V1,
        local=_PARSED_V1,
    ),
    row(
        "script.functions",
        "The functions that a scoring script must define.",
        managed=_FUNCTIONS_V2,
        kubernetes=_FUNCTIONS_V2,
        aks=_FUNCTIONS_V1,
        aci=_FUNCTIONS_V1,
        local=_FUNCTIONS_V1,
    ),
    row(
        "deployment.processes",
        "Each deploy runs in processes of its own, also one of the same code.",
        managed=_NEW_V2,
        kubernetes=_NEW_V2,
        aks=_NEW_V1,
        aci=_NEW_V1,
        local=documented("new", "contract/v1 §8: reload is a new container"),
    ),
    row(
        "deployment.serves_while_updating",
        "What serves goes on until its successor is ready, and when that fails; no request is lost. No: it is stopped"
        " first.",
        managed=_V2_ROLLS,
        kubernetes=_V2_ROLLS,
        aks=_AS_MANAGED,
        aci=_AS_MANAGED,
        local=_AS_MANAGED,
    ),
    row(
        "deployment.log_of_a_failure",
        "What a container that failed to start has said can be read.",
        managed=_LOGS_V2,
        kubernetes=_LOGS_V2,
        aks=_LOGS_V1,
        aci=_LOGS_V1,
        local=documented(True, "contract/v1 §8: docker logs, also when failed"),
    ),
)
