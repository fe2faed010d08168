"""The parity table of sizes: what a container gets of its machine, and what happens when its memory is used up."""

from __future__ import annotations

from emulator.profiles.facts import Row, assumed, documented, row
from emulator.profiles.sources import KUBERNETES_ERRORS, LOCAL_WEBSERVICE, TROUBLESHOOT, V1_TROUBLESHOOT_LOCAL

SIZE_ROWS: tuple[Row, ...] = (
    row(
        "container.size",
        "The share of an instance type's cores and memory that the container gets, from 0 to 1; `resources` are taken"
        " as they are.",
        assumed(1.0, "nothing public says what the system keeps of a machine for itself"),
    ),
    row(
        "deployment.out_of_memory_code",
        "The code of a deployment whose container runs out of memory before it is ready.",
        managed=documented("OutOfQuota", TROUBLESHOOT.at("Memory quota")),
        kubernetes=documented("PodOutOfMemory", KUBERNETES_ERRORS),
        v1=documented("CrashLoopBackOff", V1_TROUBLESHOOT_LOCAL, note="too little memory is a re-booting worker"),
        local=assumed(
            "ResourceNotReady", "LocalWebservice is a bare container; as other failed starts", LOCAL_WEBSERVICE
        ),
    ),
    row(
        "events.out_of_memory",
        "The Message of the Killing event when the kernel kills a process of a container for want of memory, also one"
        " worker of many.",
        assumed(
            "Memory cgroup out of memory: killed a process of container {container} (limit: {limit})",
            "the words of Kubernetes' kernel monitor; nothing public shows the cloud's own",
        ),
    ),
)
