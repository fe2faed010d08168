"""The parity table of probes, restarts and the event log.

Kubernetes' own behaviour stands in where nobody has written Azure's down: managed endpoints show its events
(contract/managed §9) and its texts (§6.3.8), so they stand on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from emulator.entities import ProbeSettings
from emulator.entities.probing import BackOff, CrashLoop
from emulator.profiles.facts import UNCHANGED, Row, assumed, documented, observed, row


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

_KUBERNETES = "Kubernetes' own behaviour"
_AS_MANAGED = "by analogy with managed"
_ACI = "contract/v1 §6 says nothing of probes of ACI; by analogy with managed"
_NO_PROBES = "LocalWebservice is a bare container (contract/v1 §8): nothing probes it or starts it again"
_V1_CODES = "contract/v1 §6: deploy errors"
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_ONE_WORKER_V2 = documented(UNCHANGED, "contract/managed §6.4: one sync worker, `/` is one of its routes; §11 T18")
_ONE_WORKER_V1 = documented(UNCHANGED, "contract/v1 §2.1: one sync worker; contract/managed §6.4: `/` is its route")
_OUR_LOG = "v1 services and `local` have no such table; amlemu keeps one log for all"

PROBE_ROWS: tuple[Row, ...] = (
    row(
        "probes.run",
        "Probes go on as long as the deployment serves, and a container that died is started again.",
        managed=documented(True, "contract/managed §5.2"),
        kubernetes=documented(True, "contract/managed §5.2"),
        aks=documented(True, "contract/v1 §6"),
        aci=assumed(True, _ACI),
        local=assumed(False, _NO_PROBES),
    ),
    row(
        "probes.liveness",
        "The liveness probe of a deployment that sets none, and what a partial one leaves open.",
        managed=documented(_SETTINGS, "contract/managed §5.2"),
        kubernetes=documented(_SETTINGS, "contract/managed §5.2"),
        aks=documented(_AKS_LIVENESS, "contract/v1 §6"),
        aci=assumed(_SETTINGS, _ACI),
        local=assumed(_SETTINGS, "only the time that a start may take; " + _NO_PROBES),
    ),
    row(
        "probes.readiness",
        "The readiness probe of a deployment that sets none, and what a partial one leaves open.",
        managed=documented(_SETTINGS, "contract/managed §5.2"),
        kubernetes=documented(_SETTINGS, "contract/managed §5.2"),
        aks=assumed(_SETTINGS, "contract/v1 §6 has a liveness probe only; " + _AS_MANAGED),
        aci=assumed(_SETTINGS, _ACI),
        local=assumed(_SETTINGS, _NO_PROBES),
    ),
    row(
        "probes.liveness_success_threshold",
        "The only success_threshold that a liveness probe may have.",
        managed=documented(1, "contract/managed §5.2"),
        kubernetes=documented(1, "contract/managed §5.2"),
        aks=assumed(1, _KUBERNETES + "; contract/v1 §6 has it as the default"),
        aci=assumed(1, _ACI),
        local=assumed(1, _AS_MANAGED),
    ),
    row(
        "probes.path",
        "What both probes GET of the scoring server's port.",
        managed=documented("/", "contract/managed §6.4, §5.3"),
        kubernetes=documented("/", "contract/managed §6.4, §5.3"),
        aks=assumed("/", "the server's own route, contract/managed §6.4"),
        aci=assumed("/", "the server's own route, contract/managed §6.4"),
        local=assumed("/", "the server's own route, contract/managed §6.4"),
    ),
    row(
        "probes.passing_status",
        "The one status that is a success; any other, no answer in time and no connection are failures.",
        managed=documented(200, "contract/managed §11 T19"),
        kubernetes=assumed(200, "contract/managed §11 T19; Kubernetes itself takes 200 to 399"),
        aks=assumed(200, "contract/managed §11 T19; Kubernetes itself takes 200 to 399"),
        aci=assumed(200, "contract/managed §11 T19"),
        local=assumed(200, "contract/managed §11 T19"),
    ),
    row(
        "probes.no_auth",
        "The headers of a probe beside Host and Connection: none, so no key either. Probes go to the container past the"
        " front door, and leave no line in the request log.",
        managed=assumed(_NO_HEADERS, "contract/managed §2.13"),
        kubernetes=assumed(_NO_HEADERS, "contract/managed §2.13; Kubernetes' own say kube-probe in their User-Agent"),
        aks=assumed(_NO_HEADERS, "contract/managed §2.13; Kubernetes' own say kube-probe in their User-Agent"),
        aci=assumed(_NO_HEADERS, "contract/managed §2.13"),
        local=assumed(_NO_HEADERS, "contract/managed §2.13"),
    ),
    row(
        "probes.starved_by_long_run",
        "A run() that holds the only worker makes the probe wait in line: it fails after its timeout. So does the"
        " server, whose one worker answers both; amlemu adds nothing.",
        managed=_ONE_WORKER_V2,
        kubernetes=_ONE_WORKER_V2,
        aks=_ONE_WORKER_V1,
        aci=_ONE_WORKER_V1,
        local=_ONE_WORKER_V1,
    ),
    row(
        "probes.unready_out_of_rotation",
        "An instance whose readiness probe fails gets no requests until it passes again, and is not restarted for it.",
        managed=documented(True, "contract/managed §5.2"),
        kubernetes=documented(True, "contract/managed §5.2"),
        aks=assumed(True, _KUBERNETES),
        aci=assumed(True, _ACI),
        local=assumed(False, _NO_PROBES),
    ),
    row(
        "probes.liveness_restarts",
        "A container whose liveness probe fails is killed and started again.",
        managed=documented(True, "contract/managed §5.2"),
        kubernetes=documented(True, "contract/managed §5.2"),
        aks=documented(True, "contract/v1 §6"),
        aci=assumed(True, _ACI),
        local=assumed(False, _NO_PROBES),
    ),
    row(
        "probes.kill_grace_seconds",
        "How long a container that failed its liveness probe has between SIGTERM and SIGKILL.",
        managed=assumed(30, "Kubernetes' terminationGracePeriodSeconds"),
        kubernetes=assumed(30, "Kubernetes' terminationGracePeriodSeconds"),
        aks=assumed(30, "Kubernetes' terminationGracePeriodSeconds"),
        aci=assumed(30, _AS_MANAGED),
        local=assumed(30, _AS_MANAGED + "; nothing is killed"),
    ),
    row(
        "probes.restart_in_place",
        "A restart keeps the instance: its id and its count of restarts. No: it is another instance with an id of its"
        " own, which has never been restarted. Either is a new process with the same files and variables, whose probes"
        " begin with their initial_delay again, and other instances notice nothing.",
        managed=assumed(True, _KUBERNETES),
        kubernetes=assumed(True, _KUBERNETES),
        aks=assumed(True, _KUBERNETES),
        aci=assumed(True, _ACI),
        local=assumed(True, _NO_PROBES),
    ),
    row(
        "probes.restart_back_off",
        "The waits before restarts: none, then 10 s, doubled up to 300 s, forgotten after 600 s of running.",
        managed=assumed(_BACK_OFF, "Kubernetes' kubelet; contract/managed §9 has its event BackOff"),
        kubernetes=assumed(_BACK_OFF, "Kubernetes' kubelet; contract/managed §9 has its event BackOff"),
        aks=assumed(_BACK_OFF, "Kubernetes' kubelet; contract/v1 §6 has CrashLoopBackOff"),
        aci=assumed(_BACK_OFF, "Kubernetes' kubelet; contract/v1 §6 has CrashLoopBackOff"),
        local=assumed(_BACK_OFF, _NO_PROBES),
    ),
    row(
        "probes.crash_loop",
        "When restarts are a crash loop: three in a row that died before they were ready, which takes the back-off's"
        " first 30 s and rules out a crash by chance; or more than five without ten minutes of running between.",
        managed=assumed(_CRASH_LOOP, "contract/managed §6.3.8 has the outcome, nobody the number"),
        kubernetes=assumed(_CRASH_LOOP, "contract/managed §8 has the outcome, nobody the number"),
        aks=assumed(_CRASH_LOOP, "contract/v1 §6 has the outcome, nobody the number"),
        aci=assumed(_CRASH_LOOP, "contract/v1 §6 has the outcome, nobody the number"),
        local=assumed(CrashLoop(never_ready=1, restarts=0), "the first death is the last: " + _NO_PROBES),
    ),
    row(
        "probes.crash_loop_code",
        "The error code of a deployment in a crash loop, whose provisioning_state is Failed.",
        managed=documented("ResourceNotReady", "contract/managed §6.3.8, §8"),
        kubernetes=documented("DeploymentCrashLoopBackOff", "contract/managed §8"),
        aks=documented("CrashLoopBackOff", _V1_CODES),
        aci=documented("CrashLoopBackOff", _V1_CODES),
        local=assumed("ResourceNotReady", _AS_MANAGED),
    ),
    row(
        "probes.crash_loop_message",
        "The error message of a deployment in a crash loop.",
        managed=observed(_CRASHED, "contract/managed §6.3.8"),
        kubernetes=assumed(_CRASHED, _AS_MANAGED),
        aks=assumed(_CRASHED, _AS_MANAGED),
        aci=assumed(_CRASHED, _AS_MANAGED),
        local=assumed(_CRASHED, _AS_MANAGED),
    ),
    row(
        "probes.crash_loop_recovers",
        "Restarts go on in a crash loop; the deployment is Succeeded again once its instances are ready.",
        managed=assumed(True, _KUBERNETES),
        kubernetes=assumed(True, _KUBERNETES),
        aks=assumed(True, _KUBERNETES),
        aci=assumed(True, _ACI),
        local=assumed(False, _NO_PROBES),
    ),
    row(
        "events.columns",
        "The columns of the event log; InstanceId is the instance's name, which its restarts keep.",
        managed=documented(_COLUMNS, "contract/managed §9"),
        kubernetes=assumed(_COLUMNS, _AS_MANAGED),
        aks=assumed(_COLUMNS, _OUR_LOG),
        aci=assumed(_COLUMNS, _OUR_LOG),
        local=assumed(_COLUMNS, _OUR_LOG),
    ),
    row(
        "events.names",
        "The names that events have.",
        managed=documented(_NAMES, "contract/managed §9"),
        kubernetes=assumed(_NAMES, _AS_MANAGED),
        aks=assumed(_NAMES, _OUR_LOG),
        aci=assumed(_NAMES, _OUR_LOG),
        local=assumed(_NAMES, _OUR_LOG),
    ),
    row(
        "events.probe_failed",
        "The message of each failed probe, one event for each.",
        managed=observed(_PROBE_FAILED, "contract/managed §6.3.8"),
        kubernetes=assumed(_PROBE_FAILED, _KUBERNETES),
        aks=assumed(_PROBE_FAILED, _KUBERNETES),
        aci=assumed(_PROBE_FAILED, _AS_MANAGED),
        local=assumed(_PROBE_FAILED, _AS_MANAGED),
    ),
    row(
        "events.messages",
        "The messages of all other events.",
        managed=assumed(_MESSAGES, _KUBERNETES),
        kubernetes=assumed(_MESSAGES, _KUBERNETES),
        aks=assumed(_MESSAGES, _KUBERNETES),
        aci=assumed(_MESSAGES, _AS_MANAGED),
        local=assumed(_MESSAGES, _AS_MANAGED),
    ),
)
