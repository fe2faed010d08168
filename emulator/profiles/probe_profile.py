"""The rows of probes and restarts, resolved for one target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from emulator.entities import ProbeSettings
from emulator.entities.probing import BackOff, CrashLoop
from emulator.profiles.facts import read_from as _row
from emulator.profiles.table.probe import EventMessages
from emulator.profiles.table.start import NotReadyCode


@dataclass(frozen=True)
class ProbeProfile:
    """What a target's cloud does to a container that serves: probes, restarts, events."""

    run: bool = field(metadata=_row("probes.run"))
    liveness: ProbeSettings = field(metadata=_row("probes.liveness"))
    readiness: ProbeSettings = field(metadata=_row("probes.readiness"))
    liveness_success_threshold: int = field(metadata=_row("probes.liveness_success_threshold"))
    path: str = field(metadata=_row("probes.path"))
    headers: Mapping[str, str] = field(metadata=_row("probes.no_auth"))
    passing_status: int = field(metadata=_row("probes.passing_status"))
    unready_out_of_rotation: bool = field(metadata=_row("probes.unready_out_of_rotation"))
    liveness_restarts: bool = field(metadata=_row("probes.liveness_restarts"))
    kill_grace_seconds: int = field(metadata=_row("probes.kill_grace_seconds"))
    restart_in_place: bool = field(metadata=_row("probes.restart_in_place"))
    back_off: BackOff = field(metadata=_row("probes.restart_back_off"))
    crash_loop: CrashLoop = field(metadata=_row("probes.crash_loop"))
    crash_loop_code: NotReadyCode = field(metadata=_row("probes.crash_loop_code"))
    crash_loop_message: str = field(metadata=_row("probes.crash_loop_message"))
    crash_loop_recovers: bool = field(metadata=_row("probes.crash_loop_recovers"))
    event_columns: tuple[str, ...] = field(metadata=_row("events.columns"))
    event_names: tuple[str, ...] = field(metadata=_row("events.names"))
    probe_failed_message: str = field(metadata=_row("events.probe_failed"))
    out_of_memory_code: str = field(metadata=_row("deployment.out_of_memory_code"))
    out_of_memory_message: str = field(metadata=_row("events.out_of_memory"))
    event_messages: EventMessages = field(metadata=_row("events.messages"))
