"""Ports that are somebody else's: one endpoint is out of service and says so, everything else starts and serves."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from amlemu_process import Environ, amlemu, end, json_of, new_environ, temporary_environ, until
from core_support import PORTS, House

from emulator.entities import EndpointRequest
from emulator.errors import BadArgument, OutOfQuota
from emulator.gateway.listening import bind, is_free

# the core


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.settle()


def began_again(house: House, *taken: int) -> House:
    """The emulator of that home, started while other programs have those ports."""
    house.workspace.deployments.stop_all()
    again = house.restarted()
    again.gateway.taken = set(taken)
    again.workspace.reconcile()
    again.settle()
    return again


def out_of_service(house: House) -> dict[str, str]:
    endpoints = house.workspace.endpoints
    return {name: why for name in endpoints.list_names() if (why := endpoints.out_of_service(name))}


def two_endpoints(house: House) -> None:
    house.deploy("iris")
    house.deploy("pets")


def test_everything_else_starts(house: House) -> None:
    two_endpoints(house)
    again = began_again(house, 18100)
    assert out_of_service(again) == {"iris": "port 18100 is taken"}
    assert set(again.gateway.routes) == {"pets"}
    assert [again.state(name) for name in ("iris", "pets")] == ["Succeeded", "Succeeded"]
    assert (len(again.running()), len(again.instances("pets"))) == (2, 1)


def test_it_comes_back_when_the_port_is_free(house: House) -> None:
    two_endpoints(house)
    again = began_again(house, 18100)
    again.pass_time(3)
    assert set(out_of_service(again)) == {"iris"}
    again.gateway.taken = set()
    again.pass_time(2)
    assert out_of_service(again) == {}
    assert [len(again.gateway.routes["iris"].by_name["blue"].instances)] == [1]


def test_it_gets_another_port_when_it_is_deployed_again(house: House) -> None:
    house.deploy("iris")
    again = began_again(house, 18100)
    again.deploy("iris", port=30000)
    assert out_of_service(again) == {}
    assert (again.gateway.routes["iris"].port, again.workspace.endpoints.get("iris").port) == (30000, 30000)
    with pytest.raises(BadArgument, match="keeps it for life"):
        again.deploy("iris", port=30001)


def test_it_gets_another_port_by_an_update_of_the_endpoint(house: House) -> None:
    house.deploy("iris")
    again = began_again(house, 18100)
    again.workspace.endpoints.create_or_update(EndpointRequest(name="iris", port=30000))
    assert out_of_service(again) == {}
    assert len(again.gateway.routes["iris"].by_name["blue"].instances) == 1


@pytest.mark.parametrize("port, why", [(18101, "belongs to endpoint 'pets'"), (30000, "port 30000 is taken")])
def test_it_gets_no_port_of_others(house: House, port: int, why: str) -> None:
    two_endpoints(house)
    again = began_again(house, 18100, 30000)
    with pytest.raises(BadArgument, match=why):
        again.deploy("iris", port=port)
    assert again.workspace.endpoints.get("iris").port == 18100


def test_it_can_be_updated_and_deleted_without_its_port(house: House) -> None:
    house.deploy("iris")
    again = began_again(house, 18100)
    assert again.deploy("iris").generation == 2
    assert set(out_of_service(again)) == {"iris"}
    again.workspace.endpoints.update_traffic("iris", {"blue": 0})
    again.workspace.endpoints.regenerate_keys("iris", "primary")
    again.workspace.deployments.delete_endpoint("iris")
    assert again.workspace.endpoints.list_names() == []
    assert out_of_service(again) == {}
    again.settle()
    assert again.running() == []


def test_an_update_finds_the_port_free_by_itself(house: House) -> None:
    house.deploy("iris")
    again = began_again(house, 18100)
    again.gateway.taken = set()
    again.workspace.endpoints.update_traffic("iris", {"blue": 100})
    assert out_of_service(again) == {}


def test_of_two_documents_with_one_port_the_first_by_name_has_it(house: House) -> None:
    two_endpoints(house)
    house.store.put_endpoint(house.workspace.endpoints.get("pets").model_copy(update={"port": 18100}))
    for _ in range(2):
        house = began_again(house)
        assert out_of_service(house) == {"pets": "port 18100 belongs to endpoint 'iris'"}
        assert house.gateway.routes["iris"].port == 18100
    house.workspace.deployments.delete_endpoint("iris")
    house.pass_time(2)
    assert out_of_service(house) == {}
    assert house.gateway.routes["pets"].port == 18100


def test_ports_outside_the_range_are_kept(house: House) -> None:
    two_endpoints(house)
    house.ports = range(19000, 19001)
    again = began_again(house)
    assert {name: route.port for name, route in again.gateway.routes.items()} == {"iris": 18100, "pets": 18101}
    again.deploy("more")
    assert again.gateway.routes["more"].port == 19000


def test_all_ports_are_others(house: House) -> None:
    house.gateway.taken = set(PORTS)
    with pytest.raises(OutOfQuota, match="all 4 ports for endpoints are taken"):
        house.workspace.endpoints.create_or_update(EndpointRequest(name="iris"))
    assert house.workspace.endpoints.list_names() == []


# sockets


def listening(port: int, host: str = "127.0.0.1", family: int = socket.AF_INET) -> socket.socket:
    """A socket of another program's, which answers nobody."""
    foreign = socket.socket(family, socket.SOCK_STREAM)
    foreign.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        foreign.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    foreign.bind((host, port))
    foreign.listen()
    return foreign


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_the_program_that_has_the_port_is_named(host: str) -> None:
    with closing(listening(0, host)) as foreign:
        port = foreign.getsockname()[1]
        assert not is_free("127.0.0.1", port)
        with pytest.raises(BadArgument, match=rf"port {port} of 127.0.0.1 .* by process {os.getpid()} \(") as told:
            bind("127.0.0.1", port, "endpoint iris")
    assert told.value.target == "endpoint iris"
    assert "another port" in told.value.hint
    bind("127.0.0.1", port, "endpoint iris").close()


