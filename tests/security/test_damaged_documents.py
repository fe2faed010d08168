"""A document that cannot be read takes its own resource out of service, says so, and nothing is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from amlemu_process import AMLEMU, new_environ
from core_support import House
from damaged_home import ADMIN_TOKEN, DAMAGES, DOCUMENTS, again, build, files_of, image_document
from served import serving

from emulator.config.home_lock import HomeLock
from emulator.config.login import read_login
from emulator.entities import EndpointRequest, ModelRequest
from emulator.errors import AuthenticationFailed, BadArgument, DamagedDocument, EmulatorError, ResourceNotFound
from emulator.server.offline import list_damage, list_kept, move_damage_aside
from emulator.store import Store

OUT_OF_SERVICE = {
    "endpoint": "endpoint iris",
    "keys": "the keys of endpoint iris",
    "deployment": "deployment green of endpoint iris",
    "model": "model m:1",
    "environment": "environment env:1",
    "tokens": "every token that was handed out",
    "signing": "every token of an endpoint",
}


@pytest.mark.parametrize("kind", DOCUMENTS)
@pytest.mark.parametrize("damage", DAMAGES)
def test_one_damaged_document(tmp_path: Path, kind: str, damage: str) -> None:
    """The matrix: it starts, names the file and the fault, and everything else lists, serves and survives a prune."""
    house = build(tmp_path)
    home = house.store.home
    document = home / DOCUMENTS[kind]
    DAMAGES[damage](document)
    before = files_of(home)

    begun = again(house)
    begun.workspace.prune(dry_run=False)
    found = begun.workspace.damage()
    assert [(d.resource, d.file) for d in found] == [(OUT_OF_SERVICE[kind], str(document))]
    assert found[0].fault
    assert files_of(home) == before, "nothing is deleted, and nothing made anew"
    assert os.path.lexists(document)

    others = {"cloud", "pets", "tokens", "iris"} - ({"iris"} if kind == "endpoint" else set())
    assert {e.name for e in begun.workspace.endpoints.all()} == others
    for name in others - {"tokens"}:
        assert begun.state(name) == "Succeeded"
        assert begun.instances(name, "blue")
    versions = {m.id for m in begun.workspace.models.list_versions()}
    assert versions == {"m:1", "m:2", "other:1"} - ({"m:1"} if kind == "model" else set())
    assert {e.id for e in begun.workspace.environments.list_versions()} == (
        {"env:1", "spare:1"} - ({"env:1"} if kind == "environment" else set())
    )
    begun.deploy("fresh")
    assert begun.state("fresh") == "Succeeded"


def damaged(house: House, kind: str, how: str = "truncated") -> House:
    DAMAGES[how](house.store.home / DOCUMENTS[kind])
    return again(house)


def test_a_damaged_endpoint_says_so_and_can_be_deleted(tmp_path: Path) -> None:
    begun = damaged(build(tmp_path), "endpoint")
    assert "iris" not in begun.gateway.routes
    with serving(begun) as served:
        served._session.headers["Authorization"] = f"Bearer {ADMIN_TOKEN}"
        status, code, message = served.error("GET", "/onlineEndpoints/iris")
        assert (status, code) == (409, "ResourceDamaged")
        assert "endpoint.json' is damaged" in message
        code_folder = {"code": str(begun.code), "scoring_script": "score.py"}
        assert served.ask("PUT", "/onlineEndpoints/iris", json={}).status_code == 409
        put = served.ask("PUT", "/onlineEndpoints/iris/deployments/red", json=code_folder)
        assert put.status_code == 409, "a document that cannot be read is not replaced"
        told = served.ask("GET", "//_amlemu/damage").json()
        assert told["value"][0]["resource"] == "endpoint iris"
        assert any("layouts of endpoint iris" in line for line in told["kept"])
        assert served.ask("DELETE", "/onlineEndpoints/iris").status_code == 200
        assert served.ask("GET", "/onlineEndpoints/iris").status_code == 404
    begun.settle()
    assert begun.workspace.damage() == []
    assert [layout for layout in begun.layouts() if layout.startswith("iris/")] == []
    assert begun.deploy("iris").provisioning_state == "Succeeded"


def test_damaged_keys_open_nothing(tmp_path: Path) -> None:
    house = build(tmp_path)
    keys = house.workspace.endpoints.get_keys("iris")
    begun = damaged(house, "keys")
    route = begun.gateway.routes["iris"]
    assert not {keys.primary_key, keys.secondary_key, ""} & set(route.keys)
    assert len(route.keys[0]) > 30
    with pytest.raises(DamagedDocument):
        begun.workspace.endpoints.get_keys("iris")
    with pytest.raises(DamagedDocument):  # nothing is made anew behind anybody's back
        begun.workspace.endpoints.regenerate_keys("iris", "primary")


@pytest.mark.parametrize("target", ["managed", "kubernetes", "aks", "aci"])
@pytest.mark.parametrize("how", ["gone", "empty"])
def test_no_target_is_open_without_its_keys(tmp_path: Path, target: str, how: str) -> None:
    """Two of the targets have open endpoints: one whose keys cannot be read must not become such a one."""
    house = House(tmp_path)
    house.deploy("iris", target=target, auth_mode="key")
    path = house.store.endpoint_folder("iris") / "keys.json"
    path.unlink() if how == "gone" else path.write_text("")
    route = again_open(house).gateway.routes["iris"]
    assert route.access.auth_mode == "key"
    assert all(route.keys)
    verdict = route.access.check(b"/score", (), 0.0)
    assert verdict.answer is not None or not route.profile.front_door


def again_open(house: House) -> House:
    begun = house.restarted()
    begun.workspace.reconcile()
    begun.settle()
    return begun


def test_keys_that_were_moved_aside_are_made_anew_by_hand(tmp_path: Path) -> None:
    house = build(tmp_path)
    DAMAGES["a list"](house.store.home / DOCUMENTS["keys"])
    move_damage_aside(house.store.home, "t")
    begun = again(house)
    with pytest.raises(ResourceNotFound, match="no keys"):
        begun.workspace.endpoints.get_keys("iris")
    (told,) = begun.workspace.damage()
    assert told.fault == "it is missing"
    made = begun.workspace.endpoints.regenerate_keys("iris", "primary")
    assert begun.gateway.routes["iris"].keys == (made.primary_key, made.secondary_key)
    assert begun.workspace.damage() == []


def test_a_damaged_deployment_keeps_its_share_and_nobody_else_serves_it(tmp_path: Path) -> None:
    begun = damaged(build(tmp_path), "deployment")
    route = begun.gateway.routes["iris"]
    assert {d.name: (d.weight, bool(d.instances)) for d in route.deployments} == {
        "blue": (50, True),
        "green": (50, False),
    }
    with pytest.raises(DamagedDocument, match="green"):
        begun.deployment("iris", "green")
    with pytest.raises(DamagedDocument):
        begun.deploy("iris", name="green")
    begun.workspace.deployments.delete("iris", "green")
    begun.settle()
    assert begun.workspace.damage() == []
    assert begun.layouts() == ["cloud/blue/4", "iris/blue/1", "pets/blue/3"]
    assert begun.deploy("iris", name="green").provisioning_state == "Succeeded"


def test_a_version_that_cannot_be_read_is_not_given_again(tmp_path: Path) -> None:
    house = build(tmp_path)
    DAMAGES["empty"](house.store.home / "models/m/2.json")
    DAMAGES["empty"](house.store.home / "environments/env/1.json")
    begun = again(house)
    with pytest.raises(DamagedDocument):  # which may be the latest, and another must not be taken for it
        begun.workspace.models.get("m")
    with pytest.raises(DamagedDocument):
        begun.workspace.environments.get("env")
    with pytest.raises(DamagedDocument):
        begun.register("m", "two", version="2")
    assert begun.register("m", "three").version == "3"
    assert begun.workspace.models.get("m", "1").version == "1"
    (tmp_path / "conda.yml").write_text("name: env\ndependencies: [python=3.12]\n")
    environment = begun.workspace.environments.read(tmp_path / "conda.yml")
    assert begun.workspace.environments.register(environment).version == "2"
    with pytest.raises(DamagedDocument):
        begun.workspace.environments.register(environment.model_copy(update={"version": "1"}))
    assert begun.workspace.models.ensure(ModelRequest(name="m", path=str(tmp_path / "m.pkl"))).version == "3"


def test_damaged_tokens_let_nobody_in_but_the_admin(tmp_path: Path) -> None:
    house = build(tmp_path)
    _, token = house.workspace.access.create("gone", "admin")
    house.workspace.access.delete("gone")
    begun = damaged(house, "tokens")
    access = begun.workspace.access
    assert access.caller(ADMIN_TOKEN).role == "admin"
    for refused in (token, "", "amlemu_key-9"):
        with pytest.raises(AuthenticationFailed):
            access.caller(refused)
    for change in (lambda: access.create("new", "viewer"), lambda: access.delete("viewer"), access.list):
        with pytest.raises(DamagedDocument, match=r"access\.json"):
            change()


def test_a_damaged_secret_lets_no_token_in(tmp_path: Path) -> None:
    house = build(tmp_path)
    token = house.workspace.endpoints.get_token("tokens").access_token
    begun = damaged(house, "signing", "no fields")
    check = begun.gateway.routes["tokens"].tokens
    assert check is not None
    assert check.check(token.encode(), 1_700_000_010.0).why
    with pytest.raises(DamagedDocument, match=r"signing\.json"):
        begun.workspace.endpoints.get_token("tokens")


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_workspace_document_is_left_alone(tmp_path: Path, damage: str) -> None:
    """Without its id the emulator does not know its containers: it says so, and does not draw another."""
    house = build(tmp_path)
    document = house.store.home / "workspace.json"
    DAMAGES[damage](document)
    before = files_of(house.store.home)
    with pytest.raises(EmulatorError) as caught:
        Store(house.store.home)
    assert caught.value.target == f"AMLEMU_HOME {house.store.home}"
    assert caught.value.hint
    assert files_of(house.store.home) == before


@pytest.mark.parametrize("id", ["../../x", "", "a" * 12, "0123456789ab\n", 12])
def test_the_id_of_a_workspace_becomes_part_of_names(tmp_path: Path, id: object) -> None:
    Store(tmp_path)
    (tmp_path / "workspace.json").write_text(json.dumps({"id": id, "format": 1}))
    if id == "a" * 12:
        assert Store(tmp_path).workspace_id == id
        return
    with pytest.raises(DamagedDocument, match="names no id"):
        Store(tmp_path)


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_an_image_was_built_from(tmp_path: Path, damage: str) -> None:
    house = build(tmp_path)
    document = house.store.home / image_document(house)
    DAMAGES[damage](document)
    before = files_of(house.store.home)
    begun = again(house)
    assert begun.state("iris") == "Succeeded"
    assert begun.deploy("fresh", environment="env:1").provisioning_state == "Succeeded"
    begun.workspace.prune(dry_run=False)
    assert before <= files_of(house.store.home)
    assert [d.file for d in begun.workspace.damage()] == [str(document)]


@pytest.mark.parametrize("damage", DAMAGES)
def test_notes_of_files_that_were_read(tmp_path: Path, damage: str) -> None:
    house = House(tmp_path)
    model = house.register("m", "x")
    known = house.store.home / "known"
    stat = (tmp_path / "m.pkl").stat()
    note = known / f"{stat.st_dev:x}-{stat.st_ino:x}.json"
    note.write_text('{"stamp": [], "sha256": ""}')
    DAMAGES[damage](note)
    begun = again_open(house)
    begun.workspace.prune(dry_run=False)
    assert begun.workspace.models.ensure(ModelRequest(name="m", path=str(tmp_path / "m.pkl"))).id == model.id


@pytest.mark.parametrize("sha256", ["../../access", "", "x", "0" * 64, None, ["a"]])
def test_a_note_that_lies(tmp_path: Path, sha256: object) -> None:
    """What a note says must be a content, not a path."""
    house = House(tmp_path)
    source = tmp_path / "big.bin"
    source.write_bytes(b"x" * 100)
    os.utime(source, ns=(1, 1))
    stat = source.stat()
    note = house.store.home / "known" / f"{stat.st_dev:x}-{stat.st_ino:x}.json"
    note.write_text(json.dumps({"stamp": [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns], "sha256": sha256}))
    stored = house.store.files.add(source)
    assert house.store.files.path_of(stored.sha256).read_bytes() == b"x" * 100
    house.store.prune(dry_run=False)


# fields of a newer version


def test_fields_of_a_newer_version_are_kept(tmp_path: Path) -> None:
    """Through every way in which a document is written again, at the top and inside."""
    house = build(tmp_path)
    home = house.store.home
    paths = {
        "endpoints/iris/endpoint.json": ("newer",),
        "endpoints/iris/keys.json": ("newer",),
        "endpoints/iris/deployments/blue.json": ("newer", "request_settings", "code_configuration"),
        "models/m/1.json": ("newer",),
        "access.json": ("newer", "tokens"),
        "signing.json": ("newer",),
        "environments/env/1.json": ("newer",),
    }
    for path, places in paths.items():
        document = json.loads((home / path).read_text())
        document["newer"] = {"deep": [1, {"x": None}]}
        for place in places[1:]:
            inner = document[place][0] if isinstance(document[place], list) else document[place]
            inner["newer_inside"] = "kept"
        (home / path).write_text(json.dumps(document))

    begun = again(house)
    assert begun.workspace.damage() == []
    begun.workspace.endpoints.update_traffic("iris", {"blue": 100, "green": 0})
    begun.workspace.endpoints.regenerate_keys("iris", "secondary")
    begun.workspace.models.archive("m", "1")
    begun.workspace.access.create("third", "viewer")
    begun.workspace.access.delete("ci")
    begun.behave(exit_code=1)
    stored = begun.deployment("iris", "blue")
    begun.store.put_deployment(stored.model_copy(update={"provisioning_state": "Failed"}))
    for path, places in paths.items():
        document = json.loads((home / path).read_text())
        assert document["newer"] == {"deep": [1, {"x": None}]}, path
        for place in places[1:]:
            inner = document[place][0] if isinstance(document[place], list) else document[place]
            assert inner["newer_inside"] == "kept", (path, place)
    begun.deploy("iris", models=["m:1"], environment="env:1")
    assert "newer" in json.loads((home / "endpoints/iris/deployments/blue.json").read_text())


def test_fields_of_a_newer_version_are_no_part_of_a_request(tmp_path: Path) -> None:
    house = House(tmp_path)
    with pytest.raises(BadArgument):
        house.request(newer=1)


# what names itself otherwise


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("endpoints/iris/endpoint.json", "name"),
        ("endpoints/iris/deployments/blue.json", "endpoint_name"),
        ("endpoints/iris/deployments/blue.json", "name"),
        ("models/m/1.json", "name"),
        ("models/m/1.json", "version"),
        ("environments/env/1.json", "version"),
    ],
)
@pytest.mark.parametrize("value", ["pets", "2", "../../pets", "Iris"])
def test_a_document_that_names_another_is_damaged(tmp_path: Path, path: str, field: str, value: str) -> None:
    """Else it would be written over that other, or be taken for it on a disk that makes no difference of case."""
    house = build(tmp_path)
    home = house.store.home
    document = json.loads((home / path).read_text())
    document[field] = value
    (home / path).write_text(json.dumps(document))
    pets = (home / "endpoints/pets/endpoint.json").read_bytes()
    begun = again(house)
    assert [d.file for d in begun.workspace.damage()] == [str(home / path)]
    assert (home / "endpoints/pets/endpoint.json").read_bytes() == pets
    assert json.loads((home / path).read_text())[field] == value
    assert begun.state("pets") == "Succeeded"


def test_a_deployment_starts_again_without_the_document_of_its_model(tmp_path: Path) -> None:
    """What its containers need of the model lies in the layout."""
    house = build(tmp_path)
    variables = {c.container.name: dict(c.spec.environment_variables) for c in house.engine.containers()}
    house.workspace.deployments.stop_all()
    for path in ("models/m/1.json", "models/m/2.json", "models/other/1.json"):
        DAMAGES["empty"](house.store.home / path)
    begun = again(house)
    for name in ("iris", "pets"):
        assert begun.state(name) == "Succeeded"
        assert begun.instances(name)
    assert {c.container.name: dict(c.spec.environment_variables) for c in begun.engine.containers()} == variables
    assert begun.workspace.deployments.tree("iris", "blue")


# prune


@pytest.mark.parametrize("kind", ["endpoint", "deployment", "model", "environment"])
def test_prune_keeps_what_a_damaged_document_may_use(tmp_path: Path, kind: str) -> None:
    """Also once it was moved aside: it may be put back."""
    house = build(tmp_path)
    home = house.store.home
    backup = (home / DOCUMENTS[kind]).read_bytes()
    begun = damaged(house, kind)
    before = files_of(home)
    assert begun.workspace.kept_for_damage()
    begun.workspace.prune(dry_run=False)
    assert files_of(home) == before
    moved = move_damage_aside(home, "20260101T000000Z")
    assert moved
    later = again(begun)
    assert later.workspace.damage() == []
    later.workspace.prune(dry_run=False)
    assert len(files_of(home)) == len(before)
    assert list_kept(home) == later.workspace.kept_for_damage() != []
    ((_, aside),) = moved
    if aside.is_dir():
        (aside / "endpoint.json").write_bytes(backup)
        aside.rename(home / "endpoints/iris")
    else:
        aside.write_bytes(backup)
        aside.rename(home / DOCUMENTS[kind])
    last = again(later)
    assert last.workspace.damage() == []
    assert last.state("iris", "green") == "Succeeded"
    assert last.workspace.models.get("m", "1").version == "1"
    assert list_kept(home) == []


def test_an_old_home_whose_endpoint_document_was_removed(tmp_path: Path) -> None:
    """The advice was once to remove a damaged file: the next start removed the endpoint's deployments with it."""
    house = build(tmp_path)
    (house.store.home / DOCUMENTS["endpoint"]).unlink()
    before = files_of(house.store.home)
    begun = again(house)
    assert files_of(house.store.home) == before
    (told,) = begun.workspace.damage()
    assert (told.resource, told.fault) == ("endpoint iris", "it is missing, and there are deployments")
    begun.workspace.deployments.delete_endpoint("iris")
    assert begun.workspace.damage() == []


