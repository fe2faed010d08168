"""What a document may name: its sender's own files and nothing else, by whatever words, links and folders.

A deployer's document stands beside a secret of the emulator; whatever the document says, the answer is an error that
names its line, or a resource without a byte of that secret.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from core_support import SCRIPT, House
from served import Served, serving

from emulator.client.client import Client
from emulator.entities import BuildContext, Environment
from emulator.environments import read_environment
from emulator.environments.files.requirements_file import check_requirement, parse_requirements
from emulator.errors import BadArgument, BadDocument, EmulatorError
from emulator.store.build_contexts import copy_context, read_context
from emulator.store.reach import Reach, context_reach
from emulator.store.trees import code_tree, model_tree
from emulator.workspace.deploying.planning import with_override_file

ADMIN = "amlemu_the-admins-own-token"
ENDPOINT = "iris"
CANARY = "canary-of-the-emulators-own-files"


class Deployer:
    """A client with a deployer's token on another machine, who writes requests by hand."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.home = served.house.store.home.resolve()
        token = served.ask(
            "POST", "//_amlemu/tokens", json={"name": "d", "role": "deployer"}, headers=bearer(ADMIN)
        ).json()["token"]
        self.headers = bearer(token)
        self._client = Client(served.url, token)

    def upload(self, files: Mapping[str, str], name: str = "src", *, folder: bool = True, copies: bool = False) -> str:
        """What requests call the folder that those files make up."""
        entries = []
        for path, text in files.items():
            data = text.encode()
            digest = hashlib.sha256(data).hexdigest()
            if data:
                self._client.append_upload(digest, 0, data, restart=True)
            self._client.finish_upload(digest, {"size": len(data), "sha256": digest})
            entries.append({"path": path, "size": len(data), "sha256": digest})
        body = {"name": name, "is_folder": folder, "as_copies": copies, "files": entries}
        return self._client.create_upload(body)

    def ask(self, method: str, path: str, body: Mapping[str, Any]) -> tuple[int, str]:
        answer = self.served.ask(method, path, json=body, headers=self.headers)
        return answer.status_code, answer.text

    def deploy(self, code: str | None, **more: Any) -> tuple[int, str]:
        """How a deployment ends: its status, and all that is said of it."""
        body = {"code": code, "scoring_script": "score.py", "explicit_source_dir": True, **more}
        put = f"/onlineEndpoints/{ENDPOINT}/deployments/blue"
        answer = self.served.ask("PUT", put, json=body, headers=self.headers)
        if answer.status_code >= 300:
            return answer.status_code, answer.text
        operation = self.served.operations.get(answer.json()["operation"])
        operation.wait(30)
        told = json.dumps(operation.error.to_dict()) if operation.error else ""
        return (400 if operation.status == "Failed" else 201), told

    def end(self) -> None:
        self._client.__exit__(None, None, None)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path, admin_token=ADMIN)
    (house.store.home / "token.json").write_text(f'{{"token": "{CANARY}"}}\n')
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/Dockerfile").write_text(f"FROM scratch\n# {CANARY}\n")
    (tmp_path / "outside/requirements.txt").write_text(f"{CANARY}\n")
    yield house
    house.settle()


@pytest.fixture
def deployer(house: House) -> Iterator[Deployer]:
    with serving(house) as served:
        deployer = Deployer(served)
        yield deployer
        deployer.end()


# what leads out of home/uploads/trees/<id>/src, HOME standing for the emulator's home
ESCAPES = (
    "../../../../token.json",
    "sub/../../../../../token.json",
    "./../../../../token.json",
    "HOME/token.json",
    "../../../../../outside/requirements.txt",
    "//HOME/token.json",
    "/proc/self/environ",
    "../../../trees/../../token.json",
)


def refused(answer: tuple[int, str], *words: str) -> None:
    status, text = answer
    assert status == 400, text
    assert CANARY not in text
    for word in words:
        assert word in text, text


@pytest.mark.parametrize("escape", ESCAPES)
@pytest.mark.parametrize("option", ["-r ", "--requirement=", "-r"])
def test_requirements_beside_a_script_include_only_what_was_sent(deployer: Deployer, option: str, escape: str) -> None:
    name = escape.replace("HOME", str(deployer.home))
    code = deployer.upload({"score.py": SCRIPT, "requirements.txt": f"numpy\n{option}{name}\n", "sub/x": "x"})
    refused(deployer.deploy(code), "requirements.txt:2", "leads out of what was sent")


