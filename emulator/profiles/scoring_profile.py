"""The rows of admission and of answers, resolved for one target."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from emulator.profiles.facts import Answer, StatusMapping
from emulator.profiles.facts import read_from as _row


@dataclass(frozen=True)
class ScoringProfile:
    """What a target's front door does with a request that it lets in, and with the answer; None as its row says.

    Times are milliseconds, sizes bytes.
    """

    status_mapping: StatusMapping | None = field(metadata=_row("status.mapping"))
    mapped_phrase: str | None = field(metadata=_row("status.mapped_phrase"))
    original_status_header: str | None = field(metadata=_row("status.original_header"))
    reason_header: str | None = field(metadata=_row("status.reason_header"))
    model_error_reason: str | None = field(metadata=_row("status.model_error_reason"))
    not_ready_reason: str | None = field(metadata=_row("status.not_ready_reason"))
    container_unreachable: Answer = field(metadata=_row("status.container_unreachable"))
    no_ready_instance: Answer = field(metadata=_row("status.no_ready_instance"))
    mapped_body_stays: bool = field(metadata=_row("status.mapped_body"))
    mapped_headers_stay: bool = field(metadata=_row("status.mapped_headers"))
    timeout_includes_queue: bool = field(metadata=_row("timeouts.includes_queue"))
    container_goes_on: bool = field(metadata=_row("timeouts.container_goes_on"))
    timeout_cuts_streams: bool = field(metadata=_row("timeouts.cuts_streams"))
    least_busy: bool = field(metadata=_row("concurrency.least_busy"))
    authorization_passes: bool = field(metadata=_row("headers.authorization"))
    failed_keeps_weight: bool = field(metadata=_row("traffic.failed_keeps_weight"))
    default_timeout_ms: int | None = field(metadata=_row("timeouts.default_ms"))
    longest_timeout_ms: int | None = field(metadata=_row("timeouts.longest_ms"))
    timed_out: Answer | None = field(metadata=_row("timeouts.answer"))
    default_max_concurrent: int = field(metadata=_row("concurrency.default"))
    admitted_factor: int | None = field(metadata=_row("concurrency.admitted_factor"))
    too_many: Answer | None = field(metadata=_row("concurrency.too_many"))
    too_many_reason: str | None = field(metadata=_row("concurrency.too_many_reason"))
    queues: bool = field(metadata=_row("concurrency.queues"))
    default_queue_wait_ms: int | None = field(metadata=_row("concurrency.queue_wait_ms"))
    overloaded: Answer | None = field(metadata=_row("concurrency.overloaded"))
    requests_per_second: int | None = field(metadata=_row("limits.requests_per_second"))
    too_fast: Answer | None = field(metadata=_row("limits.too_fast"))
    connections: int | None = field(metadata=_row("limits.connections"))
    new_connections_per_second: int | None = field(metadata=_row("limits.new_connections_per_second"))
    bytes_per_second: int | None = field(metadata=_row("limits.bytes_per_second"))
    bandwidth_trailers: tuple[str, str] | None = field(metadata=_row("limits.bandwidth_trailers"))
    request_bytes: int | None = field(metadata=_row("limits.request_bytes"))
    too_long: Answer | None = field(metadata=_row("limits.too_long"))
    streams: bool = field(metadata=_row("routing.streaming"))
    weights_choose_for: Literal["request", "connection", "caller"] = field(metadata=_row("traffic.per_request"))
    cors_headers_of: Literal["container", "none", "any"] = field(metadata=_row("headers.cors"))
    dropped_headers: tuple[str, ...] = field(metadata=_row("headers.end_to_end"))
    head_bytes: int = field(metadata=_row("limits.head_bytes"))
    client_request_id_header: str | None = field(metadata=_row("headers.client_request_id"))
    model_time_header: str | None = field(metadata=_row("headers.model_time"))
    weights_sums: tuple[int, ...] = field(metadata=_row("traffic.weights_sum"))
    mirror_most_percent: int | None = field(metadata=_row("traffic.mirror_most"))
    mirror_targets: int | None = field(metadata=_row("traffic.mirror_targets"))

    def admitted_at_most(self, max_concurrent: int, instance_count: int) -> int | None:
        """Requests that may be in flight to a deployment at once; None where another rule, or none, holds."""
        return None if self.admitted_factor is None else self.admitted_factor * max_concurrent * instance_count
