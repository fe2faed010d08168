"""A deployer with a token of their own against a colleague's uploads: nothing of theirs is learnt, used or changed."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from core_support import House
from served import Served, serving

from emulator.client.client import Client
from emulator.client.uploading import transfer
from emulator.errors import BadArgument, EmulatorError

ADMIN = "amlemu_the-admins-own-token"
DATA = b"what the colleague has sent"
SHA = hashlib.sha256(DATA).hexdigest()
KEY = "5" * 64


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Team:
    """An emulator with tokens, and two deployers who speak to it."""

    served: Served
    tokens: dict[str, str]

    def ask(self, who: str, method: str, path: str, **more: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.tokens[who]}"}
        return self.served.ask(method, path, headers=headers, **more)

    def send(self, who: str, data: bytes, key: str = "") -> None:
        """A content, sent as a client does."""
        found = key or sha256(data)
        assert self.patch(who, data, key=found).status_code == 200
        self.finish(who, {"size": len(data), "sha256": sha256(data)}, key=found).raise_for_status()

    def patch(self, who: str, data: bytes, *, key: str = KEY, offset: int = 0, more: str = "") -> requests.Response:
        return self.ask(who, "PATCH", f"//_amlemu/uploads/files/{key}?offset={offset}{more}", data=data)

    def finish(self, who: str, whole: dict[str, Any], *, key: str = KEY) -> requests.Response:
        return self.ask(who, "POST", f"//_amlemu/uploads/files/{key}/finish", json=whole)

    def find(self, who: str, **offer: Any) -> dict[str, Any]:
        answer = self.ask(who, "POST", "//_amlemu/uploads/find", json=offer)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def create(self, who: str, *files: dict[str, Any], **more: Any) -> requests.Response:
        return self.ask(who, "POST", "//_amlemu/uploads", json={"name": "m", "files": files, **more})

    def register(self, who: str, reference: str, name: str = "m") -> requests.Response:
        return self.ask(who, "POST", f"/models/{name}/versions", json={"path": reference})

    def client(self, who: str) -> Client:
        return Client(self.served.url, self.tokens[who], sends_files=True)

    @property
    def home(self) -> Path:
        return self.served.house.store.home


def tokens_of(house: House) -> dict[str, str]:
    access = house.workspace.access
    made = {name: access.create(name, "deployer")[1] for name in ("ana", "eve")}
    return {"admin": ADMIN, **made}


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    house = House(tmp_path, admin_token=ADMIN, max_upload_bytes=1 << 20)
    with serving(house) as served:
        yield Team(served, tokens_of(house))
    house.settle()


def entry(data: bytes = DATA, path: str = "a", **more: Any) -> dict[str, Any]:
    return {"path": path, "size": len(data), "sha256": sha256(data), **more}


# what a digest gives away


@pytest.mark.parametrize("who", ["eve", "admin"])
@pytest.mark.parametrize("state", ["sent", "in a folder", "registered", "deleted", "never there"])
def test_a_digest_tells_nobody_whether_its_content_is_here(team: Team, who: str, state: str) -> None:
    """Every answer is the same whether a colleague has sent the content or nobody has."""
    if state != "never there":
        team.send("ana", DATA)
    if state in ("in a folder", "registered"):
        made = team.create("ana", entry()).json()["path"]
        if state == "registered":
            assert team.register("ana", made).status_code == 201
    if state == "deleted":
        team.served.house.store.files.path_of(SHA).unlink()
    found = team.find(who, files=[{"key": SHA, "size": len(DATA), "sha256": SHA}], sizes=[len(DATA)])
    assert found == {
        "files": [{"key": SHA, "is_missing": True, "received": 0, "sha256": sha256(b"")}], "known_sizes": []
    }  # fmt: skip
    for more in ({}, {"executable": True}):
        refused = team.create(who, entry(**more))
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "ResourceNotFound")
        refused = team.create(who, entry(**more), as_copies=True)
        assert refused.json()["error"]["message"] == "1 files have not been sent, 'a' among them"
    for key in (SHA, KEY):
        refused = team.finish(who, {"size": len(DATA), "sha256": SHA}, key=key)
        assert refused.status_code == 400
        assert refused.json()["error"]["message"] == f"the file that came is another: 0 bytes instead of {len(DATA)}"


def test_bytes_once_sent_are_their_senders_to_name(team: Team) -> None:
    team.send("ana", DATA)
    found = team.find("ana", files=[{"key": SHA, "size": len(DATA), "sha256": SHA}], sizes=[len(DATA), 5])
    assert found["files"] == [{"key": SHA, "is_missing": False, "received": 0, "sha256": SHA}]
    assert found["known_sizes"] == [len(DATA)]
    assert team.create("ana", entry()).status_code == 201
    team.send("eve", DATA)  # who has the bytes may have them too
    assert team.create("eve", entry()).status_code == 201


def test_what_was_sent_is_known_after_a_restart(team: Team) -> None:
    team.send("ana", DATA)
    claims = team.home / "uploads/claims"
    with next(claims.iterdir()).open("ab") as file:
        file.write(b"\0torn by a power cut")
    house = House(team.served.house.folder, admin_token=ADMIN)
    with serving(house) as served:
        after = Team(served, team.tokens)
        assert after.create("ana", entry()).status_code == 201
        assert after.create("eve", entry()).status_code == 404
        after.send("ana", b"more")
        assert after.create("ana", entry(b"more")).status_code == 201
    assert all(path.stat().st_mode & 0o077 == 0 for path in claims.iterdir())


def test_a_name_that_is_handed_out_again_is_another_caller(team: Team) -> None:
    team.send("ana", DATA)
    made = team.create("ana", entry()).json()["path"]
    team.patch("ana", b"half")
    access = team.served.house.workspace.access
    access.delete("ana")
    team.tokens["ana"] = access.create("ana", "deployer")[1]
    assert team.create("ana", entry()).status_code == 404
    assert team.register("ana", made).status_code == 404
    assert team.find("ana", files=[{"key": KEY, "size": 4}])["files"][0]["received"] == 0


def test_damaged_claims_cost_no_more_than_sending_again(team: Team) -> None:
    team.send("ana", DATA)
    (claims,) = (team.home / "uploads/claims").iterdir()
    for damage in (lambda: claims.write_bytes(os.urandom(1000)), lambda: (claims.unlink(), claims.mkdir())):
        damage()
        with serving(House(team.served.house.folder, admin_token=ADMIN)) as served:
            after = Team(served, team.tokens)
            assert after.create("ana", entry()).status_code == 404
            after.send("ana", DATA)
            assert after.create("ana", entry()).status_code == 201
            assert after.create("eve", entry()).status_code == 404
            served.house.workspace.prune(dry_run=False)


@pytest.mark.parametrize("told", ["finished", "found", "in a folder"])
def test_nobodys_prune_takes_what_a_caller_is_about_to_use(team: Team, told: str) -> None:
    """Between what a client asks and does, a colleague's prune runs."""
    team.send("ana", DATA)
    if told == "found":  # it was used before, and nothing else keeps it
        assert team.create("ana", entry()).status_code == 201
        for tree in (team.home / "uploads/trees").iterdir():
            os.utime(tree, (0, 0))
        offer = team.find("ana", files=[{"key": SHA, "size": len(DATA), "sha256": SHA}])
        assert not offer["files"][0]["is_missing"]
    if told == "in a folder":
        assert team.create("ana", entry()).status_code == 201
    team.served.house.workspace.prune(dry_run=False)
    made = team.create("ana", entry())
    assert made.status_code == 201, made.text
    team.served.house.workspace.prune(dry_run=False)
    assert team.register("ana", made.json()["path"]).status_code == 201


