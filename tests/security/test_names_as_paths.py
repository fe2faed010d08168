"""Names that become parts of paths: refused where they are born, and again where a path is made of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from core_support import House
from served import Served, serving

from emulator.entities import (
    AccessToken,
    CodeConfiguration,
    DataCollector,
    DeploymentRequest,
    EndpointRequest,
    Environment,
    Model,
    ModelFile,
    ModelRequest,
    OnlineDeployment,
    OnlineEndpoint,
)
from emulator.errors import BadArgument, EmulatorError
from emulator.store import Store
from emulator.store.segments import inner_path, segment

STORE = Path(__file__).parents[2] / "emulator/store"
HOSTILE = (
    "",
    ".",
    "..",
    "../team-env/1",
    "../../../../etc/passwd",
    "/home/of/emulator/access",
    "a/b",
    "a\\b",
    "..\\a",
    "a\0b",
    "a\n",
    "\na",
    "a\r\n",
    ".hidden",
    ".1.json.abcd",
    "a" * 300,
    "a\uff0fb",  # what looks like a slash, and becomes one in some normal forms
    "\u2024\u2024/a",
    "\uff0e\uff0e",
    "a\u202eb",
    "a\ud800",
    "%2e%2e%2fa",
    "a b",
    "~root",
    "$HOME",
    "-rf",
    "a:b:c",
)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.settle()


@pytest.fixture
def served(house: House) -> Iterator[Served]:
    with serving(house) as served:
        yield served


def written(folder: Path) -> dict[str, bytes]:
    """Everything below a folder, but for logs, by its path."""
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# where the value is born


def deployment(**changes: Any) -> dict[str, Any]:
    document = {
        "name": "blue",
        "endpoint_name": "iris",
        "generation": 1,
        "environment": "e:1",
        "image": "0" * 64,
        "engine": "fake",
        "target": "managed",
        "created_at": "now",
    }
    return document | changes


def model(**changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = {"name": "m", "version": "1", "path": "m.pkl", "files": [], "size": 0}
    return document | {"sha256": "0" * 64, "created_at": "now"} | changes


BORN: dict[str, Any] = {
    "environment name": lambda name: Environment.parse({"name": name}),
    "environment version": lambda name: Environment.parse({"name": "e", "version": name}),
    "model name": lambda name: Model.parse(model(name=name)),
    "model version": lambda name: Model.parse(model(version=name)),
    "model request's name": lambda name: ModelRequest.parse({"name": name, "path": "/m"}),
    "model request's version": lambda name: ModelRequest.parse({"name": "m", "path": "/m", "version": name}),
    "endpoint": lambda name: OnlineEndpoint.parse({"name": name, "port": 18100, "created_at": "now"}),
    "endpoint request": lambda name: EndpointRequest.parse({"name": name}),
    "deployment": lambda name: OnlineDeployment.parse(deployment(name=name)),
    "deployment's endpoint": lambda name: OnlineDeployment.parse(deployment(endpoint_name=name)),
    "deployment's image": lambda name: OnlineDeployment.parse(deployment(image=name)),
    "deployment's model": lambda name: OnlineDeployment.parse(deployment(models=[f"{name}:1"])),
    "deployment's model version": lambda name: OnlineDeployment.parse(deployment(models=[f"m:{name}"])),
    "deployment request": lambda name: DeploymentRequest.parse({"endpoint_name": "iris", "name": name}),
    "collection": lambda name: DataCollector.parse({"collections": {name: {"enabled": True}}}),
    "access token": lambda name: AccessToken.parse(
        {"name": name, "role": "viewer", "sha256": "0" * 64, "created_at": ""}
    ),
}


@pytest.mark.parametrize("kind", BORN)
def test_a_hostile_name_is_refused_where_it_is_born(kind: str) -> None:
    for name in HOSTILE:
        with pytest.raises(BadArgument) as caught:
            BORN[kind](name)
        assert len(caught.value.message) < 400
        assert "\n" not in caught.value.message
        assert "\0" not in caught.value.message


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "a//b", "./a", "a\0", "", "a/", "a/" + "b" * 300])
def test_a_file_of_a_model_lies_in_its_model(name: str) -> None:
    with pytest.raises(BadArgument):
        ModelFile.parse({"path": name, "size": 1, "sha256": "0" * 64})
    with pytest.raises(BadArgument):
        Model.parse(model(path=name))


@pytest.mark.parametrize("script", ["../x.py", "/x.py", "", ".", "..", "a/../../x.py", "a\0.py"])
def test_a_script_lies_in_its_code(script: str) -> None:
    with pytest.raises(BadArgument):
        CodeConfiguration.parse({"code": "/c", "scoring_script": script})


def test_a_generation_is_a_number_that_a_folder_can_have() -> None:
    for generation in (0, -1, 2**53 + 1, 10**400):
        with pytest.raises(BadArgument):
            OnlineDeployment.parse(deployment(generation=generation))


def test_honest_names_are_taken() -> None:
    Environment.parse({"name": "AzureML-sklearn-1.0", "version": "a" * 30})
    Environment.parse({"name": "CliV2AnonymousEnvironment", "version": "0" * 64})
    Environment.parse({"name": "curated", "version": "latest"})
    Model.parse(model(name="M_1-x.y", version="2024.01.01-rc_1", path="a\\b ü.pkl"))
    OnlineDeployment.parse(deployment(models=["m:1", "m.2:v-1"], environment="CliV2AnonymousEnvironment:" + "0" * 64))


# through the doors


def test_the_version_of_an_environment_writes_nowhere_else(house: House, served: Served) -> None:
    mine = {"name": "team-env", "version": "1", "python_version": "3.11"}
    assert served.ask("POST", "/environments", json={"environment": mine}).status_code == 201
    before = written(house.folder)
    access = str(house.store.home / "access")
    for version in (access, "../team-env/1", *HOSTILE[1:]):
        body = {"environment": {"name": "evil", "version": version, "python_version": "3.9"}}
        answer = served.ask("POST", "/environments", json=body)
        assert answer.status_code == 400, version
        assert answer.json()["error"]["code"] == "BadArgument"
    assert written(house.folder) == before


def test_the_name_of_an_environment_writes_nowhere_else(house: House, served: Served) -> None:
    before = written(house.folder)
    for name in HOSTILE:
        body = {"environment": {"name": name, "version": "1", "python_version": "3.9"}}
        assert served.ask("POST", "/environments", json=body).status_code == 400, name
        assert served.ask("POST", "/environments/build", json=body).status_code == 400, name
    assert written(house.folder) == before


def test_latest_is_no_version_to_register(served: Served) -> None:
    body = {"environment": {"name": "e", "version": "latest", "python_version": "3.9"}}
    status, code, message = served.error("POST", "/environments", json=body)
    assert (status, code) == (400, "BadArgument")
    assert "'latest' cannot be a version" in message


def test_a_registered_environment_never_changes(house: House, served: Served) -> None:
    """As in the cloud: the same again is the version that there is, and anything else is refused."""
    mine = {"name": "team-env", "version": "1", "python_version": "3.11", "description": "mine"}
    first = served.ask("POST", "/environments", json={"environment": mine})
    before = written(house.store.home / "environments")
    again = served.ask("POST", "/environments", json={"environment": mine})
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    for change in (
        {"python_version": "3.12"},
        {"requirements": ["evil"]},
        {"variables": {"A": "b"}},
        {"platform": "linux/arm64"},
        {"no_code": "mlflow"},
    ):
        status, _, message = served.error("POST", "/environments", json={"environment": mine | change})
        assert status == 400, change
        assert "other content" in message
    assert written(house.store.home / "environments") == before


def test_names_in_paths_of_requests(house: House, served: Served) -> None:
    (house.folder / "m.pkl").write_text("weights")
    before = written(house.folder)
    request = {"path": str(house.folder / "m.pkl")}
    for name in ("..%2f..%2fevil", "%2e%2e", "a%5cb", "a%00b", "a%0a", ".a", "a" * 300, "%EF%BC%8E%EF%BC%8E"):
        for method, path, body in (
            ("POST", f"/models/{name}/versions", request),
            ("POST", "/models/m/versions", request | {"version": name.replace("%2f", "/")}),
            ("PUT", f"/onlineEndpoints/{name}", {}),
            ("PUT", f"/onlineEndpoints/{name}/deployments/blue", {}),
            ("PUT", f"/onlineEndpoints/iris/deployments/{name}", {}),
            ("DELETE", f"/onlineEndpoints/{name}", None),
            ("DELETE", f"/onlineEndpoints/{name}/deployments/{name}", None),
            ("GET", f"/onlineEndpoints/{name}/logs", None),
            ("GET", f"/onlineEndpoints/{name}/collected?collection={name}", None),
            ("GET", f"/models/{name}/versions/{name}/content", None),
        ):
            answer = served.ask(method, path, json=body)
            assert answer.status_code in (400, 404, 405), (method, path, answer.text)
    assert written(house.folder) == before


def test_what_has_other_case_is_another_model_and_the_same_endpoint(house: House) -> None:
    """On a disk that makes no difference the second is refused (test_damaged_documents: a document names itself)."""
    for name in ("iris", "Iris"):
        house.deploy(name)
    house.register("M", "upper")
    house.register("m", "lower")
    assert [e.name for e in house.workspace.endpoints.all()] == ["iris"]
    assert house.workspace.models.get("M").sha256 != house.workspace.models.get("m").sha256


def test_a_code_folder_named_above_stays_in_the_layout(house: House) -> None:
    """`code` may end with '..': of that the layout would have been the folder above its own."""
    (house.code / "below").mkdir()
    deployed = house.deploy(code=str(house.code / "below" / ".."))
    assert deployed.provisioning_state == "Succeeded"
    assert [path for path, _ in house.workspace.deployments.tree("iris", None)] == ["src/score.py"]
    assert house.layouts() == ["iris/blue/1"]


def test_an_environment_file_with_a_hostile_name(house: House) -> None:
    file = house.folder / "conda.yml"
    for text in ("name: ../../evil", 'name: "a/b"', "name: e\nversion: ../1\nimage: i", "name: ../e\nimage: i"):
        file.write_text(f"{text}\ndependencies: [python=3.9]\n" if "image" not in text else text)
        with pytest.raises(BadArgument):
            house.workspace.environments.register(house.workspace.environments.read(file))
    assert list((house.store.home / "environments").rglob("*")) == []


# in the store: whatever a value has come through


@pytest.mark.parametrize("name", HOSTILE)
def test_a_segment_is_one_part_of_a_path(name: str) -> None:
    with pytest.raises(BadArgument):
        segment(name)


@pytest.mark.parametrize("name", ["1", "iris", "0" * 64, "my_model", "1.2-rc.1", "iris.requests.jsonl", "M"])
def test_honest_segments(name: str) -> None:
    assert segment(name) == name


@pytest.mark.parametrize("path", ["..", "a/../b", "/a", "a//b", "", "a/.", "a\0b", "a/" + "b" * 256])
def test_an_inner_path_stays_below(path: str) -> None:
    with pytest.raises(BadArgument):
        inner_path(path)


def test_what_is_asked_for_by_a_hostile_name_is_not_there(tmp_path: Path) -> None:
    store = Store(tmp_path / "home")
    for name in HOSTILE:
        assert store.find_endpoint(name) is None
        assert store.find_deployment("iris", name) is None
        assert store.find_environment(name, "1") is None
        assert store.find_environment("e", name) is None


def test_what_has_passed_every_check_writes_nowhere_else(tmp_path: Path) -> None:
    """Entities that were made past their rules, as `model_copy` makes them: the store is the last to look."""
    store = Store(tmp_path / "home")
    before = written(tmp_path)
    for name in HOSTILE:
        odd_version = Environment(name="e").model_copy(update={"version": name})
        odd_name = Environment(name="e").model_copy(update={"name": name})
        with pytest.raises(EmulatorError):
            store.put_environment(odd_version)
        with pytest.raises(EmulatorError):
            store.put_environment(odd_name)
        with pytest.raises(EmulatorError):
            store.put_image_environment(name, Environment(name="e"))
        endpoint = OnlineEndpoint(name="iris", port=1, created_at="").model_copy(update={"name": name})
        with pytest.raises(EmulatorError):
            store.put_endpoint(endpoint)
        with pytest.raises(EmulatorError):
            store.put_deployment(OnlineDeployment.parse(deployment()).model_copy(update={"name": name}))
        with pytest.raises(EmulatorError):
            store.put_model(Model.parse(model()).model_copy(update={"version": name}))
        with pytest.raises(EmulatorError):
            store.layouts.path_of("iris", name, 1)
        with pytest.raises(EmulatorError):
            store.collected.remove("iris", name)
    assert written(tmp_path) == before


# the structure


# Values that no document holds: names from the disk itself, of this package's own tables, or drawn here.  The path of a
# Dockerfile is of the user's own folder, and its entity has checked it.
FREE = {
    "__init__.py": {"where.relative_to(kept).parts[0]", "f'{REMOVED}{secrets.token_hex(8)}'"},
    "damage.py": {"name", "source.relative_to(home)"},
    "build_contexts.py": {"build.dockerfile_path", "name"},
    "layouts.py": {"name"},
    "leftovers.py": {"name"},
    "privacy.py": {"name"},
    "reach.py": {"where.name"},
    "trees.py": {"name"},
    "uploads.py": {"identity"},
}


def test_every_path_of_the_store_is_made_of_segments() -> None:
    """Walks every expression of the package that makes a path of a value, and wants `segment` or `inner_path` there."""
    loose = []
    for file in sorted(STORE.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            for part in parts_of_a_path(node):
                text = ast.unparse(part)
                if not is_safe(part) and text not in FREE.get(file.name, set()):
                    loose.append(f"{file.name}:{part.lineno} {text}")
    assert loose == []


def parts_of_a_path(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return [node.right]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("joinpath", "join"):
        return [] if isinstance(node.func.value, ast.Constant) else list(node.args[1:])
    if isinstance(node, ast.JoinedStr) and any("/" in part.value for part in node.values if is_text(part)):
        _first, *others = [part for part in node.values if isinstance(part, ast.FormattedValue)]
        return [] if is_message(node) else [part.value for part in others]
    return []


def is_text(part: ast.expr) -> bool:
    return isinstance(part, ast.Constant) and isinstance(part.value, str)


def is_message(node: ast.JoinedStr) -> bool:
    """Whether a formatted text is for a person, or a path below a folder that is still to be checked as a whole."""
    texts = [part.value for part in node.values if isinstance(part, ast.Constant)]
    return any(" " in str(text) for text in texts) or not str(texts[0]).startswith("/") or len(texts) == 1


def is_safe(part: ast.expr) -> bool:
    if isinstance(part, ast.Constant):
        return True
    if isinstance(part, ast.Name) and part.id.isupper():
        return True  # a constant of the module
    return isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id in ("segment", "inner_path")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("home / 'models' / segment(name)", []),
        ("home / name", ["name"]),
        ("home / f'{version}.json'", ["f'{version}.json'"]),
        ("f'{self._endpoints}/{name}/endpoint.json'", ["name"]),
        ("f'{self._endpoints}/{segment(name)}/endpoint.json'", []),
        ("folder / PurePosixPath(path)", ["PurePosixPath(path)"]),
        ("os.path.join(folder, name)", ["name"]),
        ("', '.join(names)", []),
    ],
)
def test_the_walk_sees_what_it_is_there_for(text: str, found: list[str]) -> None:
    nodes = ast.walk(ast.parse(text))
    assert [ast.unparse(p) for n in nodes for p in parts_of_a_path(n) if not is_safe(p)] == found
