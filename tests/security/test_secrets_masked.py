"""Secrets in every kind of place, and everything that can be read: nobody sees one who has not asked for it.

What a user's own scoring script writes into its log is the user's, and no business of amlemu's.
"""

from __future__ import annotations

import io
import json
import logging
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from control_walk import ADMIN, bearer, get, routes, tokens_by_role
from core_support import House
from fake_engine import Behaviour
from served import Served, serving

from emulator.client.client import Client
from emulator.config import read_settings
from emulator.difference import differs
from emulator.engines.docker.build_log import BuildLog
from emulator.entities import Environment, OnlineDeployment
from emulator.environments import read_environment
from emulator.errors import BadArgument, BadDocument, EmulatorError, Fault, ImageBuildFailure, from_dict
from emulator.exports import export_az_ml, export_compose, export_kubernetes, read_source
from emulator.secret import MASK, Secret
from emulator.server.serve import configure_logging

_NUMBERS = iter(range(10_000))
PLANTED: dict[str, str] = {}


def canary(kind: str) -> str:
    """A secret of its own for each place, of letters and digits, so that no form of it is another one's."""
    return PLANTED.setdefault(kind, f"canary{next(_NUMBERS):04}{''.join(c for c in kind if c.isalnum())}")


LINES = (
    f"--index-url https://me:{canary('index')}@index.invalid/simple",
    f"--extra-index-url HTTPS://{canary('index token')}@Index.invalid/simple",
    f"--find-links https://links.invalid/page?sv=1&sig={canary('sas')}%2B&se=2030",
    f"a @ https://{canary('url token')}@host.invalid/a.whl",
    f"b @ git+https://x:{canary('git')}@host.invalid/b.git@v1",
    f"c @ git+ssh://{canary('ssh')}@host.invalid/c.git",
    f"d @ https://host.invalid/d.whl?access_token={canary('access token')}",
    f"e @ https://host.invalid/e.whl?TOKEN={canary('upper case')}",
    f"f @ https://host.invalid/f.whl?x=1&api_key={canary('api key')}#sha256=abc",
    f"g @ https://user%40corp:{canary('percent')}%21@host.invalid/g.whl",
)
CHANNELS = (
    "conda-forge",
    f"https://me:{canary('channel')}@conda.invalid/one",
    f"https://conda.invalid/t/{canary('channel token')}/two",
)
CONDA = ("python=3.11", f"https://conda.invalid/t/{canary('package channel')}/x::numpy=1.23", "pip")
DESCRIPTION = f"kept at https://me:{canary('description')}@wiki.invalid"
ENVIRONMENT: dict[str, Any] = {
    "name": "planted",
    "version": "1",
    "image": f"me:{canary('registry')}@registry.invalid/team/image:1",
    "python_version": "3.11",
    "requirements": LINES,
    "channels": CHANNELS,
    "conda_dependencies": CONDA,
    "variables": {"OF_THE_ENVIRONMENT": canary("variable of the environment")},
    "description": DESCRIPTION,
    "tags": {"where": f"https://{canary('tag')}@wiki.invalid"},
}
DEPLOYMENT: dict[str, Any] = {
    "environment_variables": {
        "OF_THE_DEPLOYMENT": canary("variable"),
        "CONNECTION": f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={canary('account key')}==;",
    },
    "primary_key": canary("key"),
    "description": DESCRIPTION,
    "tags": {"bus": f"Endpoint=sb://x/;SharedAccessKey={canary('shared access key')}="},
    "properties": {"hook": f"https://hook.invalid/?code={canary('property')}"},
    "cloud_settings": {"scale_settings": {"url": f"https://{canary('cloud settings')}@host.invalid"}},
    "differences": [f"not as https://{canary('difference')}@host.invalid has it"],
}


@dataclass
class Planted:
    served: Served
    house: House
    tokens: dict[str, str]
    operations: list[str]

    @property
    def values(self) -> dict[str, str]:
        """What the parts of paths mean."""
        return {"name": "iris", "deployment": "blue", "version": "1", "operation_id": self.operations[0]}

    def post(self, path: str, body: Any, role: str = "deployer", **query: str) -> requests.Response:
        return self.served.ask("POST", path, json=body, headers=bearer(self.tokens[role]), params=query)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    """An emulator with every secret in it: registered, deployed, failed to build, failed to start."""
    house = House(tmp_path_factory.mktemp("planted"), admin_token=ADMIN)
    house.engine.differences = (differs("an.example", f"pulled from https://me:{canary('engine')}@registry.invalid"),)
    with serving(house) as served:
        made = Planted(served, house, tokens_by_role(served), [])
        assert made.post("/environments", {"environment": ENVIRONMENT}).status_code == 201
        house.register("iris")
        _deploy(made, "blue", "planted:1")
        house.engine.fail_build = f"error: Failed to fetch `https://{canary('build error')}@host.invalid/simple`"
        _deploy(made, "red", {**ENVIRONMENT, "name": "other", "requirements": ["flask", *LINES]})
        house.engine.fail_build = ""
        house.engine.behaviours += [Behaviour(exit_code=1, log=("Traceback",))]
        _deploy(made, "green", "planted:1")
        yield made
    house.settle()