def test_asking_for_a_colleagues_content_keeps_it_from_no_prune(team: Team) -> None:
    team.send("ana", DATA)
    with serving(House(team.served.house.folder, admin_token=ADMIN)) as served:  # which has promised nothing
        after = Team(served, team.tokens)
        after.find("eve", files=[{"key": SHA, "size": len(DATA), "sha256": SHA}])
        assert served.house.workspace.prune(dry_run=False) == [f"file {SHA[:12]} ({len(DATA)} bytes)"]


def test_a_folder_is_not_made_while_its_contents_are_pruned(team: Team) -> None:
    team.send("ana", DATA)
    answers: list[requests.Response] = []
    creating = threading.Thread(target=lambda: answers.append(team.create("ana", entry())))

    def create_meanwhile() -> None:
        creating.start()
        creating.join(0.5)
        assert (creating.is_alive(), answers) == (True, [])

    team.served.house.engine.pruning = create_meanwhile
    team.served.house.workspace.prune(dry_run=False)
    creating.join(10)
    assert [answer.status_code for answer in answers] == [201]


@pytest.mark.parametrize("where", ["model", "code", "inline model", "build", "environment"])
def test_a_colleagues_upload_is_nobody_elses_to_use(team: Team, where: str) -> None:
    team.send("ana", DATA)
    made = team.create("ana", entry(path="score.py")).json()["path"]
    build = {"name": "x", "build": {"path": made}}
    method, path, body = {
        "model": ("POST", "/models/m/versions", {"path": made}),
        "code": ("PUT", "/onlineEndpoints/e/deployments/blue", {"code": made, "scoring_script": "score.py"}),
        "inline model": ("PUT", "/onlineEndpoints/e/deployments/blue", {"models": [{"name": "m", "path": made}]}),
        "build": ("PUT", "/onlineEndpoints/e/deployments/blue", {"environment": build}),
        "environment": ("POST", "/environments/resolve", {"environment": build}),
    }[where]
    for who in ("eve", "admin"):
        refused = team.ask(who, method, path, json=body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "ResourceNotFound"), refused.text
    assert team.served.house.store.models() == []