# doctor


def test_what_is_damaged_is_moved_aside_and_nothing_is_lost(tmp_path: Path) -> None:
    house = build(tmp_path)
    home = house.store.home
    damages = list(DAMAGES)
    contents = {}
    for kind, damage in zip(DOCUMENTS, damages, strict=False):
        DAMAGES[damage](home / DOCUMENTS[kind])
        contents[kind] = (home / DOCUMENTS[kind]).read_bytes()
    count = len(files_of(home))
    found = list_damage(home)
    assert len(found) == len(DOCUMENTS)
    lock = HomeLock(home)
    lock.take({})
    assert move_damage_aside(home, "now") is None, "not under an emulator that runs"
    lock.release()
    moved = move_damage_aside(home, "now")
    assert moved is not None
    assert len(files_of(home)) == count
    assert (home / "damaged/now/endpoints/iris/endpoint.json").read_bytes() == contents["endpoint"]
    assert (home / "damaged/now/models/m/1.json").read_bytes() == contents["model"]
    assert list_damage(home) == []
    begun = again(house)
    assert {e.name for e in begun.workspace.endpoints.all()} == {"cloud", "pets", "tokens"}


def amlemu(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("AMLEMU_")} | {"AMLEMU_HOME": str(home)}
    command = [sys.executable, "-m", "emulator", *words]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)