def _deploy(made: Planted, name: str, environment: Any) -> None:
    body = {**DEPLOYMENT, "models": ["iris:1"], "environment": environment, "conda": "channels"}
    body |= {"code": str(made.house.code), "scoring_script": "score.py"}
    path = f"/onlineEndpoints/iris/deployments/{name}"
    answer = made.served.ask("PUT", path, json=body, headers=bearer(ADMIN))
    assert answer.status_code in (200, 201), answer.text
    made.operations.append(answer.json()["operation"])
    made.served.operations.get(made.operations[-1]).wait(20)


def leaks(text: str) -> list[str]:
    """The places whose secrets are in the text, in any of the ways in which JSON and URLs write them."""
    return [kind for kind, secret in PLANTED.items() if secret in text]


def test_every_canary_is_where_it_was_planted(planted: Planted) -> None:
    """Else the walk below would prove nothing."""
    home = planted.house.store.home
    documents = "".join(path.read_text() for path in home.rglob("*.json"))
    assert set(PLANTED) - set(leaks(documents)) <= {"build error"} | _ELSEWHERE
    states = {d.name: d.provisioning_state for d in planted.house.workspace.deployments.list_of("iris")}
    assert states == {"blue": "Succeeded", "red": "Failed", "green": "Failed"}


_ELSEWHERE = {kind for kind in PLANTED if kind.startswith("elsewhere")} | {"engine"}


@pytest.mark.parametrize("role", ["viewer", "deployer", "admin"])
def test_no_get_route_tells_a_secret(planted: Planted, role: str) -> None:
    """The URL map is walked, so that a route that is added is asked too; each as it is, and with each flag."""
    told: list[tuple[str, str, list[str]]] = []
    asked = 0
    for route in routes(planted.served):
        if route.method != "GET":
            continue
        flags: list[dict[str, str]] = [{}, *({flag: "true"} for flag in route.query if flag in ("curated",))]
        flags += [{"deployment": name} for name in ("blue", "red", "green") if "deployment" in route.query]
        for operation in planted.operations:
            for query in flags:
                values = planted.values | {"operation_id": operation}
                answer = get(planted.served, route, values, planted.tokens[role], **query)
                assert answer.status_code != 500, (route, answer.text)
                asked += answer.status_code == 200
                if found := leaks(answer.text + str(answer.headers)):
                    told.append((route.name, str(query), found))
            if "operation_id" not in route.rule:
                break
    assert told == []
    assert asked > 20


@pytest.mark.parametrize("role", ["viewer", "deployer", "admin"])
def test_no_other_route_tells_a_secret(planted: Planted, role: str) -> None:
    for path, body in (
        ("/environments/resolve", {"name": "planted"}),
        ("/environments/resolve", {"environment": ENVIRONMENT, "conda": "channels"}),
        ("/environments", {"environment": ENVIRONMENT}),
        ("/environments", {"environment": {**ENVIRONMENT, "requirements": [*LINES, "x"]}}),
        ("/environments", {"environment": {**ENVIRONMENT, "image": f"https://me:{canary('bad image')}@registry/x"}}),
    ):
        assert leaks(planted.post(path, body, role).text) == []


def test_a_viewer_who_asks_for_values_is_refused_everywhere(planted: Planted) -> None:
    asked = [route for route in routes(planted.served) if "includeValues" in route.query]
    least = {"/environments", "/environments/resolve", "/onlineEndpoints/<name>/export"}
    assert {route.name for route in asked} >= least
    for route in asked:
        url = planted.served.url + route.path(planted.values)
        answer = requests.request(
            route.method,
            url,
            params={"includeValues": "true"},
            headers=bearer(planted.tokens["viewer"]),
            json={"name": "planted"} if route.method != "GET" else None,
            timeout=20,
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "AuthorizationFailed"), route
        assert leaks(answer.text) == []


