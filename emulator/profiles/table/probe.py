"""The parity table of probes, restarts and the event log.

Kubernetes' own behaviour stands in where nobody has written Azure's down: managed endpoints show its events and its
texts, so they stand on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from emulator.entities import ProbeSettings
from emulator.entities.probing import BackOff, CrashLoop
from emulator.profiles.facts import UNCHANGED, Row, assumed, documented, observed, row
from emulator.profiles.sources import (
    AUTHENTICATE,
    CRASHED,
    CUSTOM_CONTAINER,
    EVENT_COLUMNS,
    KUBELET,
    KUBERNETES_ERRORS,
    KUBERNETES_PROBES,
    KUBERNETES_YAML,
    LOCAL_WEBSERVICE,
    MANAGED_YAML,
    MONITOR,
    NOT_READY,
    SERVER_PAGE,
    SERVER_WORKERS,
    V1_AKS,
    V1_TROUBLESHOOT,
)
from emulator.profiles.table.common import AS_MANAGED


@dataclass(frozen=True)
class EventMessages:
    """The Message of each event; `{image}`, `{container}` and `{reason}` are filled in."""

    pulled: str
    created: str
    started: str
    killing: str
    killing_unhealthy: str
    back_off: str


_SETTINGS = ProbeSettings()
_AKS_LIVENESS = ProbeSettings(initial_delay=310, period=10, timeout=2, success_threshold=1, failure_threshold=3)
_BACK_OFF = BackOff(initial=10.0, maximum=300.0, reset=600.0)
_CRASH_LOOP = CrashLoop(never_ready=3, restarts=5)
_COLUMNS = ("TimeGenerated", "OperationName", "InstanceId", "DeploymentName", "Name", "Message")
_NAMES = ("BackOff", "Pulled", "Killing", "Created", "Started", "LivenessProbeFailed", "ReadinessProbeFailed")
_CRASHED = "User container has crashed or terminated: {reason}"
_PROBE_FAILED = "{probe} probe failed: {reason}"
_MESSAGES = EventMessages(
    pulled='Container image "{image}" already present on machine',
    created="Created container {container}",
    started="Started container {container}",
    killing="Stopping container {container}",
    killing_unhealthy="Container {container} failed liveness probe, will be restarted",
    back_off="Back-off restarting failed container {container}",
)

_MANAGED_PROBES = MANAGED_YAML.at("ProbeSettings")
_KUBERNETES_YAML_PROBES = KUBERNETES_YAML.at("ProbeSettings")
_AKS_PROBES = V1_AKS.at("Deploy to AKS")
_V1_LOOP = V1_TROUBLESHOOT.at("Service launch fails")
_LOGS = MONITOR.at("Logs")
_KUBERNETES = "Kubernetes' own behaviour, on which the events of managed endpoints show that they stand"
_ACI = "no page says anything of probes of ACI; by analogy with managed"
_NO_PROBES = "LocalWebservice is a bare container: nothing probes it or starts it again"
_NO_NUMBER = "the outcome is documented, the number is not"
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_OUR_LOG = "v1 services and `local` have no such table; amlemu keeps one log for all"

PROBE_ROWS: tuple[Row, ...] = (
    row(
        "probes.run",
        "Probes go on as long as the deployment serves, and a container that died is started again.",
        managed=documented(True, _MANAGED_PROBES),
        kubernetes=documented(True, _KUBERNETES_YAML_PROBES),
        aks=documented(True, _AKS_PROBES),
        aci=assumed(True, _ACI),
        local=assumed(False, _NO_PROBES, LOCAL_WEBSERVICE),
    ),
    row(
        "probes.liveness",
        "The liveness probe of a deployment that sets none, and what a partial one leaves open.",
        managed=documented(_SETTINGS, _MANAGED_PROBES),
        kubernetes=documented(_SETTINGS, _KUBERNETES_YAML_PROBES),
        aks=documented(_AKS_LIVENESS, _AKS_PROBES),
        aci=assumed(_SETTINGS, _ACI),
        local=assumed(_SETTINGS, f"only the time that a start may take; {_NO_PROBES}", LOCAL_WEBSERVICE),
    ),
    row(
        "probes.readiness",
        "The readiness probe of a deployment that sets none, and what a partial one leaves open.",
        managed=documented(_SETTINGS, _MANAGED_PROBES),
        kubernetes=documented(_SETTINGS, _KUBERNETES_YAML_PROBES),
        aks=assumed(_SETTINGS, f"the page has a liveness probe only; {AS_MANAGED}", _AKS_PROBES),
        aci=assumed(_SETTINGS, _ACI),
        local=assumed(_SETTINGS, _NO_PROBES, LOCAL_WEBSERVICE),
    ),
    row(
        "probes.liveness_success_threshold",
        "The only success_threshold that a liveness probe may have.",
        managed=documented(1, _MANAGED_PROBES),
        kubernetes=documented(1, KUBERNETES_PROBES, _KUBERNETES_YAML_PROBES, note="Kubernetes allows no other"),
        aks=assumed(
            1, "Kubernetes allows no other, and the page has it as the default", KUBERNETES_PROBES, _AKS_PROBES
        ),
        aci=assumed(1, _ACI),
        local=assumed(1, AS_MANAGED),
    ),
    row(
        "probes.path",
        "What both probes GET of the scoring server's port.",
        assumed("/", "it is the server's own route for it", SERVER_PAGE),
        v2=documented("/", SERVER_PAGE.at("Review inference server routes")),
    ),
    row(
        "probes.passing_status",
        "The one status that is a success; any other, no answer in time and no connection are failures.",
        assumed(200, "as the page has it for custom containers", CUSTOM_CONTAINER),
        managed=documented(200, CUSTOM_CONTAINER.at("Readiness route vs liveness route")),
        kubernetes=assumed(200, "as managed; Kubernetes itself takes 200 to 399", CUSTOM_CONTAINER, KUBERNETES_PROBES),
        aks=assumed(200, "as managed; Kubernetes itself takes 200 to 399", CUSTOM_CONTAINER, KUBERNETES_PROBES),
    ),
    row(
        "probes.no_auth",
        "The headers of a probe beside Host and Connection: none, so no key either. Probes go to the container past the"
        " front door, and leave no line in the request log.",
        assumed(
            _NO_HEADERS, "keys and tokens belong to callers of the scoring URI; nothing public says it", AUTHENTICATE
        ),
        kubernetes=assumed(_NO_HEADERS, "as managed; Kubernetes' own say kube-probe in their User-Agent"),
        aks=assumed(_NO_HEADERS, "as managed; Kubernetes' own say kube-probe in their User-Agent"),
    ),
    row(
        "probes.starved_by_long_run",
        "A run() that holds the only worker makes the probe wait in line: it fails after its timeout. So does the"
        " server, whose one worker answers both; amlemu adds nothing.",
        documented(UNCHANGED, SERVER_WORKERS, SERVER_PAGE, note="one worker, and `/` is one of its routes"),
    ),
    row(
        "probes.unready_out_of_rotation",
        "An instance whose readiness probe fails gets no requests until it passes again, and is not restarted for it.",
        managed=documented(True, _MANAGED_PROBES),
        kubernetes=documented(True, _KUBERNETES_YAML_PROBES),
        aks=assumed(True, _KUBERNETES, KUBELET),
        aci=assumed(True, _ACI),
        local=assumed(False, _NO_PROBES, LOCAL_WEBSERVICE),
    ),
    row(
        "probes.liveness_restarts",
        "A container whose liveness probe fails is killed and started again.",
        managed=documented(True, _MANAGED_PROBES),
        kubernetes=documented(True, _KUBERNETES_YAML_PROBES),
        aks=documented(True, _AKS_PROBES),
        aci=assumed(True, _ACI),
        local=assumed(False, _NO_PROBES, LOCAL_WEBSERVICE),
    ),
    row(
        "probes.kill_grace_seconds",
        "How long a container that failed its liveness probe has between SIGTERM and SIGKILL.",
        assumed(30, "Kubernetes' terminationGracePeriodSeconds", KUBELET),
        aci=assumed(30, AS_MANAGED),
        local=assumed(30, f"{AS_MANAGED}; nothing is killed"),
    ),
    row(
        "probes.restart_in_place",
        "A restart keeps the instance: its id and its count of restarts. No: it is another instance with an id of its"
        " own, which has never been restarted. Either is a new process with the same files and variables, whose probes"
        " begin with their initial_delay again, and other instances notice nothing.",
        assumed(True, _KUBERNETES, KUBELET),
        aci=assumed(True, _ACI),
        local=assumed(True, _NO_PROBES),
    ),
    row(
        "probes.restart_back_off",
        "The waits before restarts: none, then 10 s, doubled up to 300 s, forgotten after 600 s of running.",
        v2=assumed(_BACK_OFF, "Kubernetes' numbers; managed endpoints have its event BackOff", KUBELET, _LOGS),
        v1=assumed(_BACK_OFF, "Kubernetes' numbers; the page has its CrashLoopBackOff", KUBELET, _V1_LOOP),
        local=assumed(_BACK_OFF, _NO_PROBES),
    ),
    row(
        "probes.crash_loop",
        "When restarts are a crash loop: three in a row that died before they were ready, which takes the back-off's"
        " first 30 s and rules out a crash by chance; or more than five without ten minutes of running between.",
        managed=assumed(_CRASH_LOOP, _NO_NUMBER, NOT_READY),
        kubernetes=assumed(_CRASH_LOOP, _NO_NUMBER, KUBERNETES_ERRORS),
        v1=assumed(_CRASH_LOOP, _NO_NUMBER, _V1_LOOP),
        local=assumed(CrashLoop(never_ready=1, restarts=0), f"the first death is the last: {_NO_PROBES}"),
    ),
    row(
        "probes.crash_loop_code",
        "The error code of a deployment in a crash loop, whose provisioning_state is Failed.",
        managed=documented("ResourceNotReady", NOT_READY),
        kubernetes=documented("DeploymentCrashLoopBackOff", KUBERNETES_ERRORS),
        v1=documented("CrashLoopBackOff", _V1_LOOP),
        local=assumed("ResourceNotReady", AS_MANAGED),
    ),
    row(
        "probes.crash_loop_message",
        "The error message of a deployment in a crash loop.",
        assumed(_CRASHED, AS_MANAGED, CRASHED),
        managed=observed(_CRASHED, CRASHED),
    ),
    row(
        "probes.crash_loop_recovers",
        "Restarts go on in a crash loop; the deployment is Succeeded again once its instances are ready.",
        assumed(True, _KUBERNETES, KUBELET),
        aci=assumed(True, _ACI),
        local=assumed(False, _NO_PROBES),
    ),
    row(
        "events.columns",
        "The columns of the event log; InstanceId is the instance's name, which its restarts keep.",
        assumed(_COLUMNS, _OUR_LOG),
        managed=documented(_COLUMNS, EVENT_COLUMNS),
        kubernetes=assumed(_COLUMNS, AS_MANAGED),
    ),
    row(
        "events.names",
        "The names that events have.",
        assumed(_NAMES, _OUR_LOG),
        managed=documented(_NAMES, _LOGS),
        kubernetes=assumed(_NAMES, AS_MANAGED),
    ),
    row(
        "events.probe_failed",
        "The message of each failed probe, one event for each.",
        assumed(_PROBE_FAILED, AS_MANAGED, _LOGS),
        managed=documented(_PROBE_FAILED, _LOGS, CRASHED),
    ),
    row(
        "events.messages",
        "The messages of all other events.",
        assumed(_MESSAGES, AS_MANAGED, _LOGS),
        managed=assumed(_MESSAGES, "the page's words; the name at the end of BackOff is Kubernetes' own", _LOGS),
    ),
)