@pytest.mark.parametrize("escape", ESCAPES)
def test_an_included_file_includes_only_what_was_sent(deployer: Deployer, escape: str) -> None:
    name = escape.replace("HOME", str(deployer.home))
    files = {"requirements.txt": "-r sub/more.txt\n", "sub/more.txt": f"numpy\n\n-r ../{name}\n"}
    if name.startswith("/"):
        files["sub/more.txt"] = f"numpy\n\n-r {name}\n"
    code = deployer.upload({"score.py": SCRIPT, **files})
    refused(deployer.deploy(code), "sub/more.txt:3", "leads out of what was sent")


def test_a_refusal_does_not_say_where_the_emulator_lives(deployer: Deployer) -> None:
    answers = [
        deployer.deploy(deployer.upload({"score.py": SCRIPT, "requirements.txt": "-r ../../../../token.json\n"})),
        deployer.deploy(deployer.upload({"score.py": SCRIPT, "requirements.txt": "-r nothing.txt\n"})),
        deployer.deploy(deployer.upload({"other.py": SCRIPT})),
        deployer.deploy(planted(deployer, {"score.py": SCRIPT}, "link", "/etc/passwd")),
        deployer.ask(
            "POST", "/environments", {"file": deployer.upload({"e.yml": "build: {path: x}\n"}, "e.yml", folder=False)}
        ),
    ]
    for status, text in answers:
        assert status == 400
        assert str(deployer.home) not in text


def test_what_was_sent_is_included(deployer: Deployer) -> None:
    files = {"requirements.txt": "-r sub/more.txt\n", "sub/more.txt": "-r ../common.txt\n", "common.txt": "numpy\n"}
    assert deployer.deploy(deployer.upload({"score.py": SCRIPT, **files})) == (201, "")


def test_a_content_of_somebody_elses_is_not_named_by_its_digest(deployer: Deployer) -> None:
    secret = f"secret-model {CANARY}\n"
    deployer.upload({"requirements.txt": secret}, "of a colleague")
    digest = hashlib.sha256(secret.encode()).hexdigest()
    name = f"../../../../files/{digest[:2]}/{digest}"
    code = deployer.upload({"score.py": SCRIPT, "requirements.txt": f"-r {name}\n"})
    refused(deployer.deploy(code), "requirements.txt:1", "leads out")


def test_a_colleagues_upload_is_not_named(deployer: Deployer) -> None:
    theirs = deployer.upload({"requirements.txt": f"{CANARY}\n"}, "of a colleague").removeprefix("upload:")
    code = deployer.upload(
        {"score.py": SCRIPT, "requirements.txt": f"-r ../../{theirs}/of a colleague/requirements.txt\n"}
    )
    refused(deployer.deploy(code), "requirements.txt:1", "leads out")


@pytest.mark.parametrize("route", ["/environments", "/environments/resolve", "/environments/build"])
@pytest.mark.parametrize(
    ("file", "text", "where"),
    [
        ("requirements.txt", "-r ../../../token.json\n", "requirements.txt:1"),
        ("e.yml", "image: a\nconda_file: ../../../token.json\n", "e.yml:2"),
        ("e.yml", "image: a\nconda_file: HOME/token.json\n", "e.yml:2"),
        ("e.yml", "build:\n  path: /etc\n  dockerfile_path: hostname\n", "e.yml:2"),
        ("e.yml", "build:\n  path: ../../../../outside\n", "e.yml:2"),
        ("e.yml", "build:\n  path: HOME/../outside\n", "e.yml:2"),
        ("e.yml", "build:\n  path: /\n  dockerfile_path: HOME/../outside/Dockerfile\n", "e.yml:"),
        ("e.yml", "build:\n  path: .\n  dockerfile_path: ../../../../outside/Dockerfile\n", "e.yml:3"),
        ("e.yml", "build:\n  path: .\n  dockerfile_path: a/../../../../token.json\n", "e.yml:3"),
        ("e.yml", 'build:\n  path: "a\\0b"\n', "e.yml:2"),
        ("e.yml", 'image: a\nconda_file: "a\\0b"\n', "e.yml:2"),
        ("e.yml", f"image: a\nconda_file: {'a' * 5000}\n", "e.yml:2"),
        ("e.json", '{"image": "a", "conda_file": "\\ud800"}', "e.json"),
        ("azureml_environment.json", '{"python": {"condaDependenciesFile": "../../../token.json"}}', ":1"),
        ("azureml_environment.json", '{"python": {"condaDependenciesFile": "HOME/token.json"}}', ":1"),
    ],
)  # fmt: skip
def test_an_environment_file_names_only_what_was_sent(
    deployer: Deployer, route: str, file: str, text: str, where: str
) -> None:
    sent = deployer.upload({file: text.replace("HOME", str(deployer.home))}, file, folder=False)
    refused(deployer.ask("POST", route, {"file": sent}), where)


