"""Pull an image, explain why one cannot be pulled, and recognise a local stand-in for one."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable, Mapping

import docker
import docker.errors

from emulator.difference import Difference, only_here
from emulator.engines import Log
from emulator.engines.docker.cli import RunCommand
from emulator.engines.docker.errors import disk_full, docker_errors, is_disk_full
from emulator.errors import EmulatorError, EngineUnavailable, ImageBuildFailure, OperationCanceled

# A registry that is there names the image within a second or two; a firewall that drops packets never answers, and
# the engine itself would wait for minutes.
ANSWER_SECONDS = 10.0
_POLL_SECONDS = 0.05

_NO_ENGINE = re.compile(r"Cannot connect to the Docker daemon|error during connect", re.I)
# DNS and proxies also say "not found" and "forbidden": a message about a connection is not a registry's answer.
_ANSWERED = r"\A(?!.*(dial tcp|lookup |proxyconnect|x509|tls:|timeout|deadline))"
# What a registry answers, what it means, and what to do.
_ANSWERS = (
    (
        re.compile(r"invalid reference format|repository name must be", re.I),
        "'{name}' cannot be the name of an image",
        "check its name and tag in the environment file",
    ),
    (
        re.compile(r"pull access denied", re.I),  # Docker Hub's words for both
        "there is no image {name}, or it needs a login",
        "check its spelling, or run: docker login, docker pull {name}",
    ),
    (
        re.compile(_ANSWERED + r".*(unauthorized|authentication required|denied|no basic auth|forbidden)", re.I),
        "its registry does not give out image {name}",
        "run: docker login {registry}, docker pull {name}",
    ),
    (
        re.compile(_ANSWERED + r".*(manifest unknown|not found|no matching manifest|name unknown)", re.I),
        "its registry has no image {name}",
        "check its name and tag in the environment file",
    ),
)


# Names of images that amlemu builds itself, which are never pulled.
_OWN = re.compile(r"(docker\.io/|index\.docker\.io/)?amlemu/", re.I)

# `.ci/base-image` gives a stand-in the name of the image of Python where no registry answers: what `docker compose`
# builds from asks for that name.  The label keeps it from passing for the real one.
_STAND_IN_LABEL = "amlemu.stand_in"
# Not more: images that are built from a stand-in have its label too.
_PYTHON_NAMES = re.compile(r"(?<![\w./-])(?:docker\.io/)?(?:library/)?python:3\.\d+-slim-bookworm(?![\w.-])")


class RegistryUnreachable(Exception):
    """No registry gave a usable answer; the text says what happened."""


def pull_image(
    name: str,
    run: RunCommand,
    variables: Mapping[str, str],
    log: Log,
    canceled: threading.Event,
    answer_seconds: float = ANSWER_SECONDS,
    platform: str | None = None,
) -> None:
    """`docker pull`, with the credentials of Docker's own configuration, for `platform` or the engine's own.

    Raises RegistryUnreachable when no registry answers within `answer_seconds`, ImageBuildFailure when one answers that
    there is no such image or that it may not be had, and OperationCanceled.
    """
    if _OWN.match(name):
        raise RegistryUnreachable("names below amlemu/ are amlemu's own, and are never pulled")
    lines: list[str] = []
    stop, ended = threading.Event(), threading.Event()

    def hear(line: str) -> None:
        lines.append(line)
        log(line)

    def give_up() -> None:
        deadline = time.monotonic() + answer_seconds
        while not ended.wait(_POLL_SECONDS):
            if canceled.is_set() or (not lines and time.monotonic() > deadline):
                stop.set()
                return

    watcher = threading.Thread(target=give_up, daemon=True)
    watcher.start()
    try:
        code = run(["docker", "pull", *([f"--platform={platform}"] if platform else []), name], variables, hear, stop)
    except OperationCanceled:
        if canceled.is_set():
            raise
        raise RegistryUnreachable(f"no registry answered within {answer_seconds:.0f} s") from None
    finally:
        ended.set()
        watcher.join()
    if code != 0:
        raise pull_failure(name, lines[-1] if lines else f"docker pull ended with {code}")


def pull_failure(name: str, reason: str) -> EmulatorError | RegistryUnreachable:
    """Return what the last line of a failed `docker pull` means."""
    reason = reason.removeprefix("Error response from daemon: ").strip()
    target = f"image {name}"
    if _NO_ENGINE.search(reason):
        return EngineUnavailable(reason, target=target)
    if is_disk_full(reason):
        return disk_full(reason, target)
    for pattern, message, hint in _ANSWERS:
        if pattern.search(reason):
            return ImageBuildFailure(
                f"{message.format(name=name)}: {reason}",
                target=target,
                hint=hint.format(name=name, registry=name.split("/", maxsplit=1)[0]),
            )
    return RegistryUnreachable(reason)


def is_stand_in(client: docker.DockerClient, name: str) -> bool:
    """Return whether the local image of that name is a stand-in for the real one."""
    if not _PYTHON_NAMES.fullmatch(name):
        return False
    with docker_errors(f"image {name}"):
        try:
            return bool(client.images.get(name).labels.get(_STAND_IN_LABEL))
        except docker.errors.ImageNotFound:
            return False


def base_images(client: docker.DockerClient) -> list[str]:
    """Return the names of the images here that environments are built upon: those of Python, and their stand-ins."""
    with docker_errors("the images"):
        tags = [tag for image in client.images.list() for tag in image.tags]
    return sorted(tag for tag in tags if _PYTHON_NAMES.fullmatch(tag.removeprefix("amlemu/")))


def stand_in_differences(client: docker.DockerClient, text: str) -> tuple[Difference, ...]:
    """Return what to say of an image that `text`, its name or its Dockerfile, makes of stand-ins."""
    names: Iterable[str] = dict.fromkeys(_PYTHON_NAMES.findall(text))
    return tuple(
        only_here("image.stand_in", f"image {name} is a local stand-in for it")
        for name in names
        if is_stand_in(client, name)
    )
