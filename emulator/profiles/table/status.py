"""The parity table of what becomes of a container's answer: status codes, and the headers that tell of them."""

from __future__ import annotations

from emulator.profiles.facts import Answer, Row, StatusMapping, assumed, documented, observed, row

_NO_FRONT_DOOR = documented(None, "contract/v1 §8: LocalWebservice has no front end")
_MANAGED_ONLY = documented(None, "contract/managed §4.2: the table of Kubernetes has no 424, so nothing to explain")
_V1_HAS_NOT = documented(None, "contract/v1 §6: a v1 front end answers 502, 503, 504 without such a header")
_FAILED_TO_502 = StatusMapping({500: 502})
_NO_ANSWER = "The scoring container closed the connection before it answered, or there is none."

STATUS_ROWS: tuple[Row, ...] = (
    row(
        "status.mapping",
        "The status that the caller sees in place of the container's. None: the container's own.",
        managed=documented(StatusMapping({}, otherwise=424), "contract/managed §4.1, §4.1.1: whatever is not 200"),
        kubernetes=documented(_FAILED_TO_502, "contract/managed §4.2"),
        aks=documented(_FAILED_TO_502, "contract/v1 §0.18, §6"),
        aci=observed(_FAILED_TO_502, "contract/v1 §6: DEPLOY#64"),
        local=_NO_FRONT_DOOR,
    ),
    row(
        "status.mapped_phrase",
        "The reason phrase of a mapped status. None: the phrase that HTTP's registry gives it.",
        managed=observed("Failed Dependency", "contract/managed §4.1: azure-sdk-for-python#39025"),
        kubernetes=assumed(None, "contract/managed §4.2 names the code only"),
        aks=assumed(None, "contract/v1 §6 names the code only"),
        aci=assumed(None, "contract/v1 §6 names the code only"),
        local=_NO_FRONT_DOOR,
    ),
    row(
        "status.mapped_body",
        "The container's body stays under a mapped status. No: it is empty.",
        managed=observed(True, "contract/managed §4.1.2: azure-sdk-for-python#39025"),
        kubernetes=assumed(True, "contract/managed §4.2; by analogy with managed"),
        aks=assumed(True, "contract/v1 §6 shows another body only where the container gave none"),
        aci=observed(True, "contract/v1 §6: DEPLOY#64"),
        local=documented(True, "contract/v1 §8: no front end"),
    ),
    row(
        "status.mapped_headers",
        "The container's headers stay under a mapped status, x-ms-run-function-failed among them. No: only"
        " those of the body.",
        managed=assumed(True, "contract/managed §4.1.2, by analogy with the body"),
        kubernetes=assumed(True, "contract/managed §4.1.2, by analogy with managed"),
        aks=assumed(True, "contract/v1 §6, by analogy with ACI"),
        aci=observed(True, "contract/v1 §6: DEPLOY#64 shows X-Ms-Run-Function-Failed"),
        local=documented(True, "contract/v1 §8: no front end"),
    ),
    row(
        "status.original_header",
        "The response header that holds the container's own status where the caller sees another.",
        managed=documented("ms-azureml-model-error-statuscode", "contract/managed §3.2"),
        kubernetes=_MANAGED_ONLY,
        aks=_V1_HAS_NOT,
        aci=_V1_HAS_NOT,
        local=_NO_FRONT_DOOR,
    ),
    row(
        "status.reason_header",
        "The response header that says why the model's answer did not pass.",
        managed=documented("ms-azureml-model-error-reason", "contract/managed §3.2"),
        kubernetes=_MANAGED_ONLY,
        aks=_V1_HAS_NOT,
        aci=_V1_HAS_NOT,
        local=_NO_FRONT_DOOR,
    ),
    row(
        "status.model_error_reason",
        "The reason where the container answered something else than 200.",
        managed=observed("model_error", "contract/managed §3.2: lua-9223567324"),
        kubernetes=_MANAGED_ONLY,
        aks=_V1_HAS_NOT,
        aci=_V1_HAS_NOT,
        local=_NO_FRONT_DOOR,
    ),
    row(
        "status.not_ready_reason",
        "The reason where no container is ready, or it died before it answered.",
        managed=observed("model_not_ready", "contract/managed §3.2, §4.1.4: lua-9223567324"),
        kubernetes=_MANAGED_ONLY,
        aks=_V1_HAS_NOT,
        aci=_V1_HAS_NOT,
        local=_NO_FRONT_DOOR,
    ),
    row(
        "status.container_unreachable",
        "The answer when the container refused, or died before it answered.",
        managed=assumed(Answer(424, _NO_ANSWER), "contract/managed §4.1, §4.1.4: 424; the body is not known"),
        kubernetes=assumed(Answer(502, _NO_ANSWER), "contract/managed §4.2: 502 for a crash; the body is not known"),
        aks=observed(Answer(502, "Replica closed connection before replying"), "contract/v1 §6: MLN#450"),
        aci=assumed(Answer(502, _NO_ANSWER), "contract/v1 §6; the body is not known"),
        local=assumed(Answer(502, _NO_ANSWER), "the connection is refused in the original; amlemu keeps the port"),
    ),
    row(
        "status.no_ready_instance",
        "The answer when the deployment has no instance that is ready.",
        managed=assumed(Answer(424, _NO_ANSWER), "contract/managed §4.1: a failing probe is 424; body not known"),
        kubernetes=assumed(Answer(503, _NO_ANSWER), "contract/managed §4.2: 503 without capacity; body not known"),
        aks=observed(Answer(503, "No ready replicas for service {endpoint}"), "contract/v1 §6: MLN#1004"),
        aci=assumed(Answer(502, _NO_ANSWER), "contract/v1 §6: 502 for a container that died; body not known"),
        local=assumed(Answer(502, _NO_ANSWER), "the connection is refused in the original; amlemu keeps the port"),
    ),
)