def test_the_folder_around_ones_own_upload_is_no_build_context(deployer: Deployer) -> None:
    """The Dockerfile is the uploader's own, and the context would be everybody's uploads."""
    code = {"score.py": SCRIPT, "Dockerfile": "FROM scratch\n"}
    own = deployer.upload(code).removeprefix("upload:")
    for path, dockerfile_path in (
        ("../..", f"{own}/src/Dockerfile"),
        ("../../../..", f"uploads/trees/{own}/src/Dockerfile"),
        (str(deployer.home), f"uploads/trees/{own}/src/Dockerfile"),
        ("/", f"{str(deployer.home)[1:]}/uploads/trees/{own}/src/Dockerfile"),
    ):
        environment = f"build:\n  path: {path}\n  dockerfile_path: {dockerfile_path}\n"
        refused(deployer.deploy(deployer.upload({**code, "environment.yml": environment})), "environment.yml:2")


def test_a_build_context_in_the_upload_is_taken(deployer: Deployer) -> None:
    text = "build:\n  path: docker\ninference_config:\n" + "".join(
        f"  {route}:\n    port: 5001\n    path: /\n" for route in ("liveness_route", "readiness_route", "scoring_route")
    )
    code = {"score.py": SCRIPT, "environment.yml": text, "docker/Dockerfile": "FROM scratch\n"}
    assert deployer.deploy(deployer.upload(code, copies=True)) == (201, "")


@pytest.mark.parametrize(
    "environment",
    [
        {"name": "x", "build": {"path": "/etc", "dockerfile_path": "hostname"}},
        {"name": "x", "build": {"path": "/etc"}},
        {"name": "x", "build": {"path": "HOME/contexts"}},
        {"name": "x", "build": {"path": "file:///etc"}},
        {"name": "x", "build": {"path": " upload:0"}},
    ],
)
def test_a_deployer_names_no_build_context_of_the_emulators_machine(
    deployer: Deployer, environment: dict[str, Any]
) -> None:
    body = json.loads(json.dumps(environment).replace("HOME", str(deployer.home)))
    for path, document in (
        ("/environments", {"environment": body}),
        ("/environments/resolve", {"environment": body}),
        ("/environments/build", {"environment": body}),
    ):
        status, text = deployer.ask("POST", path, document)
        assert status in (400, 403), text
        assert "FROM" not in text
    code = deployer.upload({"score.py": SCRIPT})
    assert deployer.deploy(code, environment=body)[0] in (400, 403)


@pytest.mark.parametrize("dockerfile_path", ["../../../token.json", "/etc/hostname", "a/../../x", "..\\..\\x", "a\0b"])
def test_a_dockerfile_lies_in_the_context_that_was_sent(deployer: Deployer, dockerfile_path: str) -> None:
    sent = deployer.upload({"Dockerfile": "FROM scratch\n"}, "ctx", copies=True)
    body = {"environment": {"name": "x", "build": {"path": sent, "dockerfile_path": dockerfile_path}}}
    refused(deployer.ask("POST", "/environments", body), "Dockerfile below the build context")


@pytest.mark.parametrize(
    "models",
    [
        [{"name": "m", "path": "/etc/passwd"}],
        [{"name": "m", "path": "HOME/token.json"}],
        [{"path": "../../token.json"}],
        [{"name": "m", "path": "upload:../../token.json"}],
        [{"name": "m", "path": "upload:" + "a" * 5000}],
        [{"name": "m", "path": "upload:\0"}],
    ],
)
def test_models_of_a_deployers_are_uploads(deployer: Deployer, models: list[dict[str, Any]]) -> None:
    models = json.loads(json.dumps(models).replace("HOME", str(deployer.home)))
    code = deployer.upload({"score.py": SCRIPT})
    status, text = deployer.deploy(code, models=models)
    assert status in (400, 403, 404), text
    assert CANARY not in text
    status, text = deployer.ask("POST", "/models/m/versions", models[0] | {"name": "m"})
    assert status in (400, 403, 404), text