# what is being sent


def test_what_a_colleague_is_sending_is_nobody_elses(team: Team) -> None:
    """Not to see, to continue, to begin anew, to end: the two send under one key, and neither notices."""
    half = len(DATA) // 2
    team.patch("ana", DATA[:half], key=SHA)
    assert team.find("eve", files=[{"key": SHA, "size": len(DATA)}])["files"][0]["received"] == 0
    assert team.patch("eve", b"other", key=SHA, more="&restart=true").json() == {"received": 5}
    assert team.patch("eve", b" bytes", key=SHA, offset=5).json() == {"received": 11}
    assert team.finish("eve", {"size": 11, "sha256": SHA}, key=SHA).status_code == 400
    assert team.find("ana", files=[{"key": SHA, "size": len(DATA)}])["files"][0]["received"] == half
    assert team.patch("ana", DATA[half:], key=SHA, offset=half).status_code == 200
    assert team.finish("ana", {"size": len(DATA), "sha256": SHA}, key=SHA).json() == {"sha256": SHA, "size": len(DATA)}
    assert team.served.house.store.files.path_of(SHA).read_bytes() == DATA


def test_other_bytes_under_a_colleagues_key_reach_no_model(team: Team) -> None:
    """The attack of the issue: a key that is there already, with other bytes, before the colleague asks for it."""
    evil = b"x" * len(DATA)
    team.send("eve", evil, key=KEY)
    for key in (KEY, SHA):
        assert team.finish("eve", {"size": len(DATA), "sha256": SHA}, key=key).status_code == 400
    team.patch("ana", DATA)
    assert team.finish("ana", {"size": len(DATA), "sha256": sha256(evil)}).status_code == 400, "what came is another"
    team.patch("ana", DATA)
    assert team.finish("ana", {"size": len(DATA), "sha256": SHA}).status_code == 200
    made = team.create("ana", entry()).json()["path"]
    model = team.register("ana", made).json()["amlemu"]
    assert [file["sha256"] for file in model["files"]] == [SHA]
    assert team.served.house.store.files.path_of(SHA).read_bytes() == DATA


def test_the_end_may_be_asked_for_again(team: Team) -> None:
    """Its answer may have been lost; it is no way round the check, though."""
    team.send("ana", DATA, key=KEY)
    assert team.finish("ana", {"size": len(DATA), "sha256": SHA}).status_code == 200
    for whole in ({"size": len(DATA) + 1, "sha256": SHA}, {"size": len(DATA), "sha256": sha256(b"other")}):
        assert team.finish("ana", whole).status_code == 400
    for whole in ({"size": len(DATA)}, {"size": len(DATA), "sha256": None}, {"sha256": SHA}, {}):
        assert team.finish("ana", whole).status_code == 400


