"""What an emulator and its commands are told, and the variable of each of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from emulator.secret import masked_values

_EVERYWHERE = ("0.0.0.0", "::", "localhost")  # noqa: S104 - names of addresses, nothing is opened
FREE_PORTS = range(1)
"""The range that stands for free ports."""
ENGINES = ("auto", "docker", "process")
LIMITS = ("report", "cloud")
CONDA = ("auto", "channels", "pip")


@dataclass(frozen=True)
class Settings:
    """What an emulator and its client are told.

    `home` is the state folder, `port` the control port, `gateway_port` the one shared by endpoints with a path,
    `endpoint_ports` the range of the others' own; a port of 0, and a range of it alone, is one that is free as the
    emulator starts.  `bind_host` is where the control API and the endpoints listen,
    `public_host` the name in `scoring_uri` ('' for the one by which the caller came).  `limits` is `cloud` to hold
    endpoints to the cloud's quotas, `report` to say only where they would have been; `traffic_seed` makes the choice of
    deployments repeatable.  `url` names another emulator; `token` is what opens it, and what this one wants of its
    admin ('' for the one that lies in the home).  `assumed` holds by target
    and row id what replaces assumed facts of the parity table, checked against it, as plain values of JSON.
    `curated_environments` holds by name what
    extends or replaces the curated environments that amlemu knows, checked, as plain values of JSON: python_version
    and packages (pip requirement lines).
    `aad_keys` is a file with
    the public keys (a JSON Web Key Set) that sign aad_tokens beside the emulator's own, `aad_tenant` the tenant that
    they must be of ('' for any).  `base_images` maps the names of images, or patterns of them, to those that stand for
    them; `platform` is what images are taken and built for ('' for the engine's own), such as linux/amd64.
    `network` is the network of Docker that an emulator in a container shares with its scoring containers ('' for one
    that runs in none).
    `conda` says where conda packages come from: their `channels`, PyPI (`pip`), or, with `auto`, PyPI where the
    channels cannot be reached.  `conda_channels` says by name where a channel is: a URL, or a folder as file:///path.
    `max_upload_bytes` is how much a client on another machine may send at a time.
    `container_memory` is how many bytes of memory a container gets whose deployment does not say (None: the machine's
    less a reserve), on Docker only; `container_pids` how many processes and threads a container may have;
    `container_disk` how many bytes it may write to the disk, on the process engine only (None: half of what is free, at
    least 10 GiB).  0 is no limit.
    `origins` says by name where each value that was asked for was written down; what has none is a default.
    """

    home: Path
    port: int = 18080
    gateway_port: int = 18081
    endpoint_ports: range = range(18100, 18200)
    bind_host: str = "127.0.0.1"
    public_host: str = ""
    engine: str = "auto"
    limits: str = "report"
    traffic_seed: int | None = None
    url: str = ""
    token: str = field(default="", repr=False)
    assumed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    curated_environments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    aad_keys: Path | None = None
    aad_tenant: str = ""
    base_images: Mapping[str, str] = field(default_factory=dict)
    platform: str = ""
    network: str = ""
    conda: str = "auto"
    conda_channels: Mapping[str, str] = field(default_factory=dict, repr=False)
    max_upload_bytes: int = 100 << 30
    container_memory: int | None = None
    container_pids: int = 4096
    container_disk: int | None = None
    origins: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def control_url(self) -> str:
        """Where the control API of this machine's own emulator answers."""
        host = "127.0.0.1" if self.bind_host in _EVERYWHERE else self.bind_host
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


VARIABLES: Mapping[str, str] = {
    "home": "AMLEMU_HOME",
    "port": "AMLEMU_PORT",
    "gateway_port": "AMLEMU_GATEWAY_PORT",
    "endpoint_ports": "AMLEMU_ENDPOINT_PORTS",
    "bind_host": "AMLEMU_BIND_HOST",
    "public_host": "AMLEMU_PUBLIC_HOST",
    "engine": "AMLEMU_ENGINE",
    "limits": "AMLEMU_LIMITS",
    "traffic_seed": "AMLEMU_TRAFFIC_SEED",
    "url": "AMLEMU_URL",
    "token": "AMLEMU_TOKEN",
    "aad_keys": "AMLEMU_AAD_KEYS",
    "aad_tenant": "AMLEMU_AAD_TENANT",
    "base_images": "AMLEMU_BASE_IMAGES",
    "platform": "AMLEMU_PLATFORM",
    "network": "AMLEMU_NETWORK",
    "conda": "AMLEMU_CONDA",
    "conda_channels": "AMLEMU_CONDA_CHANNELS",
    "max_upload_bytes": "AMLEMU_MAX_UPLOAD_BYTES",
    "container_memory": "AMLEMU_CONTAINER_MEMORY",
    "container_pids": "AMLEMU_CONTAINER_PIDS",
    "container_disk": "AMLEMU_CONTAINER_DISK",
}

ASSUMED_VARIABLE = "AMLEMU_ASSUMED"
CURATED_VARIABLE = "AMLEMU_CURATED_ENVIRONMENTS"
# What they hold, as JSON, is taken together with what the files hold.
TABLES: Mapping[str, str] = {"assumed": ASSUMED_VARIABLE, "curated_environments": CURATED_VARIABLE}

LOGIN = "amlemu login"
"""The origin of what a login has chosen."""
PROJECT_FILE_VARIABLE = "AMLEMU_PROJECT_FILE"
NO_FILE = "none"


def shown(name: str, settings: Settings) -> Any:
    """A setting as a plain value of JSON, credentials masked; the token is only said to be there."""
    value = _plain(name, getattr(settings, name))
    if name == "token":
        return "(set)" if value else ""
    return masked_values(value)


def of_this_machine(settings: Settings) -> Settings:
    """The settings for an emulator on this machine, whatever emulator commands speak to.

    The token of a login is another emulator's: here it would be the admin's.
    """
    return replace(settings, url="", token="" if settings.origins.get("token") == LOGIN else settings.token)


def variables_of(settings: Settings) -> dict[str, str]:
    """The variables that make an emulator read exactly these settings, in whatever folder it is started."""
    values = {variable: _plain(name, getattr(settings, name)) for name, variable in {**VARIABLES, **TABLES}.items()}
    texts = {variable: json.dumps(v) if isinstance(v, Mapping) else str(v) for variable, v in values.items()}
    return texts | {PROJECT_FILE_VARIABLE: NO_FILE}


def _plain(name: str, value: Any) -> Any:
    """As it can be written down: '' for what is not set."""
    if name in ("container_memory", "container_pids", "container_disk") and not value:
        return "auto" if value is None else "none"
    if isinstance(value, range):
        return "0" if value == FREE_PORTS else f"{value.start}-{value.stop - 1}"
    if isinstance(value, Mapping):
        return {key: dict(one) if isinstance(one, Mapping) else one for key, one in value.items()}
    return "" if value is None else str(value) if isinstance(value, Path) else value