@pytest.mark.parametrize(
    "script", ["../x.py", "../../../../token.json", "/etc/passwd", "a/../../x.py", "", ".", "a\0.py"]
)
def test_the_scoring_script_lies_in_the_code(deployer: Deployer, script: str) -> None:
    code = deployer.upload({"score.py": SCRIPT})
    refused(deployer.deploy(code, scoring_script=script))


def test_variables_lead_to_no_folder_of_the_emulators_machine(deployer: Deployer) -> None:
    """They are the container's; what it mounts, and where it begins, is the emulator's to say."""
    specs = []
    for variables in ({}, {"AZUREML_MODEL_DIR": "/etc", "AML_APP_ROOT": "../..", "AZUREML_ENTRY_SCRIPT": "../../x.py"}):
        code = deployer.upload({"score.py": SCRIPT})
        assert deployer.deploy(code, environment_variables=variables) == (201, "")
        specs.append(deployer.served.house.engine.containers()[-1].spec)
    before, after = specs
    assert Path(after.layout).parent == Path(before.layout).parent
    for same in ("working_dir", "model_mount", "sink", "image", "read_only"):
        assert getattr(after, same) == getattr(before, same)


@pytest.mark.parametrize(
    ("mlmodel", "where"),
    [
        ("env: ../../../token.json", "MLmodel:4"),
        ("env:\n      conda: ../../../../token.json", "MLmodel:5"),
        ("env:\n      virtualenv: HOME/token.json", "MLmodel:5"),
    ],
)
def test_an_mlflow_model_names_only_its_own_files(deployer: Deployer, mlmodel: str, where: str) -> None:
    text = f"flavors:\n  python_function:\n    loader_module: x\n    {mlmodel}\n"
    text = text.replace("HOME", str(deployer.home))
    model = deployer.upload({"MLmodel": text, "conda.yaml": "dependencies: [pip]\n"}, "model")
    body = {"models": [{"name": "m", "type": "mlflow_model", "path": model}]}
    refused(deployer.deploy(None, scoring_script=None, **body), where, "not in the model's folder")


def test_an_mlflow_models_packages_name_only_its_own_files(deployer: Deployer) -> None:
    mlmodel = "flavors:\n  python_function:\n    loader_module: x\n    data: /etc\n    code: ../../..\n"
    for escape in ("../../../../token.json", str(deployer.home / "token.json"), "../MLmodel"):
        files = {"MLmodel": mlmodel, "requirements.txt": f"mlflow\n-r {escape}\n"}
        model = deployer.upload(files, "model")
        body = {"models": [{"name": "m", "type": "mlflow_model", "path": model}]}
        refused(deployer.deploy(None, scoring_script=None, **body), "requirements.txt:2")


@pytest.mark.parametrize(
    "path",
    ["../x", "a/../../x", "/etc/passwd", "a//b", "./a", "a/.", "..", "", "a\\b", "..\\x", "a\0b", "a/", "\ud800"],
)
def test_a_file_of_an_upload_lies_in_it(deployer: Deployer, path: str) -> None:
    digest = hashlib.sha256(b"").hexdigest()
    deployer.upload({"a": ""})
    body = {"name": "m", "files": [{"path": path, "size": 0, "sha256": digest}]}
    status, text = deployer.ask("POST", "//_amlemu/uploads", body)
    assert status == 400, text
    body = {"name": path, "files": [{"path": "a", "size": 0, "sha256": digest}]}
    assert deployer.ask("POST", "//_amlemu/uploads", body)[0] == 400


@pytest.mark.parametrize(("one", "other"), [("é.py", "é.py"), ("é", "é/x"), ("a/ö/x", "a/ö/y"), ("Å", "Å")])
def test_two_names_that_are_one_on_other_systems_are_refused(deployer: Deployer, one: str, other: str) -> None:
    other = unicodedata.normalize("NFD", other)
    one = unicodedata.normalize("NFC", one)
    assert one != other
    digest = hashlib.sha256(b"").hexdigest()
    deployer.upload({"a": ""})
    files = [{"path": path, "size": 0, "sha256": digest} for path in (one, other)]
    status, text = deployer.ask("POST", "//_amlemu/uploads", {"name": "m", "files": files})
    if one.count("/") == other.count("/") == 2:
        assert status == 201, "two files in folders of one name each"
    else:
        assert status == 400, text
        assert "spelled" in text or "a file and a folder" in text