def test_doctor_tells_and_fixes(tmp_path: Path) -> None:
    house = build(tmp_path)
    home = house.store.home
    DAMAGES["truncated"](home / DOCUMENTS["model"])
    told = amlemu(home, "doctor")
    assert "model m:1 is out of service" in told.stdout
    assert str(home / DOCUMENTS["model"]) in told.stdout
    assert "doctor --fix" in told.stdout
    fixed = amlemu(home, "doctor", "--fix")
    assert "is at" in fixed.stdout
    assert "Traceback" not in told.stderr + fixed.stderr
    assert not (home / DOCUMENTS["model"]).exists()
    assert len(list((home / "damaged").glob("*/models/m/1.json"))) == 1
    assert "out of service" not in amlemu(home, "doctor").stdout


# logs, logins, uploads, collected data


def test_logs_that_are_no_files(tmp_path: Path) -> None:
    house = build(tmp_path)
    logs = house.store.home / "logs"
    for name in ("iris.requests.jsonl", "iris.events.jsonl", "iris.blue.failed.log", "gone.events.jsonl"):
        (logs / name).unlink(missing_ok=True)
        (logs / name).mkdir()
    begun = again(house)
    assert list(begun.workspace.deployments.get_logs("iris", "blue", tail=None, follow=False))
    with serving(begun) as served:
        served._session.headers["Authorization"] = f"Bearer {ADMIN_TOKEN}"
        for path in ("requests", "events", "logs", "insights"):
            assert served.ask("GET", f"/onlineEndpoints/iris/{path}").status_code < 500
    begun.workspace.deployments.delete_endpoint("iris")
    begun.workspace.prune(dry_run=False)


