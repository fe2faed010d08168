"""Every stored document, changed at random offsets: the emulator starts, all else lists and serves, nothing is lost.

`--mutation-seed N` repeats a run.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from core_support import House
from damaged_home import ADMIN_TOKEN, build, files_of
from fake_engine import Running
from served import serving

from emulator.errors import AuthenticationFailed, EmulatorError

ROUNDS = 50
ROUNDS_IF_SLOW = 500


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = build(tmp_path_factory.mktemp("mutated"))
    yield house
    house.settle()


def documents_of(home: Path) -> list[str]:
    """Everything that is written down, but what is handed to containers and the contents of models."""
    kinds = ("endpoints", "models", "environments", "images", "known", "logs", "modelDataCollector", ".")
    found = [p for kind in kinds for p in ((home / kind).glob("*") if kind == "." else (home / kind).rglob("*"))]
    return sorted(path.relative_to(home).as_posix() for path in found if path.is_file())


def mutated(content: bytes, chance: random.Random) -> bytes:
    """The same with one to three changes: bits, bytes that are gone, added, cut off or there twice."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 3)):
        at, to = sorted(chance.randrange(len(data) + 1) for _ in "ab")
        kind = chance.choice(("flip", "delete", "insert", "truncate", "duplicate", "digit"))
        if kind == "flip" and at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        elif kind == "digit" and at < len(data):
            data[at] = chance.choice(b'0123456789{}[]",:.-/\\\n\0')
        elif kind == "delete":
            del data[at : min(to, at + 40)]
        elif kind == "insert":
            data[at:at] = chance.randbytes(chance.randint(1, 40))
        elif kind == "truncate":
            del data[at:]
        else:
            data[at:at] = data[at : min(to, at + 200)]
    return bytes(data)


def begin(house: House, folder: Path, path: str, content: bytes) -> House | None:
    """The emulator on a copy of the home with that document; None when it says that it does not start on it."""
    shutil.copytree(house.store.home, folder / "home", symlinks=True)
    (folder / "home" / path).write_bytes(content)
    try:
        begun = House(folder, copies(house), house.ports, admin_token=ADMIN_TOKEN)
    except EmulatorError as error:
        assert path == "workspace.json", path
        assert error.hint
        return None
    begun.engine.images = dict(house.engine.images)
    begun.workspace.reconcile()
    begun.settle()
    return begun


def copies(house: House) -> dict[str, Running]:
    """The containers as they are now: another emulator may stop its own."""
    return {id: replace(running) for id, running in house.engine.world.items()}


def check(house: House, begun: House, path: str) -> None:
    """That all but the owner of `path` is as it was, and every list and every verb that looks at all of it works."""
    own = path.split("/")
    owner = own[1] if own[0] == "endpoints" else ""
    served = {e.name for e in house.workspace.endpoints.all()} - {owner}
    assert served <= {e.name for e in begun.workspace.endpoints.all()}
    for name in served - {"tokens"}:
        assert begun.state(name) == "Succeeded"
        assert begun.instances(name) if path != "workspace.json" else True
        assert begun.workspace.endpoints.get_keys(name) == house.workspace.endpoints.get_keys(name)
    model = f"{own[1]}:{own[2].removesuffix('.json')}" if own[0] == "models" else ""
    assert {m.id for m in house.workspace.models.list_versions()} - {model} <= {
        m.id for m in begun.workspace.models.list_versions(include_archived=True)
    }
    environment = f"{own[1]}:{own[2].removesuffix('.json')}" if own[0] == "environments" else ""
    known = {e.id for e in house.workspace.environments.list_versions()}
    assert known - {environment} <= {e.id for e in begun.workspace.environments.list_versions()}
    with pytest.raises(AuthenticationFailed):
        begun.workspace.access.caller("")
    with pytest.raises(AuthenticationFailed):
        begun.workspace.access.caller("amlemu_nobodys-token-at-all")
    begun.workspace.damage()
    begun.workspace.prune(dry_run=True)
    begun.workspace.health.tick()
    begun.workspace.collecting.take()
    begun.settle()


def run(house: House, tmp_path: Path, seed: int, rounds: int) -> None:
    chance = random.Random(seed)
    documents = documents_of(house.store.home)
    assert len(documents) > 20
    for number in range(rounds):
        path = chance.choice(documents)
        content = mutated((house.store.home / path).read_bytes(), chance)
        folder = tmp_path / str(number)
        folder.mkdir()
        told = f"--mutation-seed {seed}, round {number}, {path}: {content!r}"
        try:
            begun = begin(house, folder, path, content)
            if begun is not None:
                check(house, begun, path)
                assert files_of(house.store.home) <= files_of(begun.store.home), "something is lost"
        except BaseException as error:
            error.add_note(told) if hasattr(error, "add_note") else print(told)
            raise
        shutil.rmtree(folder)


def test_a_mutated_document(house: House, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    run(house, tmp_path, pytestconfig.getoption("--mutation-seed"), ROUNDS)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_many_mutated_documents(house: House, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    run(house, tmp_path, pytestconfig.getoption("--mutation-seed") + 1, ROUNDS_IF_SLOW)


@pytest.mark.parametrize("seed", range(3))
def test_every_read_of_a_mutated_home_is_answered(
    house: House, tmp_path: Path, pytestconfig: pytest.Config, seed: int
) -> None:
    """Through the door: whatever is damaged, an answer of ours and never a bug."""
    chance = random.Random(pytestconfig.getoption("--mutation-seed") + seed)
    documents = [path for path in documents_of(house.store.home) if path != "workspace.json"]
    path = chance.choice(documents)
    begun = begin(house, tmp_path, path, mutated((house.store.home / path).read_bytes(), chance))
    assert begun is not None
    with serving(begun) as served:
        served._session.headers["Authorization"] = f"Bearer {ADMIN_TOKEN}"
        for name in ("iris", "pets", "cloud", "tokens"):
            for what in (
                "",
                "/deployments",
                "/deployments/blue",
                "/logs",
                "/requests",
                "/events",
                "/tree",
                "/collected",
            ):
                assert served.ask("GET", f"/onlineEndpoints/{name}{what}").status_code < 500, (path, name, what)
        for listed in ("/models", "/models/m/versions/1", "/environments", "/onlineEndpoints", "//_amlemu/damage"):
            assert served.ask("GET", listed).status_code < 500, (path, listed)
        assert served.ask("GET", "//_amlemu/metrics").status_code < 500
