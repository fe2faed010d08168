"""Routes for files that come from another machine."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from flask import Blueprint, Response, jsonify, request
from pydantic import Field

from emulator.control_api.requests import Services, flag, json_body, number
from emulator.entities import Entity, Sha256, Upload
from emulator.errors import BadArgument

Size = Annotated[int, Field(ge=0, le=1 << 60)]


class OfferedFile(Entity):
    """A file that a client has: `key` is what it is sent under, `sha256` None what the client has not worked out."""

    key: Sha256
    size: Size
    sha256: Sha256 | None = None


class Offer(Entity):
    """Files that a client has, and sizes of those about which it would rather not ask by digest."""

    files: Annotated[tuple[OfferedFile, ...], Field(max_length=200_000)] = ()
    sizes: Annotated[tuple[Size, ...], Field(max_length=200_000)] = ()


class WholeFile(Entity):
    """What a file must be, now that all of it was sent; `sha256` None is for the emulator to say."""

    size: Size
    sha256: Sha256 | None = None


def upload_routes(services: Services) -> Blueprint:
    """`/uploads…`: what is missing, pieces of files, and folders made of them."""
    routes = Blueprint("uploads", __name__)
    uploads = services.workspace.uploads

    @routes.post("/uploads/find")
    def find() -> Response:
        offer = Offer.parse(json_body(), target="uploads")
        wanted = [(file, uploads.find(file.key, file.sha256)) for file in offer.files]
        uploads.check_room(sum(file.size - w.received for file, w in wanted if w.is_missing))
        found: dict[str, Any] = {"files": [{"key": file.key, **asdict(w)} for file, w in wanted]}
        return jsonify(found | {"known_sizes": uploads.known_sizes(offer.sizes)})

    @routes.patch("/uploads/files/<key>")
    def append(key: str) -> Response:
        offset = number("offset")
        if offset is None:
            raise BadArgument("offset must say where the piece belongs", target=f"upload {key}")
        received = uploads.append(_key(key), offset, request.get_data(cache=False), restart=flag("restart"))
        return jsonify({"received": received})

    @routes.post("/uploads/files/<key>/finish")
    def finish(key: str) -> Response:
        whole = WholeFile.parse(json_body(), target=f"upload {key}")
        stored = uploads.finish(_key(key), whole.size, whole.sha256)
        return jsonify({"sha256": stored.sha256, "size": stored.size})

    @routes.post("/uploads")
    def create() -> tuple[Response, int]:
        upload = Upload.parse(json_body(), target="upload")
        return jsonify({"path": uploads.create(upload)}), 201

    return routes


def _key(text: str) -> str:
    return OfferedFile.parse({"key": text, "size": 0}, target=f"upload {text}").key
