"""What an image holds, asked of the image itself."""

from __future__ import annotations

import contextlib
import io
import re
import tarfile

import docker
import docker.errors

from emulator.engines.conda import OLDEST_GLIBC
from emulator.engines.docker_errors import docker_errors


def read_text_of_image(client: docker.DockerClient, image: str, path: str) -> str:
    """The text of a file in an image, '' when there is none; nothing is started."""
    with docker_errors(f"image {image}"):
        container = client.containers.create(image)
        try:
            blocks, _ = container.get_archive(path)
            with tarfile.open(fileobj=io.BytesIO(b"".join(blocks))) as archive:
                file = archive.extractfile(archive.getmembers()[0])
                return file.read().decode("utf-8") if file else ""
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
