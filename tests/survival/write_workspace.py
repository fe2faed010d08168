"""Writes the home of a workspace as this version leaves it, for later versions to open: `make workspace-fixture`.

What is written is `tests/survival/workspace_N/`, N being the next number: `home` holds the documents, with @HOME@ and
@PROJECT@ for the folders of the machine that wrote them; `expected.json` is what every later version must make of them.
What an engine has built is left out: it is built again.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from amlemu_process import Environ, amlemu, client_of, temporary_environ
from projects import SERVER, script

from emulator.client.client import Client, Json
from emulator.errors import ResourceNotReady

HERE = Path(__file__).parent
HOME, PROJECT = "@HOME@", "@PROJECT@"
_LEFT_OUT = ("process", "known", "sinks", "server.json", "server.lock", "server.log")
_TEXTS = (".json", ".jsonl", ".log")
ANSWERS = {"keyed": {"blue": "first", "green": "second"}, "token": {"blue": "third"}, "service": {"blue": "fourth"}}
"""What the deployments that serve answer."""

_BROKEN = "def init():\n    raise ValueError('no model today')\n\ndef run(data):\n    return data\n"


def fixtures() -> list[Path]:
    """The folders that there are, the oldest first."""
    return sorted(HERE.glob("workspace_*/"), key=lambda path: int(path.name.rpartition("_")[2]))


def main() -> None:
    """Run an emulator through what fills a home, and copy that."""
    target = HERE / f"workspace_{len(fixtures())}"
    with tempfile.TemporaryDirectory(prefix="amlemu-project-") as folder, temporary_environ() as environ:
        project, home = Path(folder), Path(environ["AMLEMU_HOME"])
        amlemu(environ, "up", "--detach")
        with client_of(environ) as client:
            fill_models(environ, project)
            fill_environments(environ, project)
            fill_endpoints(client, project)
            expected = seen(client) | {"answers": ANSWERS}
        amlemu(environ, "down")
        places = {str(home.resolve()): HOME, str(project.resolve()): PROJECT}
        copy_home(home, target / "home", places)
    (target / "expected.json").write_text(json.dumps(expected, indent=1, sort_keys=True) + "\n")
    print(target)


def fill_models(environ: Environ, project: Path) -> None:
    """Versions with and without a number, an archived one, a folder, and one of MLflow's kind."""
    (project / "model/sub").mkdir(parents=True)
    (project / "model/MLmodel").write_text("flavors: {}\n")
    (project / "model/sub/weights.txt").write_text("first\n")
    register = ("model", "register", "--path", project / "model")
    amlemu(environ, *register, "--name", "iris", "--tag", "kind=test", "--property", "a=b", "--description", "An iris.")
    (project / "model/sub/weights.txt").write_text("second\n")
    amlemu(environ, *register, "--name", "iris")
    amlemu(environ, *register, "--name", "iris", "--version", "nightly")
    amlemu(environ, "model", "archive", "iris:nightly")
    amlemu(environ, *register, "--name", "flow", "--type", "mlflow_model")


def fill_environments(environ: Environ, project: Path) -> None:
    """One of pip's packages, one of conda's, one with a Dockerfile."""
    texts = {
        "pip.yml": "name: pipped\nimage: python:3.11-slim-bookworm\nconda_file: conda.yml\n",
        "conda.yml": "dependencies: [python=3.11, pip, {pip: [azureml-inference-server-http==1.5.1]}]\n",
        "build.yml": "name: built\nbuild: {path: context}\n",
        "context/Dockerfile": "FROM python:3.11-slim-bookworm\n",
    }
    for name, text in texts.items():
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(text)
    for name in ("pip.yml", "build.yml"):
        amlemu(environ, "environment", "register", "-f", project / name)


def fill_endpoints(client: Client, project: Path) -> None:
    """Keys and tokens; two deployments, one that failed, one whose update failed; targets of both versions."""
    deploy(client, project, "keyed", "blue", "first", models=["iris:1"], environment_variables={"MODE": "fixture"})
    deploy(client, project, "keyed", "green", "second", models=["iris:1", "iris:2"])
    client.update_traffic("keyed", {"blue": 70, "green": 30})
    deploy(client, project, "token", "blue", "third", auth_mode="aml_token")
    own_model = {"path": str(project / "model"), "type": "custom_model"}
    deploy(client, project, "service", "blue", "fourth", target="aks", models=[own_model])
    for endpoint in ("failed", "service"):
        try:
            deploy(client, project, endpoint, "blue", "broken", text=_BROKEN)
        except ResourceNotReady as error:
            print(f"{endpoint}, as it must: {error}")
    client.put_endpoint("empty", {"description": "Nothing is deployed.", "tags": {"kind": "test"}})


def deploy(
    client: Client, project: Path, endpoint: str, name: str, answer: str, *, text: str = "", **more: Any
) -> None:
    """A deployment whose script gives this answer, or is this text."""
    code = project / f"code-{endpoint}-{answer}"
    code.mkdir()
    (code / "requirements.txt").write_text(SERVER)
    (code / "score.py").write_text(text or script(answer))
    client.deploy(endpoint, name, {"code": str(code), "scoring_script": "score.py", **more}, lambda _kind, _text: None)


def seen(client: Client) -> Json:
    """What a workspace shows of itself that must not change."""
    return {
        "models": {m["name"] + ":" + m["version"]: m["sha256"] for m in client.list_models(include_archived=True)},
        "latest": client.get_model("iris", None)["version"],
        "environments": sorted(f"{e['name']}:{e['version']}" for e in client.list_environments()),
        "endpoints": {e["name"]: endpoint_seen(client, e) for e in client.list_endpoints()},
        "workspace_id": client.describe()["workspace_id"],
    }


def endpoint_seen(client: Client, endpoint: Json) -> Json:
    """Of one endpoint; `keys` None where it has none."""
    kept = ("target", "auth_mode", "traffic", "mirror_traffic", "description", "tags")
    deployments = {d["name"]: d["models"] for d in endpoint["deployments"]}
    keys = client.get_keys(endpoint["name"]) if endpoint["auth_mode"] == "key" else None
    return {name: endpoint[name] for name in kept} | {"deployments": deployments, "keys": keys}


def copy_home(home: Path, target: Path, places: Mapping[str, str]) -> None:
    """The documents and contents, with words in place of this machine's folders."""
    shutil.copytree(home, target, ignore=lambda folder, names: _left_out(Path(folder) == home, names))
    for path in target.rglob("*"):
        if path.is_file():
            path.chmod(0o644)
        if path.is_file() and path.suffix in _TEXTS and path.relative_to(target).parts[0] != "files":
            replace_in(path, places)


def replace_in(path: Path, words: Mapping[str, str]) -> None:
    """The file's text with each of `words` replaced."""
    text = path.read_text()
    for word, other in words.items():
        text = text.replace(word, other)
    path.write_text(text)


def _left_out(is_top: bool, names: list[str]) -> list[str]:
    return [name for name in names if is_top and name in _LEFT_OUT]


if __name__ == "__main__":
    main()