def test_a_name_in_either_spelling_is_kept_as_it_is(deployer: Deployer) -> None:
    for form in ("NFC", "NFD"):
        name = unicodedata.normalize(form, "é.py")
        code = deployer.upload({"score.py": SCRIPT, name: "x = 1\n"})
        tree = deployer.served.house.store.uploads.path_of(code)
        assert sorted(path.name for path in tree.iterdir()) == sorted(["score.py", name])


# links: no upload can hold one, and where one lies all the same it leads nowhere


def planted(deployer: Deployer, files: Mapping[str, str], link: str, target: str, name: str = "src") -> str:
    """An upload in which somebody has put a link."""
    sent = deployer.upload(files, name)
    tree = deployer.served.house.store.uploads.path_of(sent)
    (tree / link).parent.mkdir(parents=True, exist_ok=True)
    (tree / link).symlink_to(target)
    return sent


@pytest.mark.parametrize("target", ["/etc/passwd", "/etc", "../../../../token.json", "../../../.."])
@pytest.mark.parametrize("link", ["link", "sub/link", ".amlignore"])
def test_a_link_in_uploaded_code_leads_nowhere(deployer: Deployer, link: str, target: str) -> None:
    target = f"../{target}" if "/" in link and target.startswith("..") else target
    refused(deployer.deploy(planted(deployer, {"score.py": SCRIPT}, link, target)), "leads out")
    layouts = deployer.served.house.store.home / "layouts"
    assert not [path for path in layouts.rglob("*") if path.is_file()]


def test_a_link_in_the_place_of_a_script_leads_nowhere(deployer: Deployer) -> None:
    house = deployer.served.house
    (house.folder / "outside/score.py").write_text(SCRIPT)
    for target, explicit in (("local", False), ("managed", True)):
        sent = planted(deployer, {"other.py": SCRIPT}, "score.py", str(house.folder / "outside/score.py"))
        answer = deployer.deploy(sent, target=target, explicit_source_dir=explicit, auth_mode=None)
        refused(answer, "leads out")


@pytest.mark.parametrize("target", ["/etc/passwd", "/etc", "../../../../token.json"])
def test_a_link_in_an_uploaded_model_leads_nowhere(deployer: Deployer, target: str) -> None:
    sent = planted(deployer, {"weights": "w"}, "link", target, "model")
    refused(deployer.ask("POST", "/models/m/versions", {"path": sent}), "leads out")
    assert deployer.served.house.store.models() == []


def test_a_link_to_a_content_that_the_store_did_not_make_is_no_way_out(deployer: Deployer) -> None:
    house = deployer.served.house
    (house.folder / "outside/link").symlink_to(house.store.home / "token.json")
    sent = planted(deployer, {"score.py": SCRIPT}, "link", str(house.folder / "outside/link"))
    refused(deployer.deploy(sent), "leads out")


def test_files_of_an_upload_are_what_was_sent_and_nothing_else(deployer: Deployer) -> None:
    """Links lead to contents, copies are files of their own: nothing that is written to changes what others have."""
    store = deployer.served.house.store
    for copies in (False, True):
        tree = store.uploads.path_of(deployer.upload({"a": "a", "sub/b": "b"}, copies=copies))
        for path in (path for path in tree.rglob("*") if not path.is_dir()):
            assert path.is_symlink() is not copies
            assert path.stat().st_nlink == 1
            assert path.resolve().is_relative_to(tree.resolve() if copies else store.files.folder)


# what is done with a user's own files goes on


