"""The gateway for scoring requests: the cloud's front door before the scoring containers."""

from emulator.gateway.gateway import Gateway
from emulator.gateway.payload_log import PayloadLog
from emulator.gateway.traffic_log import WriteLine

__all__ = ["Gateway", "PayloadLog", "WriteLine"]