def test_a_log_that_is_no_text(tmp_path: Path) -> None:
    house = build(tmp_path)
    (house.store.home / "logs/iris.blue.failed.log").write_bytes(b"\xff\xfe\n")
    assert house.store.logs.kept_container("iris", "blue") == ["\ufffd\ufffd"]


def test_folders_that_are_files(tmp_path: Path) -> None:
    """A file, or a link to itself, where a folder belongs is as good as nothing, and takes nothing else with it."""
    house = build(tmp_path)
    home = house.store.home
    for path in ("models/stray", "environments/stray", "endpoints/stray"):
        (home / path).write_text("x")
        (home / f"{path}-link").symlink_to(f"{Path(path).name}-link")
    before = files_of(home)
    begun = again(house)
    assert len(begun.workspace.damage()) == 6
    assert begun.register("fine").version == "1"
    begun.workspace.prune(dry_run=False)
    assert before <= files_of(home)
    with pytest.raises(EmulatorError):
        begun.deploy("stray")
    begun.workspace.deployments.delete_endpoint("stray")


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_login_is_told(tmp_path: Path, damage: str) -> None:
    path = tmp_path / ".config/amlemu/login.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"url": "http://127.0.0.1:1", "token": "t"}')
    DAMAGES[damage](path)
    if damage in ("a link to nowhere", "a fifo"):
        path.unlink()
        return
    with pytest.raises(BadArgument, match="is damaged"):
        read_login({"HOME": str(tmp_path)})