def test_no_more_comes_than_was_announced(team: Team) -> None:
    team.find("ana", files=[{"key": KEY, "size": 10}])
    team.patch("ana", b"12345678")
    refused = team.patch("ana", b"90a", offset=8)
    assert refused.status_code == 400
    assert "ends at byte 11, and 10 bytes were announced" in refused.json()["error"]["message"]
    assert team.patch("ana", b"x" * 11, more="&restart=true").status_code == 400
    assert team.patch("ana", b"90", offset=8).json() == {"received": 10}
    assert team.finish("ana", {"size": 10, "sha256": sha256(b"1234567890")}).status_code == 200


def test_nobody_leaves_more_half_sent_than_is_taken_at_a_time(team: Team) -> None:
    """Pieces of many files together, too; and what stands still makes room for what goes on."""
    for number in range(4):
        assert team.patch("ana", bytes(1 << 18), key=f"{number:064x}").status_code == 200
    refused = team.patch("ana", b"1")
    assert (refused.status_code, refused.json()["error"]["code"]) == (507, "OutOfQuota")
    assert team.patch("eve", b"1").status_code == 200, "others have room of their own"
    first = next((team.home / "uploads/parts").glob(f"*.{0:064x}"))
    os.utime(first, (time.time() - 120,) * 2)
    assert team.patch("ana", b"1").status_code == 200
    assert not first.exists()
    assert team.find("ana", files=[{"key": f"{0:064x}", "size": 1 << 18}])["files"][0]["received"] == 0


def test_nobody_begins_more_files_than_some(team: Team) -> None:
    statuses = [team.patch("ana", b"1", key=f"{number:064x}").status_code for number in range(70)]
    assert statuses == [200] * 64 + [507] * 6
    team.find("ana", files=[{"key": f"{number:064x}", "size": 1} for number in range(5000)])
    assert len(list((team.home / "uploads/parts").iterdir())) == 64, "asking leaves nothing"


def test_pieces_out_of_turn_hold_few_threads(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulator.store.uploads._TURN_SECONDS", 0.2)
    monkeypatch.setattr("emulator.store.upload_parts._MOST_WAITING", 0)
    began = time.monotonic()
    assert {team.patch("ana", b"1", key=f"{number:064x}", offset=7).status_code for number in range(20)} == {409}
    assert time.monotonic() - began < 3
    assert list((team.home / "uploads").glob("parts/*")) == []


def test_a_part_that_was_cut_off_behind_the_emulators_back_is_sent_again(team: Team) -> None:
    """Never is a hole filled with zeros taken for what had come."""
    team.patch("ana", DATA[:20], key=SHA)
    (part,) = (team.home / "uploads/parts").iterdir()
    for left in (DATA[:5], b""):
        part.write_bytes(left)
        assert team.find("ana", files=[{"key": SHA, "size": len(DATA)}])["files"][0]["received"] == len(left)
    part.unlink()
    assert team.finish("ana", {"size": len(DATA), "sha256": SHA}, key=SHA).status_code == 400
    team.send("ana", DATA)
    assert team.served.house.store.files.path_of(SHA).read_bytes() == DATA


# what a list of files may say


@pytest.mark.parametrize("as_copies", [True, False])
@pytest.mark.parametrize("size", [0, 1, len(DATA) - 1, len(DATA) + 1, 1 << 19])
def test_a_wrong_size_is_told_with_its_file(team: Team, size: int, as_copies: bool) -> None:
    team.send("ana", DATA)
    right, wrong = entry(), {"path": "sub/wrong.bin", "size": size, "sha256": SHA}
    refused = team.create("ana", right, wrong, as_copies=as_copies)
    assert refused.status_code == 400
    told = f"'sub/wrong.bin' has {len(DATA)} bytes, and is said to have {size}"
    assert refused.json()["error"]["message"] == told
    assert list((team.home / "uploads").glob("trees/*")) == []


@pytest.mark.parametrize("paths", [[], ["m", "n"], ["a", "b"], ["m/a"], ["other"], ["m", "m/a"]])
def test_what_is_no_folder_is_one_file_of_its_name(team: Team, paths: list[str]) -> None:
    team.send("ana", DATA)
    refused = team.create("ana", *(entry(path=path) for path in paths), is_folder=False)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "BadArgument")
    assert team.create("ana", entry(path="m"), is_folder=False).status_code == 201


