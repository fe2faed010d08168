"""Builds that go on though their emulator was killed: found by a mark in their environment, and ended.

A build is a program of its own (uv, docker, the solver of conda packages).  Nobody waits for it any more, and it would
write into the folder of the next build of the same environment.
"""

from __future__ import annotations

from collections.abc import Mapping

from emulator.system.os_process import kill_all_marked

_MARK = "AMLEMU_BUILD_OF"


def marked(variables: Mapping[str, str], workspace_id: str) -> dict[str, str]:
    """The variables of programs that build for that workspace."""
    return {**variables, _MARK: workspace_id}


def end_leftover_builds(workspace_id: str) -> None:
    """Kill every program that builds for that workspace; only before anything is built."""
    kill_all_marked(_MARK, workspace_id)