def test_the_emulators_own_user_names_files_as_ever(tmp_path: Path) -> None:
    house = House(tmp_path)
    project = tmp_path / "project"
    (project / "deploy/docker").mkdir(parents=True)
    (project / "common.txt").write_text("numpy\n")
    (project / "conda.yml").write_text("dependencies: [python=3.10, pip: [numpy]]\n")
    (project / "docker").mkdir()
    (project / "docker/Dockerfile").write_text("FROM scratch\n")
    (project / "deploy/requirements.txt").write_text("-r ../common.txt\n")
    (project / "deploy/e.yml").write_text("image: a\nconda_file: ../conda.yml\n")
    (project / "deploy/absolute.yml").write_text(f"image: a\nconda_file: {project / 'conda.yml'}\n")
    (project / "deploy/build.yml").write_text("build:\n  path: ../docker\n")
    (project / "deploy/linked.txt").symlink_to(project / "common.txt")
    read = house.workspace.environments.read
    assert read(project / "deploy/requirements.txt").requirements == ("numpy",)
    assert read(project / "deploy/linked.txt").requirements == ("numpy",)
    assert read(project / "deploy/e.yml").python_version == "3.10"
    assert read(project / "deploy/absolute.yml").python_version == "3.10"
    build = read(project / "deploy/build.yml").build
    assert build is not None and Path(build.path).resolve() == (project / "docker").resolve()
    house.settle()


def test_the_emulators_own_user_may_link_code_and_models(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("x")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    assert [file.path for file in code_tree(folder).files] == ["link"]
    assert [file.path for file in model_tree(folder).files] == ["folder/link"]


# what Docker confines is confined for everybody


@pytest.mark.parametrize("name", ["Dockerfile", ".dockerignore", "Dockerfile.dockerignore"])
@pytest.mark.parametrize("relative", [True, False])
def test_nothing_that_is_read_of_a_build_context_is_a_link_out_of_it(tmp_path: Path, name: str, relative: bool) -> None:
    folder = tmp_path / "ctx"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "secret").write_text(CANARY)
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to("../secret" if relative else tmp_path / "secret")
    for read in (lambda: read_context(BuildContext(path=str(folder))),
                 lambda: copy_context(BuildContext(path=str(folder)), tmp_path / "contexts")):  # fmt: skip
        with pytest.raises(BadArgument, match="leads out of the build context") as caught:
            read()
        assert CANARY not in str(caught.value)
    assert not (tmp_path / "contexts").exists() or not list((tmp_path / "contexts").iterdir())


def test_a_dockerfile_behind_a_linked_folder(tmp_path: Path) -> None:
    folder = tmp_path / "ctx"
    (folder / "inside").mkdir(parents=True)
    (folder / "inside/Dockerfile").write_text("FROM scratch\n")
    (folder / "link").symlink_to("inside")
    (folder / "out").symlink_to("/etc")
    assert read_context(BuildContext(path=str(folder), dockerfile_path="link/Dockerfile")).dockerfile
    with pytest.raises(BadArgument, match="leads out of the build context"):
        read_context(BuildContext(path=str(folder), dockerfile_path="out/hostname"))


def test_an_override_file_is_no_link_out_of_the_context(tmp_path: Path) -> None:
    folder = tmp_path / "ctx"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "secret").write_text(f'{{"scorePath": "{CANARY} "}}')
    (folder / "container_override_config.json").symlink_to("../secret")
    environment = Environment(name="x", build=BuildContext(path=str(folder)))
    with pytest.raises(BadArgument, match="leads out of the build context") as caught:
        with_override_file(environment, "local")
    assert CANARY not in str(caught.value)


# what is compared is what is opened


def test_a_file_that_becomes_a_link_after_it_was_compared(tmp_path: Path) -> None:
    """`find` has said yes, and then somebody swaps the file, or a folder above it, for a link."""
    (tmp_path / "root/sub").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/file").write_text(CANARY)

    class Swapped(Reach):
        swap: Callable[[], None]

        def find(self, name: str | Path) -> Path:
            found = super().find(name)
            type(self).swap()
            return found

    def swap_file() -> None:
        (tmp_path / "root/sub/file").unlink()
        (tmp_path / "root/sub/file").symlink_to(tmp_path / "out/file")

    def swap_folder() -> None:
        (tmp_path / "root/sub").rename(tmp_path / "root/was")
        (tmp_path / "root/sub").symlink_to(tmp_path / "out")

    for swap in (swap_file, swap_folder):
        (tmp_path / "root/sub/file").unlink(missing_ok=True)
        (tmp_path / "root/sub/file").write_text("own")
        Swapped.swap = staticmethod(swap)  # type: ignore[assignment]
        with pytest.raises(EmulatorError) as caught:
            Swapped(tmp_path / "root", tmp_path / "root").read("sub/file")
        assert CANARY not in str(caught.value)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for reach in (Reach(tmp_path), context_reach(tmp_path)):
        with pytest.raises(BadArgument, match="does not exist as a file"):
            reach.read("pipe")
        with pytest.raises(BadArgument, match="does not exist as a file"):
            reach.read(".")
    with pytest.raises(BadArgument, match="does not exist as a file"):
        Reach(Path("/dev")).read("zero")