@pytest.mark.parametrize(
    "paths",
    [
        ["a", "a"],
        ["a", "a/b"],
        ["x/a/b/c", "x/a"],
        ["A", "a"],
        ["Dir/a", "dir/a"],
        ["x/Dir/a/b", "x/dir/A"],
        ["a", "A/b"],
        ["ü", "u\u0308"],
        ["ü/a", "u\u0308/a"],
        ["straße", "STRASSE"],
    ],
)
def test_no_two_paths_are_one_anywhere(team: Team, paths: list[str]) -> None:
    team.send("ana", DATA)
    for folder in (True, False):
        refused = team.create("ana", *(entry(path=path) for path in paths), as_copies=folder)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "BadArgument"), refused.text


def test_paths_beside_each_other_are_fine(team: Team) -> None:
    team.send("ana", DATA)
    paths = ["Dir/a", "dir/b", "Dir/sub/a", "a", "ü/x", "ü/y", "a b", "a.b", ".hidden", "..x", "x" * 255]
    assert team.create("ana", *(entry(path=path) for path in paths)).status_code == 201


@pytest.mark.parametrize(
    "path",
    ["a/" * 1999 + "a", "a/" * 254 + "a", "/".join(["d" * 200] * 6), "x" * 256, "ü" * 128, "a//b", "a/", "/a", ".",
     "..", "a/../b", "a/./b", "a\\b", "C:\\a", "a\0", "\ud800", "", "/"],
)  # fmt: skip
def test_a_path_that_cannot_be(team: Team, path: str) -> None:
    team.send("ana", DATA)
    before = sorted(team.home.rglob("*"))
    for more in ({}, {"as_copies": True}):
        refused = team.create("ana", entry(path=path), **more)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "BadArgument"), refused.text
        assert len(refused.content) < 2000
    refused = team.create("ana", entry(path="m"), name=path)
    assert refused.status_code == 400
    assert sorted(team.home.rglob("*")) == before


def test_the_deepest_path_that_can_be(team: Team) -> None:
    team.send("ana", DATA)
    deep = "a/" * 253 + "a"
    made = team.create("ana", entry(path=deep), entry(path="/".join(["d" * 200] * 5)))
    assert made.status_code == 201
    model = team.register("ana", made.json()["path"])
    assert model.status_code == 201, model.text
    for path in (team.home / "uploads/trees").iterdir():
        os.utime(path, (0, 0))
    team.served.house.workspace.prune(dry_run=False)
    assert list((team.home / "uploads/trees").iterdir()) == []


def test_a_path_too_long_for_this_disk_is_the_callers_mistake(team: Team) -> None:
    """255 bytes a name and 1,024 characters together can be more bytes than any system opens."""
    team.send("ana", DATA)
    refused = team.create("ana", entry(path="/".join(["\U0001f600" * 63] * 16)))
    assert refused.status_code == 400
    assert "too long" in refused.json()["error"]["message"]
    assert list((team.home / "uploads").glob("trees/*")) == []


@pytest.mark.parametrize("count", [200_001, 1_000_000])
@pytest.mark.parametrize("route", ["", "/find"])
def test_a_list_of_too_many_is_refused_before_it_is_read(team: Team, count: int, route: str) -> None:
    began = time.monotonic()
    body = b'{"name": "m", "files": [' + b",".join([b"{}"] * count) + b"]}"
    headers = {"Content-Type": "application/json"}
    headers["Authorization"] = f"Bearer {team.tokens['ana']}"
    answer = team.served.ask("POST", f"//_amlemu/uploads{route}", data=body, headers=headers)
    assert answer.status_code == 400
    assert len(answer.content) < 20_000
    assert time.monotonic() - began < 30


