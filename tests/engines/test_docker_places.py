"""An emulator in a container of the engine that it uses: who it is, and where its files lie; no Docker is needed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest
import requests

from emulator.containers.data_collection import SINK_FOLDER
from emulator.containers.spec import ContainerSpec
from emulator.engines.docker.container import Network, address_of, create_arguments, network_of
from emulator.engines.docker.mounts import OwnContainer, container_ids, find_own_container, own_container
from emulator.errors import EngineUnavailable

ME, OTHER = "a" * 64, "b" * 64
HOME = "/var/lib/amlemu"
VOLUME = {
    "Type": "volume",
    "Name": "team_home",
    "Source": "/var/lib/docker/volumes/team_home/_data",
    "Destination": HOME,
    "Driver": "local",
}
FOLDER = {"Type": "bind", "Source": "/srv/models", "Destination": f"{HOME}/models"}
SOCKET = {"Type": "bind", "Source": "/var/run/docker.sock", "Destination": "/var/run/docker.sock"}


def described(*mounts: dict[str, Any], networks: tuple[str, ...] = ("team_scoring",), **host: Any) -> dict[str, Any]:
    """What `docker inspect` says of a container."""
    addresses = {name: {"IPAddress": "172.20.0.2"} for name in networks}
    return {"Mounts": list(mounts), "NetworkSettings": {"Networks": addresses}, "HostConfig": host}


def own(*mounts: dict[str, Any], version: str = "1.41", **host: Any) -> OwnContainer:
    return own_container(described(*mounts, **host), version, "team_scoring", HOME)


# where files lie


def test_a_folder_of_a_volume_is_mounted_from_where_the_volume_lies() -> None:
    mount = own(VOLUME, SOCKET).mount("/var/azureml-app", f"{HOME}/layouts/e/blue/1", True)
    assert (mount["Type"], mount["Source"]) == ("bind", "/var/lib/docker/volumes/team_home/_data/layouts/e/blue/1")
    assert (mount["Target"], mount["ReadOnly"]) == ("/var/azureml-app", True)


@pytest.mark.parametrize("version", ["1.45", "1.50", "2.0"])
def test_newer_engines_mount_the_folder_of_the_volume_itself(version: str) -> None:
    mount = own(VOLUME, SOCKET, version=version).mount("/var/azureml-app", f"{HOME}/layouts/e/blue/1", True)
    assert (mount["Type"], mount["Source"], mount["ReadOnly"]) == ("volume", "team_home", True)
    assert mount["VolumeOptions"] == {"NoCopy": True, "Subpath": "layouts/e/blue/1"}


def test_the_whole_volume() -> None:
    assert own(VOLUME).mount("/x", HOME, False)["Source"] == VOLUME["Source"]
    assert own(VOLUME, version="1.45").mount("/x", HOME, False)["VolumeOptions"] == {"NoCopy": True}


def test_a_folder_of_the_host_that_is_mounted_deeper_wins() -> None:
    mounted = own(FOLDER, VOLUME, version="1.45")
    assert mounted.mount("/x", f"{HOME}/models/iris", True)["Source"] == "/srv/models/iris"
    assert mounted.mount("/x", f"{HOME}/models-of-others", True)["Source"] == "team_home"
    assert mounted.is_in_volume(HOME)
    assert not mounted.is_in_volume(f"{HOME}/models")


@pytest.mark.parametrize(
    "mounts",
    [
        (),
        (SOCKET,),
        ({"Type": "tmpfs", "Source": "", "Destination": HOME},),
        ({**VOLUME, "Destination": f"{HOME}/below"},),
        ({**VOLUME, "Source": ""},),
    ],
)
def test_a_home_that_no_other_container_can_see_is_refused(mounts: tuple[dict[str, Any], ...]) -> None:
    with pytest.raises(EngineUnavailable, match="in the emulator's own container alone") as caught:
        own(*mounts)
    assert "AMLEMU_HOME" in caught.value.hint


def test_what_is_in_memory_hides_the_volume_below_it() -> None:
    mounted = own(VOLUME, Tmpfs={f"{HOME}/tmp": "size=1m"})
    with pytest.raises(EngineUnavailable, match=f"{HOME}/tmp/x lies in"):
        mounted.mount("/x", f"{HOME}/tmp/x", True)


# who we are


@pytest.mark.parametrize(
    ("mountinfo", "cgroup", "hostname", "found"),
    [
        (f"94 77 254:0 /var/lib/docker/containers/{ME}/hostname /etc/hostname rw - ext4 /dev/vda rw", "", "web", [ME]),
        (f"94 77 0:1 /docker/containers/{ME}/resolv.conf /etc/resolv.conf rw - zfs tank rw", "", "web", [ME]),
        (f"94 77 0:1 /overlay-containers/{ME}/userdata/hosts /etc/hosts rw - tmpfs tmpfs rw", "", "", [ME]),
        (f"94 77 0:1 /docker/containers/{OTHER}/logs /watched ro - ext4 /dev/vda rw", "", "laptop", []),
        ("", f"9:name=systemd:/docker/{ME}\n8:pids:/docker/{ME}", "web", [ME]),
        ("", f"0::/system.slice/docker-{ME}.scope", "web", [ME]),
        ("", "0::/", "aaaaaaaaaaaa", ["aaaaaaaaaaaa"]),
        (f"1 1 0:1 /docker/containers/{ME}/hosts /etc/hosts rw - x y z", f"1:a:/docker/{OTHER}", "", [ME, OTHER]),
        ("", "", "emulator", []),
    ],
)
def test_our_container_is_found_by_what_the_kernel_says(
    mountinfo: str, cgroup: str, hostname: str, found: list[str]
) -> None:
    assert container_ids(mountinfo, cgroup, hostname) == found


def client_with(**known: dict[str, Any]) -> Any:
    """A client of an engine that has these containers."""

    def get(container_id: str) -> Any:
        if container_id not in known:
            raise docker.errors.NotFound("no such container", response=requests.Response())
        return SimpleNamespace(attrs=known[container_id])

    return SimpleNamespace(containers=SimpleNamespace(get=get), api=SimpleNamespace(api_version="1.41"))


def test_the_first_id_that_the_engine_knows_is_ours() -> None:
    client = client_with(**{ME: described(VOLUME)})
    found = find_own_container(client, [OTHER, ME], "team_scoring", HOME)
    assert found == OwnContainer("team_scoring", (VOLUME,), subpaths=False)


@pytest.mark.parametrize("ids", [[], [OTHER]])
def test_a_container_of_another_engine_is_told(ids: list[str]) -> None:
    with pytest.raises(EngineUnavailable, match="does not know the container") as caught:
        find_own_container(client_with(**{ME: described(VOLUME)}), ids, "team_scoring", HOME)
    assert "AMLEMU_NETWORK" in caught.value.hint


def test_a_network_that_is_not_ours_is_told_with_those_that_are() -> None:
    client = client_with(**{ME: described(VOLUME, networks=("bridge", "team_default"))})
    with pytest.raises(EngineUnavailable, match="not on the network 'team_scoring'") as caught:
        find_own_container(client, [ME], "team_scoring", HOME)
    assert "bridge, team_default" in caught.value.hint


# scoring containers beside us

SPEC = ContainerSpec(
    name="amlemu-e-blue-w-1-0",
    image="d" * 64,
    layout=f"{HOME}/layouts/e/blue/1",
    working_dir="/var/azureml-app/code",
    environment_variables={},
    labels={},
    sink=f"{HOME}/sinks/e/blue/1/0",
    model_mount="/models",
)


def test_scoring_containers_are_on_that_network_and_publish_nothing() -> None:
    info = {"OperatingSystem": "Docker Desktop"}  # where ports would have to be published otherwise
    network = network_of(info, "http+docker://localhost", "linux", "team_scoring")
    arguments = create_arguments(SPEC, "image", "w", network, mount=own(VOLUME).mount)
    assert arguments["network"] == "team_scoring"
    assert arguments["ports"] == {}
    bound = [mount for mount in arguments["mounts"] if mount["Type"] != "tmpfs"]
    assert {mount["Target"]: mount["Source"].removeprefix(str(VOLUME["Source"])) for mount in bound} == {
        "/var/azureml-app": "/layouts/e/blue/1",
        "/models": "/layouts/e/blue/1/azureml-models",
        SINK_FOLDER: "/sinks/e/blue/1/0",
    }
    assert [mount["ReadOnly"] for mount in bound] == [True, True, False]
    assert "network" not in create_arguments(SPEC, "image", "w", Network(publish=False))


def test_a_container_is_reached_at_its_address_on_that_network() -> None:
    network = Network(publish=False, name="team_scoring")
    networks = {"bridge": {"IPAddress": "172.17.0.5"}, "team_scoring": {"IPAddress": "172.20.0.7"}}
    assert address_of({"NetworkSettings": {"Networks": networks}}, network, 5001) == ("172.20.0.7", 5001)
    del networks["team_scoring"]
    assert address_of({"NetworkSettings": {"Networks": networks}}, network, 5001) == ("", 0)
