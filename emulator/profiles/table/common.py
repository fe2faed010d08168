"""Facts and reasons that rows of several areas share."""

from __future__ import annotations

from emulator.profiles.facts import documented
from emulator.profiles.sources import LOCAL_WEBSERVICE, V1_DEPLOY

AS_MANAGED = "by analogy with managed; nothing public says it of this target"
AS_AKS = "by analogy with AKS; nothing public says it of this target"
NO_FRONT_DOOR = documented(
    None, LOCAL_WEBSERVICE, note="the SDK publishes the container's own port, so there is no front door"
)
NO_V1_DEPLOYMENTS = documented(None, V1_DEPLOY, note="a v1 service has no deployments")