def test_what_listens_on_ipv6_alone_is_in_nobodys_way() -> None:
    with closing(listening(0, "::1", socket.AF_INET6)) as foreign:
        bind("127.0.0.1", foreign.getsockname()[1], "endpoint iris").close()


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", "2001:db8::1", "a" * 300, "bad..name"])
def test_an_address_that_this_machine_has_not(host: str) -> None:
    with pytest.raises(BadArgument, match="cannot be used") as told:
        bind(host, 0, "gateway")
    assert "AMLEMU_BIND_HOST" in told.value.hint
    assert not is_free(host, 0)


_AS_NOBODY = """
import ctypes, os
from emulator.gateway.listening import bind
if os.geteuid() == 0:
    ctypes.CDLL(None).unshare(0x40000000)  # CLONE_NEWNET: a network in which the low ports are root's
    os.setgid(65534)
    os.setuid(65534)
try:
    bind("0.0.0.0", 80, "endpoint iris")
except Exception as error:
    print(error, error.hint)
"""


def test_a_port_that_takes_a_privilege() -> None:
    done = subprocess.run([sys.executable, "-c", _AS_NOBODY], capture_output=True, text=True, check=True)
    assert "port 80 of 0.0.0.0 cannot be used: Permission denied" in done.stdout
    assert "CAP_NET_BIND_SERVICE" in done.stdout


# an emulator


@pytest.fixture(scope="module")
def own() -> Iterator[Environ]:
    """A shell for an emulator with two endpoints, a and b, which has ended."""
    with temporary_environ() as environ:
        for name in ("a", "b"):
            file = Path(environ["AMLEMU_HOME"]).parent / f"{name}.yml"
            file.write_text(f"name: {name}-endpoint\nauth_mode: key\n")
            amlemu(environ, "deploy", "-f", file)
        amlemu(environ, "down")
        yield environ


def documents(environ: Environ) -> dict[str, dict[str, Any]]:
    return {document["name"]: document for document in json_of(environ, "list")}


def port_of(environ: Environ, name: str) -> int:
    return int(json.loads((Path(environ["AMLEMU_HOME"]) / "endpoints" / name / "endpoint.json").read_text())["port"])


def answers(uri: str) -> bool:
    """Whether the front door is there: without a key it refuses."""
    return requests.get(uri, timeout=5).status_code == 401


