"""The parity table of sizes: what a container gets of its machine, and what happens when its memory is used up."""

from __future__ import annotations

from emulator.profiles.facts import Row, assumed, documented, everywhere, row

_NOT_SAID = assumed(1.0, "what the system keeps of a machine for itself is not documented (contract/managed §5.2)")
_V1_LOOPS = documented("CrashLoopBackOff", "contract/v1 §10.5: too little memory is a re-booting worker")
_OOM_EVENT = "the words of Kubernetes' kernel monitor; what the cloud's log says is not documented"

SIZE_ROWS: tuple[Row, ...] = (
    everywhere(
        "container.size",
        "The share of an instance type's cores and memory that the container gets, from 0 to 1; `resources` are taken"
        " as they are.",
        _NOT_SAID,
    ),
    row(
        "deployment.out_of_memory_code",
        "The code of a deployment whose container runs out of memory before it is ready.",
        managed=documented("OutOfQuota", "contract/managed §8: OutOfQuota, memory"),
        kubernetes=documented("PodOutOfMemory", "contract/managed §8"),
        aks=_V1_LOOPS,
        aci=_V1_LOOPS,
        local=assumed("ResourceNotReady", "LocalWebservice is a bare container (contract/v1 §8)"),
    ),
    everywhere(
        "events.out_of_memory",
        "The Message of the Killing event when the kernel kills a process of a container for want of memory, also one"
        " worker of many.",
        assumed("Memory cgroup out of memory: killed a process of container {container} (limit: {limit})", _OOM_EVENT),
    ),
)
