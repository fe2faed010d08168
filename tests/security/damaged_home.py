"""A home with every kind of document, and ways to damage one of them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from core_support import House

from emulator.entities import DataCollector, EndpointRequest, Environment

ADMIN_TOKEN = "amlemu_the-admins-own-token"
# Of each kind of document one, by its path in the home.
DOCUMENTS = {
    "endpoint": "endpoints/iris/endpoint.json",
    "keys": "endpoints/iris/keys.json",
    "deployment": "endpoints/iris/deployments/green.json",
    "model": "models/m/1.json",
    "environment": "environments/env/1.json",
    "tokens": "access.json",
    "signing": "signing.json",
}


def build(folder: Path) -> House:
    """Two endpoints, of which `iris` has two deployments, models, environments, tokens, logs and collected data."""
    house = House(folder, ports=range(18100, 18110), admin_token=ADMIN_TOKEN)
    house.register("m", "one")
    house.register("m", "two")
    house.register("other", "other")
    for name in ("env", "spare"):
        house.workspace.environments.register(Environment(name=name, version="1", python_version="3.11"))
    house.deploy("iris", models=["m:1"], environment="env:1")
    house.deploy("iris", name="green", models=["m:2"])
    house.deploy("pets", models=["other:1"])
    house.workspace.endpoints.create_or_update(EndpointRequest(name="tokens", auth_mode="aml_token"))
    house.workspace.endpoints.get_token("tokens")
    house.workspace.access.create("viewer", "viewer")
    house.workspace.access.create("ci", "deployer")
    house.workspace.endpoints.update_traffic("iris", {"blue": 50, "green": 50})
    house.deploy("cloud", data_collector=DataCollector(collections={"request": {"enabled": True}}).to_document())
    house.settle()
    return house


def image_document(house: House) -> str:
    """The path in the home of what an image was built from."""
    return next((house.store.home / "images").glob("*.json")).relative_to(house.store.home).as_posix()


def again(house: House) -> House:
    """The emulator after it ended and began again, with what is still there, and everything brought back."""
    house.settle()
    begun = House(house.folder, house.engine.world, house.ports, admin_token=ADMIN_TOKEN)
    begun.engine.images = house.engine.images
    begun.workspace.reconcile()
    begun.settle()
    return begun


def files_of(home: Path) -> set[str]:
    """The paths in the home of all that must not be lost: no logs, and no notes of files that were read."""
    skipped = ("logs", "known", "server.lock")
    found = (path.relative_to(home) for path in home.rglob("*") if path.is_file() or path.is_symlink())
    return {path.as_posix() for path in found if path.parts[0] not in skipped}


def _replace(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def _in_place(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        path.unlink()
        make(path)

    return damage


def _folder(path: Path) -> None:
    path.mkdir()
    (path / "inside.txt").write_text("somebody's")


DAMAGES: dict[str, Callable[[Path], None]] = {
    "truncated": lambda path: _replace(path, path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: _replace(path, b""),
    "no fields": lambda path: _replace(path, b"{}"),
    "a list": lambda path: _replace(path, b"[1, 2]"),
    "a null": lambda path: _replace(path, b"null"),
    "wrong types": lambda path: _replace(path, json.dumps(_wrong(json.loads(path.read_text()))).encode()),
    "not UTF-8": lambda path: _replace(path, b'{"name": "\xff\xfe\xfd"}'),
    "zeros": lambda path: _replace(path, bytes(path.stat().st_size)),
    "nested": lambda path: _replace(path, b'{"name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "a huge number": lambda path: _replace(path, b'{"port": ' + b"9" * 10_000 + b"}"),
    "no number": lambda path: _replace(path, b'{"port": NaN}'),
    "a surrogate": lambda path: _replace(path, b'{"name": "\\ud800"}'),
    "a folder": _in_place(_folder),
    "a link to nowhere": _in_place(lambda path: path.symlink_to("nowhere")),
    "a link to itself": _in_place(lambda path: path.symlink_to(path.name)),
    "a fifo": _in_place(os.mkfifo),
}


def _wrong(value: object) -> object:
    """The same with every value replaced by one of another type."""
    if isinstance(value, dict):
        return {key: _wrong(inner) for key, inner in value.items()} or [1]
    return {"was": "a list"} if isinstance(value, list | tuple) else [value]
