"""Documents on disk: whole ones only, secrets for their owner only."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from emulator.entities import EndpointKeys, Environment, OnlineDeployment, OnlineEndpoint
from emulator.errors import EmulatorError, ResourceNotFound
from emulator.store import Store
from emulator.store.disk import read_document, write_document

WRITE_FOR_EVER = """
import sys
from pathlib import Path
from emulator.store.disk import write_document
n = 0
while True:
    n += 1
    write_document(Path(sys.argv[1]), {"n": n, "twice": n, "filler": "x" * 200_000})
"""


def endpoint(name: str = "iris", port: int = 18100) -> OnlineEndpoint:
    return OnlineEndpoint(name=name, port=port, created_at="now")


def deployment(name: str = "blue", endpoint_name: str = "iris") -> OnlineDeployment:
    return OnlineDeployment(
        name=name,
        endpoint_name=endpoint_name,
        generation=1,
        code_configuration={"code": "/c", "scoring_script": "score.py"},
        environment="e:1",
        image="0",
        engine="fake",
        target="managed",
        environment_variables={"TOKEN": "s3cret"},
        created_at="now",
    )


def test_a_document_is_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "new/folder/d.json"
    document = {"a": [1, None, "é\ud800"], "b": {"c": True}}
    assert read_document(path) is None
    write_document(path, document)
    assert read_document(path) == document
    assert [p.name for p in path.parent.iterdir()] == ["d.json"]


def test_a_write_that_breaks_off_leaves_the_old(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    write_document(path, {"old": 1})
    with pytest.raises(TypeError):
        write_document(path, {"a": "x" * 100_000, "b": object()})
    assert read_document(path) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["d.json"]


def test_a_crash_at_any_moment_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    for pause in (0.0, 0.003, 0.007, 0.02):
        with subprocess.Popen([sys.executable, "-c", WRITE_FOR_EVER, path]) as process:
            while read_document(path) is None:
                time.sleep(0.01)
            time.sleep(pause)
            process.kill()
        document = read_document(path)
        assert document is not None
        assert document["n"] == document["twice"]
        path.unlink()


def test_a_name_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text("{}")
    assert read_document(tmp_path / "d.json/below.json") is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\udcff"])
def test_a_damaged_document_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "d.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(EmulatorError, match=r"d\.json' is damaged"):
        read_document(tmp_path / "d.json")


def test_the_workspace_id_is_drawn_once(tmp_path: Path) -> None:
    first = Store(tmp_path / "home").workspace_id
    assert Store(tmp_path / "home").workspace_id == first
    assert Store(tmp_path / "other").workspace_id != first
    assert len(first) == 12


def test_a_home_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EmulatorError, match="file"):
        Store(tmp_path / "file")


def test_endpoints_and_deployments(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.find_endpoint("iris") is None
    for name in ("pets", "iris"):
        store.put_endpoint(endpoint(name))
    for name in ("green", "blue"):
        store.put_deployment(deployment(name))
    assert [e.name for e in store.endpoints()] == ["iris", "pets"]
    assert [d.name for d in store.deployments("iris")] == ["blue", "green"]
    assert store.find_deployment("iris", "blue") == deployment()
    assert store.find_deployment("pets", "blue") is None
    store.delete_deployment("iris", "blue")
    store.delete_deployment("iris", "blue")
    assert [d.name for d in store.deployments("iris")] == ["green"]
    store.delete_endpoint("iris")
    assert [e.name for e in store.endpoints()] == ["pets"]
    assert store.deployments("iris") == []
    store.delete_endpoint("iris")


def test_keys_and_variables_are_for_their_owner_only(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put_endpoint(endpoint())
    with pytest.raises(ResourceNotFound):
        store.keys_of("iris")
    store.put_keys("iris", EndpointKeys(primary_key="a", secondary_key="b"))
    store.put_deployment(deployment())
    assert store.keys_of("iris").secondary_key == "b"
    modes = {p.name: p.stat().st_mode & 0o777 for p in store.endpoint_folder("iris").rglob("*.json")}
    assert modes == {"endpoint.json": 0o600, "keys.json": 0o600, "blue.json": 0o600}


def test_environments_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for name, version in (("b", "2"), ("b", "10"), ("b", "9"), ("a", "1"), ("b", "dev")):
        store.put_environment(Environment(name=name, version=version, python_version="3.11"))
    assert [e.id for e in store.environments()] == ["a:1", "b:dev", "b:2", "b:9", "b:10"]
    assert store.find_environment("b", "10") is not None
    assert store.find_environment("b", "3") is None


def test_the_environment_of_an_image(tmp_path: Path) -> None:
    store, environment = Store(tmp_path), Environment(name="e", python_version="3.11")
    store.put_image_environment("0" * 64, environment)
    assert store.find_image_environment("0" * 64) == environment
    assert store.find_image_environment("1" * 64) is None


def test_documents_are_readable_by_people(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put_endpoint(endpoint())
    text = (store.endpoint_folder("iris") / "endpoint.json").read_text()
    assert json.loads(text)["name"] == "iris"
    assert len(text.splitlines()) > 5


# documents that are known already


def test_a_document_is_parsed_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put_endpoint(endpoint())
    first = store.find_endpoint("iris")
    assert store.find_endpoint("iris") is first
    assert store.endpoints() == [first]
    assert store.endpoints()[0] is first


def test_a_written_document_is_read(tmp_path: Path) -> None:
    """Many times within one tick of the clock, and each time with as many bytes."""
    store = Store(tmp_path)
    for number in range(18100, 18400):
        store.put_endpoint(endpoint(port=number))
        found = store.find_endpoint("iris")
        assert found is not None
        assert found.port == number


def test_a_document_replaced_from_outside_is_read_again(tmp_path: Path) -> None:
    store, other = Store(tmp_path), Store(tmp_path)
    for number in range(18100, 18140):
        other.put_endpoint(endpoint(port=number))
        found = store.find_endpoint("iris")
        assert found is not None
        assert found.port == number
        assert [one.port for one in store.endpoints()] == [number]


def test_a_removed_document_is_not_found(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put_endpoint(endpoint())
    store.put_deployment(deployment())
    assert store.find_deployment("iris", "blue") is not None
    (tmp_path / "endpoints/iris/deployments/blue.json").unlink()
    assert store.find_deployment("iris", "blue") is None
    assert store.deployments("iris") == []
    store.delete_endpoint("iris")
    assert store.find_endpoint("iris") is None
    assert store.endpoints() == []
    store.put_endpoint(endpoint(port=18101))
    assert store.endpoints()[0].port == 18101


def test_readers_never_see_the_old_document_after_a_write(tmp_path: Path) -> None:
    """Four read while one writes: nobody gets an older document than one that was written before the question."""
    store = Store(tmp_path)
    written = [0]
    wrong: list[tuple[int, int]] = []
    store.put_endpoint(endpoint(port=1))

    def read() -> None:
        while written[0] < 300:
            least = written[0]
            found = store.find_endpoint("iris")
            assert found is not None
            if found.port < least:
                wrong.append((found.port, least))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(1, 301):
        store.put_endpoint(endpoint(port=number))
        written[0] = number
    for thread in threads:
        thread.join(10)
    assert wrong == []


@pytest.mark.parametrize("name", ["..", ".", "", "a", "a/b", "iris\0", "x" * 300, "é" * 5, "iris.json"])
def test_names_that_nothing_can_have(tmp_path: Path, name: str) -> None:
    store = Store(tmp_path)
    store.put_endpoint(endpoint())
    assert store.find_endpoint(name) is None
    assert store.find_deployment("iris", name) is None
    assert store.find_deployment(name, "blue") is None