def test_a_file_that_may_not_be_read_is_told_by_its_name_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\xff" + CANARY.encode())
    for reach in (Reach(tmp_path), context_reach(tmp_path)):
        with pytest.raises(BadArgument, match="is not UTF-8 text") as caught:
            reach.read("file")
        assert CANARY not in str(caught.value)


# what is given back


def names_in(tar: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        return archive.getnames()


def test_an_export_has_no_file_that_a_container_has_linked(deployer: Deployer) -> None:
    """Where a container may write to its layout, it may make links there; the emulator reads none of them."""
    house = deployer.served.house
    code = deployer.upload({"score.py": SCRIPT})
    assert deployer.deploy(code, target="local", auth_mode=None) == (201, "")
    layout = house.store.layouts.path_of(ENDPOINT, "blue", 1)
    folder = next(path for path in layout.rglob("score.py")).parent
    (folder / "token.py").symlink_to(house.store.home / "token.json")
    (folder / "home").symlink_to(house.store.home)
    (folder / "again.py").symlink_to("score.py")
    for path in ("code", "layout"):
        answer = deployer.served.ask(
            "GET", f"/onlineEndpoints/{ENDPOINT}/deployments/blue/{path}", headers=deployer.headers, stream=False
        )
        assert answer.status_code == 200
        assert CANARY.encode() not in answer.content
        names = names_in(answer.content)
        assert any(name.endswith("again.py") for name in names)
        assert not any("token" in name for name in names)
    tree = [path for path, _ in house.workspace.deployments.tree(ENDPOINT, None)]
    assert not any("token" in path or "home" in path for path in tree)


def test_an_export_has_only_what_docker_sees_of_a_context(tmp_path: Path) -> None:
    house = House(tmp_path)
    folder = tmp_path / "ctx"
    folder.mkdir()
    (tmp_path / "secret").write_text(CANARY)
    (folder / "Dockerfile").write_text("FROM scratch\n")
    (folder / "ignored").write_text(CANARY)
    (folder / ".dockerignore").write_text("ignored\n")
    (folder / "link").symlink_to(tmp_path / "secret")
    routes = {"port": 5001, "path": "/"}
    environment = {
        "name": "own",
        "build": {"path": str(folder)},
        "inference_config": {"liveness_route": routes, "readiness_route": routes, "scoring_route": routes},
    }
    with serving(house) as served:
        house.deploy(ENDPOINT, environment=environment)
        answer = served.ask("GET", f"/onlineEndpoints/{ENDPOINT}/deployments/blue/context")
        assert answer.status_code == 200, answer.text
        assert CANARY.encode() not in answer.content
        names = names_in(answer.content)
        assert sorted(names) == [".dockerignore", "Dockerfile"]
    house.settle()


# lines that lead to files without an option for it

HERE_LINES = (
    "-e ./x",
    "-e../x",
    "--editable /etc",
    "-c ../../../../token.json",
    "--constraint=/etc/passwd",
    "--find-links ./x",
    "--find-links\t/etc",
    "--find-links=file:///etc",
    "-f/etc",
    "-f https://host/links ../x",
    "--find-links https://host/links --find-links /etc",
    "-i file:///etc",
    "-i\t/etc",
    "--index-url FILE:///etc",
    "--extra-index-url ../x",
    "--extra-index-url=https://host/simple --index-url=/etc",
    "--index-url https:///etc",
    "--pre /etc",
    "--only-binary ../x",
    "--trusted-host /etc",
    "--no-binary=:all: -r /etc/passwd",
    "file:///etc/passwd",
    "FILE:///etc/passwd",
    "/etc/passwd",
    "./x.whl",
    "../x",
    "~/x",
    "C:\\x",
    "..\\x",
    "x-1.0-py3-none-any.whl",
    "x-1.0-py3-none-any.WHL",
    "x-1.0-py3-none-any.whl[extra]",
    "x-1.0.tar.bz2 ; python_version > '3'",
    "x.tgz",
    "x @ file:///etc/passwd",
    "x @ FILE:///etc/passwd",
    "x @ ./x.whl",
    "x @ ../x",
    "x @ /etc/passwd",
    "x @ git+file:///srv/repository",
    "x @ GIT+FILE:///srv/repository",
    "x[a] @ file://localhost/etc/passwd",
    "x @ ftp://host/x.whl",
    "x @ https:///etc/passwd",
    "x @ git+ssh://-oProxyCommand=id/x",
)


@pytest.mark.parametrize("line", HERE_LINES)
def test_no_line_of_requirements_leads_to_a_file(line: str) -> None:
    def read(name: str) -> str:
        raise AssertionError(f"{name} was read")

    with pytest.raises(BadDocument) as caught:
        parse_requirements(f"numpy\n{line}\n", "requirements.txt", read)
    assert [fault.where for fault in caught.value.faults] == ["requirements.txt:2"]
    conda = json.dumps({"dependencies": ["python=3.10", {"pip": ["numpy", line]}]})
    with pytest.raises(BadDocument, match="one fault"):
        read_environment(conda, "conda.yml", read)


@pytest.mark.parametrize(
    "line",
    [
        "numpy\n-r /etc/passwd",
        "x @ https://h/x\n-r/etc/passwd",
        "numpy\r-r/etc/passwd",
        "x @ https://h/x\\",
        "a\u2028-r/x",
    ],
)
def test_no_line_is_two(line: str) -> None:
    assert check_requirement(line) is not None


@pytest.mark.parametrize("line", ["numpy\t==1.2", "-i\thttps://host/simple", "x @ HTTPS://host/x.whl#subdirectory=a"])
def test_what_leads_elsewhere_is_taken(line: str) -> None:
    assert check_requirement(line) is None


@pytest.mark.parametrize("line", ["-r /etc/passwd", "x @ file:///etc/passwd", "--find-links /", "numpy\n-r/etc/passwd"])
def test_the_control_api_takes_no_such_line_either(deployer: Deployer, line: str) -> None:
    document = {"name": "x", "python_version": "3.11", "requirements": ["numpy", line]}
    for path in ("/environments", "/environments/resolve"):
        status, text = deployer.ask("POST", path, {"environment": document})
        assert status == 400, text
    assert deployer.deploy(deployer.upload({"score.py": SCRIPT}), environment=document)[0] == 400


@pytest.mark.parametrize(
    "document",
    [
        {"channels": ["file:///etc"], "conda_dependencies": ["python=3.10"]},
        {"channels": ["/etc"], "conda_dependencies": ["python=3.10"]},
        {"channels": [" file:///etc"], "conda_dependencies": ["python=3.10"]},
        {"channels": ["conda-forge"], "conda_dependencies": ["file:///etc::python=3.10"]},
        {"channels": ["conda-forge"], "conda_dependencies": ["/etc::python=3.10"]},
    ],
)
def test_a_deployers_channel_is_no_folder_of_the_emulators_machine(
    deployer: Deployer, document: dict[str, Any]
) -> None:
    environment = {"name": "x", "python_version": "3.10", **document}
    for path in ("/environments", "/environments/resolve", "/environments/build"):
        assert deployer.ask("POST", path, {"environment": environment})[0] in (400, 403)
    code = {"channels": document["channels"], "dependencies": document["conda_dependencies"]}
    sent = deployer.upload({"score.py": SCRIPT, "conda.yml": json.dumps(code)})
    refused(deployer.deploy(sent), "conda.yml:1", "leads out of what was sent")


@pytest.mark.parametrize(
    "package", ["numpy[url=file:///etc/x.conda]", "numpy[version='>=1',channel=/etc]", "numpy[fn=../x]", "./x::numpy"]
)
def test_a_conda_package_names_no_file(package: str) -> None:
    with pytest.raises(BadDocument, match="one fault"):
        read_environment(json.dumps({"dependencies": ["python=3.10", package]}), "conda.yml", str)


def test_the_emulators_own_user_may_name_a_channel_of_the_machine(tmp_path: Path) -> None:
    house = House(tmp_path)
    (tmp_path / "conda.yml").write_text("channels: ['file:///opt/channel']\ndependencies: [python=3.10]\n")
    assert house.workspace.environments.read(tmp_path / "conda.yml").channels == ("file:///opt/channel",)
    house.settle()
