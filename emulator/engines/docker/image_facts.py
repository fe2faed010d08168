"""What an image holds, asked of the image itself."""

from __future__ import annotations

import contextlib
import io
import re
import tarfile

import docker
import docker.errors

from emulator.engines.docker.errors import docker_errors
from emulator.engines.packaging.conda import OLDEST_GLIBC

_MOST_BYTES = 8 << 20


def read_text_of_image(client: docker.DockerClient, image: str, path: str) -> str:
    """The text of a file in an image, '' when there is none; nothing is started."""
    with docker_errors(f"image {image}"):
        container = client.containers.create(image)
        try:
            blocks, told = container.get_archive(path)
            # What packages' code could write may be a flood, or a link, which the archive holds as one.
            if told is None or told["size"] > _MOST_BYTES:
                return ""
            with tarfile.open(fileobj=io.BytesIO(b"".join(blocks))) as archive:
                member = archive.getmembers()[0]
                file = archive.extractfile(member) if member.isfile() else None
                return file.read().decode("utf-8", "replace") if file else ""
        except docker.errors.NotFound:
            return ""
        finally:
            container.remove(force=True, v=True)


def glibc_of_image(client: docker.DockerClient, image: str) -> str:
    """The version of an image's libc, such as 2.35; an old one when the image cannot say."""
    with contextlib.suppress(docker.errors.DockerException):
        said = client.containers.run(
            image, ["GNU_LIBC_VERSION"], entrypoint="getconf", remove=True, network_mode="none"
        )
        if found := re.search(rb"glibc (\d+\.\d+)", said):
            return found[1].decode()
    return OLDEST_GLIBC