@pytest.mark.parametrize("role", ["deployer", "admin"])
def test_whoever_may_deploy_sees_values_by_asking(planted: Planted, role: str) -> None:
    own = {"index", "url token", "sas", "channel", "channel token", "variable of the environment"}
    headers = bearer(planted.tokens[role])
    listed = planted.served.ask("GET", "/environments?includeValues=true", headers=headers)
    assert own <= set(leaks(listed.text))
    resolved = planted.post("/environments/resolve", {"name": "planted:1"}, role, includeValues="true")
    assert own <= set(leaks(resolved.text))
    assert "OF_THE_ENVIRONMENT=" in resolved.json()["amlemu"]["dockerfile"]
    exported = planted.served.ask("GET", "/onlineEndpoints/iris/export?includeValues=true", headers=headers)
    assert own | {"variable", "account key"} <= set(leaks(exported.text))
    assert "key" not in leaks(exported.text), "keys are listKeys' alone"
    keys = planted.post("/onlineEndpoints/iris/listKeys", {}, role)
    assert leaks(keys.text) == ["key"]


@pytest.mark.parametrize("form", [export_az_ml, export_compose, export_kubernetes])
def test_exports_of_every_form(planted: Planted, form: Callable[[Any, Any], Any]) -> None:
    kind = "managed" if form is export_az_ml else "registry.example.com/image:1"
    with Client(planted.served.url, planted.tokens["deployer"]) as client:
        masked, whole = (client.get_export("iris", include_values=reveal) for reveal in (False, True))
    folder = form(read_source(masked, has_values=False, only="blue"), kind)
    assert leaks("".join([*folder.texts.values(), *map(str, folder.changes), *folder.commands])) == []
    texts = form(read_source(whole, has_values=True, only="blue"), kind).texts
    assert "variable" in leaks("".join(texts.values()))


def test_an_exported_conda_file_has_urls_that_can_be_used(planted: Planted) -> None:
    with Client(planted.served.url, planted.tokens["viewer"]) as client:
        source = read_source(client.get_export("iris", include_values=False), has_values=False, only="blue")
    export = export_az_ml(source, "managed")
    conda = yaml.safe_load(next(text for name, text in export.texts.items() if name.endswith("conda.yml")))
    assert "https://conda.invalid/one" in conda["channels"] and "https://conda.invalid/two" in conda["channels"]
    pip = conda["dependencies"][-1]["pip"]
    assert "--index-url https://index.invalid/simple" in pip
    assert conda["variables"] == {"OF_THE_ENVIRONMENT": "{{OF_THE_ENVIRONMENT}}"}
    told = " ".join(map(str, export.changes))
    assert f"{MASK} stands for a credential" in told and "the values of OF_THE_ENVIRONMENT are not exported" in told


def test_logs_of_builds_and_of_the_server(planted: Planted, capfd: pytest.CaptureFixture[str]) -> None:
    logs = "".join(path.read_text() for path in (planted.house.store.home / "logs").glob("*"))
    assert leaks(logs) == []
    before = logging.root.handlers[:]
    logging.root.handlers.clear()
    try:
        configure_logging()
        logging.getLogger("urllib3").warning("Retrying https://me:%s@host/simple", canary("elsewhere log"))
        try:
            raise ValueError(f"https://{canary('elsewhere traceback')}@host")
        except ValueError:
            logging.getLogger("x").exception("it broke")
    finally:
        logging.root.handlers[:] = before
    written = capfd.readouterr().err
    assert "Retrying" in written and "it broke" in written
    assert leaks(written) == []


def test_what_a_script_writes_is_the_users(planted: Planted) -> None:
    """Nobody knows what of it is a secret, and it is what the user wants to read."""
    (running,) = [r for r in planted.house.engine.containers() if "-blue-" in r.container.name]
    planted.house.engine.say(running.container.id, "my token=of-the-script")
    answer = planted.served.ask(
        "GET", "/onlineEndpoints/iris/logs?deployment=blue", headers=bearer(planted.tokens["viewer"])
    )
    assert "my token=of-the-script" in answer.text


# What was masked and comes back