@contextmanager
def nobody(folder: Path) -> Iterator[None]:
    """As root nothing is unreadable: until the end as a user that is not, to whom the folder belongs."""
    if os.geteuid():
        yield
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 65534, 65534, follow_symlinks=False)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_a_document_that_may_not_be_read(kind: str) -> None:
    with TemporaryDirectory(dir="/tmp") as name:
        house = build(Path(name))
        home = house.store.home
        (home / DOCUMENTS[kind]).chmod(0)
        with nobody(Path(name)):
            (told,) = list_damage(home)
            assert (told.resource, told.fault) == (OUT_OF_SERVICE[kind], "Permission denied")
            begun = again(house)
            assert [d.resource for d in begun.workspace.damage()] == [OUT_OF_SERVICE[kind]]
            assert begun.state("pets") == "Succeeded"
            begun.workspace.prune(dry_run=False)
            (moved,) = move_damage_aside(home, "now") or ()
            assert os.path.lexists(moved[1])


def test_a_folder_that_may_not_be_read() -> None:
    with TemporaryDirectory(dir="/tmp") as name:
        house = build(Path(name))
        folder = house.store.home / "endpoints/iris/deployments"
        folder.chmod(0)
        with nobody(Path(name)):
            begun = again(house)
            assert begun.state("pets") == "Succeeded"
            before = begun.layouts()
            begun.workspace.prune(dry_run=False)
            assert begun.layouts() == before, "what it holds is not known"
            assert "deployments of endpoint iris" in str(begun.workspace.damage()[0])
        folder.chmod(0o700)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """A home with damage of several kinds, and an emulator of its own that was started on it."""
    house = House(tmp_path)
    house.register("m", "one")
    house.register("other", "two")
    for name, mode in (("iris", "key"), ("pets", "key"), ("tokens", "aml_token")):
        house.workspace.endpoints.create_or_update(EndpointRequest.parse({"name": name, "auth_mode": mode}))
    house.workspace.endpoints.get_token("tokens")
    home = house.store.home
    home.chmod(0o755)
    DAMAGES["truncated"](home / "endpoints/iris/endpoint.json")
    DAMAGES["a folder"](home / "endpoints/pets/keys.json")
    DAMAGES["not UTF-8"](home / "models/m/1.json")
    DAMAGES["no fields"](home / "signing.json")
    (home / "access.json").write_text("{")
    environ = new_environ(home)
    ports = environ["AMLEMU_ENDPOINT_PORTS"]
    for path in home.glob("endpoints/*/endpoint.json"):
        path.write_text(path.read_text().replace('"port": 181', f'"port": {ports[:3]}'))
    yield home, environ
    subprocess.run([*AMLEMU, "down"], env=environ, capture_output=True, timeout=120, check=False)