def test_a_foreign_process_takes_one_endpoint_out(own: Environ) -> None:
    port = port_of(own, "a-endpoint")
    with closing(listening(port)) as foreign:
        amlemu(own, "up", "--detach")
        told = f"port {port} of 127.0.0.1 cannot be used"
        found = json_of(own, "status")
        assert found["out_of_service"].keys() == {"a-endpoint"}
        assert told in found["out_of_service"]["a-endpoint"]
        assert f"by process {os.getpid()} " in found["out_of_service"]["a-endpoint"]
        assert told in amlemu(own, "status").stderr
        assert told in amlemu(own, "list").stderr
        assert told in amlemu(own, "show", "a-endpoint").stdout
        assert told in (Path(own["AMLEMU_HOME"]) / "server.log").read_text()
        assert answers(documents(own)["b-endpoint"]["scoring_uri"])
        refused = amlemu(own, "invoke", "a-endpoint", "--data", "{}", code=None)
        assert (refused.returncode, "is out of service" in refused.stderr) == (5, True)
        foreign.settimeout(0.1)
        with pytest.raises(TimeoutError):
            foreign.accept()  # nobody has sent it a key
    until(lambda: documents(own)["a-endpoint"]["out_of_service"] == "", "it comes back", 10)
    assert answers(documents(own)["a-endpoint"]["scoring_uri"])
    amlemu(own, "down")


def test_another_emulator_has_the_ports(own: Environ, tmp_path: Path) -> None:
    """A copy of the home, with a control port of its own and another range of ports."""
    shutil.copytree(own["AMLEMU_HOME"], tmp_path / "home")
    amlemu(own, "up", "--detach")
    other = new_environ(tmp_path / "home", TMPDIR=str(tmp_path))
    try:
        amlemu(other, "up", "--detach")
        assert json_of(other, "status")["out_of_service"].keys() == {"a-endpoint", "b-endpoint"}
        assert all(document["out_of_service"] == "" for document in documents(own).values())
        first = int(other["AMLEMU_ENDPOINT_PORTS"].partition("-")[0])
        file = tmp_path / "a.yml"
        file.write_text("name: a-endpoint\nauth_mode: key\n")
        amlemu(other, "deploy", "-f", file, "--port", str(first))
        assert answers(documents(other)["a-endpoint"]["scoring_uri"])
        assert documents(other)["a-endpoint"]["port"] == first
        amlemu(other, "delete", "b-endpoint", "--yes")
        assert documents(other).keys() == {"a-endpoint"}
        amlemu(own, "down")
    finally:
        end(other)
        amlemu(own, "down", code=None)


@pytest.mark.parametrize("variable, target", [("AMLEMU_PORT", "control API"), ("AMLEMU_GATEWAY_PORT", "gateway")])
def test_a_port_of_the_emulator_itself_is_taken(own: Environ, variable: str, target: str) -> None:
    port = int(own[variable])
    with closing(listening(port)):
        for words in (["up"], ["up", "--detach"]):
            done = amlemu(own, *words, code=2 if words == ["up"] else 3)
            told = " ".join(done.stderr.split())
            assert f"port {port} of 127.0.0.1 cannot be used" in told
            assert f"by process {os.getpid()}" in told
            assert variable in told
    assert_nothing_is_left(own)


def test_the_address_of_the_emulator_is_gone(own: Environ) -> None:
    gone = {**own, "AMLEMU_BIND_HOST": "192.0.2.1", "AMLEMU_TOKEN": "a-token-that-nobody-guesses"}
    told = " ".join(amlemu(gone, "up", code=2).stderr.split())
    assert "of 192.0.2.1 cannot be used: Cannot assign requested address" in told
    assert "AMLEMU_BIND_HOST" in told
    assert_nothing_is_left(own)


def assert_nothing_is_left(environ: Environ) -> None:
    """Nothing runs, nothing listens, and the same home starts once the reason is gone."""
    home = environ["AMLEMU_HOME"]
    running = [process.info["cmdline"] or () for process in psutil.process_iter(["cmdline"])]
    assert [words for words in running if home in " ".join(words)] == []
    amlemu(environ, "status", code=3)
    amlemu(environ, "up", "--detach")
    amlemu(environ, "down")