def test_a_masked_document_is_no_document(planted: Planted) -> None:
    headers = bearer(planted.tokens["viewer"])
    listed = planted.served.ask("GET", "/environments", headers=headers).json()["value"]
    (shown,) = [one["amlemu"] for one in listed if one["name"] == "1" and one["amlemu"]["name"] == "planted"]
    shown = {name: value for name, value in shown.items() if name not in ("digest", "dockerfile")}
    assert shown["variables"] == {"OF_THE_ENVIRONMENT": MASK}
    for body in (
        {"environment": shown},
        {"environment": {**shown, "version": "2"}},
        {"environment": {"name": "y", "python_version": "3.11", "variables": {"A": MASK}}},
        {"environment": {"name": "y", "python_version": "3.11", "requirements": [shown["requirements"][0]]}},
        {"environment": {"name": "y", "python_version": "3.11", "requirements": [shown["requirements"][2]]}},
        {"environment": {"name": "y", "python_version": "3.11", "channels": [shown["channels"][2]]}},
    ):
        answer = planted.post("/environments", body)
        assert answer.status_code == 400, body
        assert MASK in answer.json()["error"]["message"] and "includeValues" in answer.json()["error"]["hint"]
    stored = planted.house.workspace.environments.get("planted:1")
    assert stored.variables["OF_THE_ENVIRONMENT"].reveal() == canary("variable of the environment")


def test_masked_values_of_a_deployment_and_an_endpoint(planted: Planted) -> None:
    headers = bearer(planted.tokens["deployer"])
    exported = planted.served.ask("GET", "/onlineEndpoints/iris/export", headers=headers).json()
    (blue,) = [one["deployment"] for one in exported["deployments"] if one["deployment"]["name"] == "blue"]
    assert set(blue["environment_variables"].values()) == {MASK}
    for path, body in (
        ("deployments/blue", {"environment_variables": blue["environment_variables"]}),
        ("deployments/blue", {"tags": blue["tags"]}),
        ("deployments/blue", {"cloud_settings": blue["cloud_settings"]}),
        ("", {"properties": blue["properties"]}),
        ("", {"primary_key": MASK}),
    ):
        answer = planted.served.ask("PUT", f"/onlineEndpoints/iris/{path}".rstrip("/"), json=body, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadArgument"), body
    stored = planted.house.deployment("iris", "blue")
    assert stored.environment_variables["OF_THE_DEPLOYMENT"].reveal() == canary("variable")


def test_an_escaped_asterisk_is_one(planted: Planted) -> None:
    text = json.dumps({"environment": {"name": "z", "python_version": "3.11", "variables": {"A": "x"}}})
    body = text.replace('"x"', '"' + "\\u002a" * 4 + '"')
    headers = {**bearer(planted.tokens["deployer"]), "Content-Type": "application/json"}
    assert planted.served.ask("POST", "/environments", data=body, headers=headers).status_code == 400


@pytest.mark.parametrize(
    "line", ["a @ https://****@host/a.whl", "--index-url https://****@host/simple", "a @ https://h/a?sig=****&se=1"]
)
def test_a_masked_line_of_a_file_is_refused(line: str) -> None:
    with pytest.raises(BadDocument) as caught:
        read_environment(f"flask\n{line}\n", "requirements.txt", lambda _: "")
    assert "has masked a credential" in str(caught.value.faults[0]) and ":2" in caught.value.faults[0].where


# Errors, wherever they are made


def test_errors_of_documents(tmp_path: Path) -> None:
    secret = canary("elsewhere document")
    texts = {
        "requirements.txt": f"https://me:{secret}@host/x.whl\nx y\n",
        "more/requirements.txt": f"--token={secret}\n",
        "conda.yml": f"dependencies:\n  - pip:\n    - 'x @ https://{secret}@host/x y z'\n    - 'x=1'\n",
        "channels.yml": f"channels: ['https://me:{secret}@ho st/x']\ndependencies: [python=3.11]\n",
    }
    for name, text in texts.items():
        with pytest.raises(BadDocument) as caught:
            read_environment(text, name, lambda _: "")
        told = str(caught.value) + json.dumps(caught.value.to_dict()) + repr(caught.value) + repr(caught.value.faults)
        assert leaks(told) == [], name


@pytest.mark.parametrize(
    "given",
    [
        {"AMLEMU_PORT": "https://me:SECRET@host"},
        {"AMLEMU_BASE_IMAGES": "https://me:SECRET@host"},
        {"AMLEMU_CONDA_CHANNELS": "x=ftp://me:SECRET@host"},
        {"AMLEMU_CURATED_ENVIRONMENTS": '{"e": {"python_version": "3.11", "packages": ["https://me:SECRET@host/x"]}}'},
        {"AMLEMU_ASSUMED": '{"managed": {"https://me:SECRET@host": 1}}'},
        {"AMLEMU_ENGINE": "https://SECRET@host"},
    ],
)
def test_errors_of_settings(given: dict[str, str], tmp_path: Path) -> None:
    secret = canary("elsewhere settings")
    with pytest.raises(BadArgument) as caught:
        read_settings({name: text.replace("SECRET", secret) for name, text in given.items()}, tmp_path)
    assert leaks(str(caught.value) + json.dumps(caught.value.to_dict())) == []


def test_a_token_of_the_wrong_type_is_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "config/amlemu").mkdir(parents=True)
    (tmp_path / "config/amlemu/amlemu.toml").write_text("token = 123456789012345\n")
    with pytest.raises(BadArgument) as caught:
        read_settings({"XDG_CONFIG_HOME": str(tmp_path / "config"), "HOME": str(tmp_path)}, tmp_path)
    assert "must be a text" in json.dumps(caught.value.to_dict())
    assert "123456789012345" not in json.dumps(caught.value.to_dict())