def said(environ: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*AMLEMU, *words], env=environ, capture_output=True, text=True, timeout=120, check=False)


def test_an_emulator_that_runs_on_a_damaged_home(running: tuple[Path, dict[str, str]]) -> None:
    home, environ = running
    up = said(environ, "up", "--detach")
    assert up.returncode == 0, up.stderr
    assert home.stat().st_mode & 0o777 == 0o700
    status = json.loads(said(environ, "status", "-o", "json").stdout)
    told = {damage["resource"] for damage in status["damaged"]}
    assert told == {
        "endpoint iris",
        "the keys of endpoint pets",
        "model m:1",
        "every token of an endpoint",
        "every token that was handed out",
    }
    assert set(status["endpoints"]) == {"pets", "tokens"}
    show = said(environ, "show", "iris")
    assert show.returncode == 5
    assert str(home / "endpoints/iris/endpoint.json") in show.stderr
    assert "keys.json" in said(environ, "show", "pets").stdout
    assert "keys.json" in said(environ, "keys", "pets").stderr
    assert "no emulator" not in said(environ, "doctor", "--fix").stdout
    assert (home / "endpoints/iris/endpoint.json").exists(), "nothing is moved under an emulator that runs"
    assert said(environ, "model", "show", "other:1").returncode == 0
    assert said(environ, "prune").returncode == 0
    assert said(environ, "delete", "iris", "--yes").returncode == 0
    assert said(environ, "down").returncode == 0
    assert said(environ, "doctor", "--fix").stdout.count(" is at ") == 4
    again = said(environ, "up", "--detach")
    assert again.returncode == 0, again.stderr
    status = json.loads(said(environ, "status", "-o", "json").stdout)
    assert [damage["fault"] for damage in status["damaged"]] == ["it is missing"]
    assert said(environ, "keys", "pets", "--regenerate", "primary").returncode == 0
    assert json.loads(said(environ, "status", "-o", "json").stdout)["damaged"] == []
    lines = (home / "server.log").read_text().splitlines()
    assert [line for line in lines if line.lstrip().startswith("File ") and "/emulator/" in line] == []
