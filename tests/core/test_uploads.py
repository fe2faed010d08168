"""Files from another machine: sent once, resumed where they broke off, and never more than what they are."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from core_support import ADMIN, SCRIPT, House
from served import Served, serving

from emulator.client.client import Client
from emulator.client.uploading import transfer
from emulator.errors import BadArgument, EmulatorError, EngineUnavailable, ResourceNotFound

MIB = 1 << 20


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A folder of the client's machine."""
    folder = tmp_path / "client"
    folder.mkdir()
    return folder


class Watched(Client):
    """A client that remembers what it has said, and can break off."""

    def __init__(self, *words: Any, **more: Any) -> None:
        super().__init__(*words, **more)
        self.bodies: list[Any] = []
        self.sent = 0
        self.breaks_after: int | None = None

    def append_upload(self, key: str, offset: int, data: bytes, *, restart: bool = False) -> None:
        if self.breaks_after is not None and self.sent >= self.breaks_after:
            raise EngineUnavailable("the cable is out")
        super().append_upload(key, offset, data, restart=restart)
        self.sent += len(data)

    def _call(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        self.bodies.append((method, path, more.get("body")))
        return super()._call(method, path, **more)


@pytest.fixture
def far(served: Served) -> Iterator[Watched]:
    with Watched(served.url, ADMIN, sends_files=True) as client:
        yield client


def content_of(house: House, model: Mapping[str, Any]) -> dict[str, bytes]:
    return {f["path"]: house.store.files.path_of(f["sha256"]).read_bytes() for f in model["files"]}


def deployed(house: House, endpoint: str) -> dict[str, str]:
    """The code of the deployment as its container sees it."""
    deployment = house.store.deployments(endpoint)[0]
    layout = house.store.layouts.path_of(endpoint, deployment.name, deployment.generation)
    return {
        path.relative_to(layout).as_posix(): path.read_text()
        for path in sorted(layout.rglob("*"))
        if path.is_file() and "azureml-models" not in path.parts
    }


def ignore(_kind: str, _text: str) -> None:
    """What an operation says."""


# what arrives


def test_a_file_and_a_folder_are_models(far: Watched, served: Served, theirs: Path) -> None:
    (theirs / "model.pkl").write_bytes(b"weights")
    folder = theirs / "my model"
    (folder / "sub/ü").mkdir(parents=True)
    (folder / "sub/ü/a.bin").write_bytes(b"a" * 100)
    (folder / "empty").touch()
    (folder / "again.bin").symlink_to(folder / "sub/ü/a.bin")
    one = far.register_model("one", {"path": str(theirs / "model.pkl"), "tags": {"a": "b"}})
    many = far.register_model("many", {"path": str(folder)})
    assert (one["path"], one["version"], one["tags"]) == ("model.pkl", "1", {"a": "b"})
    assert content_of(served.house, one) == {"model.pkl": b"weights"}
    assert content_of(served.house, many) == {
        "my model/again.bin": b"a" * 100, "my model/empty": b"", "my model/sub/ü/a.bin": b"a" * 100
    }  # fmt: skip
    assert far.sent == 7 + 100, "the same content twice is sent once"
    with Client(served.url, ADMIN) as near:
        assert near.register_model("near", {"path": str(folder)})["sha256"] == many["sha256"], "as from this machine"


def test_code_environment_and_models_of_a_deployment(far: Watched, served: Served, theirs: Path) -> None:
    code = theirs / "src"
    (code / "lib").mkdir(parents=True)
    (code / "score.py").write_text(SCRIPT)
    (code / "lib/tool.sh").write_text("#!/bin/sh\n")
    (code / "lib/tool.sh").chmod(0o755)
    (code / "notes.txt").write_text("left out")
    (code / ".amlignore").write_text("notes.txt\nconda.yml\n")
    (code / "conda.yml").write_text(
        "name: mine\ndependencies:\n  - python=3.10\n  - pip:\n    - azureml-inference-server-http\n"
    )
    (code / ".git").mkdir()
    (code / ".git/config").write_text("left out")
    (theirs / "inline.bin").write_bytes(b"inline")
    endpoint = far.deploy(
        "far",
        "blue",
        {"code": str(code), "scoring_script": "score.py", "explicit_source_dir": True,
         "models": [{"name": "inline", "path": str(theirs / "inline.bin")}]},
        ignore,
    )  # fmt: skip
    blue = endpoint["deployments"][0]
    assert blue["environment_source"] == "conda.yml"
    assert blue["models"] == ["inline:1"]
    assert blue["code_configuration"] == {"code": "src", "scoring_script": "score.py"}
    assert sorted(deployed(served.house, "far")) == ["src/.amlignore", "src/lib/tool.sh", "src/score.py"]
    layout = served.house.store.layouts.path_of("far", "blue", 1)
    assert os.access(layout / "src/lib/tool.sh", os.X_OK)
    assert not any(path.is_symlink() for path in layout.rglob("*"))


def test_the_same_comes_out_as_from_this_machine(far: Watched, served: Served, theirs: Path) -> None:
    """For each target: what goes along, what is left out, the environment."""
    code = theirs / "src"
    (code / "__pycache__").mkdir(parents=True)
    (code / "score.py").write_text(SCRIPT)
    (code / "other.py").write_text("x = 1\n")
    (code / "__pycache__/x.pyc").write_text("left out")
    (code / ".gitignore").write_text("*.log\n")
    (code / "run.log").write_text("left out")
    (code / "requirements.txt").write_text("azureml-inference-server-http==1.4.1\n")
    with Client(served.url, ADMIN) as near:
        for target in ("managed", "kubernetes", "aks", "aci", "local"):
            for explicit in (True, False):
                request = {"code": str(code), "scoring_script": "score.py", "target": target,
                           "explicit_source_dir": explicit, "auth_mode": None}  # fmt: skip
                names = [f"{target}-{explicit}-{where}".lower() for where in ("near", "far")]
                found = [
                    client.deploy(name, "blue", request, ignore)
                    for client, name in zip((near, far), names, strict=True)
                ]
                assert deployed(served.house, names[0]) == deployed(served.house, names[1]), names
                blue = [one["deployments"][0] for one in found]
                assert sorted(blue[0]["differences"]) == sorted(blue[1]["differences"])
                for same in ("environment", "environment_source", "image"):
                    assert blue[0][same] == blue[1][same], (names, same)
                for client, name in zip((near, far), names, strict=True):
                    client.delete_endpoint(name)


def test_environments(far: Watched, served: Served, theirs: Path) -> None:
    context = theirs / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\n")
    (context / "data").write_text("in it")
    (context / "secret.key").write_text("ignored")
    (context / ".dockerignore").write_text("*.key\n")
    file = theirs / "environment.yml"
    file.write_text("name: mine\nbuild:\n  path: context\n")
    registered = far.register_environment(str(file))
    kept = Path(registered["build"]["path"])
    assert sorted(path.name for path in kept.iterdir()) == [".dockerignore", "Dockerfile", "data"]
    assert not any(path.is_symlink() for path in kept.iterdir())
    assert kept.is_relative_to(served.house.store.home / "contexts")
    (theirs / "conda.yml").write_text("dependencies:\n  - python=3.11\n")
    shown = far.resolve_environment({"file": str(theirs / "conda.yml"), "conda": "pip"})
    assert shown["python_version"] == "3.11"
    far.build_environment({"file": str(theirs / "conda.yml")}, ignore)


def test_paths_never_leave_the_client(far: Watched, theirs: Path) -> None:
    (theirs / "score.py").write_text(SCRIPT)
    (theirs / "requirements.txt").write_text("azureml-inference-server-http\n")
    (theirs / "m.bin").write_bytes(b"m")
    far.register_model("m", {"path": str(theirs / "m.bin")})
    far.deploy("theirs", "blue", {"code": str(theirs), "scoring_script": "score.py", "models": ["m:1"]}, ignore)
    far.register_environment(str(theirs / "requirements.txt"))
    far.get_endpoint("theirs")
    assert str(theirs.parent) not in str(far.bodies)


# sent once, resumed


def test_known_contents_are_not_sent_again(far: Watched, theirs: Path) -> None:
    file = theirs / "m.bin"
    file.write_bytes(os.urandom(3 * MIB))
    first = far.register_model("m", {"path": str(file)})
    sent = far.sent
    file.rename(theirs / "other.bin")
    again = far.register_model("n", {"path": str(theirs / "other.bin")})
    assert (sent, far.sent) == (3 * MIB, 3 * MIB)
    assert first["files"][0]["sha256"] == again["files"][0]["sha256"]


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a file of a few hundred kB were one of gigabytes."""
    monkeypatch.setattr(transfer, "PIECE_BYTES", 64 << 10)
    monkeypatch.setattr(transfer, "LARGE_BYTES", 512 << 10)
    monkeypatch.setattr(transfer, "_SAMPLE_BYTES", 4 << 10)
    monkeypatch.setattr(transfer, "STALL_SECONDS", 0.05)


@pytest.mark.parametrize("size", [300 << 10, 3 * MIB + 17])  # below and above where the digest is known beforehand
@pytest.mark.parametrize("restarted", [False, True])
def test_an_interrupted_transfer_resumes(
    served: Served, theirs: Path, small_pieces: None, size: int, restarted: bool
) -> None:
    file = theirs / "m.bin"
    data = os.urandom(size)
    file.write_bytes(data)
    with Watched(served.url, ADMIN, sends_files=True) as client:
        client.breaks_after = size // 2
        with pytest.raises(EngineUnavailable):
            client.register_model("m", {"path": str(file)})
        sent = client.sent
        assert client.list_models() == []
    house = served.house.restarted() if restarted else served.house
    with serving(house) as after, Watched(after.url, ADMIN, sends_files=True) as client:
        model = client.register_model("m", {"path": str(file)})
        assert client.sent == size - sent
        assert content_of(house, model) == {"m.bin": data}
    assert list((house.store.home / "uploads/parts").iterdir()) == []


def test_a_damaged_partial_file_is_sent_again(served: Served, theirs: Path, small_pieces: None) -> None:
    """A power cut may have spoilt what was received."""
    file, size = theirs / "m.bin", 2 * MIB
    file.write_bytes(os.urandom(size))
    with Watched(served.url, ADMIN, sends_files=True) as client:
        client.breaks_after = MIB
        with pytest.raises(EngineUnavailable):
            client.register_model("m", {"path": str(file)})
    house = served.house.restarted()
    (part,) = (house.store.home / "uploads/parts").iterdir()
    with part.open("r+b") as content:
        content.seek(MIB // 2)
        content.write(b"spoilt")
    with serving(house) as after, Watched(after.url, ADMIN, sends_files=True) as client:
        model = client.register_model("m", {"path": str(file)})
        assert client.sent == size
    assert content_of(house, model) == {"m.bin": file.read_bytes()}


@pytest.mark.parametrize("size", [300 << 10, 2 * MIB])
def test_several_clients_send_the_same_file_at_once(
    served: Served, theirs: Path, small_pieces: None, size: int
) -> None:
    file = theirs / "m.bin"
    file.write_bytes(os.urandom(size))
    found: list[Any] = []

    def register(name: str) -> None:
        with Client(served.url, ADMIN, sends_files=True) as client:
            found.append(client.register_model(name, {"path": str(file)}))

    threads = [threading.Thread(target=register, args=(f"m{number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 3
    assert all(content_of(served.house, model)["m.bin"] == file.read_bytes() for model in found)


def test_a_bar_hears_of_every_byte(served: Served, theirs: Path, small_pieces: None) -> None:
    (theirs / "m.bin").write_bytes(b"m" * MIB)
    heard: list[tuple[str, int, int]] = []
    with Client(served.url, ADMIN, sends_files=True, on_bytes=lambda *words: heard.append(words)) as client:
        client.register_model("m", {"path": str(theirs / "m.bin")})
        assert heard[-1] == ("m.bin", MIB, MIB)
        assert [sent for _, sent, _ in heard] == sorted(sent for _, sent, _ in heard)
        heard.clear()
        client.register_model("n", {"path": str(theirs / "m.bin")})
        assert heard == [("m.bin", MIB, MIB)]


# what is refused


KEY = hashlib.sha256(b"four").hexdigest()


def ready_content(served: Served) -> str:
    """A content that is there; its digest."""
    served.ask("PATCH", f"//_amlemu/uploads/files/{KEY}?offset=0", data=b"four")
    answer = served.ask("POST", f"//_amlemu/uploads/files/{KEY}/finish", json={"size": 4, "sha256": KEY})
    assert answer.json() == {"sha256": KEY, "size": 4}
    return KEY


@pytest.mark.parametrize(
    "path",
    ["../evil", "/etc/cron.d/evil", "a/../../evil", "a//b", "", ".", "..", "a/", "/", "a/./b", "a\\..\\evil",
     "C:\\evil", "nul\0", "\ud800", "x" * 256, "/".join(["d" * 200] * 30)],
)  # fmt: skip
def test_no_path_leaves_its_folder(served: Served, path: str, tmp_path: Path) -> None:
    sha256 = ready_content(served)
    before = sorted(p.as_posix() for p in tmp_path.rglob("*"))
    body = {"name": "m", "files": [{"path": path, "size": 4, "sha256": sha256}]}
    assert served.error("POST", "//_amlemu/uploads", json=body)[:2] == (400, "BadArgument")
    assert sorted(p.as_posix() for p in tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["..", "a/b", "", "/", ".", "\\", "x" * 256, "nul\0"])
def test_no_name_leaves_the_uploads(served: Served, name: str) -> None:
    body = {"name": name, "files": [{"path": "a", "size": 4, "sha256": ready_content(served)}]}
    assert served.error("POST", "//_amlemu/uploads", json=body)[:2] == (400, "BadArgument")


@pytest.mark.parametrize(
    ("paths", "told"),
    [
        (["a", "a"], "twice"),
        (["a", "a/b"], "a file and a folder"),
        (["x/a/b/c", "x/a"], "a file and a folder"),
        ([], "at least one"),
    ],
)
def test_colliding_paths_are_refused(served: Served, paths: list[str], told: str) -> None:
    """A link to a content, taken for a folder, would lead out of the upload."""
    sha256 = ready_content(served)
    body = {"name": "m", "files": [{"path": path, "size": 4, "sha256": sha256} for path in paths]}
    status, _, message = served.error("POST", "//_amlemu/uploads", json=body)
    assert status == 400
    assert told in message


@pytest.mark.parametrize("key", ["x", "0" * 63, "A" * 64, "..", "%2e%2e%2f" + "0" * 64, "0" * 65])
def test_keys_are_digests(served: Served, key: str) -> None:
    for method, path in (
        ("PATCH", f"//_amlemu/uploads/files/{key}?offset=0"),
        ("POST", f"//_amlemu/uploads/files/{key}/finish"),
    ):
        answer = served.ask(method, path, json={"size": 1})
        assert answer.status_code in (400, 404, 405), answer.text


@pytest.mark.parametrize("reference", ["upload:", "upload:../../x", "upload:nothing", "upload:..", "upload:/etc"])
def test_an_upload_that_is_none(served: Served, reference: str) -> None:
    assert served.error("POST", "/models/m/versions", json={"path": reference})[:2] == (404, "ResourceNotFound")
    body = {"code": reference, "scoring_script": "score.py"}
    assert served.error("PUT", "/onlineEndpoints/e/deployments/blue", json=body)[:2] == (404, "ResourceNotFound")


def test_a_content_must_match_its_digest(served: Served) -> None:
    served.ask("PATCH", f"//_amlemu/uploads/files/{KEY}?offset=0", data=b"FIVE!")
    for whole in ({"size": 5, "sha256": KEY}, {"size": 4, "sha256": KEY}):
        status, _, message = served.error("POST", f"//_amlemu/uploads/files/{KEY}/finish", json=whole)
        assert (status, "is another" in message) == (400, True)
    assert not served.house.store.files.path_of(KEY).exists()
    body = {"name": "m", "files": [{"path": "a", "size": 4, "sha256": KEY}]}
    assert served.error("POST", "//_amlemu/uploads", json=body)[:2] == (404, "ResourceNotFound")


def test_a_piece_out_of_place(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulator.store.uploads._TURN_SECONDS", 0.05)
    for offset in (7, 1 << 50):
        answer = served.ask("PATCH", f"//_amlemu/uploads/files/{KEY}?offset={offset}", data=b"four")
        assert answer.status_code in (400, 409)
    for offset in ("", "-1", "x", "1e3", "٣"):
        assert served.error("PATCH", f"//_amlemu/uploads/files/{KEY}?offset={offset}", data=b"four")[0] == 400


def test_more_than_is_taken(tmp_path: Path, theirs: Path) -> None:
    house = House(tmp_path, max_upload_bytes=1000)
    (theirs / "m.bin").write_bytes(b"m" * 1001)
    with serving(house) as served, Watched(served.url, ADMIN, sends_files=True) as client:
        with pytest.raises(BadArgument, match="an upload of 1001 bytes; the emulator takes 1000") as caught:
            client.register_model("m", {"path": str(theirs / "m.bin")})
        assert "AMLEMU_MAX_UPLOAD_BYTES" in caught.value.hint
        assert client.sent == 0
        status, code, _ = served.error("PATCH", f"//_amlemu/uploads/files/{KEY}?offset=0", data=b"m" * 1001)
        assert (status, code) == (400, "BadArgument")
        offer = {"files": [{"key": KEY, "size": 1 << 52}]}
        assert served.error("POST", "//_amlemu/uploads/find", json=offer)[:2] == (400, "BadArgument")


def test_more_than_there_is_room_for(tmp_path: Path, theirs: Path) -> None:
    house = House(tmp_path, max_upload_bytes=1 << 53)
    with serving(house) as served:
        offer = {"files": [{"key": KEY, "size": 1 << 52}]}
        assert served.error("POST", "//_amlemu/uploads/find", json=offer)[:2] == (507, "OutOfQuota")


def test_only_deployers_send(tmp_path: Path) -> None:
    house = House(tmp_path)
    _, viewer = house.workspace.access.create("v", "viewer")
    _, deployer = house.workspace.access.create("d", "deployer")
    with serving(house) as served:
        for method, path in (
            ("POST", "/find"),
            ("PATCH", f"/files/{KEY}?offset=0"),
            ("POST", f"/files/{KEY}/finish"),
            ("POST", ""),
        ):
            for token, status in (("", 401), (viewer, 403)):
                asked = served.ask(method, f"//_amlemu/uploads{path}", headers={"Authorization": f"Bearer {token}"})
                assert asked.status_code == status
        with Client(served.url, deployer) as client:
            assert client.describe()["takes_paths"] is False
            (tmp_path / "m.bin").write_text("m")
            assert client.register_model("m", {"path": str(tmp_path / "m.bin")})["version"] == "1"


def test_files_of_the_emulators_machine_are_its_users_alone(tmp_path: Path) -> None:
    """A deployer of a team could read all that the emulator can."""
    house = House(tmp_path)
    _, token = house.workspace.access.create("d", "deployer")
    secret = house.store.home / "access.json"
    inline = {"name": "x", "path": str(secret)}
    build = {"name": "x", "build": {"path": str(house.code)}}
    script = {"code": str(house.code), "scoring_script": "score.py"}
    with serving(house) as served:
        for method, path, body in [
            ("POST", "/models/m/versions", {"path": str(secret)}),
            ("POST", "/environments", {"file": str(secret)}),
            ("POST", "/environments", {"environment": build}),
            ("POST", "/environments/resolve", {"file": str(secret)}),
            ("POST", "/environments/resolve", {"environment": build}),
            ("POST", "/environments/build", {"file": str(secret)}),
            ("PUT", "/onlineEndpoints/e/deployments/blue", script),
            ("PUT", "/onlineEndpoints/e/deployments/blue", {"models": [inline]}),
            ("PUT", "/onlineEndpoints/e/deployments/blue", {"environment": str(secret)}),
            ("PUT", "/onlineEndpoints/e/deployments/blue", {"environment": build}),
        ]:
            answer = served.ask(method, path, json=body, headers={"Authorization": f"Bearer {token}"})
            status, code, told = answer.status_code, answer.json()["error"]["code"], answer.json()["error"]["hint"]
            assert (status, code) == (403, "AuthorizationFailed"), (method, path, body)
            assert "AMLEMU_URL" in told
    assert house.store.models() == []


def test_abandoned_uploads_are_pruned(far: Watched, served: Served, theirs: Path, small_pieces: None) -> None:
    (theirs / "m.bin").write_bytes(os.urandom(MIB))
    far.breaks_after = MIB // 2
    with pytest.raises(EngineUnavailable):
        far.register_model("m", {"path": str(theirs / "m.bin")})
    ready_content(served)
    served.ask("POST", "//_amlemu/uploads", json={"name": "m", "files": [{"path": "a", "size": 4, "sha256": KEY}]})
    assert served.house.workspace.prune(dry_run=False) == [], "they may still be used"
    for path in (served.house.store.home / "uploads").glob("*/*"):
        os.utime(path, (0, 0), follow_symlinks=False)
    removed = served.house.workspace.prune(dry_run=False)
    assert [line.split()[0] for line in removed] == ["upload", "half", "file"]
    assert list((served.house.store.home / "uploads").glob("*/*")) == []


def test_mistakes_are_reported_before_anything_is_sent(far: Watched, theirs: Path) -> None:
    folder = theirs / "empty"
    folder.mkdir()
    wrong: list[tuple[dict[str, Any], type[EmulatorError]]] = [
        ({"path": str(theirs / "nothing")}, BadArgument),
        ({"path": str(folder)}, BadArgument),
        ({"path": str(folder), "type": "mlflow_model"}, BadArgument),
    ]
    for request, error in wrong:
        with pytest.raises(error):
            far.register_model("m", request)
    with pytest.raises(BadArgument, match="does not exist"):
        far.register_environment(str(theirs / "nothing.yml"))
    assert far.sent == 0


def test_an_upload_that_was_pruned_meanwhile(far: Watched, served: Served) -> None:
    with pytest.raises(ResourceNotFound, match="have not been sent") as caught:
        far.create_upload({"name": "m", "files": [{"path": "a", "size": 4, "sha256": KEY}]})
    assert "try again" in caught.value.hint