def test_a_list_with_many_faults_has_a_short_answer(team: Team) -> None:
    began = time.monotonic()
    for route in ("", "/find"):
        answer = team.ask("ana", "POST", f"//_amlemu/uploads{route}", json={"name": "m", "files": [{}] * 199_000})
        assert answer.status_code == 400
        assert len(answer.content) < 20_000
    assert time.monotonic() - began < 30


def test_a_body_that_is_too_long_is_not_read(team: Team) -> None:
    body = b'{"name": "m", "files": [' + b" " * (33 << 20)
    for route in ("", "/find"):
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {team.tokens['ana']}"}
        answer = team.served.ask("POST", f"//_amlemu/uploads{route}", data=body, headers=headers)
        assert answer.status_code in (400, 413)


@pytest.mark.parametrize(
    "reference",
    ["upload:" + "a" * 5000, "upload:\0", "upload:" + "0" * 24, "upload:a." + "0" * 24, "upload:.", "upload:٣"],
)
def test_an_upload_that_nobody_made(team: Team, reference: str) -> None:
    assert team.register("ana", reference).status_code == 404


# the client's own check


class Lying(Client):
    """A client of an emulator that keeps, or says that it has, something else."""

    lies_about = ""

    def finish_upload(self, key: str, whole: Any) -> dict[str, Any]:
        found = super().finish_upload(key, whole)
        return {**found, "sha256": sha256(b"evil")} if self.lies_about == "the end" else found

    def find_uploads(self, offer: Any) -> dict[str, Any]:
        found = super().find_uploads(offer)
        if self.lies_about == "what is there":
            found["files"] = [{**f, "is_missing": False, "sha256": sha256(b"evil")} for f in found["files"]]
        return found


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "PIECE_BYTES", 16 << 10)
    monkeypatch.setattr(transfer, "LARGE_BYTES", 64 << 10)
    monkeypatch.setattr(transfer, "_SAMPLE_BYTES", 4 << 10)
    monkeypatch.setattr(transfer, "STALL_SECONDS", 0.01)


@pytest.mark.parametrize("size", [10, 100 << 10])
@pytest.mark.parametrize("lies_about", ["the end", "what is there"])
def test_the_client_compares_what_the_emulator_has_with_its_own_file(
    team: Team, tmp_path: Path, small_pieces: None, lies_about: str, size: int
) -> None:
    (tmp_path / "m.bin").write_bytes(os.urandom(size))
    with Lying(team.served.url, team.tokens["ana"], sends_files=True) as client:
        client.lies_about = lies_about
        with pytest.raises(EmulatorError, match="the emulator has other bytes than"):
            client.register_model("m", {"path": str(tmp_path / "m.bin")})
    assert team.served.house.store.models() == []


@pytest.mark.parametrize("size", [10, 100 << 10])
def test_a_file_that_changes_on_the_way_is_no_model(team: Team, tmp_path: Path, small_pieces: None, size: int) -> None:
    file = tmp_path / "m.bin"
    file.write_bytes(os.urandom(size))

    class Changing(Client):
        def find_uploads(self, offer: Any) -> dict[str, Any]:
            found = super().find_uploads(offer)
            if offer.get("files"):
                file.write_bytes(b"short")
            return found

    with Changing(team.served.url, team.tokens["ana"], sends_files=True) as client:
        with pytest.raises(BadArgument, match="has changed while it was being sent"):
            client.register_model("m", {"path": str(file)})
    assert team.served.house.store.models() == []


@pytest.mark.parametrize("size", [10, 100 << 10, 300 << 10])
def test_two_deployers_register_the_same_file(team: Team, tmp_path: Path, small_pieces: None, size: int) -> None:
    """Each sends it once; it is stored once."""
    data = os.urandom(size)
    (tmp_path / "m.bin").write_bytes(data)
    for who in ("ana", "eve", "ana"):
        with team.client(who) as client:
            client.register_model(f"of-{who}", {"path": str(tmp_path / "m.bin")})
    contents = list(team.served.house.store.files.contents())
    assert [path.read_bytes() for path in contents] == [data]
    sent = [
        line.split()[0] for path in (team.home / "uploads/claims").iterdir() for line in path.read_text().splitlines()
    ]
    assert sent == [sha256(data)] * 2