def test_an_address_with_a_password_is_not_repeated() -> None:
    secret = canary("elsewhere url")
    with Client(f"http://me:{secret}@127.0.0.1:1") as client, pytest.raises(EmulatorError) as caught:
        client.describe()
    assert leaks(str(caught.value) + json.dumps(caught.value.to_dict())) == []


def test_every_part_of_an_error() -> None:
    url = f"see https://{canary('elsewhere error')}@host"
    error = ImageBuildFailure(url, target=url, hint=url, log_tail=f"one\n{url}\nthree", faults=[Fault(url, url, url)])
    shown = [str(error), repr(error), str(error.faults), json.dumps(error.to_dict()), error.log_tail, error.hint]
    shown += [json.dumps(from_dict({"message": url, "log_tail": url, "details": [{"message": url}]}).to_dict())]
    assert leaks("".join(shown)) == []
    assert error.log_tail.splitlines()[0::2] == ["one", "three"]


def test_a_build_log_whose_tools_print_a_password_by_itself() -> None:
    secret = canary("elsewhere build")
    said: list[str] = []
    log = BuildLog(said.append, [f"https://me:{secret}@index/simple", f"x @ https://h/x?sig={secret}sig%2B"])
    for line in (f"#5 1.0 user me with {secret}", f"#5 1.1 {secret}sig+", f"error: //{secret}@host", "#5 1.2 fine"):
        log.write(line)
    assert leaks("".join([*said, *log.lines])) == []
    assert said[-1] == "fine"


# Entities, wherever they are printed


def test_an_environment_prints_no_secret() -> None:
    environment = Environment.parse(ENVIRONMENT)
    for shown in (repr(environment), str(environment), f"{environment}", json.dumps(environment.to_document())):
        assert leaks(shown) == []
    assert leaks(environment.model_dump_json()) and not leaks(str(environment.variables))
    assert Environment.parse(environment.revealed_document()) == environment
    changed = environment.model_copy(update={"variables": {"OF_THE_ENVIRONMENT": Secret("x")}})
    assert changed != environment


def test_a_deployment_prints_no_secret(planted: Planted) -> None:
    deployment = planted.house.deployment("iris", "blue")
    for shown in (repr(deployment), str(deployment), json.dumps(deployment.to_document())):
        assert leaks(shown) == []
    assert OnlineDeployment.parse(deployment.revealed_document()) == deployment


def test_a_restart_brings_the_true_values_back(planted: Planted) -> None:
    again = planted.house.restarted()
    variables = again.deployment("iris", "blue").environment_variables
    assert variables["OF_THE_DEPLOYMENT"].reveal() == canary("variable")
    assert again.workspace.environments.get("planted:1").requirements == LINES
    again.settle()


def test_the_container_and_the_image_have_the_true_values(planted: Planted) -> None:
    (running,) = [r for r in planted.house.engine.containers() if "-blue-" in r.container.name]
    assert running.spec.environment_variables["OF_THE_DEPLOYMENT"] == canary("variable")
    assert leaks(repr(running.spec)) == [] and leaks(str(running.spec.labels)) == []
    built = planted.house.engine.builds[0]
    assert canary("variable of the environment") in built.dockerfile
    assert leaks(repr(built)) == []


def test_tars_hold_what_was_deployed_and_nothing_else(planted: Planted) -> None:
    """Files are the user's own words: neither masked nor added to."""
    path = "/onlineEndpoints/iris/deployments/blue/code"
    answer = planted.served.ask("GET", path, headers=bearer(planted.tokens["viewer"]))
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as tar:
        assert tar.getnames() == ["score.py"]


def test_these_tests_would_notice() -> None:
    assert leaks(f"x{canary('index')}y") == ["index"]
    assert len(set(PLANTED.values())) == len(PLANTED)
